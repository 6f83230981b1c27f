import { describe, expect, test } from "bun:test";
import { hashText } from "./hash.ts";
import { VisitKind, Visits } from "./visits.ts";

const HOUR = 3_600_000;
const AT = 7 * HOUR;

describe("Visits", () => {
  test("counts a path of a source in a period", () => {
    const visits = new Visits();
    const ask = () => visits.count(VisitKind.page, 1, "/a", false, AT, HOUR);
    expect([ask(), ask(), ask()]).toEqual([1, 2, 3]);
  });

  test.each([
    ["another source", [VisitKind.page, 2, "/a", false, AT, HOUR]],
    ["another path", [VisitKind.page, 1, "/b", false, AT, HOUR]],
    ["another period", [VisitKind.page, 1, "/a", false, AT + HOUR, HOUR]],
    ["another kind", [VisitKind.failure, 1, "/a", false, AT, HOUR]],
  ] as [string, Parameters<Visits["count"]>][])("%s counts on its own", (_, other) => {
    const visits = new Visits();
    visits.count(VisitKind.page, 1, "/a", false, AT, HOUR);
    expect(visits.count(...other)).toBe(1);
  });

  test("the query counts only when the whole target does", () => {
    const visits = new Visits();
    visits.count(VisitKind.page, 1, "/a?x=1", false, AT, HOUR);
    expect(visits.count(VisitKind.page, 1, "/a?x=2", false, AT, HOUR)).toBe(2);
    visits.count(VisitKind.asset, 1, "/p?x=1", true, AT, HOUR);
    expect(visits.count(VisitKind.asset, 1, "/p?x=2", true, AT, HOUR)).toBe(1);
    expect(visits.count(VisitKind.asset, 1, "/p?x=1", true, AT, HOUR)).toBe(2);
  });

  test("ten thousand different pages are ten thousand first visits", () => {
    const visits = new Visits();
    let repeated = 0;
    for (let i = 0; i < 10_000; i++) if (visits.count(VisitKind.page, 1, `/page/${i}`, false, AT, HOUR) > 1) repeated++;
    expect(repeated).toBe(0);
  });

  test("under pressure it forgets, which reads as a first visit, and counts that it did", () => {
    const visits = new Visits();
    const ask = (i: number) => visits.count(VisitKind.page, 1, `/page/${i}`, false, AT, HOUR);
    for (let i = 0; i < 400_000; i++) expect(ask(i)).toBe(1);
    expect(visits.evicted).toBeGreaterThan(100_000);
  });

  test("what is asked for all the time is not forgotten for what is asked for once", () => {
    const visits = new Visits();
    const often = () => visits.count(VisitKind.page, 1, "/often", false, AT, HOUR);
    for (let i = 0; i < 100; i++) often();
    for (let i = 0; i < 300_000; i++) visits.count(VisitKind.page, 2, `/page/${i}`, false, AT, HOUR);
    expect(often()).toBe(101);
  });

  // Kinds have periods of their own: to one of them, what another counts is not old.
  test("kinds do not put one another out while there is room", () => {
    const visits = new Visits();
    const kinds = Object.values(VisitKind);
    const period = (kind: VisitKind) => (kind === VisitKind.page ? HOUR : HOUR / 6);
    const ask = (i: number, kind: VisitKind) => visits.count(kind, 1, `/${i}`, false, AT, period(kind));
    for (let i = 0; i < 3000; i++) for (const kind of kinds) ask(i, kind);
    let known = 0;
    for (let i = 0; i < 3000; i++) for (const kind of kinds) if (ask(i, kind) === 2) known++;
    expect(known).toBeGreaterThan(0.99 * 3000 * kinds.length);
    expect(visits.evicted).toBeLessThan(0.01 * 3000 * kinds.length);
  });

  test("what is over makes room before anything that is not", () => {
    const visits = new Visits();
    for (let i = 0; i < 400_000; i++) visits.count(VisitKind.page, 1, `/${i}`, false, AT, HOUR);
    const before = visits.evicted;
    for (let i = 0; i < 50_000; i++) visits.count(VisitKind.asset, 1, `/${i}`, false, AT + HOUR, HOUR / 6);
    expect(visits.evicted - before).toBeLessThan(5000);
  });

  test("a count stops at what its column holds", () => {
    const visits = new Visits();
    let last = 0;
    for (let i = 0; i < 70_000; i++) last = visits.count(VisitKind.page, 1, "/a", false, AT, HOUR);
    expect(last).toBe(65_535);
  });
});

test("the hash is a 32-bit number, looks no further than its end, and tells seeds apart", () => {
  expect(hashText("/a?x", 2, 5)).toBe(hashText("/a", 2, 5));
  expect(hashText("/a", 2, 5)).not.toBe(hashText("/a", 2, 6));
  for (const text of ["", "a", "\ud800", "é".repeat(1000)]) {
    const hash = hashText(text, text.length, 0);
    expect(hash >>> 0).toBe(hash);
  }
});
