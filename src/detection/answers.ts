import type { EpochMs } from "../accesslog/record.ts";

/** Most 401s waiting at once; beyond that they count at once. */
const MOST_WAITING = 65_536;

/** What a source's logins are waiting for: a 401 for the success that excuses it, a redirect for the page behind it. */
export class Answers {
  /** Waiting 401s of all sources, oldest first: when they fall due, whose they are, and in which visit. */
  readonly #due = new Float64Array(MOST_WAITING);
  readonly #slot = new Int32Array(MOST_WAITING);
  readonly #visit = new Uint32Array(MOST_WAITING);
  #head = 0;
  #length = 0;
  /** Per slot: the visit it is in, 401s waiting, of these excused, and the target of the last one (hashed). */
  #visits = new Uint32Array(1024);
  #waiting = new Uint16Array(1024);
  #excused = new Uint16Array(1024);
  #target = new Uint32Array(1024);
  /** Per slot: logins answered with a redirect that wait to be told right or wrong, and when the last one was. */
  #redirects = new Uint8Array(1024);
  #redirectedAt = new Float64Array(1024);
  #nextVisit = 0;

  constructor(
    private readonly answerMs: number,
    /** How many waiting 401s one proof of an account excuses. */
    private readonly excusedByProof: number,
  ) {}

  /** A slot begins another visit: what waits for it from an earlier one is void. */
  begin(slot: number): void {
    if (slot >= this.#visits.length) this.#grow();
    this.#visits[slot] = ++this.#nextVisit >>> 0;
    this.#waiting[slot] = this.#excused[slot] = this.#redirects[slot] = 0;
    this.#target[slot] = 0;
  }

  /** A 401 for a target. False when it cannot wait and has to count at once. */
  refuse(slot: number, target: number, at: EpochMs): boolean {
    if (this.#length === MOST_WAITING || this.#waiting[slot] === 0xffff) return false;
    const i = (this.#head + this.#length++) % MOST_WAITING;
    this.#due[i] = at + this.answerMs;
    this.#slot[i] = slot;
    this.#visit[i] = this.#visits[slot]!;
    this.#waiting[slot]!++;
    this.#target[slot] = target;
    return true;
  }

  /** Something only an account can cause: it excuses the 401s of its discovery. */
  prove(slot: number): void {
    this.#excuse(slot, this.excusedByProof);
  }

  /** A success for a target: it excuses one 401 for the same. */
  succeed(slot: number, target: number): void {
    if (this.#waiting[slot]! > 0 && this.#target[slot] === target) this.#excuse(slot, 1);
  }

  /** Does a 401 wait that is not excused yet? Cheap, so that successes of sources without one cost nothing. */
  isWaiting(slot: number): boolean {
    return this.#waiting[slot]! > this.#excused[slot]!;
  }

  /** Hands on, once for each, the slots whose 401s no success has followed in time. */
  mature(now: EpochMs, fail: (slot: number) => void): void {
    while (this.#length > 0 && this.#due[this.#head]! <= now) {
      const slot = this.#slot[this.#head]!;
      const isSame = this.#visit[this.#head] === this.#visits[slot];
      this.#head = (this.#head + 1) % MOST_WAITING;
      this.#length--;
      if (!isSame) continue;
      this.#waiting[slot]!--;
      // The oldest are excused first: discovery comes before the password.
      if (this.#excused[slot]! > 0) this.#excused[slot]!--;
      else fail(slot);
    }
  }

  /** A login was answered with a redirect: the next page says whether it was right. */
  redirect(slot: number, at: EpochMs): void {
    if (this.#redirects[slot]! < 255) this.#redirects[slot]!++;
    this.#redirectedAt[slot] = at;
  }

  /** Takes one waiting redirect, when there is one in time. */
  takeRedirect(slot: number, at: EpochMs): boolean {
    if (this.#redirects[slot] === 0) return false;
    if (at - this.#redirectedAt[slot]! > this.answerMs) {
      this.#redirects[slot] = 0;
      return false;
    }
    this.#redirects[slot]!--;
    return true;
  }

  hasRedirect(slot: number): boolean {
    return this.#redirects[slot]! > 0;
  }

  #excuse(slot: number, most: number): void {
    const open = this.#waiting[slot]! - this.#excused[slot]!;
    this.#excused[slot]! += Math.min(open, most);
  }

  #grow(): void {
    const size = this.#visits.length * 2;
    const wider = <T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#visits = wider(this.#visits, new Uint32Array(size));
    this.#waiting = wider(this.#waiting, new Uint16Array(size));
    this.#excused = wider(this.#excused, new Uint16Array(size));
    this.#target = wider(this.#target, new Uint32Array(size));
    this.#redirects = wider(this.#redirects, new Uint8Array(size));
    this.#redirectedAt = wider(this.#redirectedAt, new Float64Array(size));
  }
}
