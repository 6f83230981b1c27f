import type { BaselineSnapshot } from "../decision.ts";
import type { HistoryPoint } from "../status.ts";

/** Seconds per point and points kept: half an hour in a chart's worth of points. */
const POINT_SECONDS = 10;
const POINTS = 180;

/** The last half hour of the site's rate beside the baseline of that time, for the chart. */
export class SiteHistory {
  #points: HistoryPoint[] = [];
  #span = -1;
  #requests = 0;
  #errors = 0;

  add(second: number, requests: number, errors: number, baseline: BaselineSnapshot, trigger: number): void {
    this.#requests += requests;
    this.#errors += errors;
    if (this.#span < 0) this.#span = second;
    const seconds = second - this.#span + 1;
    if (seconds < POINT_SECONDS) return;
    this.#points.push({
      at: (second + 1) * 1000,
      rate: this.#requests / seconds,
      errorRate: this.#errors / seconds,
      mean: baseline.mean,
      stddev: baseline.stddev,
      trigger,
      from: baseline.from,
    });
    if (this.#points.length > POINTS) this.#points.shift();
    this.#span = second + 1;
    this.#requests = this.#errors = 0;
  }

  /** Oldest first. */
  points(): HistoryPoint[] {
    return this.#points.slice();
  }
}
