import type { EpochMs } from "../accesslog/record.ts";
import { largerSize } from "./source-table.ts";

/** Most tries waiting at once; beyond that they count at once. */
const MOST_WAITING = 65_536;

/**
 * Tries of all sources that wait for what tells whether they were right: each is excused in time, or has failed.
 * Within a source the oldest are excused first: discovery comes before the password.
 */
export class Tries {
  readonly #due = new Float64Array(MOST_WAITING);
  readonly #slot = new Int32Array(MOST_WAITING);
  /** The visit a try belongs to: a slot that was given to another source meanwhile has another. */
  readonly #visit = new Uint32Array(MOST_WAITING);
  #head = 0;
  #length = 0;
  #visits = new Uint32Array(1024);
  #waiting = new Uint16Array(1024);
  #excused = new Uint16Array(1024);
  #nextVisit = 0;

  constructor(private readonly waitMs: number) {}

  /** A slot begins another visit: what waits for it from an earlier one is void. */
  begin(slot: number): void {
    if (slot >= this.#visits.length) this.#grow();
    this.#visits[slot] = ++this.#nextVisit >>> 0;
    this.#waiting[slot] = this.#excused[slot] = 0;
  }

  /** Tries that are neither excused nor due. */
  openOf(slot: number): number {
    return this.#waiting[slot]! - this.#excused[slot]!;
  }

  /** A try begins to wait. False when it cannot and has to count at once. */
  add(slot: number, at: EpochMs): boolean {
    if (this.#length === MOST_WAITING || this.#waiting[slot] === 0xffff) return false;
    const i = (this.#head + this.#length++) % MOST_WAITING;
    this.#due[i] = at + this.waitMs;
    this.#slot[i] = slot;
    this.#visit[i] = this.#visits[slot]!;
    this.#waiting[slot]!++;
    return true;
  }

  /** Excuses up to `most` of a source's waiting tries. */
  excuse(slot: number, most: number): void {
    this.#excused[slot]! += Math.min(this.openOf(slot), most);
  }

  /** Hands on, once for each, the slots whose tries nothing has excused in time. */
  mature(now: EpochMs, fail: (slot: number) => void): void {
    while (this.#length > 0 && this.#due[this.#head]! <= now) {
      const slot = this.#slot[this.#head]!;
      const isSame = this.#visit[this.#head] === this.#visits[slot];
      this.#head = (this.#head + 1) % MOST_WAITING;
      this.#length--;
      if (!isSame) continue;
      this.#waiting[slot]!--;
      if (this.#excused[slot]! > 0) this.#excused[slot]!--;
      else fail(slot);
    }
  }

  #grow(): void {
    const size = largerSize(this.#visits.length);
    const wider = <T extends Uint16Array | Uint32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#visits = wider(this.#visits, new Uint32Array(size));
    this.#waiting = wider(this.#waiting, new Uint16Array(size));
    this.#excused = wider(this.#excused, new Uint16Array(size));
  }
}
