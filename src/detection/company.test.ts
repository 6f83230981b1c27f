import { describe, expect, test } from "bun:test";
import type { RequestClass } from "./class-table.ts";
import { Company } from "./company.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SEED = 7;

describe("Company", () => {
  test.each<[RequestClass, number, boolean]>([
    ["page", 200, false],
    ["login", 200, false],
    ["probe", 200, false],
    ["asset", 304, true],
    ["preview", 404, true],
    ["share", 200, true],
    ["dav", 401, true],
    ["proof", 207, true],
    // Parts of a document, one after another.
    ["page", 206, true],
  ])("during a surge, %s with %d is company: %j", (kind, status, expected) => {
    const company = new Company();
    company.add(SEED, kind, status, 0, false);
    expect(company.has(SEED)).toBe(expected);
  });

  test("who was here two minutes before the surge is no part of it; who came right before may be", () => {
    const company = new Company();
    company.add(1, "page", 200, 0, true);
    company.add(2, "page", 200, MINUTE, true);
    company.add(3, "page", 200, 2 * MINUTE - 1, true);
    company.add(4, "page", 200, 2 * MINUTE, false);
    expect([1, 2, 3, 4].map((seed) => company.has(seed))).toEqual([true, false, false, false]);
    // Nor does the next calm make them regulars.
    company.add(5, "page", 200, 10 * MINUTE, true);
    company.add(5, "page", 200, 20 * MINUTE, true);
    company.add(5, "page", 200, 30 * MINUTE, true);
    expect([1, 2, 3, 4, 5].map((seed) => company.has(seed))).toEqual([true, false, false, false, true]);
  });

  test("one who asks all the time does not keep others from becoming regulars", () => {
    const company = new Company();
    for (let i = 0; i < 200_000; i++) company.add(1, "page", 200, 0, true);
    company.add(2, "page", 200, MINUTE - 1, true);
    company.add(3, "page", 200, MINUTE, true);
    company.add(3, "page", 200, 2 * MINUTE, true);
    expect([1, 2].map((seed) => company.has(seed))).toEqual([true, true]);
  });

  test("it is remembered for half a day at least, and for a day at most", () => {
    const company = new Company();
    company.add(SEED, "asset", 200, 0, false);
    company.add(9, "asset", 200, 11 * HOUR, false);
    company.add(8, "asset", 200, 12 * HOUR, false);
    expect(company.has(SEED)).toBe(true);
    company.add(8, "asset", 200, 24 * HOUR, false);
    expect([company.has(SEED), company.has(9), company.has(8)]).toEqual([false, false, true]);
  });

  test("loaders are counted once, and in calm times only", () => {
    const company = new Company();
    for (let i = 0; i < 5; i++) company.add(SEED, "asset", 200, i, true);
    company.add(8, "asset", 200, 6, false);
    expect(company.loaders).toBe(1);
  });
});
