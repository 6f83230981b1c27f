/** A log of any length as at most some two thousand points: the traffic beside what was learned. [pure] */
import type { EpochMs } from "../accesslog/record.ts";

/** Most points; when more are needed, two become one. */
export const MOST_POINTS = 2000;
const FIRST_WIDTH_MS = 10_000;
const MINUTE_MS = 60_000;

/** What the site was compared with. Rates per second. */
export interface Learned {
  readonly mean: number;
  readonly stddev: number;
  readonly trigger: number;
}

/** One span of the log. */
export interface TimelinePoint extends Learned {
  /** End of the point's span. */
  readonly at: EpochMs;
  /** Average over the span. */
  readonly rate: number;
  /** The busiest minute that began in the span; the average where the span is shorter than a minute. */
  readonly peak: number;
}

/** Takes in every record; doubles the width of its points when they would become too many. */
export class Timeline {
  #widthMs = FIRST_WIDTH_MS;
  #origin: EpochMs | null = null;
  #requests = new Float64Array(MOST_POINTS);
  #peaks = new Float64Array(MOST_POINTS);
  #learned: (Learned | undefined)[] = [];
  #minute = -1;
  #minuteRequests = 0;
  #last: EpochMs = 0;

  get widthMs(): number {
    return this.#widthMs;
  }

  /** From the first request to the last; null while there was none. */
  get span(): { readonly from: EpochMs; readonly to: EpochMs } | null {
    return this.#origin === null ? null : { from: this.#origin, to: this.#last };
  }

  /** A request; one from before the first is not drawn. */
  add(at: EpochMs): void {
    this.#origin ??= Math.floor(at / MINUTE_MS) * MINUTE_MS;
    if (at < this.#origin) return;
    if (at > this.#last) this.#last = at;
    const minute = Math.floor(at / MINUTE_MS);
    if (minute > this.#minute) this.#turnMinute(minute);
    if (minute === this.#minute) this.#minuteRequests++;
    this.#requests[this.#index(at)]!++;
  }

  /** What is compared with from `at` on. */
  learn(at: EpochMs, learned: Learned): void {
    if (this.#origin !== null && at >= this.#origin) this.#learned[this.#index(at)] = learned;
  }

  /** Oldest first. `before`: what was compared with before anything was learned. */
  points(before: Learned): TimelinePoint[] {
    if (this.#origin === null) return [];
    this.#turnMinute(this.#minute);
    const points: TimelinePoint[] = [];
    let learned = before;
    for (let i = 0; i <= this.#index(this.#last); i++) {
      learned = this.#learned[i] ?? learned;
      const start = this.#origin + i * this.#widthMs;
      // The last span is cut off where the log ends; a whole second at least.
      const end = Math.min(start + this.#widthMs, Math.max(this.#last + 1, start + 1000));
      const rate = this.#requests[i]! / ((end - start) / 1000);
      const peak = this.#widthMs < MINUTE_MS ? rate : Math.max(rate, this.#peaks[i]!);
      points.push({ at: end, rate, peak, ...learned });
    }
    return points;
  }

  #turnMinute(minute: number): void {
    if (this.#minute >= 0 && this.#origin !== null) {
      const index = this.#index(Math.max(this.#origin, this.#minute * MINUTE_MS));
      this.#peaks[index] = Math.max(this.#peaks[index]!, this.#minuteRequests / 60);
    }
    if (minute !== this.#minute) this.#minuteRequests = 0;
    this.#minute = minute;
  }

  /** The point that holds this time; the points are widened until there is one. */
  #index(at: EpochMs): number {
    while (at - this.#origin! >= this.#widthMs * MOST_POINTS) this.#widen();
    return Math.floor((at - this.#origin!) / this.#widthMs);
  }

  #widen(): void {
    const learned: (Learned | undefined)[] = [];
    for (let i = 0; i < MOST_POINTS; i += 2) {
      const half = i >> 1;
      this.#requests[half] = this.#requests[i]! + this.#requests[i + 1]!;
      this.#peaks[half] = Math.max(this.#peaks[i]!, this.#peaks[i + 1]!);
      learned[half] = this.#learned[i + 1] ?? this.#learned[i];
    }
    this.#requests.fill(0, MOST_POINTS >> 1);
    this.#peaks.fill(0, MOST_POINTS >> 1);
    this.#learned = learned;
    this.#widthMs *= 2;
  }
}
