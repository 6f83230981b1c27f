import { describe, expect, test } from "bun:test";
import { MINUTE, SECOND, START } from "../../test/records.ts";
import { Marks } from "./marks.ts";
import type { Position } from "./snapshot.ts";

const at = (offset: number): Position => ({ inode: 1, offset, fingerprint: "" });

/** A log of `perSecond` lines of 100 bytes, noted each second. */
function after(seconds: number, perSecond: number): Marks {
  const marks = new Marks();
  for (let s = 0; s <= seconds; s++) marks.note(at(1000 + s * perSecond * 100), s * perSecond, START + s * SECOND);
  return marks;
}

/** The first place, and how far the second one is from the end. */
const look = (marks: Marks, lines: number) => {
  const [best, least] = marks.places(lines);
  return { offset: best!.position.offset, refill: best!.refill, least: least!.refill };
};

describe("Marks", () => {
  test("with nothing noted there is no place", () => {
    expect(new Marks().places(5)).toEqual([]);
  });

  test("a young log is read again from its first mark", () => {
    expect(look(after(30, 10), 310)).toEqual({ offset: 1000, refill: 310, least: 10 });
  });

  test("an old one from the last mark that is a whole span back", () => {
    const { offset, refill, least } = look(after(3600, 10), 36_000);
    expect(refill / 10).toBeGreaterThanOrEqual(610);
    expect(refill / 10).toBeLessThan(622);
    expect(offset).toBe(3_601_000 - refill * 100);
    expect(least).toBe(0);
  });

  test("a very busy one only as far as a million lines, with the marks close enough for that", () => {
    const { refill } = look(after(600, 20_000), 12_000_000);
    expect(refill).toBeLessThanOrEqual(1_000_000);
    expect(refill).toBeGreaterThan(800_000);
  });

  test("a silence leaves nothing to read again; what follows it is read from its end", () => {
    const marks = after(60, 10);
    marks.note(at(61_000), 600, START + 60 * MINUTE);
    expect(look(marks, 600)).toMatchObject({ offset: 61_000, refill: 0 });
    marks.note(at(61_100), 601, START + 60 * MINUTE + 5 * SECOND);
    expect(look(marks, 601)).toEqual({ offset: 61_000, refill: 1, least: 0 });
  });

  test("a first mark from an earlier run stays until another is a span old", () => {
    const marks = new Marks();
    marks.note(at(7), 0, Number.NEGATIVE_INFINITY);
    for (let s = 0; s <= 600; s++) marks.note(at(5000 + s), 50 + s, START + s * SECOND);
    expect(look(marks, 650)).toMatchObject({ offset: 7, refill: 650 });
    for (let s = 601; s <= 700; s++) marks.note(at(5000 + s), 50 + s, START + s * SECOND);
    expect(look(marks, 750).offset).toBeGreaterThan(5000);
  });

  test("the beginning of a file is a place only until there is another: nothing tells it from its inode's next file", () => {
    const marks = new Marks();
    marks.note(at(0), 0, START);
    expect(look(marks, 9)).toEqual({ offset: 0, refill: 9, least: 9 });
    marks.note(at(900), 9, START + SECOND);
    expect(look(marks, 12)).toEqual({ offset: 900, refill: 3, least: 3 });
  });
});
