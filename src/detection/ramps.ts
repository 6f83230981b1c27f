import type { Config } from "../config/schema.ts";
import type { Source } from "../net/cidr.ts";
import type { PathSketch } from "./path-sketch.ts";
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
const FIRST = 2;
/** What a source that is followed may look at besides: a first look costs less than one. */
const FIRST_LOOKS = 1;
/** Fewer than this in the first of the spans is no rate that something could have grown from. */
const LEAST_BEFORE = 8;
/** Minutes without a request after which a source is no longer followed. */
const PATIENCE = 3;
/** Minutes at either end of the last span that tell whether it still grows. */
const END = 2;
/** Several things are at most so many: of more, new ones cannot be told from old ones. */
const MOST_PATHS = 64;
/** Several things are fetched at most so often, per second: beyond it people who come together look even too. */
const FASTEST = 1;

type Numbers = Pick<
  Tuning,
  | "rampRequests"
  | "rampGrowth"
  | "rampSteadiness"
  | "rampGoesOn"
  | "rampShare"
  | "rampBytes"
  | "rampParts"
  | "rampTopShare"
  | "rampRepeats"
  | "rampEvenness"
>;

/** A source that ramps up: its requests in three spans of five minutes, the earliest first, and for how many paths, about. */
export interface Ramp {
  readonly spans: readonly [number, number, number];
  readonly paths: number;
}

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
  /** Minutes at the end in which it asked for pages again and nothing else. */
  pages: number;
}

/**
 * Sources that fetch the same again and again, faster and faster, and nothing else: floods that begin far below any
 * trigger. Either one page, or a few dozen things evenly, each for itself. People who come one after another bring files with
 * each page, other pages and other programs; what devices ask for in turn is small, and they come one by one; what servers
 * ask of themselves is posted. Only a machine that is being turned up fetches the same at a pace that multiplies. Looked
 * for once a minute: a request costs nothing.
 */
export class Ramps {
  readonly #followed = new Map<Source, Followed>();
  readonly #found = new Map<number, { readonly visit: number; readonly ramp: Ramp }>();
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
    const idle = Math.min(minute - this.#minute - 1, PATIENCE);
    this.#minute = minute;
    this.#found.clear();
    for (let i = 0; i < idle; i++) for (const [source, one] of this.#followed) this.#take(source, one, 0, true);
    for (const [source, one] of this.#followed) this.#goOn(source, one, windowMs / 1000);
    const now = minute * RAMP_LOOK_SECONDS * 1000;
    table.forEach((slot, source) => {
      const requests = table.rows.requests(slot);
      if (requests < FIRST || table.rows.trustedUntil(slot) > now || this.#followed.has(source)) return;
      if (this.#followed.size === MOST) {
        this.missed++;
        return;
      }
      const one: Followed = { address: table.rows.address(slot), minutes: [], quiet: 0, pages: 0 };
      this.#followed.set(source, one);
      this.#take(source, one, (requests * RAMP_LOOK_SECONDS * 1000) / windowMs, this.#repeatsPages(slot, requests));
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

  /** How a source ramps up, as of the last look; null of every other. */
  of(slot: number): Ramp | null {
    if (this.#found.size === 0) return null;
    const found = this.#found.get(slot);
    return found?.visit === this.table.rows.visit(slot) ? found.ramp : null;
  }

  #goOn(source: Source, one: Followed, windowSeconds: number): void {
    const slot = this.table.slotOf(source, one.address);
    const requests = slot === undefined ? 0 : this.table.rows.requests(slot);
    const isPages = slot === undefined || this.#repeatsPages(slot, requests);
    const isLeft = !this.#take(source, one, (requests * RAMP_LOOK_SECONDS) / windowSeconds, isPages);
    if (isLeft || slot === undefined) return;
    const spans = this.#spansOf(one.minutes);
    if (spans === null) return;
    const paths = this.#pathsOf(slot, one, requests / windowSeconds);
    if (paths !== null) this.#found.set(slot, { visit: this.table.rows.visit(slot), ramp: { spans, paths } });
  }

  /** Takes down one more minute of a source; false when it was the last that we waited for. */
  #take(source: Source, one: Followed, requests: number, isPages: boolean): boolean {
    one.quiet = requests === 0 ? one.quiet + 1 : 0;
    if (one.quiet === PATIENCE) {
      this.#followed.delete(source);
      return false;
    }
    one.pages = isPages ? one.pages + 1 : 0;
    one.minutes.push(requests);
    if (one.minutes.length > SPANS * SPAN_LOOKS) one.minutes.shift();
    return true;
  }

  /** By what its requests cost: a file, a proof of an account, trust, a first look all cost less than one. */
  #repeatsPages(slot: number, requests: number): boolean {
    return this.table.rows.cost(slot) + FIRST_LOOKS >= this.numbers.rampShare * requests;
  }

  /** Of a source that multiplies from span to span, and by more and more; else null. */
  #spansOf(minutes: readonly number[]): Ramp["spans"] | null {
    if (minutes.length < SPANS * SPAN_LOOKS) return null;
    const { rampRequests, rampGrowth, rampSteadiness, rampGoesOn } = this.numbers;
    const [before, then, now] = [0, 1, 2].map((span) => sum(minutes, span * SPAN_LOOKS, SPAN_LOOKS)) as [
      number,
      number,
      number,
    ];
    if (before < LEAST_BEFORE || now < rampRequests) return null;
    // Chance moves what is between the two by more than them both.
    const least = Math.sqrt(rampGrowth);
    const grows = then >= least * before && now >= least * then && now >= rampGrowth * rampGrowth * before;
    if (!grows || sum(minutes, -END, END) < rampGoesOn * sum(minutes, -SPAN_LOOKS, END)) return null;
    return now - then >= rampSteadiness * (then - before) ? [before, then, now] : null;
  }

  /** How many paths a source asks for that does nothing but fetch them again and again; null for every other. */
  #pathsOf(slot: number, { pages }: Followed, rate: number): number | null {
    const sketch = this.table.sketchOf(slot);
    const { rampShare, rampBytes } = this.numbers;
    if (sketch === undefined || sketch.mixesAgents || this.table.rows.people(slot) > 1) return null;
    const { share, bytes } = sketch.fetched;
    if (share < rampShare * rampShare || bytes < rampBytes) return null;
    if (pages >= SPANS * SPAN_LOOKS && this.#isOnePage(slot, sketch)) return 1;
    return this.#isEven(sketch, rate) ? Math.round(sketch.variety) : null;
  }

  #isOnePage(slot: number, sketch: PathSketch): boolean {
    const { rows } = this.table;
    const { rampShare } = this.numbers;
    return sketch.topShare >= rampShare && rows.sustainedCost(slot) >= rampShare * rows.sustainedRequests(slot);
  }

  /** Several things, of which none stands out, each again and again and for itself, what only pages ask for among them. */
  #isEven({ parts, topShare, variety, looks, spread }: PathSketch, rate: number): boolean {
    const { rampParts, rampTopShare, rampRepeats, rampEvenness } = this.numbers;
    if (rate > FASTEST || variety > MOST_PATHS || looks < rampRepeats * variety) return false;
    // Of requests that come by chance, `rate` in a second, so many are the first in theirs.
    const byChance = rate === 0 ? 1 : (1 - Math.exp(-rate)) / rate;
    return topShare <= rampTopShare && parts >= rampParts && spread >= rampEvenness * byChance;
  }
}

/** Of so many minutes, from this one on; a negative one counts from the end. */
function sum(minutes: readonly number[], from: number, count: number): number {
  const first = from < 0 ? minutes.length + from : from;
  let total = 0;
  for (let i = first; i < first + count; i++) total += minutes[i]!;
  // A window longer than a minute is counted by the minute's part of it; people and bans are told whole requests.
  return Math.round(total);
}
