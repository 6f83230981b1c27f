import type { EpochMs } from "../accesslog/record.ts";
import type { BaselineSnapshot } from "../decision.ts";

/** One minute of the site, for charts over days. */
export interface Minute {
  /** When it began. */
  readonly at: EpochMs;
  readonly requests: number;
  readonly errors: number;
  /** The baseline and the trigger in force at its end, requests per second. */
  readonly mean: number;
  readonly stddev: number;
  readonly trigger: number;
}

/** Finished minutes kept until somebody saves them; more are dropped, oldest first. */
const MOST_UNSAVED = 1500;

/** Counts the site's requests by minute. A minute without a request is one with zeros; one that nobody looked at is none. */
export class Minutes {
  #open: Minute | null = null;
  #unsaved: Minute[] = [];

  /** Adds a closed second. */
  add(second: number, requests: number, errors: number, baseline: BaselineSnapshot, trigger: number): void {
    const at = Math.floor(second / 60) * 60_000;
    if (this.#open !== null && this.#open.at !== at) this.#close(this.#open);
    this.#open = {
      at,
      requests: (this.#open?.requests ?? 0) + requests,
      errors: (this.#open?.errors ?? 0) + errors,
      mean: baseline.mean,
      stddev: baseline.stddev,
      trigger,
    };
  }

  /** The minutes that changed since the last save, oldest first; the last one may still grow. */
  save(): Minute[] {
    const changed = this.#open === null ? this.#unsaved : [...this.#unsaved, this.#open];
    this.#unsaved = [];
    return changed;
  }

  /** Goes on with the minute that was open when it was saved. */
  restore(saved: readonly Minute[]): void {
    this.#open = saved.at(-1) ?? null;
  }

  #close(minute: Minute): void {
    this.#open = null;
    this.#unsaved.push(minute);
    if (this.#unsaved.length > MOST_UNSAVED) this.#unsaved.shift();
  }
}
