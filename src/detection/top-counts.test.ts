import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../test/outcomes.ts";
import { TopCounts } from "./top-counts.ts";

const stream = fc.array(fc.record({ key: fc.nat({ max: 30 }), weight: fc.integer({ min: 1, max: 9 }) }), {
  maxLength: 300,
});

function truth(list: readonly { key: number; weight: number }[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { key, weight } of list) counts.set(key, (counts.get(key) ?? 0) + weight);
  return counts;
}

describe("TopCounts", () => {
  test("never counts too low, never by more than the rest could hide, and misses nothing frequent", () => {
    fc.assert(
      fc.property(stream, fc.integer({ min: 1, max: 12 }), (list, limit) => {
        const counts = new TopCounts<number>(limit);
        for (const { key, weight } of list) counts.add(key, weight);
        const exact = truth(list);
        const total = list.reduce((sum, { weight }) => sum + weight, 0);
        expect(counts.total).toBe(total);
        expect(counts.top(100).length).toBeLessThanOrEqual(limit);
        for (const { key, count } of counts.top(100)) {
          expect(count).toBeGreaterThanOrEqual(exact.get(key)!);
          expect(count - exact.get(key)!).toBeLessThanOrEqual(total / limit);
        }
        for (const [key, count] of exact) if (count > total / limit) expect(counts.countOf(key)).toBeGreaterThan(0);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("with room for all it is exact, merged too, and in order", () => {
    fc.assert(
      fc.property(stream, stream, (left, right) => {
        const [a, b] = [new TopCounts<number>(31), new TopCounts<number>(31)];
        for (const { key, weight } of left) a.add(key, weight);
        for (const { key, weight } of right) b.add(key, weight);
        a.merge(b);
        const exact = truth([...left, ...right]);
        expect(new Map(a.top(31).map(({ key, count }) => [key, count]))).toEqual(exact);
        expect(a.top(31).map(({ count }) => count)).toEqual([...exact.values()].sort((x, y) => y - x));
        expect(a.total).toBe([...exact.values()].reduce((sum, count) => sum + count, 0));
      }),
      { seed: SEED, numRuns: 100 },
    );
  });
});
