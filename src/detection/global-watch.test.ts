import { describe, expect, test } from "bun:test";
import { MINUTE, START } from "../../test/records.ts";
import { type GlobalChange, GlobalWatch } from "./global-watch.ts";

/** Looks at the site each second; `isHot` by second. Gives what was told as "firing 10". */
function watch(seconds: number, isHot: (second: number) => boolean, persistenceMs = 10_000, repeatEveryMs = 600_000) {
  const watched = new GlobalWatch({ persistenceMs, repeatEveryMs }, MINUTE);
  const told: string[] = [];
  for (let second = 0; second <= seconds; second++) {
    const change: GlobalChange = watched.update(START + second * 1000, isHot(second));
    if (change !== null) told.push(`${change} ${second}`);
  }
  return { told, watched };
}

const between = (from: number, to: number) => (second: number) => second >= from && second < to;

describe("GlobalWatch", () => {
  test("fires once it has lasted, not a second earlier", () => {
    expect(watch(9, between(0, 99)).told).toEqual([]);
    expect(watch(10, between(0, 99)).told).toEqual(["firing 10"]);
  });

  test("the anomaly began when it became hot, not when it was told", () => {
    expect(watch(30, between(5, 99)).watched.firingSince).toBe(START + 5000);
  });

  test("without persistence it fires at once", () => {
    expect(watch(3, between(2, 99), 0).told).toEqual(["firing 2"]);
  });

  test("a short break before it fires starts the count anew", () => {
    expect(watch(18, (s) => s !== 8).told).toEqual([]);
    expect(watch(19, (s) => s !== 8).told).toEqual(["firing 19"]);
  });

  test("it is repeated no more often than every ten minutes", () => {
    expect(watch(1300, () => true).told).toEqual(["firing 10", "still-firing 610", "still-firing 1210"]);
  });

  test("it is over after a calm minute, and told so once", () => {
    const { told, watched } = watch(300, between(0, 30));
    expect(told).toEqual(["firing 10", "resolved 89"]);
    expect(watched.firingSince).toBeNull();
  });

  test("a break of less than a minute is part of the anomaly", () => {
    expect(watch(300, (s) => s < 30 || (s >= 80 && s < 90)).told).toEqual(["firing 10", "resolved 149"]);
  });

  test("one that returns within ten minutes is told when ten minutes have passed, as firing", () => {
    expect(watch(700, (s) => s < 30 || s >= 200).told).toEqual(["firing 10", "resolved 89", "firing 610"]);
  });

  test("one that was never told is not told as over", () => {
    expect(watch(700, (s) => s < 30 || (s >= 200 && s < 260)).told).toEqual(["firing 10", "resolved 89"]);
  });

  test("short heats never add up", () => {
    expect(watch(3600, (s) => s % 20 < 9).told).toEqual([]);
  });

  test("a new setting holds from the next look", () => {
    const { watched } = watch(5, () => true);
    watched.configure({ persistenceMs: 0, repeatEveryMs: MINUTE });
    expect(watched.update(START + 6000, true)).toBe("firing");
    expect(watched.update(START + 66_000, true)).toBe("still-firing");
  });
});
