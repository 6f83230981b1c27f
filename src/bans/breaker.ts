import type { EpochMs } from "../accesslog/record.ts";

/** The minute is counted by seconds. */
const SECONDS = 60;

/** What survives a restart: whether it is open, and the wishes of the last minute by second (Unix time), oldest first. */
export interface SavedBreaker {
  readonly isOpen: boolean;
  readonly wishes: readonly (readonly [second: number, wishes: number])[];
}

/**
 * Stops the banning of single sources when more bans were wished for in a minute than a sane site produces:
 * better a flood than half the users banned by mistake. It closes when a minute holds no more than the limit.
 */
export class Breaker {
  /** Wishes by second, a ring; and the last second it was moved to. */
  readonly #wishes = new Uint32Array(SECONDS);
  #second = Number.NEGATIVE_INFINITY;
  #inMinute = 0;
  #isOpen = false;

  constructor(private most: number) {}

  get limit(): number {
    return this.most;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Bans wished for in the last minute, those not made included. */
  get bansInMinute(): number {
    return this.#inMinute;
  }

  configure(limit: number): void {
    this.most = limit;
  }

  /** Notes a wish to ban; true when it may be carried out. */
  admit(at: EpochMs): boolean {
    this.#moveTo(at);
    this.#wishes[slotOf(this.#second)]!++;
    this.#inMinute++;
    if (this.#inMinute > this.most) this.#isOpen = true;
    return !this.#isOpen;
  }

  /** Closes it when the storm is over; true when it just closed. */
  tick(now: EpochMs): boolean {
    this.#moveTo(now);
    if (!this.#isOpen || this.#inMinute > this.most) return false;
    this.#isOpen = false;
    return true;
  }

  save(): SavedBreaker {
    const seconds = Array.from({ length: SECONDS }, (_, i) => this.#second - SECONDS + 1 + i);
    const wishes = seconds.map((second) => [second, this.#wishes[slotOf(second)] ?? 0] as const);
    return { isOpen: this.#isOpen, wishes: wishes.filter(([, count]) => count > 0) };
  }

  /** Takes in what an earlier run saved, null where it did not, and the bans it made after that; tells nothing. */
  restore(saved: SavedBreaker | null, bannedAt: readonly EpochMs[]): void {
    const { isOpen, wishes } = saved ?? { isOpen: false, wishes: [] };
    this.#wishes.fill(0);
    this.#inMinute = 0;
    this.#second = Number.NEGATIVE_INFINITY;
    const later = bannedAt.map((at) => [Math.floor(at / 1000), 1] as const);
    for (const [second, count] of [...wishes, ...later].toSorted(([a], [b]) => a - b)) {
      this.#moveTo(second * 1000);
      this.#wishes[slotOf(second)]! += count;
      this.#inMinute += count;
    }
    this.#isOpen = isOpen;
  }

  /** Seconds older than a minute leave. */
  #moveTo(at: EpochMs): void {
    const second = Math.floor(at / 1000);
    const gone = Math.min(SECONDS, second - this.#second);
    for (let i = 0; i < gone; i++) {
      const slot = slotOf(second - i);
      this.#inMinute -= this.#wishes[slot]!;
      this.#wishes[slot] = 0;
    }
    this.#second = Math.max(this.#second, second);
  }
}

function slotOf(second: number): number {
  return ((second % SECONDS) + SECONDS) % SECONDS;
}
