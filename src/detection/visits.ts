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
  #periods = new Uint32Array(1 << BITS);
  #counts = new Uint16Array(1 << BITS);
  /** Entries overwritten while still in their period. */
  evicted = 0;

  /** Counts a visit and returns how many there were in this period, this one included. */
  count(kind: VisitKind, seed: number, path: string, wholeTarget: boolean, period: number): number {
    const end = wholeTarget ? path.length : queryStart(path);
    const hash = hashText(path, end, Math.imul(seed ^ (kind * 0x9e3779b1), 0x85ebca6b));
    const stamp = (period * 8 + kind) >>> 0;
    const base = (Math.imul(hash, 0x9e3779b1) >>> (32 - BITS)) & ~(WAYS - 1);
    let victim = base;
    for (let i = base; i < base + WAYS; i++) {
      if (this.#tags[i] === hash && this.#periods[i] === stamp) {
        if (this.#counts[i]! < 0xffff) this.#counts[i]!++;
        return this.#counts[i]!;
      }
      if (this.#periods[victim]! === stamp && (this.#periods[i]! !== stamp || this.#counts[i]! < this.#counts[victim]!))
        victim = i;
    }
    if (this.#periods[victim] === stamp) this.evicted++;
    this.#tags[victim] = hash;
    this.#periods[victim] = stamp;
    this.#counts[victim] = 1;
    return 1;
  }
}

/** FNV-1a over UTF-16 units, from a seed, finished so that the high bits are good. */
export function hashText(text: string, end: number, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) | 0;
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
