import type { EpochMs } from "../accesslog/record.ts";

/** What one source did in one bucket of the sustained window. */
export interface Bucket {
  readonly slot: number;
  /** The visit of the source that it belongs to. */
  readonly visit: number;
  readonly requests: number;
  readonly errors: number;
  readonly certain: number;
  readonly probes: number;
  readonly siblings: number;
  readonly cost: number;
}

/** Length of a bucket: the grain at which the ten-minute window slides. */
export const BUCKET_MS = 10_000;

/** Where a number stands in its bucket: 64-bit places, and 32-bit ones behind them. */
const Double = { start: 0, cost: 1 } as const;
const Word = { slot: 4, visit: 5, requests: 6, errors: 7, certain: 8, probes: 9, siblings: 10 } as const;
const DOUBLES = 6;
const WORDS = 2 * DOUBLES;

/**
 * The sustained (ten-minute) window of all sources: one bucket per source and ten seconds in which it did
 * something worth watching. Low-and-slow sources are few, so this stays small where exact timestamps would not.
 */
export class SustainedRing {
  #size = 1024;
  /** The numbers of a bucket side by side; both views are of the same memory. */
  #doubles = new Float64Array(this.#size * DOUBLES);
  #words = new Int32Array(this.#doubles.buffer);
  /** Serial numbers of the oldest bucket and of the next one to be made. */
  #first = 0;
  #next = 0;

  constructor(readonly limit: number) {}

  get length(): number {
    return this.#next - this.#first;
  }

  get isFull(): boolean {
    return this.length >= this.limit;
  }

  get oldestStart(): EpochMs {
    return this.length === 0 ? Number.POSITIVE_INFINITY : this.#startOf(this.#first);
  }

  /** Is the bucket with this serial number still here? */
  has(serial: number): boolean {
    return serial >= this.#first && serial < this.#next;
  }

  /** Opens a bucket and returns its serial number. */
  open(slot: number, visit: number, start: EpochMs): number {
    if (this.length === this.#size) this.#grow();
    const serial = this.#next++;
    const i = this.#placeOf(serial);
    for (let at = i * DOUBLES; at < (i + 1) * DOUBLES; at++) this.#doubles[at] = 0;
    this.#doubles[i * DOUBLES + Double.start] = start;
    this.#words[i * WORDS + Word.slot] = slot;
    this.#words[i * WORDS + Word.visit] = visit;
    return serial;
  }

  add(
    serial: number,
    requests: number,
    errors: number,
    certain: number,
    probes: number,
    siblings: number,
    cost: number,
  ): void {
    const i = this.#placeOf(serial);
    const words = this.#words;
    const at = i * WORDS;
    this.#doubles[i * DOUBLES + Double.cost]! += cost;
    words[at + Word.requests]! += requests;
    words[at + Word.errors]! += errors;
    words[at + Word.certain]! += certain;
    words[at + Word.probes]! += probes;
    words[at + Word.siblings]! += siblings;
  }

  shift(): Bucket {
    const i = this.#placeOf(this.#first++);
    const words = this.#words;
    const at = i * WORDS;
    return {
      slot: words[at + Word.slot]!,
      visit: words[at + Word.visit]!,
      requests: words[at + Word.requests]!,
      errors: words[at + Word.errors]!,
      certain: words[at + Word.certain]!,
      probes: words[at + Word.probes]!,
      siblings: words[at + Word.siblings]!,
      cost: this.#doubles[i * DOUBLES + Double.cost]!,
    };
  }

  #placeOf(serial: number): number {
    return serial & (this.#size - 1);
  }

  #startOf(serial: number): EpochMs {
    return this.#doubles[this.#placeOf(serial) * DOUBLES + Double.start]!;
  }

  #grow(): void {
    const old = this.#doubles;
    const places = this.#size;
    this.#size *= 2;
    this.#doubles = new Float64Array(this.#size * DOUBLES);
    this.#words = new Int32Array(this.#doubles.buffer);
    for (let serial = this.#first; serial < this.#next; serial++) {
      const from = (serial & (places - 1)) * DOUBLES;
      this.#doubles.set(old.subarray(from, from + DOUBLES), this.#placeOf(serial) * DOUBLES);
    }
  }
}
