import { expect, test } from "bun:test";
import { type BanDuration, durationOf, endOf } from "./backoff.ts";

const DEFAULT: BanDuration[] = [600_000, 1_800_000, 7_200_000, "permanent"];

test.each([
  ["the first ban", 1, DEFAULT, 600_000],
  ["the second", 2, DEFAULT, 1_800_000],
  ["the third", 3, DEFAULT, 7_200_000],
  ["the fourth", 4, DEFAULT, "permanent"],
  ["the last entry repeats", 99, DEFAULT, "permanent"],
  ["a list of one", 1, [5000], 5000],
  ["a list of one repeats", 7, [5000], 5000],
  ["a list that never becomes permanent", 3, [1000, 2000], 2000],
] as [string, number, BanDuration[], BanDuration][])("%s", (_, banCount, durations, duration) => {
  expect(durationOf(banCount, durations)).toBe(duration);
});

test("a ban ends its duration after it began, or never", () => {
  expect(endOf(1000, 600_000)).toBe(601_000);
  expect(endOf(1000, "permanent")).toBe("permanent");
});
