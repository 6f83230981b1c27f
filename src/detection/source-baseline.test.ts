import { describe, expect, test } from "bun:test";
import { HOUR, MINUTE, START } from "../../test/records.ts";
import { SourceBaseline, type SourceBaselineSettings } from "./source-baseline.ts";
import { TUNING } from "./tuning.ts";

function baseline(over: Partial<SourceBaselineSettings> = {}): SourceBaseline {
  const settings = { floorMean: 1, floorStddev: 0.5, capMean: 3, capStddev: 1.5, ...over };
  return new SourceBaseline(settings, TUNING.busyShare);
}

/** Enough quiet visits that `busy` of them are the whole busy share. */
function visits(learned: SourceBaseline, busy: readonly number[], at = START): void {
  for (const peak of busy) learned.add(at, peak);
  for (let i = 0; i < Math.ceil(busy.length / TUNING.busyShare) - busy.length; i++) learned.add(at, 0.05);
}

describe("SourceBaseline", () => {
  test("floors before anything is known", () => {
    expect(baseline().snapshot).toMatchObject({ mean: 1, stddev: 0.5, samples: 0, from: "floor" });
    expect(baseline().recalculate(START)).toMatchObject({ mean: 1, stddev: 0.5, samples: 0, from: "floor" });
  });

  test("learns what the busiest visits look like, to within its buckets", () => {
    const learned = baseline();
    visits(learned, new Array(20).fill(2));
    const { mean, stddev, from, samples } = learned.recalculate(START + MINUTE);
    expect(Math.abs(mean / 2 - 1)).toBeLessThan(0.06);
    expect([stddev, from, samples]).toEqual([0.5, "rolling", 20 / TUNING.busyShare]);
  });

  test("quiet visits leave it at the floor", () => {
    const learned = baseline();
    visits(learned, new Array(20).fill(0.3));
    expect(learned.recalculate(START + MINUTE)).toMatchObject({ mean: 1, stddev: 0.5, from: "floor" });
  });

  test("a handful of busy visits is noise", () => {
    const learned = baseline();
    visits(learned, [2, 2, 2, 2]);
    expect(learned.recalculate(START + MINUTE).from).toBe("floor");
  });

  test("whatever is sent, it is not taught above its caps", () => {
    const learned = baseline();
    visits(
      learned,
      Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 1900 : 4)),
    );
    expect(learned.recalculate(START + MINUTE)).toMatchObject({ mean: 3, stddev: 1.5 });
  });

  test("a peak below what it can tell apart, or of nothing, does no harm", () => {
    const learned = baseline();
    for (const peak of [0, -1, 1e-9, 1e9]) learned.add(START, peak);
    expect(learned.recalculate(START + MINUTE).samples).toBe(2);
  });

  test("what was learned is forgotten after a day, hour by hour", () => {
    const learned = baseline();
    visits(learned, new Array(20).fill(2));
    expect(learned.recalculate(START + 23 * HOUR).from).toBe("rolling");
    expect(learned.recalculate(START + 24 * HOUR)).toMatchObject({ samples: 0, from: "floor" });
  });

  test("so it is after a gap of months", () => {
    const learned = baseline();
    visits(learned, new Array(20).fill(2));
    expect(learned.recalculate(START + 5000 * HOUR).samples).toBe(0);
  });

  test("new caps hold from the next recalculation", () => {
    const learned = baseline();
    visits(learned, new Array(20).fill(2));
    learned.configure({ floorMean: 1, floorStddev: 0.5, capMean: 1.5, capStddev: 1 });
    expect(learned.recalculate(START).mean).toBe(1.5);
  });

  // Clearing the 24 hours before hour 0 of 1970 indexes with a negative number: TypeError.
  test("the first day of 1970 is a day like any other", () => {
    const learned = baseline();
    learned.add(HOUR, 2);
    expect(learned.recalculate(2 * HOUR).samples).toBe(1);
  });
});
