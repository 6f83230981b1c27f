import { expect, test } from "bun:test";
import { SourceRows, WORDS, Word } from "./source-rows.ts";
import { Tries } from "./tries.ts";

const WAIT_MS = 10_000;
const LOGIN = { path: "/login", status: 303 };

/** The slots whose tries fail at `now`, in order. */
function failed(tries: Tries, now: number): number[] {
  const slots: number[] = [];
  tries.mature(now, (slot, one) => {
    if (one !== null) slots.push(slot);
  });
  return slots;
}

/** Tries of slots that are all in their first visit. */
function create(rows = new SourceRows(4096)): Tries {
  for (let slot = 0; slot < rows.count; slot++) rows.words[slot * WORDS + Word.visit] = 1;
  return new Tries(WAIT_MS, rows, Word.refusals);
}

test("a try fails when its time is up, once", () => {
  const tries = create();
  tries.add(1, 0, LOGIN);
  tries.add(2, 5, LOGIN);
  expect(failed(tries, WAIT_MS - 1)).toEqual([]);
  expect(failed(tries, WAIT_MS)).toEqual([1]);
  expect(failed(tries, WAIT_MS + 5)).toEqual([2]);
  expect(failed(tries, WAIT_MS * 9)).toEqual([]);
});

test("one that was excused does not take a later one with it before that one's time", () => {
  const tries = create();
  tries.add(1, 0, LOGIN);
  tries.excuse(1, 3);
  expect(tries.openOf(1)).toBe(0);
  tries.add(1, 9_000, LOGIN);
  expect(failed(tries, WAIT_MS)).toEqual([]);
  expect(failed(tries, 19_000)).toEqual([1]);
});

test("no more are excused than wait, and no more than asked for", () => {
  const tries = create();
  for (let i = 0; i < 5; i++) tries.add(1, i, LOGIN);
  tries.excuse(1, 3);
  expect(tries.openOf(1)).toBe(2);
  expect(failed(tries, WAIT_MS * 2)).toEqual([1, 1]);
  tries.excuse(1, 3);
  tries.add(1, WAIT_MS * 2, LOGIN);
  expect(failed(tries, WAIT_MS * 3)).toEqual([1]);
});

test("one of an earlier visit is void when the slot is used again", () => {
  const rows = new SourceRows(16);
  const tries = create(rows);
  tries.add(1, 0, LOGIN);
  rows.clear(1);
  rows.words[WORDS + Word.visit] = 2;
  tries.add(1, 5_000, LOGIN);
  expect(failed(tries, WAIT_MS)).toEqual([]);
  expect(failed(tries, 15_000)).toEqual([1]);
});

test("the two kinds of tries of a source are counted apart", () => {
  const rows = new SourceRows(16);
  const refusals = create(rows);
  const logins = new Tries(WAIT_MS, rows, Word.logins);
  refusals.add(1, 0, LOGIN);
  logins.add(1, 0, LOGIN);
  logins.add(1, 0, LOGIN);
  refusals.excuse(1, 9);
  expect([refusals.openOf(1), logins.openOf(1)]).toEqual([0, 2]);
});

test("65,535 tries of one source wait and are excused; the next has to count at once", () => {
  const tries = create();
  for (let i = 0; i < 65_535; i++) expect(tries.add(1, 0, LOGIN)).toBe(true);
  expect(tries.add(1, 0, LOGIN)).toBe(false);
  tries.excuse(1, 65_534);
  expect(tries.openOf(1)).toBe(1);
  tries.excuse(1, 2);
  expect(tries.openOf(1)).toBe(0);
  expect(failed(tries, WAIT_MS)).toEqual([]);
});

test("it cannot wait when too many do", () => {
  const tries = create();
  let waiting = 0;
  while (tries.add(waiting % 2 === 0 ? 1 : 2000, waiting, LOGIN)) waiting++;
  expect(waiting).toBe(65_536);
  expect(failed(tries, 1e9)).toHaveLength(65_536);
  expect(tries.add(1, 1e9, LOGIN)).toBe(true);
});

test("what failed is told: its path without the query, and its answer", () => {
  const tries = create();
  tries.add(1, 0, { path: "/login?user=x", status: 200 });
  tries.add(2, 0, { path: `/${"a".repeat(9000)}`, status: 401 });
  const told: unknown[] = [];
  tries.mature(WAIT_MS, (slot, one) => told.push([slot, one?.status, one?.path.length]));
  expect(told).toEqual([
    [1, 200, 6],
    [2, 401, 200],
  ]);
});
