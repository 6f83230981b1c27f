import type { EpochMs } from "../accesslog/record.ts";
import { headOf, queryStart } from "./path-sketch.ts";
import { type SourceRows, WORDS, type Word } from "./source-rows.ts";

/** Most tries waiting at once; beyond that they count at once. */
const MOST_WAITING = 65_536;
/** What waits is counted in the lower half of a word, what of it is excused in the upper one. */
const EXCUSED = 0x10000;
const MOST_OF_ONE = 0xffff;
/** Of what was asked for so many characters are kept, for the evidence. */
const MOST_TEXT = 200;

/** What a try asked for, without its query, and what it was answered. */
export interface Try {
  readonly path: string;
  readonly status: number;
}

/**
 * Tries of all sources that wait for what tells whether they were right: each is excused in time, or has failed.
 * Within a source the oldest are excused first: discovery comes before the password.
 */
export class Tries {
  readonly #due = new Float64Array(MOST_WAITING);
  readonly #slot = new Int32Array(MOST_WAITING);
  /** The visit a try belongs to: a slot that was given to another source meanwhile has another. */
  readonly #visit = new Int32Array(MOST_WAITING);
  readonly #status = new Uint16Array(MOST_WAITING);
  /** As many as wait: what has been handed on is let go. */
  readonly #path: string[] = [];
  #head = 0;
  #length = 0;

  /** `word`: where a source's row counts them. */
  constructor(
    private readonly waitMs: number,
    private readonly rows: SourceRows,
    private readonly word: typeof Word.refusals | typeof Word.logins,
  ) {}

  /** Tries that are neither excused nor due. */
  openOf(slot: number): number {
    const tries = this.#of(slot);
    return (tries & MOST_OF_ONE) - (tries >>> 16);
  }

  /** A try begins to wait. False when it cannot and has to count at once. */
  add(slot: number, at: EpochMs, { path, status }: Try): boolean {
    if (this.#length === MOST_WAITING || (this.#of(slot) & MOST_OF_ONE) === MOST_OF_ONE) return false;
    const i = (this.#head + this.#length++) % MOST_WAITING;
    this.#due[i] = at + this.waitMs;
    this.#slot[i] = slot;
    this.#visit[i] = this.rows.visit(slot);
    this.#status[i] = status;
    this.#path[i] = headOf(path, Math.min(queryStart(path), MOST_TEXT));
    this.#change(slot, 1);
    return true;
  }

  /** Excuses up to `most` of a source's waiting tries. */
  excuse(slot: number, most: number): void {
    this.#change(slot, Math.min(this.openOf(slot), most) * EXCUSED);
  }

  /** Does any try wait? */
  get isWaiting(): boolean {
    return this.#length > 0;
  }

  /** Hands on the slots of tries whose time is up, once for each: the try, or null where something has excused it. */
  mature(now: EpochMs, settle: (slot: number, failed: Try | null) => void): void {
    while (this.#length > 0 && this.#due[this.#head]! <= now) {
      const slot = this.#slot[this.#head]!;
      const isSame = this.#visit[this.#head] === this.rows.visit(slot);
      const one = { path: this.#path[this.#head]!, status: this.#status[this.#head]! };
      this.#path[this.#head] = "";
      this.#head = (this.#head + 1) % MOST_WAITING;
      this.#length--;
      if (!isSame) continue;
      const isExcused = this.#of(slot) >>> 16 > 0;
      this.#change(slot, isExcused ? -EXCUSED - 1 : -1);
      settle(slot, isExcused ? null : one);
    }
  }

  #of(slot: number): number {
    return this.rows.words[slot * WORDS + this.word]!;
  }

  #change(slot: number, by: number): void {
    this.rows.words[slot * WORDS + this.word]! += by;
  }
}
