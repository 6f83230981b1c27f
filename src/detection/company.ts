import type { EpochMs } from "../accesslog/record.ts";
import type { RequestClass } from "./class-table.ts";

/** Bits of a set: 256 kB. With a hundred thousand sources in it one stranger in twenty is taken for one of them. */
const BITS = 1 << 21;
/** A source is remembered for one to two of these. */
const SPAN_MS = 12 * 3_600_000;
/** Who came less than one to two of these before a surge may be its vanguard. */
const PROBATION_MS = 60_000;
/** Most newcomers on probation; a crowd beyond that is no acquaintance. */
const NEWCOMERS = 100_000;

/** Sources in constant memory, as bits under their hash: a stranger may be taken for a member, never the other way. */
class SourceSet {
  readonly #words = new Uint32Array(BITS / 32);

  has(seed: number): boolean {
    return (this.#words[(seed & (BITS - 1)) >>> 5]! & (1 << (seed & 31))) !== 0;
  }

  add(seed: number): void {
    this.#words[(seed & (BITS - 1)) >>> 5]! |= 1 << (seed & 31);
  }
}

/** A set that forgets what was added longer ago than one to two spans. */
class RecentSources {
  #now = new SourceSet();
  #before = new SourceSet();
  #until: EpochMs = Number.NEGATIVE_INFINITY;

  has(seed: number): boolean {
    return this.#now.has(seed) || this.#before.has(seed);
  }

  add(seed: number, at: EpochMs): void {
    if (at >= this.#until) {
      this.#before = at < this.#until + SPAN_MS ? this.#now : new SourceSet();
      this.#now = new SourceSet();
      this.#until = at + SPAN_MS;
    }
    this.#now.add(seed);
  }
}

/**
 * Who is known to be more than part of a surge: who came with company (a browser that loads a page loads its files too,
 * a client its data), and who was here in calm times (regular readers, monitors, robots, clients of an application).
 */
export class Company {
  readonly #loaders = new RecentSources();
  readonly #regulars = new RecentSources();
  /** Seeds seen in calm times, in this minute and in the one before. */
  #newcomers = new Set<number>();
  #onProbation = new Set<number>();
  #turnAt: EpochMs = Number.NEGATIVE_INFINITY;
  /** Sources that loaded what comes with pages from this site, when they did so first: none where it lies elsewhere. */
  loaders = 0;

  /** Takes in a request. `isCalm`: the site is within its normal. */
  add(seed: number, kind: RequestClass, status: number, at: EpochMs, isCalm: boolean): void {
    if (isCompany(kind, status)) this.#addLoader(seed, at, isCalm);
    if (at >= this.#turnAt) this.#turn(at);
    if (!isCalm) this.#forgetNewcomers();
    else if (this.#newcomers.size < NEWCOMERS && !this.#regulars.has(seed)) this.#newcomers.add(seed);
  }

  has(seed: number): boolean {
    return this.#loaders.has(seed) || this.#regulars.has(seed);
  }

  #addLoader(seed: number, at: EpochMs, isCalm: boolean): void {
    if (isCalm && !this.#loaders.has(seed)) this.loaders++;
    this.#loaders.add(seed, at);
  }

  /** A minute of calm, or more, is over: who came before it is a regular. */
  #turn(at: EpochMs): void {
    const isNext = at < this.#turnAt + PROBATION_MS;
    const regulars = isNext ? this.#onProbation : [...this.#onProbation, ...this.#newcomers];
    for (const seed of regulars) this.#regulars.add(seed, at);
    this.#onProbation = isNext ? this.#newcomers : new Set();
    this.#newcomers = new Set();
    this.#turnAt = at + PROBATION_MS;
  }

  /** A surge has begun: who came right before it may be part of it. */
  #forgetNewcomers(): void {
    this.#newcomers.clear();
    this.#onProbation.clear();
  }
}

/** Files, thumbnails and data; parts of a file too, which readers of documents and players ask for one after another. */
function isCompany(kind: RequestClass, status: number): boolean {
  switch (kind) {
    case "asset":
    case "preview":
    case "share":
    case "dav":
    case "proof":
      return true;
    case "page":
    case "probe":
    case "login":
      return status === 206;
    default:
      return kind satisfies never;
  }
}
