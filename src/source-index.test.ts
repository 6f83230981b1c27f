import { expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../test/records.ts";
import { parseSource, type Source } from "./net/cidr.ts";
import { formatV4 } from "./net/ip.ts";
import { SourceIndex } from "./source-index.ts";

const v4 = (address: number) => formatV4(address) as string as Source;

test("addresses that are no IPv4 addresses are found by their text", () => {
  const index = new SourceIndex();
  const sources = ["2001:db8::/64", "2001:db8::1", "10.0.0.0/8", "255.255.255.255", "0.0.0.0"].map(
    (text) => parseSource(text)!,
  );
  sources.forEach((source, i) => {
    index.add(source, i);
  });
  expect(sources.map((source) => index.get(source))).toEqual([0, 1, 2, 3, 4]);
  expect(index.size).toBe(5);
  for (const source of sources) index.delete(source);
  expect(sources.map((source) => index.get(source))).toEqual(sources.map(() => undefined));
  expect(index.size).toBe(0);
});

test("deleting what is not there changes nothing", () => {
  const index = new SourceIndex();
  index.add(v4(1), 1);
  index.delete(v4(2));
  index.delete(parseSource("2001:db8::/64")!);
  expect([index.size, index.get(v4(1))]).toEqual([1, 1]);
});

// Few addresses, close together: searches run into one another, and gaps are closed in the middle of them.
test("any additions and deletions: the same as a plain map, while it grows", () => {
  const address = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
  const step = fc.record({ address, isAdded: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 0, max: 3000 }), (steps, filled) => {
      const index = new SourceIndex();
      const map = new Map<Source, number>();
      const add = (source: Source, slot: number) => {
        if (map.has(source)) return;
        index.add(source, slot);
        map.set(source, slot);
      };
      for (let n = 0; n < filled; n++) add(v4(Math.imul(n, 0x9e3779b1) >>> 0), n);
      steps.forEach(({ address, isAdded }, i) => {
        const source = v4(address);
        if (isAdded) add(source, i);
        else {
          index.delete(source);
          map.delete(source);
        }
        expect(index.get(source)).toBe(map.get(source));
      });
      expect(index.size).toBe(map.size);
      for (const [source, slot] of map) expect(index.get(source)).toBe(slot);
    }),
    { seed: SEED, numRuns: 100 },
  );
});
