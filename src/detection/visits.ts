import type { EpochMs } from "../accesslog/record.ts";
import { hashText } from "./hash.ts";
import { queryStart } from "./path-sketch.ts";

/** What a visit is remembered for; each kind counts on its own. */
export const VisitKind = { asset: 1, page: 2, failure: 3, excuse: 4, directory: 5, head: 6 } as const;
export type VisitKind = (typeof VisitKind)[keyof typeof VisitKind];

/** Table size: 2^17 entries of 10 bytes. Enough for every path some hundred busy sources ask for in an hour. */
const BITS = 17;
const WAYS = 4;

/**
 * How often a source asked for a path in the current period, in constant memory: a set-associative cache of
 * 32-bit tags. A forgotten entry (evicted under pressure) reads as a first visit, which errs towards innocence.
 */
export class Visits {
  #tags = new Uint32Array(1 << BITS);
  /** When the period of an entry is over, in seconds: each kind has periods of its own. */
  #ends = new Uint32Array(1 << BITS);
  #counts = new Uint16Array(1 << BITS);
  /** Entries overwritten while still in their period. */
  evicted = 0;

  /** Counts a visit and returns how many there were in this period (whole seconds long), this one included. */
  count(kind: VisitKind, seed: number, path: string, wholeTarget: boolean, at: EpochMs, periodMs: number): number {
    const pathEnd = wholeTarget ? path.length : queryStart(path);
    const hash = hashText(path, pathEnd, Math.imul(seed ^ (kind * 0x9e3779b1), 0x85ebca6b));
    const second = Math.floor(at / 1000);
    const end = ((Math.floor(at / periodMs) + 1) * periodMs) / 1000;
    const base = (Math.imul(hash, 0x9e3779b1) >>> (32 - BITS)) & ~(WAYS - 1);
    let victim = base;
    let least = Number.POSITIVE_INFINITY;
    for (let i = base; i < base + WAYS; i++) {
      if (this.#tags[i] === hash && this.#ends[i] === end) {
        if (this.#counts[i]! < 0xffff) this.#counts[i]!++;
        return this.#counts[i]!;
      }
      const weight = this.#ends[i]! > second ? this.#counts[i]! : 0;
      if (weight >= least) continue;
      least = weight;
      victim = i;
    }
    if (least > 0) this.evicted++;
    this.#tags[victim] = hash;
    this.#ends[victim] = end;
    this.#counts[victim] = 1;
    return 1;
  }
}
