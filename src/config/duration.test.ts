import { expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../test/records.ts";
import { formatDuration, parseDuration } from "./duration.ts";

test.each([
  ["0s", 0],
  ["1ms", 1],
  ["500ms", 500],
  ["10s", 10_000],
  ["10m", 600_000],
  ["2h30m", 9_000_000],
  ["90m", 5_400_000],
  ["1d1h1m1s1ms", 90_061_001],
  ["30d", 2_592_000_000],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  "",
  " ",
  "10",
  "0",
  "1.5h",
  "-1s",
  "+1s",
  "1 h",
  "10 s",
  " 10s",
  "10s\n",
  "1s1m",
  "10sec",
  "1H",
  "1w",
  "s",
  "1e3s",
  "permanent",
  "9".repeat(20).concat("d"),
])("%j is no duration", (text) => {
  expect(parseDuration(text)).toBeNull();
});

test.each([
  [0, "0s"],
  [1, "1ms"],
  [1500, "1s500ms"],
  [60_000, "1m"],
  [600_000, "10m"],
  [9_000_000, "2h30m"],
  [86_400_000, "1d"],
])("%d ms reads %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("every whole number of milliseconds parses back", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 * 365 * 86_400_000 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }),
    { seed: SEED, numRuns: 1000 },
  );
});
