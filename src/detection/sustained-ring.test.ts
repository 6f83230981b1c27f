import { expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../test/records.ts";
import { BUCKET_MS, type Bucket, SustainedRing } from "./sustained-ring.ts";

const NOTHING = { requests: 0, errors: 0, certain: 0, probes: 0, siblings: 0, cost: 0 };

function add(ring: SustainedRing, serial: number, over: Partial<Omit<Bucket, "slot" | "visit">>): void {
  const { requests, errors, certain, probes, siblings, cost } = { ...NOTHING, ...over };
  ring.add(serial, requests, errors, certain, probes, siblings, cost);
}

test("a bucket collects what its source did and gives it back", () => {
  const ring = new SustainedRing(10);
  const serial = ring.open(5, 3, 0);
  add(ring, serial, { requests: 1, errors: 1, probes: 1, cost: 0.5 });
  add(ring, serial, { requests: 1, certain: 1, siblings: 1, cost: 1 });
  expect(ring.shift()).toEqual({
    slot: 5,
    visit: 3,
    requests: 2,
    errors: 1,
    certain: 1,
    probes: 1,
    siblings: 1,
    cost: 1.5,
  });
  expect([ring.length, ring.oldestStart]).toEqual([0, Number.POSITIVE_INFINITY]);
});

test("a bucket is here until it leaves", () => {
  const ring = new SustainedRing(10);
  const serial = ring.open(5, 3, BUCKET_MS);
  expect([-1, serial, serial + 1].map((one) => ring.has(one))).toEqual([false, true, false]);
  ring.shift();
  expect(ring.has(serial)).toBe(false);
});

test("a reused place starts from zero", () => {
  const ring = new SustainedRing(10);
  for (let round = 0; round < 3000; round++) {
    const serial = ring.open(round, round + 1, round * BUCKET_MS);
    add(ring, serial, { requests: 1, cost: 1 });
    expect(ring.shift()).toEqual({ ...NOTHING, slot: round, visit: round + 1, requests: 1, cost: 1 });
  }
});

test("it is full at its bound", () => {
  const ring = new SustainedRing(2);
  ring.open(0, 1, 0);
  expect(ring.isFull).toBe(false);
  ring.open(1, 2, 0);
  expect(ring.isFull).toBe(true);
});

test("growing in the middle keeps every bucket: the same as a plain list", () => {
  const step = fc.record({ open: fc.integer({ min: 0, max: 900 }), shift: fc.integer({ min: 0, max: 600 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const ring = new SustainedRing(1e6);
      const list: number[] = [];
      let next = 0;
      for (const { open, shift } of steps) {
        for (let i = 0; i < open; i++) {
          add(ring, ring.open(next, next + 1, next), { requests: next });
          list.push(next++);
        }
        for (let i = 0; i < shift && list.length > 0; i++) {
          const expected = list.shift()!;
          const bucket = ring.shift();
          expect([bucket.slot, bucket.visit, bucket.requests]).toEqual([expected, expected + 1, expected]);
        }
        expect([ring.length, ring.oldestStart]).toEqual([list.length, list[0] ?? Number.POSITIVE_INFINITY]);
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
});
