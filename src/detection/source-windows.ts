import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";
import { EventRing, type ExploitWeights, failureWeight, Mark } from "./event-ring.ts";
import { DOUBLES, Double, WORDS, Word } from "./source-rows.ts";
import { SourceTable } from "./source-table.ts";
import { BUCKET_MS, SustainedRing } from "./sustained-ring.ts";
import { BUSY_REQUESTS } from "./tuning.ts";

/** Bounds that are not worth a key: events in the window (21 bytes each), buckets in the sustained window. */
const MOST_EVENTS = 8_000_000;
const MOST_BUCKETS = 1_000_000;
/** Length of the sustained window. */
export const SUSTAINED_MS = 600_000;

export interface WindowSettings {
  readonly windowMs: number;
  /** Does the profile look at ten minutes too? */
  readonly isSustained: boolean;
}

/** What one second held of one source. */
export interface SecondCount {
  requests: number;
  errors: number;
}

/** The exact window of all sources, and their sustained one: events in, counters per source and for the site. */
export class SourceWindows {
  readonly table: SourceTable;
  readonly #ring: EventRing;
  readonly #sustained = new SustainedRing(MOST_BUCKETS);
  /** Requests and errors inside the window, of all sources, forgotten ones too. */
  requests = 0;
  errors = 0;

  constructor(
    private settings: WindowSettings,
    maxSources: number,
    private readonly weights: ExploitWeights,
    /** A visit ended: its highest compared rate, per second. */
    private readonly onVisitEnd: (peak: number) => void,
    mostEvents = MOST_EVENTS,
  ) {
    this.#ring = new EventRing(mostEvents);
    this.table = new SourceTable(maxSources, weights);
  }

  get isEmpty(): boolean {
    return this.#ring.length === 0 && this.#sustained.length === 0;
  }

  configure(settings: WindowSettings): void {
    this.settings = settings;
  }

  /** The slot of a source, for a request of it. A full window makes room first: that may free a slot, this one too. */
  slotOf(source: Source, address: number): number | undefined {
    this.#makeRoom();
    return this.table.slotOf(source, address);
  }

  /** The slot of a source that has none yet, as slotOf has just said. */
  claim(source: Source, at: EpochMs, address: number): number {
    return this.table.claim(source, at, address);
  }

  /** Puts a request of a source into both windows. `cost` and `sustainedCost` are what it counts in each. */
  count(slot: number, at: EpochMs, cost: number, sustainedCost: number, marks: number): void {
    this.#makeRoom();
    if (!this.table.isLive(slot)) return;
    const { rows } = this.table;
    const stored = this.#ring.push(at, slot, rows.visit(slot), cost, marks);
    this.table.add(slot, stored, marks);
    if (marks & Mark.request) {
      this.requests++;
      if (marks & Mark.error) this.errors++;
    }
    const rate = rows.cost(slot) / (this.settings.windowMs / 1000);
    const peak = slot * WORDS + Word.peak;
    if (rate > rows.floats[peak]!) rows.floats[peak] = rate;
    if (this.settings.isSustained) this.#sustain(slot, at, sustainedCost, marks);
  }

  /** Lets everything leave that is older than its window at `at`. */
  evict(at: EpochMs): void {
    const oldest = at - this.settings.windowMs;
    while (this.#ring.oldestAt <= oldest) this.#ring.shift(this.#leave);
    while (this.#sustained.oldestStart + BUCKET_MS <= at - SUSTAINED_MS) this.#shiftBucket();
  }

  /** What a source did in each second of the window. Looks through the whole window: for a ban, not for a request. */
  secondsOf(slot: number): Map<number, SecondCount> {
    const seconds = new Map<number, SecondCount>();
    this.#ring.forEachOf(slot, this.table.rows.visit(slot), (at, marks) => {
      if (!(marks & Mark.request)) return;
      const second = Math.floor(at / 1000);
      const count = seconds.get(second) ?? { requests: 0, errors: 0 };
      count.requests++;
      if (marks & Mark.error) count.errors++;
      seconds.set(second, count);
    });
    return seconds;
  }

  /** A full ring loses its oldest event early. */
  #makeRoom(): void {
    if (!this.#ring.isFull) return;
    this.#ring.shift(this.#leave);
    this.#ring.overflowed++;
  }

  /** Adds to the source's open bucket when it is worth watching over ten minutes. */
  #sustain(slot: number, at: EpochMs, cost: number, marks: number): void {
    const { words, doubles } = this.table.rows;
    const row = slot * WORDS;
    const worth =
      words[row + Word.buckets]! > 0 || (marks & FAILURE_MARKS) !== 0 || words[row + Word.requests]! >= BUSY_REQUESTS;
    if (!worth) return;
    const request = marks & Mark.request ? 1 : 0;
    const error = marks & Mark.error ? 1 : 0;
    const certain = failureWeight(marks, this.weights);
    const probe = marks & Mark.probe ? 1 : 0;
    const sibling = marks & Mark.sibling ? 1 : 0;
    this.#sustained.add(this.#openBucket(slot, at), request, error, certain, probe, sibling, cost);
    words[row + Word.sustainedRequests]! += request;
    words[row + Word.sustainedErrors]! += error;
    words[row + Word.sustainedCertain]! += certain;
    words[row + Word.sustainedProbes]! += probe;
    words[row + Word.sustainedSiblings]! += sibling;
    doubles[slot * DOUBLES + Double.sustainedCost]! += cost;
  }

  /** The serial number of the source's bucket for these ten seconds. */
  #openBucket(slot: number, at: EpochMs): number {
    const { words, doubles } = this.table.rows;
    const row = slot * DOUBLES;
    const known = doubles[row + Double.openBucket]!;
    if (at < doubles[row + Double.openUntil]! && this.#sustained.has(known)) return known;
    if (this.#sustained.isFull) this.#shiftBucket();
    const start = Math.floor(at / BUCKET_MS) * BUCKET_MS;
    words[slot * WORDS + Word.buckets]!++;
    doubles[row + Double.openUntil] = start + BUCKET_MS;
    return (doubles[row + Double.openBucket] = this.#sustained.open(slot, this.table.rows.visit(slot), start));
  }

  #shiftBucket(): void {
    const b = this.#sustained.shift();
    const { words, doubles } = this.table.rows;
    const row = b.slot * WORDS;
    if (words[row + Word.visit] !== b.visit) return;
    words[row + Word.sustainedRequests]! -= b.requests;
    words[row + Word.sustainedErrors]! -= b.errors;
    words[row + Word.sustainedCertain]! -= b.certain;
    words[row + Word.sustainedProbes]! -= b.probes;
    words[row + Word.sustainedSiblings]! -= b.siblings;
    doubles[b.slot * DOUBLES + Double.sustainedCost]! -= b.cost;
    words[row + Word.buckets]!--;
    this.#endVisit(b.slot);
  }

  readonly #leave = (slot: number, visit: number, cost: number, marks: number): void => {
    if (marks & Mark.request) {
      this.requests--;
      if (marks & Mark.error) this.errors--;
    }
    const { table } = this;
    if (table.rows.visit(slot) === visit) {
      table.remove(slot, cost, marks);
      if (table.rows.requests(slot) === 0) this.#endVisit(slot);
    } else if (marks & Mark.request) table.forgotten--;
  };

  #endVisit(slot: number): void {
    const { rows } = this.table;
    const at = slot * WORDS + Word.peak;
    const peak = rows.floats[at]!;
    if (rows.requests(slot) === 0 && peak > 0) {
      this.onVisitEnd(peak);
      rows.floats[at] = 0;
    }
    this.table.releaseIfEmpty(slot);
  }
}

const FAILURE_MARKS = Mark.certain | Mark.probe | Mark.exploit;
