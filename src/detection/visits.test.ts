import { describe, expect, test } from "bun:test";
import { hashText, VisitKind, Visits } from "./visits.ts";

describe("Visits", () => {
  test("counts a path of a source in a period", () => {
    const visits = new Visits();
    const ask = () => visits.count(VisitKind.page, 1, "/a", false, 7);
    expect([ask(), ask(), ask()]).toEqual([1, 2, 3]);
  });

  test.each([
    ["another source", [VisitKind.page, 2, "/a", false, 7]],
    ["another path", [VisitKind.page, 1, "/b", false, 7]],
    ["another period", [VisitKind.page, 1, "/a", false, 8]],
    ["another kind", [VisitKind.failure, 1, "/a", false, 7]],
  ] as [string, Parameters<Visits["count"]>][])("%s counts on its own", (_, other) => {
    const visits = new Visits();
    visits.count(VisitKind.page, 1, "/a", false, 7);
    expect(visits.count(...other)).toBe(1);
  });

  test("the query counts only when the whole target does", () => {
    const visits = new Visits();
    visits.count(VisitKind.page, 1, "/a?x=1", false, 7);
    expect(visits.count(VisitKind.page, 1, "/a?x=2", false, 7)).toBe(2);
    visits.count(VisitKind.asset, 1, "/p?x=1", true, 7);
    expect(visits.count(VisitKind.asset, 1, "/p?x=2", true, 7)).toBe(1);
    expect(visits.count(VisitKind.asset, 1, "/p?x=1", true, 7)).toBe(2);
  });

  test("ten thousand different pages are ten thousand first visits", () => {
    const visits = new Visits();
    let repeated = 0;
    for (let i = 0; i < 10_000; i++) if (visits.count(VisitKind.page, 1, `/page/${i}`, false, 7) > 1) repeated++;
    expect(repeated).toBe(0);
  });

  test("under pressure it forgets, which reads as a first visit, and counts that it did", () => {
    const visits = new Visits();
    const ask = (i: number) => visits.count(VisitKind.page, 1, `/page/${i}`, false, 7);
    for (let i = 0; i < 400_000; i++) expect(ask(i)).toBe(1);
    expect(visits.evicted).toBeGreaterThan(100_000);
  });

  test("what is asked for all the time is not forgotten for what is asked for once", () => {
    const visits = new Visits();
    const often = () => visits.count(VisitKind.page, 1, "/often", false, 7);
    for (let i = 0; i < 100; i++) often();
    for (let i = 0; i < 300_000; i++) visits.count(VisitKind.page, 2, `/page/${i}`, false, 7);
    expect(often()).toBe(101);
  });

  test("a count stops at what its column holds", () => {
    const visits = new Visits();
    let last = 0;
    for (let i = 0; i < 70_000; i++) last = visits.count(VisitKind.page, 1, "/a", false, 7);
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
