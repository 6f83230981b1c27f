/**
 * The wall clock without its steps back. Event time cannot go back: after a clock that was an hour ahead is set right,
 * an hour of lines would be too old to count, and bans would end when nobody expects. So time goes on from where it
 * was, ahead of the wall clock, and gives back a tenth of what passes until the two agree again.
 */
import type { Clock } from "./clock.ts";

/** Share of passing time that is given back: rates look 1/9 higher meanwhile. */
const GIVEN_BACK = 0.1;
/** Between two looks that are this far apart the clock was set, or the machine slept. */
const STEP_MS = 5_000;

/** Never goes back; ahead of the wall clock for a while after that was set back. */
export class SteadyClock implements Clock {
  #aheadMs = 0;
  #wall = Number.NEGATIVE_INFINITY;
  #latest = Number.NEGATIVE_INFINITY;

  constructor(private readonly wall: Clock) {}

  /** How far it is ahead of the wall clock, in milliseconds. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  now(): number {
    const wall = this.wall.now();
    const passed = wall - this.#wall;
    this.#wall = wall;
    if (this.#aheadMs > 0 && passed > 0) {
      // A step forward while we are ahead is the correction of what put us there.
      this.#aheadMs = Math.max(0, this.#aheadMs - (passed > STEP_MS ? passed : passed * GIVEN_BACK));
    }
    this.#latest = Math.max(this.#latest, wall + this.#aheadMs);
    this.#aheadMs = this.#latest - wall;
    return this.#latest;
  }

  /** Goes on from `time`, where that is later: what is remembered was made by a clock that has been set back since. */
  notBefore(time: number): void {
    this.#latest = Math.max(this.#latest, time);
    this.now();
  }

  every(periodMs: number, run: () => void): () => void {
    return this.wall.every(periodMs, run);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return this.wall.sleep(delayMs, signal);
  }
}
