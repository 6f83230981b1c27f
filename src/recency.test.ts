import { expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../test/records.ts";
import type { Source } from "./net/cidr.ts";
import { RecencyMap } from "./recency.ts";

const source = (n: number): Source => `198.18.0.${n}` as Source;

test("The oldest goes when another one comes, and setting it again makes it the newest", () => {
  const map = new RecencyMap<number>(2);
  expect(map.set(source(1), 10)).toBeUndefined();
  expect(map.set(source(2), 20)).toBeUndefined();
  expect(map.set(source(1), 11)).toBeUndefined();
  expect(map.set(source(3), 30)).toBe(source(2));
  expect(map.keys()).toEqual([source(1), source(3)]);
  expect([map.get(source(1)), map.get(source(2)), map.get(source(3)), map.size]).toEqual([11, undefined, 30, 2]);
  expect(map.delete(source(2))).toBe(false);
});

test("Equals a Map that is deleted from and set again", () => {
  const step = fc.record({ n: fc.nat(12), value: fc.nat(), isDelete: fc.boolean() });
  const property = fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const map = new RecencyMap<number>(5);
    const naive = new Map<Source, number>();
    for (const { n, value, isDelete } of steps) {
      const isKnown = naive.delete(source(n));
      if (isDelete) {
        expect(map.delete(source(n))).toBe(isKnown);
        continue;
      }
      const gone = naive.size >= 5 ? naive.keys().next().value : undefined;
      if (gone !== undefined) naive.delete(gone);
      naive.set(source(n), value);
      expect(map.set(source(n), value)).toBe(gone);
    }
    expect(map.keys().map((key) => [key, map.get(key)!] as const)).toEqual([...naive]);
    expect(map.size).toBe(naive.size);
  });
  fc.assert(property, { seed: SEED, numRuns: 300 });
});
