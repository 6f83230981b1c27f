/** Where a number stands in its source's row, in 64-bit places. */
export const Double = {
  /** What the requests in the window cost, and those of the sustained one. */
  cost: 0,
  sustainedCost: 1,
  /** Until when the source is trusted. */
  trustedUntil: 2,
  /** Serial number of its open bucket in the sustained ring. */
  openBucket: 3,
  /** Until when that bucket is open. */
  openUntil: 4,
  /** When the visit began: its first request, or its first after a ban. */
  since: 15,
} as const;

/** The same in 32-bit places, between the 64-bit ones. What every request needs comes first. */
export const Word = {
  requests: 10,
  /** Number of the visit; 0 while the slot is free. Whatever belongs to an earlier visit has another. */
  visit: 11,
  /** Highest compared rate of this visit (a float): what the busy-source baseline learns. */
  peak: 12,
  /** Buckets of this source in the sustained ring (61 at most). */
  buckets: 13,
  sustainedCertain: 14,
  sustainedProbes: 15,
  /** Two of Tries: what waits, and what of it is excused. */
  refusals: 16,
  logins: 17,
  /** How many people it must be. */
  people: 18,
  /** Hash of the target of its last 401. */
  refused: 19,
  /** Hash of the source, for what is remembered about its paths; 0 until somebody asks. */
  seed: 20,
  errors: 21,
  blamed: 22,
  certain: 23,
  probes: 24,
  siblings: 25,
  sustainedRequests: 26,
  sustainedErrors: 27,
  sustainedSiblings: 28,
  /** The source's 32 bits; 0 for one that is found by its text. */
  address: 29,
} as const;

/** A row's length: 128 bytes, two lines of a processor's cache. */
export const DOUBLES = 16;
export const WORDS = 2 * DOUBLES;

/**
 * What is counted of each source, all numbers of one side by side: a request touches some twenty of them, and among
 * many sources each would be a cache miss of its own if every number had its own array.
 */
export class SourceRows {
  doubles: Float64Array;
  /** The same memory. */
  words: Int32Array;
  floats: Float32Array;

  constructor(count: number) {
    this.doubles = new Float64Array(count * DOUBLES);
    this.words = new Int32Array(this.doubles.buffer);
    this.floats = new Float32Array(this.doubles.buffer);
  }

  get count(): number {
    return this.doubles.length / DOUBLES;
  }

  /** Makes room for more rows than there are: doubled while small, then by a quarter. */
  grow(): void {
    const old = this.doubles;
    const count = this.count;
    this.doubles = new Float64Array((count < 1 << 17 ? count * 2 : Math.ceil(count * 1.25)) * DOUBLES);
    this.doubles.set(old);
    this.words = new Int32Array(this.doubles.buffer);
    this.floats = new Float32Array(this.doubles.buffer);
  }

  clear(slot: number): void {
    const { doubles } = this;
    const end = (slot + 1) * DOUBLES;
    for (let i = slot * DOUBLES; i < end; i++) doubles[i] = 0;
  }

  cost(slot: number): number {
    return this.doubles[slot * DOUBLES + Double.cost]!;
  }

  sustainedCost(slot: number): number {
    return this.doubles[slot * DOUBLES + Double.sustainedCost]!;
  }

  trustedUntil(slot: number): number {
    return this.doubles[slot * DOUBLES + Double.trustedUntil]!;
  }

  since(slot: number): number {
    return this.doubles[slot * DOUBLES + Double.since]!;
  }

  requests(slot: number): number {
    return this.words[slot * WORDS + Word.requests]!;
  }

  visit(slot: number): number {
    return this.words[slot * WORDS + Word.visit]!;
  }

  people(slot: number): number {
    return this.words[slot * WORDS + Word.people]!;
  }

  errors(slot: number): number {
    return this.words[slot * WORDS + Word.errors]!;
  }

  blamed(slot: number): number {
    return this.words[slot * WORDS + Word.blamed]!;
  }

  certain(slot: number): number {
    return this.words[slot * WORDS + Word.certain]!;
  }

  probes(slot: number): number {
    return this.words[slot * WORDS + Word.probes]!;
  }

  siblings(slot: number): number {
    return this.words[slot * WORDS + Word.siblings]!;
  }

  sustainedRequests(slot: number): number {
    return this.words[slot * WORDS + Word.sustainedRequests]!;
  }

  sustainedErrors(slot: number): number {
    return this.words[slot * WORDS + Word.sustainedErrors]!;
  }

  /** The source's 32 bits; 0 for one that is found by its text. */
  address(slot: number): number {
    return this.words[slot * WORDS + Word.address]!;
  }

  sustainedCertain(slot: number): number {
    return this.words[slot * WORDS + Word.sustainedCertain]!;
  }

  sustainedProbes(slot: number): number {
    return this.words[slot * WORDS + Word.sustainedProbes]!;
  }

  sustainedSiblings(slot: number): number {
    return this.words[slot * WORDS + Word.sustainedSiblings]!;
  }
}
