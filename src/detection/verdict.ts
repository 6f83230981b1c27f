import type { BaselineSnapshot, Reason } from "../decision.ts";

export interface Thresholds {
  readonly zScore: number;
  readonly rateMultiple: number;
}

/** A rate held against a baseline: the contract's two tests, whichever fires first. */
export interface Comparison {
  readonly zScore: number;
  readonly multiple: number;
  /** The rate above which the first of the tests fires. */
  readonly triggerRate: number;
  /** Empty when the rate is normal. */
  readonly reasons: readonly Reason[];
}

/** z-score > threshold or rate > multiple × mean. Both strict: a rate exactly at its trigger is normal. */
export function compare(
  rate: number,
  baseline: Pick<BaselineSnapshot, "mean" | "stddev">,
  thresholds: Thresholds,
): Comparison {
  const zScore = (rate - baseline.mean) / baseline.stddev;
  const multiple = rate / baseline.mean;
  const reasons: Reason[] = [];
  // By the same arithmetic as triggerRate, so that a rate has reasons exactly when it is above its trigger.
  if (rate > baseline.mean + thresholds.zScore * baseline.stddev) reasons.push("z-score");
  if (rate > baseline.mean * thresholds.rateMultiple) reasons.push("rate-multiple");
  return { zScore, multiple, triggerRate: triggerRate(baseline, thresholds), reasons };
}

/** The lower of mean + z × stddev and multiple × mean. */
export function triggerRate(baseline: Pick<BaselineSnapshot, "mean" | "stddev">, thresholds: Thresholds): number {
  return Math.min(baseline.mean + thresholds.zScore * baseline.stddev, baseline.mean * thresholds.rateMultiple);
}

/** triggerRate, remembered for the last baseline: a new one comes once a minute, and every request is held against it. */
export class Trigger {
  #baseline: BaselineSnapshot | null = null;
  #rate = 0;

  /** `part`: of the baseline, mean and deviation alike. */
  constructor(
    private readonly thresholds: Thresholds,
    private readonly part = 1,
  ) {}

  of(baseline: BaselineSnapshot): number {
    if (baseline !== this.#baseline) {
      this.#baseline = baseline;
      this.#rate = triggerRate(partOf(baseline, this.part), this.thresholds);
    }
    return this.#rate;
  }
}

/** A baseline of which only a part is needed. */
export function partOf(baseline: BaselineSnapshot, part: number): BaselineSnapshot {
  return part === 1 ? baseline : { ...baseline, mean: baseline.mean * part, stddev: baseline.stddev * part };
}

/** Both thresholds multiplied by one factor: halved by an error surge. */
export function scaled(thresholds: Thresholds, factor: number): Thresholds {
  return factor === 1
    ? thresholds
    : { zScore: thresholds.zScore * factor, rateMultiple: thresholds.rateMultiple * factor };
}
