import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../test/records.ts";
import type { Reason } from "../decision.ts";
import { compare, scaled, triggerRate } from "./verdict.ts";

const FULL = { zScore: 3, rateMultiple: 5 };

describe("compare", () => {
  const rows: [name: string, rate: number, mean: number, stddev: number, reasons: Reason[]][] = [
    ["far below the mean", 0, 1, 0.5, []],
    ["at the mean", 1, 1, 0.5, []],
    ["z-score exactly at its threshold", 2.5, 1, 0.5, []],
    ["z-score a request above its threshold", 151 / 60, 1, 0.5, ["z-score"]],
    ["both, the multiple exactly at its threshold", 5, 1, 0.5, ["z-score"]],
    ["both", 301 / 60, 1, 0.5, ["z-score", "rate-multiple"]],
    ["wide spread: only the multiple, exactly at it", 5, 1, 2, []],
    ["wide spread: only the multiple, above it", 5.02, 1, 2, ["rate-multiple"]],
    ["a busy site: z-score alone", 20.1, 14, 2, ["z-score"]],
    ["a busy site: just within", 20, 14, 2, []],
  ];
  test.each(rows)("%s", (_, rate, mean, stddev, reasons) => {
    expect(compare(rate, { mean, stddev }, FULL).reasons).toEqual(reasons);
  });

  test("halved thresholds fire at half the distance", () => {
    const half = scaled(FULL, 0.5);
    expect(half).toEqual({ zScore: 1.5, rateMultiple: 2.5 });
    expect(compare(1.75, { mean: 1, stddev: 0.5 }, half).reasons).toEqual([]);
    expect(compare(1.76, { mean: 1, stddev: 0.5 }, half).reasons).toEqual(["z-score"]);
    expect(compare(2.51, { mean: 1, stddev: 2 }, half).reasons).toEqual(["rate-multiple"]);
  });

  test("the figures are those of the definition", () => {
    expect(compare(5.5, { mean: 1.5, stddev: 2 }, FULL)).toEqual({
      zScore: 2,
      multiple: 5.5 / 1.5,
      triggerRate: 7.5,
      reasons: [],
    });
  });
});

test("the trigger is the lower of the two bars", () => {
  expect(triggerRate({ mean: 1, stddev: 0.5 }, FULL)).toBe(2.5);
  expect(triggerRate({ mean: 1, stddev: 3 }, FULL)).toBe(5);
});

// (2.7 - 1.2) / 0.5 is 3.0000000000000004, but 1.2 + 3 × 0.5 is 2.7: status may show a trigger that reasons contradict.
test("a rate has reasons exactly when it is above the trigger, with rates and means as counting makes them", () => {
  const mean = fc.integer({ min: 1800, max: 90_000 }).map((sum) => sum / 1800);
  const stddev = fc.oneof(fc.constant(0.5), fc.double({ min: 0.5, max: 10, noNaN: true }));
  // Rates at the trigger itself, where rounding decides, and anywhere.
  const rate = (trigger: number) => fc.constantFrom(Math.floor(trigger * 60), Math.round(trigger * 60), 1, 10_000);
  fc.assert(
    fc.property(
      fc.tuple(mean, stddev).chain(([m, s]) => {
        const baseline = { mean: m, stddev: s };
        return fc.tuple(fc.constant(baseline), rate(triggerRate(baseline, FULL)));
      }),
      ([baseline, count]) => {
        const { reasons, triggerRate: trigger } = compare(count / 60, baseline, FULL);
        expect(reasons.length > 0).toBe(count / 60 > trigger);
      },
    ),
    { seed: SEED, numRuns: 20_000 },
  );
});
