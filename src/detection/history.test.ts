import { expect, test } from "bun:test";
import { baseline } from "../../test/outcomes.ts";
import { SiteHistory } from "./history.ts";

test("a point is the mean of its span of seconds, beside the baseline of that time", () => {
  const history = new SiteHistory();
  const now = baseline({ mean: 2, stddev: 1 });
  for (let second = 100; second < 120; second++) history.add(second, second < 110 ? 4 : 6, 1, now, 5);
  const [first, last, ...more] = history.points();
  expect(more).toEqual([]);
  expect(first).toEqual({ at: 110_000, rate: 4, errorRate: 1, mean: 2, stddev: 1, trigger: 5, from: "rolling" });
  expect([last?.at, last?.rate]).toEqual([120_000, 6]);
});

test("an unfinished span has no point yet", () => {
  const history = new SiteHistory();
  for (let second = 0; second < 9; second++) history.add(second, 1, 0, baseline(), 5);
  expect(history.points()).toEqual([]);
});

test("idle seconds that were skipped lower the rate of their point", () => {
  const history = new SiteHistory();
  history.add(0, 100, 0, baseline(), 5);
  history.add(99, 0, 0, baseline(), 5);
  expect(history.points().map(({ at, rate }) => [at, rate])).toEqual([[100_000, 1]]);
});

test("a stretch nobody looked at lowers no rate", () => {
  const history = new SiteHistory();
  for (let second = 0; second < 25; second++) history.add(second, 2, 0, baseline(), 5);
  history.passGap(600);
  for (let second = 600; second < 610; second++) history.add(second, 3, 0, baseline(), 5);
  expect(history.points().map(({ at, rate }) => [at, rate])).toEqual([
    [10_000, 2],
    [20_000, 2],
    [610_000, 3],
  ]);
});

test("what is older than half an hour is not shown, however few the points", () => {
  const history = new SiteHistory();
  for (let second = 0; second < 100; second++) history.add(second, 2, 0, baseline(), 5);
  history.passGap(1860);
  for (let second = 1860; second < 1870; second++) history.add(second, 3, 0, baseline(), 5);
  expect(history.points().map(({ at }) => at)).toEqual([80_000, 90_000, 100_000, 1_870_000]);
});

test("half an hour is kept, oldest first; the list handed out is the caller's own", () => {
  const history = new SiteHistory();
  for (let second = 0; second < 7200; second++) history.add(second, 1, 0, baseline(), 5);
  const points = history.points();
  expect([points.at(0)?.at, points.at(-1)?.at]).toEqual([(7200 - 1800 + 10) * 1000, 7_200_000]);
  points.length = 0;
  expect(history.points().length).toBe(180);
});
