import type { Config } from "../config/schema.ts";
import type { Source } from "../net/cidr.ts";
import type { SourceTable } from "./source-table.ts";
import type { Tuning } from "./tuning.ts";

/** How often the sources are looked at, in seconds. */
export const RAMP_LOOK_SECONDS = 60;
/** Looks that make up one of the three spans that are held against each other: five minutes. */
const SPAN_LOOKS = 5;
const SPANS = 3;
export const RAMP_SPAN_MS = SPAN_LOOKS * RAMP_LOOK_SECONDS * 1000;
/** Sources followed at a time: those beyond it are seen only by what they ask for in one window. */
const MOST = 16_384;
/** Requests in a window from which a source is followed: most come once or twice. */
const FIRST = 3;
/** What a source that is followed may look at besides: a first look costs less than one. */
const FIRST_LOOKS = 1;
/** Fewer than this in the first of the spans is no rate that something could have grown from. */
const LEAST_BEFORE = 8;
/** Minutes without a request after which a source is no longer followed. */
const PATIENCE = 3;

type Numbers = Pick<Tuning, "rampRequests" | "rampGrowth" | "rampSteadiness" | "rampShare" | "rampBytes">;

/** Requests of a ramp in three spans of five minutes, the earliest first. */
export type RampSpans = readonly [number, number, number];

/** The contract knows no ramps; and a window shorter than a minute holds a sample of it, which grows by chance. */
export function canSeeRamps({ profile, window }: Pick<Config["detection"], "profile" | "window">): boolean {
  return profile !== "contract" && window >= RAMP_LOOK_SECONDS * 1000;
}

/** What a source did in the last minutes. */
interface Followed {
  /** Its 32 bits, as the table has them. */
  readonly address: number;
  /** Requests in each, the latest last: as many as the spans take. */
  readonly minutes: number[];
  /** Minutes without a request, at the end. */
  quiet: number;
}

/**
 * Sources that fetch one page, again and again and faster and faster, and nothing else: floods that begin far below any
 * trigger. People who come one after another bring files, other pages and other programs; what devices ask for in turn
 * is small, and they come one by one; what servers ask of themselves is posted. Only a machine that is being turned up
 * fetches one page at a pace that multiplies. Looked for once a minute: a request costs nothing.
 */
export class Ramps {
  readonly #followed = new Map<Source, Followed>();
  readonly #found = new Map<number, { readonly visit: number; readonly spans: RampSpans }>();
  /** The minute that was looked at last. */
  #minute = Number.NEGATIVE_INFINITY;
  /** Sources that were not followed because too many were; counted at each look. */
  missed = 0;

  constructor(
    private readonly table: SourceTable,
    private readonly numbers: Numbers,
  ) {}

  /** Takes down what each source did in its window; at the end of each minute, but for those in which nothing was asked. */
  look(minute: number, windowMs: number): void {
    const { table } = this;
    const scale = (RAMP_LOOK_SECONDS * 1000) / windowMs;
    const idle = Math.min(minute - this.#minute - 1, PATIENCE);
    this.#minute = minute;
    this.#found.clear();
    for (let i = 0; i < idle; i++) for (const [source, one] of this.#followed) this.#take(source, one, 0);
    for (const [source, one] of this.#followed) this.#goOn(source, one, scale);
    table.forEach((slot, source) => {
      const requests = table.rows.requests(slot);
      if (requests < FIRST || !this.#repeatsPages(slot, requests) || this.#followed.has(source)) return;
      if (this.#followed.size < MOST)
        this.#followed.set(source, { address: table.rows.address(slot), minutes: [requests * scale], quiet: 0 });
      else this.missed++;
    });
  }

  /** After its ban a source is followed from nothing, like all else of it. */
  forget(source: Source): void {
    this.#followed.delete(source);
  }

  /** Nothing is looked for any more: what was seen until now is not continued later. */
  forgetAll(): void {
    this.#followed.clear();
    this.#found.clear();
  }

  /** The spans of a source that ramps up, as of the last look; null of every other. */
  of(slot: number): RampSpans | null {
    if (this.#found.size === 0) return null;
    const found = this.#found.get(slot);
    return found?.visit === this.table.rows.visit(slot) ? found.spans : null;
  }

  #goOn(source: Source, one: Followed, scale: number): void {
    const slot = this.table.slotOf(source, one.address);
    const requests = slot === undefined ? 0 : this.table.rows.requests(slot);
    if (slot !== undefined && !this.#repeatsPages(slot, requests)) {
      this.#followed.delete(source);
      return;
    }
    if (!this.#take(source, one, requests * scale) || slot === undefined) return;
    const spans = this.#spansOf(one.minutes);
    if (spans !== null && this.#isOneThing(slot)) this.#found.set(slot, { visit: this.table.rows.visit(slot), spans });
  }

  /** Takes down one more minute of a source; false when it was the last that we waited for. */
  #take(source: Source, one: Followed, requests: number): boolean {
    one.quiet = requests === 0 ? one.quiet + 1 : 0;
    if (one.quiet === PATIENCE) {
      this.#followed.delete(source);
      return false;
    }
    one.minutes.push(requests);
    if (one.minutes.length > SPANS * SPAN_LOOKS) one.minutes.shift();
    return true;
  }

  /** By what its requests cost: a file, a proof of an account, trust, a first look all cost less than one. */
  #repeatsPages(slot: number, requests: number): boolean {
    return this.table.rows.cost(slot) + FIRST_LOOKS >= this.numbers.rampShare * requests;
  }

  /** Of a source that multiplies from span to span, and by more and more; else null. */
  #spansOf(minutes: readonly number[]): RampSpans | null {
    if (minutes.length < SPANS * SPAN_LOOKS) return null;
    const { rampRequests, rampGrowth, rampSteadiness } = this.numbers;
    const [before, then, now] = [0, 1, 2].map((span) => sum(minutes, span * SPAN_LOOKS)) as [number, number, number];
    const grows = before >= LEAST_BEFORE && then >= rampGrowth * before && now >= rampGrowth * then;
    if (!grows || now < rampRequests) return null;
    return now - then >= rampSteadiness * (then - before) ? [before, then, now] : null;
  }

  #isOneThing(slot: number): boolean {
    const { rows } = this.table;
    const sketch = this.table.sketchOf(slot);
    const { rampShare, rampBytes } = this.numbers;
    if (sketch === undefined || sketch.mixesAgents || sketch.topShare < rampShare) return false;
    const { share, bytes } = sketch.fetched;
    if (share < rampShare * rampShare || bytes < rampBytes) return false;
    return rows.sustainedCost(slot) >= rampShare * rows.sustainedRequests(slot);
  }
}

function sum(minutes: readonly number[], from: number): number {
  let total = 0;
  for (let i = from; i < from + SPAN_LOOKS; i++) total += minutes[i]!;
  // A window longer than a minute is counted by the minute's part of it; people and bans are told whole requests.
  return Math.round(total);
}
