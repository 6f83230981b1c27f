import { expect, test } from "bun:test";
import { sourceNumber } from "../../test/outcomes.ts";
import { Mark } from "./event-ring.ts";
import { SourceWindows } from "./source-windows.ts";
import { BUSY_REQUESTS, TUNING } from "./tuning.ts";

const SETTINGS = { windowMs: 60_000, isSustained: true };

/** What a slot counts, in the window and in the sustained one. */
const countsOf = ({ table: { rows } }: SourceWindows, slot: number) => [
  rows.requests(slot),
  rows.errors(slot),
  rows.cost(slot),
  rows.sustainedRequests(slot),
  rows.sustainedErrors(slot),
  rows.sustainedCost(slot),
];

// A slot is given away at once, while the windows still hold what its last source did.
test("what a forgotten source left behind is nobody else's, and leaves the site's counts in time", () => {
  const windows = new SourceWindows(SETTINGS, 1000, TUNING, () => {});
  const flood = 2 * BUSY_REQUESTS;
  const first = windows.claim(sourceNumber(1), 0, 0);
  for (let i = 0; i < flood; i++) windows.count(first, i, 1, 1, Mark.request | Mark.error);
  windows.table.forget(first);
  expect([windows.requests, windows.errors, windows.table.forgotten]).toEqual([flood, flood, flood]);

  const second = windows.claim(sourceNumber(2), 30_000, 0);
  expect(second).toBe(first);
  for (let i = 0; i < BUSY_REQUESTS; i++) windows.count(second, 30_000, 0.5, 0.5, Mark.request);
  const own = countsOf(windows, second);
  expect(own.slice(0, 3)).toEqual([BUSY_REQUESTS, 0, BUSY_REQUESTS / 2]);

  windows.evict(60_000 + flood);
  expect([windows.requests, windows.errors, windows.table.forgotten]).toEqual([BUSY_REQUESTS, 0, 0]);
  expect(countsOf(windows, second)).toEqual(own);
  expect([...windows.secondsOf(second).keys()]).toEqual([30]);

  // The first one's ten seconds leave the sustained window before the second one's do.
  windows.evict(620_000);
  expect(countsOf(windows, second).slice(3)).toEqual(own.slice(3));
  windows.evict(700_000);
  expect([windows.table.size, windows.isEmpty]).toEqual([0, true]);
});

test("a full window loses its oldest event, never the request that has just come", () => {
  const windows = new SourceWindows(SETTINGS, 1000, TUNING, () => {}, 2);
  const ask = (n: number, at: number): number => {
    const slot = windows.slotOf(sourceNumber(n), n) ?? windows.claim(sourceNumber(n), at, n);
    windows.count(slot, at, 1, 1, Mark.request);
    return slot;
  };
  ask(1, 0);
  ask(2, 1);
  // The only event of this source goes, and with it the slot that it was known by.
  const slot = ask(1, 2);
  expect([windows.table.sourceOf(slot), windows.table.rows.requests(slot), windows.requests]).toEqual([
    sourceNumber(1),
    1,
    2,
  ]);
});
