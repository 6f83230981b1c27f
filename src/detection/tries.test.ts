import { expect, test } from "bun:test";
import { Tries } from "./tries.ts";

const WAIT_MS = 10_000;

/** The slots whose tries fail at `now`, in order. */
function failed(tries: Tries, now: number): number[] {
  const slots: number[] = [];
  tries.mature(now, (slot) => slots.push(slot));
  return slots;
}

function create(...slots: number[]): Tries {
  const tries = new Tries(WAIT_MS);
  for (const slot of slots) tries.begin(slot);
  return tries;
}

test("a try fails when its time is up, once", () => {
  const tries = create(1, 2);
  tries.add(1, 0);
  tries.add(2, 5);
  expect(failed(tries, WAIT_MS - 1)).toEqual([]);
  expect(failed(tries, WAIT_MS)).toEqual([1]);
  expect(failed(tries, WAIT_MS + 5)).toEqual([2]);
  expect(failed(tries, WAIT_MS * 9)).toEqual([]);
});

test("one that was excused does not take a later one with it before that one's time", () => {
  const tries = create(1);
  tries.add(1, 0);
  tries.excuse(1, 3);
  expect(tries.openOf(1)).toBe(0);
  tries.add(1, 9_000);
  expect(failed(tries, WAIT_MS)).toEqual([]);
  expect(failed(tries, 19_000)).toEqual([1]);
});

test("no more are excused than wait, and no more than asked for", () => {
  const tries = create(1);
  for (let i = 0; i < 5; i++) tries.add(1, i);
  tries.excuse(1, 3);
  expect(tries.openOf(1)).toBe(2);
  expect(failed(tries, WAIT_MS * 2)).toEqual([1, 1]);
  tries.excuse(1, 3);
  tries.add(1, WAIT_MS * 2);
  expect(failed(tries, WAIT_MS * 3)).toEqual([1]);
});

test("one of an earlier visit is void when the slot is used again", () => {
  const tries = create(1);
  tries.add(1, 0);
  tries.begin(1);
  tries.add(1, 5_000);
  expect(failed(tries, WAIT_MS)).toEqual([]);
  expect(failed(tries, 15_000)).toEqual([1]);
});

test("it cannot wait when too many do", () => {
  const tries = create(1, 2000);
  let waiting = 0;
  while (tries.add(waiting % 2 === 0 ? 1 : 2000, waiting)) waiting++;
  expect(waiting).toBe(65_536);
  expect(failed(tries, 1e9)).toHaveLength(65_536);
  expect(tries.add(1, 1e9)).toBe(true);
});
