import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../test/records.ts";
import { EventRing, Mark } from "./event-ring.ts";

/** Takes the oldest event out as plain values. */
function shift(ring: EventRing): [slot: number, cost: number, marks: number] {
  let taken: [number, number, number] | null = null;
  ring.shift((slot, _visit, cost, marks) => {
    taken = [slot, cost, marks];
  });
  return taken!;
}

describe("EventRing", () => {
  test("empty: nothing is oldest, it is not full", () => {
    const ring = new EventRing(10);
    expect([ring.length, ring.oldestAt, ring.isFull]).toEqual([0, Number.POSITIVE_INFINITY, false]);
  });

  test("first in, first out", () => {
    const ring = new EventRing(10, 2);
    for (let i = 0; i < 5; i++) ring.push(i * 100, i, 1, i + 0.5, Mark.request);
    expect(ring.oldestAt).toBe(0);
    expect([0, 1, 2, 3, 4].map(() => shift(ring)[0])).toEqual([0, 1, 2, 3, 4]);
    expect(ring.length).toBe(0);
  });

  test("the cost it hands back is the one it said it stored: sums cancel exactly", () => {
    const ring = new EventRing(10);
    const stored = ring.push(0, 7, 1, 0.1, Mark.request);
    expect(stored).toBe(Math.fround(0.1));
    expect(shift(ring)).toEqual([7, stored, Mark.request]);
  });

  test("it grows to its bound and says when it is full", () => {
    const ring = new EventRing(3, 2);
    for (let i = 0; i < 3; i++) {
      expect(ring.isFull).toBe(false);
      ring.push(i, i, 1, 1, Mark.request);
    }
    expect(ring.isFull).toBe(true);
    shift(ring);
    expect(ring.isFull).toBe(false);
    ring.push(3, 3, 1, 1, Mark.request);
    expect([shift(ring), shift(ring), shift(ring)].map(([slot]) => slot)).toEqual([1, 2, 3]);
  });

  test("the events of one visit alone are shown: not those of the slot's visit before", () => {
    const ring = new EventRing(10, 2);
    for (const visit of [1, 1, 2, 1, 2]) ring.push(visit * 100, 7, visit, 1, Mark.request);
    ring.push(300, 8, 2, 1, Mark.request);
    const shown: number[] = [];
    ring.forEachOf(7, 2, (at) => shown.push(at));
    expect(shown).toEqual([200, 200]);
  });

  test("any pushes and shifts: the same as a plain list", () => {
    const step = fc.oneof({ arbitrary: fc.constant("push" as const), weight: 3 }, fc.constant("shift" as const));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.integer({ min: 1, max: 8 }), (steps, initial) => {
        const ring = new EventRing(64, initial);
        const list: { at: number; slot: number; marks: number }[] = [];
        steps.forEach((what, i) => {
          if (what === "push" && !ring.isFull) {
            list.push({ at: i, slot: i % 7, marks: i % 32 });
            ring.push(i, i % 7, 1, 1, i % 32);
          } else if (list.length > 0) {
            const { slot, marks } = list.shift()!;
            expect(shift(ring)).toEqual([slot, 1, marks]);
          }
          expect(ring.length).toBe(list.length);
          expect(ring.oldestAt).toBe(list[0]?.at ?? Number.POSITIVE_INFINITY);
        });
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});
