import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";
import { EventRing, type ExploitWeights, failureWeight, Mark } from "./event-ring.ts";
import { SourceTable } from "./source-table.ts";
import { BUCKET_MS, SustainedRing } from "./sustained-ring.ts";
import { BUSY_REQUESTS } from "./tuning.ts";

/** Bounds that are not worth a key: events in the window (17 bytes each), buckets in the sustained window. */
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
  readonly #ring = new EventRing(MOST_EVENTS);
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
  ) {
    this.table = new SourceTable(maxSources, weights);
  }

  get isEmpty(): boolean {
    return this.#ring.length === 0 && this.#sustained.length === 0;
  }

  configure(settings: WindowSettings): void {
    this.settings = settings;
  }

  /** The slot of a source that has none yet. */
  claim(source: Source, at: EpochMs): number {
    this.#makeRoom();
    return this.table.claim(source, at);
  }

  /** Puts a request of a source into both windows. `cost` and `sustainedCost` are what it counts in each. */
  count(slot: number, at: EpochMs, cost: number, sustainedCost: number, marks: number): void {
    this.#makeRoom();
    if (!this.table.isLive(slot)) return;
    const c = this.table.columns;
    const stored = this.#ring.push(at, slot, cost, marks);
    this.table.add(slot, stored, marks);
    if (marks & Mark.request) {
      this.requests++;
      if (marks & Mark.error) this.errors++;
    }
    const rate = c.cost[slot]! / (this.settings.windowMs / 1000);
    if (rate > c.peak[slot]!) c.peak[slot] = rate;
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
    this.#ring.forEachOf(slot, (at, marks) => {
      if (!(marks & Mark.request)) return;
      const second = Math.floor(at / 1000);
      const count = seconds.get(second) ?? { requests: 0, errors: 0 };
      count.requests++;
      if (marks & Mark.error) count.errors++;
      seconds.set(second, count);
    });
    return seconds;
  }

  /** A full ring loses its oldest event early. Before a slot is claimed, for it may free one. */
  #makeRoom(): void {
    if (!this.#ring.isFull) return;
    this.#ring.shift(this.#leave);
    this.#ring.overflowed++;
  }

  /** Adds to the source's open bucket when it is worth watching over ten minutes. */
  #sustain(slot: number, at: EpochMs, cost: number, marks: number): void {
    const c = this.table.columns;
    const worth = c.buckets[slot]! > 0 || (marks & FAILURE_MARKS) !== 0 || c.requests[slot]! >= BUSY_REQUESTS;
    if (!worth) return;
    const start = Math.floor(at / BUCKET_MS) * BUCKET_MS;
    let serial = c.openBucket[slot]!;
    if (!this.#sustained.isOpen(serial, slot, start)) {
      if (this.#sustained.isFull) this.#shiftBucket();
      serial = this.#sustained.open(slot, start);
      c.openBucket[slot] = serial;
      c.buckets[slot]!++;
    }
    const request = marks & Mark.request ? 1 : 0;
    const error = marks & Mark.error ? 1 : 0;
    const certain = failureWeight(marks, this.weights);
    const probe = marks & Mark.probe ? 1 : 0;
    const sibling = marks & Mark.sibling ? 1 : 0;
    this.#sustained.add(serial, request, error, certain, probe, sibling, cost);
    c.sustainedRequests[slot]! += request;
    c.sustainedErrors[slot]! += error;
    c.sustainedCertain[slot]! += certain;
    c.sustainedProbes[slot]! += probe;
    c.sustainedSiblings[slot]! += sibling;
    c.sustainedCost[slot]! += cost;
  }

  #shiftBucket(): void {
    const b = this.#sustained.shift();
    const c = this.table.columns;
    c.sustainedRequests[b.slot]! -= b.requests;
    c.sustainedErrors[b.slot]! -= b.errors;
    c.sustainedCertain[b.slot]! -= b.certain;
    c.sustainedProbes[b.slot]! -= b.probes;
    c.sustainedSiblings[b.slot]! -= b.siblings;
    c.sustainedCost[b.slot]! -= b.cost;
    c.buckets[b.slot]!--;
    this.#endVisit(b.slot);
  }

  readonly #leave = (slot: number, cost: number, marks: number): void => {
    this.table.remove(slot, cost, marks);
    if (marks & Mark.request) {
      this.requests--;
      if (marks & Mark.error) this.errors--;
    }
    if (this.table.columns.requests[slot] === 0) this.#endVisit(slot);
  };

  #endVisit(slot: number): void {
    const c = this.table.columns;
    if (c.requests[slot] === 0 && c.peak[slot]! > 0) {
      this.onVisitEnd(c.peak[slot]!);
      c.peak[slot] = 0;
    }
    this.table.releaseIfEmpty(slot);
  }
}

const FAILURE_MARKS = Mark.certain | Mark.probe | Mark.exploit;
