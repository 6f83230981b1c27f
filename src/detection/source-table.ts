import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";
import { type ExploitWeights, failureWeight, Mark } from "./event-ring.ts";
import { PathSketch } from "./path-sketch.ts";
import { hashText } from "./visits.ts";

/** The columns of a source: counters over the window, and over the ten minutes of the sustained window. */
interface Columns {
  requests: Uint32Array;
  errors: Uint32Array;
  blamed: Uint32Array;
  certain: Int32Array;
  probes: Uint32Array;
  siblings: Uint32Array;
  cost: Float64Array;
  sustainedRequests: Uint32Array;
  sustainedCertain: Int32Array;
  sustainedProbes: Uint32Array;
  sustainedSiblings: Uint32Array;
  sustainedErrors: Uint32Array;
  sustainedCost: Float64Array;
  /** Buckets of this source in the sustained ring (61 at most), and the serial number of the open one. */
  buckets: Uint8Array;
  openBucket: Float64Array;
  /** Highest compared rate of this visit: what the busy-source baseline learns. */
  peak: Float32Array;
  /** When the visit began: its first request, or its first after a ban. */
  since: Float64Array;
  /** A hash of the source, for what is remembered about its paths. */
  seed: Uint32Array;
  /** Where the slot stands: see SlotState. */
  state: Uint8Array;
}

const SlotState = {
  free: 0,
  live: 1,
  /** Forgotten (banned, shed): waits for its events to leave. */ dead: 2,
} as const;

/**
 * Every source with something inside a window, as columns of numbers: about 90 bytes a source. A slot is
 * reused only after its last event has left, so events need no generation mark.
 */
export class SourceTable {
  #slots = new Map<Source, number>();
  #sources: (Source | undefined)[] = [];
  #sketches: (PathSketch | undefined)[] = [];
  #free: number[] = [];
  #top = 0;
  #hand = 0;
  /** Live sources with a request inside the window. */
  active = 0;
  /** Requests inside the window of sources that were forgotten. */
  forgotten = 0;
  columns: Columns = allocate(1024);
  /** Sources put out because the table was full. */
  shed = 0;

  constructor(
    readonly limit: number,
    /** What a certain failure of double weight counts. */
    private readonly weights: ExploitWeights,
  ) {}

  /** Sources with at least one event in a window. */
  get size(): number {
    return this.#slots.size;
  }

  slotOf(source: Source): number | undefined {
    return this.#slots.get(source);
  }

  sourceOf(slot: number): Source {
    return this.#sources[slot]!;
  }

  /** The slot of a source, made when absent. When the table is full the quietest of a few is shed first. */
  claim(source: Source, at: EpochMs): number {
    const known = this.#slots.get(source);
    if (known !== undefined) return known;
    if (this.#slots.size >= this.limit) this.#shedOne();
    const slot = this.#free.pop() ?? this.#top++;
    if (slot >= this.columns.requests.length) this.columns = grow(this.columns);
    this.columns.state[slot] = SlotState.live;
    this.columns.since[slot] = at;
    this.columns.seed[slot] = hashText(source, source.length, 0);
    this.#sources[slot] = source;
    this.#slots.set(source, slot);
    return slot;
  }

  /** Forgets a source at once; its events leave later without effect. */
  forget(slot: number): void {
    const source = this.#sources[slot];
    if (source === undefined || this.columns.state[slot] !== SlotState.live) return;
    if (this.columns.requests[slot]! > 0) this.active--;
    this.forgotten += this.columns.requests[slot]!;
    this.#slots.delete(source);
    this.#sources[slot] = undefined;
    this.#sketches[slot] = undefined;
    this.columns.peak[slot] = 0;
    this.columns.state[slot] = SlotState.dead;
    this.releaseIfEmpty(slot);
  }

  /** Frees the slot once nothing refers to it; true when it was a live source that ended its visit. */
  releaseIfEmpty(slot: number): boolean {
    const c = this.columns;
    if (c.requests[slot]! > 0 || c.certain[slot] !== 0 || c.buckets[slot]! > 0) return false;
    const wasLive = c.state[slot] === SlotState.live;
    if (wasLive) this.#slots.delete(this.#sources[slot]!);
    this.#sources[slot] = undefined;
    this.#sketches[slot] = undefined;
    c.state[slot] = SlotState.free;
    c.cost[slot] = 0;
    c.sustainedCost[slot] = 0;
    c.openBucket[slot] = -1;
    this.#free.push(slot);
    return wasLive;
  }

  /** Is the slot a source that is still being watched (not free, not forgotten)? */
  isLive(slot: number): boolean {
    return this.columns.state[slot] === SlotState.live;
  }

  add(slot: number, cost: number, marks: number): void {
    this.#apply(slot, cost, marks, 1);
  }

  remove(slot: number, cost: number, marks: number): void {
    this.#apply(slot, -cost, marks, -1);
  }

  #apply(slot: number, cost: number, marks: number, one: 1 | -1): void {
    const c = this.columns;
    c.cost[slot]! += cost;
    if (marks & Mark.request) this.#applyRequest(slot, one);
    // Most requests are nothing more than that.
    if (marks === Mark.request) return;
    if (marks & Mark.error) c.errors[slot]! += one;
    if (marks & Mark.blamed) c.blamed[slot]! += one;
    c.certain[slot]! += one * failureWeight(marks, this.weights);
    if (marks & Mark.probe) c.probes[slot]! += one;
    if (marks & Mark.sibling) c.siblings[slot]! += one;
  }

  #applyRequest(slot: number, one: 1 | -1): void {
    const requests = this.columns.requests;
    const before = requests[slot]!;
    requests[slot] = before + one;
    if (this.columns.state[slot] !== SlotState.live) {
      this.forgotten += one;
      return;
    }
    if (one > 0 && before === 0) this.active++;
    if (one < 0 && before === 1) this.active--;
  }

  /** The sketch of what a source asks for; kept only for sources busy enough to matter. */
  sketchOf(slot: number): PathSketch | undefined {
    return this.#sketches[slot];
  }

  openSketch(slot: number): PathSketch {
    return (this.#sketches[slot] ??= new PathSketch());
  }

  /** Visits every live source. */
  forEach(visit: (slot: number, source: Source) => void): void {
    for (const [source, slot] of this.#slots) visit(slot, source);
  }

  /** The live sources with the highest `score`, best first, in O(sources). */
  top(count: number, score: (slot: number) => number): number[] {
    if (count <= 0) return [];
    const best: { slot: number; score: number }[] = [];
    for (const slot of this.#slots.values()) {
      const value = score(slot);
      if (value <= 0 || (best.length === count && value <= best[count - 1]!.score)) continue;
      let i = best.length === count ? count - 1 : best.length;
      while (i > 0 && best[i - 1]!.score < value) {
        best[i] = best[i - 1]!;
        i--;
      }
      best[i] = { slot, score: value };
    }
    return best.map((entry) => entry.slot);
  }

  /** Looks at a few slots where the hand stands and forgets the quietest: constant work, close to least active. */
  #shedOne(): void {
    let quietest = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let looked = 0, seen = 0; seen < 16 && looked < this.#top; looked++) {
      this.#hand = this.#hand + 1 >= this.#top ? 0 : this.#hand + 1;
      if (this.columns.state[this.#hand] !== SlotState.live) continue;
      seen++;
      const weight = this.columns.requests[this.#hand]! + this.columns.sustainedRequests[this.#hand]!;
      if (weight < least) {
        least = weight;
        quietest = this.#hand;
      }
    }
    if (quietest < 0) return;
    this.forget(quietest);
    this.shed++;
  }
}

function allocate(size: number): Columns {
  return {
    requests: new Uint32Array(size),
    errors: new Uint32Array(size),
    blamed: new Uint32Array(size),
    certain: new Int32Array(size),
    probes: new Uint32Array(size),
    siblings: new Uint32Array(size),
    cost: new Float64Array(size),
    sustainedRequests: new Uint32Array(size),
    sustainedCertain: new Int32Array(size),
    sustainedProbes: new Uint32Array(size),
    sustainedSiblings: new Uint32Array(size),
    sustainedErrors: new Uint32Array(size),
    sustainedCost: new Float64Array(size),
    buckets: new Uint8Array(size),
    openBucket: new Float64Array(size).fill(-1),
    peak: new Float32Array(size),
    since: new Float64Array(size),
    seed: new Uint32Array(size),
    state: new Uint8Array(size),
  };
}

/** Doubled while small, then by a quarter: among a million sources what nobody needs would be a hundred megabytes. */
export function largerSize(size: number): number {
  return size < 1 << 17 ? size * 2 : Math.ceil(size * 1.25);
}

function grow(old: Columns): Columns {
  const next = allocate(largerSize(old.requests.length));
  for (const name of Object.keys(old) as (keyof Columns)[]) (next[name] as Uint8Array).set(old[name] as Uint8Array);
  return next;
}
