import type { EpochMs } from "../accesslog/record.ts";

const MINUTE_MS = 60_000;

/**
 * Stops the banning of single sources when there were more bans in a minute than a sane site produces: better
 * a flood than half the users banned by mistake. It closes after a minute with no more than the limit.
 */
export class Breaker {
  #times: EpochMs[] = [];
  #isOpen = false;

  constructor(private limit: number) {}

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get bansInMinute(): number {
    return this.#times.length;
  }

  configure(limit: number): void {
    this.limit = limit;
  }

  /** Notes a wish to ban; true when it may be carried out. */
  admit(at: EpochMs): boolean {
    this.#expire(at);
    // Wishes are counted while open too, or it would close in the middle of the storm; one more than the limit is enough to know.
    if (this.#times.length <= this.limit) this.#times.push(at);
    else this.#times[this.#times.length - 1] = at;
    if (this.#times.length > this.limit) this.#isOpen = true;
    return !this.#isOpen;
  }

  /** Closes it when the storm is over; true when it just closed. */
  tick(now: EpochMs): boolean {
    this.#expire(now);
    if (!this.#isOpen || this.#times.length > 0) return false;
    this.#isOpen = false;
    return true;
  }

  #expire(now: EpochMs): void {
    while (this.#times.length > 0 && this.#times[0]! <= now - MINUTE_MS) this.#times.shift();
  }
}
