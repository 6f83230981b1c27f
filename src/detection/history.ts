import type { BaselineSnapshot } from "../decision.ts";
import type { HistoryPoint } from "../status.ts";

/** A SiteHistory as plain values: its points (all, or the new ones) and the one being made. */
export interface SavedHistory {
  readonly span: number;
  readonly requests: number;
  readonly errors: number;
  readonly points: readonly HistoryPoint[];
}

/** Seconds per point and points kept: half an hour in a chart's worth of points. */
const POINT_SECONDS = 10;
const POINTS = 180;

const SHOWN_MS = POINTS * POINT_SECONDS * 1000;

/** The last half hour of the site's rate beside the baseline of that time, for the chart. */
export class SiteHistory {
  #points: HistoryPoint[] = [];
  #unsaved = 0;
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
    this.#unsaved++;
    this.#span = second + 1;
    this.#requests = this.#errors = 0;
  }

  /** Nobody looked until `second`: the time before it belongs to no point. */
  passGap(second: number): void {
    this.#span = second;
    this.#requests = this.#errors = 0;
  }

  /** Plain values that `restore` takes; `whole`: every point, not only those since the last save. */
  save(whole: boolean): SavedHistory {
    const count = whole ? this.#points.length : Math.min(this.#unsaved, this.#points.length);
    this.#unsaved = 0;
    const points = this.#points.slice(this.#points.length - count);
    return { span: this.#span, requests: this.#requests, errors: this.#errors, points };
  }

  restore(saved: SavedHistory): void {
    this.#span = saved.span;
    this.#requests = saved.requests;
    this.#errors = saved.errors;
    this.#points = saved.points.slice(-POINTS);
  }

  /** Oldest first. Where two are further apart than a minute or so, nobody looked. */
  points(): HistoryPoint[] {
    const from = (this.#points.at(-1)?.at ?? 0) - SHOWN_MS;
    return this.#points.filter(({ at }) => at > from);
  }
}
