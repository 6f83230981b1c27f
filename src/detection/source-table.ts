import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";
import { v4Of } from "../net/ip.ts";
import { SourceIndex } from "../source-index.ts";
import { type ExploitWeights, failureWeight, Mark } from "./event-ring.ts";
import { hashText } from "./hash.ts";
import { PathSketch } from "./path-sketch.ts";
import { DOUBLES, Double, SourceRows, WORDS, Word } from "./source-rows.ts";

/** Visits are numbered from 1 to here, and again: long before that, nothing of the first is left in any window. */
const MOST_VISITS = 0x7fffffff;

/**
 * Every source with something inside a window, as rows of numbers: 128 bytes a source and its name. A source that is
 * forgotten (banned, shed) gives its slot back at once: what is left of it in the windows belongs to another visit.
 */
export class SourceTable {
  readonly rows = new SourceRows(1024);
  readonly #index = new SourceIndex();
  #sources: (Source | undefined)[] = [];
  #sketches: (PathSketch | undefined)[] = [];
  #free: number[] = [];
  #top = 0;
  #hand = 0;
  #visits = 0;
  /** Live sources with a request inside the window. */
  active = 0;
  /** Requests inside the window of sources that were forgotten. */
  forgotten = 0;
  /** Sources put out because the table was full. */
  shed = 0;

  constructor(
    readonly limit: number,
    /** What a certain failure of double weight counts. */
    private readonly weights: ExploitWeights,
  ) {}

  /** Sources with at least one event in a window. */
  get size(): number {
    return this.#index.size;
  }

  /** `address`: v4Of(source), where the caller has it. */
  slotOf(source: Source, address?: number): number | undefined {
    return this.#index.get(source, address);
  }

  sourceOf(slot: number): Source {
    return this.#sources[slot]!;
  }

  /** The slot of a source, made when absent. When the table is full the quietest of a few is shed first. */
  claim(source: Source, at: EpochMs, address = v4Of(source)): number {
    const known = this.#index.get(source, address);
    if (known !== undefined) return known;
    if (this.size >= this.limit) this.#shedOne();
    const slot = this.#free.pop() ?? this.#top++;
    const { rows } = this;
    if (slot >= rows.count) rows.grow();
    rows.words[slot * WORDS + Word.visit] = this.#nextVisit();
    rows.words[slot * WORDS + Word.address] = address;
    rows.doubles[slot * DOUBLES + Double.since] = at;
    rows.doubles[slot * DOUBLES + Double.openBucket] = -1;
    this.#sources[slot] = source;
    this.#index.add(source, slot, address);
    return slot;
  }

  /** Forgets a source at once; its events leave later without effect. */
  forget(slot: number): void {
    if (!this.isLive(slot)) return;
    const requests = this.rows.requests(slot);
    if (requests > 0) this.active--;
    this.forgotten += requests;
    this.#release(slot);
  }

  /** Frees the slot once nothing refers to it, a 401 that waits included; true when a visit ended with it. */
  releaseIfEmpty(slot: number): boolean {
    const { words } = this.rows;
    const at = slot * WORDS;
    if (words[at + Word.requests]! > 0 || words[at + Word.buckets]! > 0 || words[at + Word.certain] !== 0) return false;
    if (words[at + Word.refusals] !== 0) return false;
    if (!this.isLive(slot)) return false;
    this.#release(slot);
    return true;
  }

  /** Is the slot a source that is still being watched (not free)? */
  isLive(slot: number): boolean {
    return this.rows.visit(slot) > 0;
  }

  /** A number for the source, for what is remembered about its paths. */
  seedOf(slot: number): number {
    const { words } = this.rows;
    const at = slot * WORDS + Word.seed;
    if (words[at] === 0) {
      const source = this.sourceOf(slot);
      words[at] = hashText(source, source.length, 0);
    }
    return words[at]! >>> 0;
  }

  add(slot: number, cost: number, marks: number): void {
    this.#apply(slot, cost, marks, 1);
  }

  remove(slot: number, cost: number, marks: number): void {
    this.#apply(slot, -cost, marks, -1);
  }

  #apply(slot: number, cost: number, marks: number, one: 1 | -1): void {
    const { words, doubles } = this.rows;
    const at = slot * WORDS;
    doubles[slot * DOUBLES + Double.cost]! += cost;
    if (marks & Mark.request) {
      const before = words[at + Word.requests]!;
      words[at + Word.requests] = before + one;
      if (one > 0 && before === 0) this.active++;
      if (one < 0 && before === 1) this.active--;
    }
    // Most requests are nothing more than that.
    if (marks === Mark.request) return;
    if (marks & Mark.error) words[at + Word.errors]! += one;
    if (marks & Mark.blamed) words[at + Word.blamed]! += one;
    words[at + Word.certain]! += one * failureWeight(marks, this.weights);
    if (marks & Mark.probe) words[at + Word.probes]! += one;
    if (marks & Mark.sibling) words[at + Word.siblings]! += one;
  }

  #nextVisit(): number {
    this.#visits = this.#visits === MOST_VISITS ? 1 : this.#visits + 1;
    return this.#visits;
  }

  #release(slot: number): void {
    this.#index.delete(this.#sources[slot]!, this.rows.address(slot));
    this.#sources[slot] = undefined;
    this.#sketches[slot] = undefined;
    this.rows.clear(slot);
    this.#free.push(slot);
  }

  /** The sketch of what a source asks for; kept only for sources busy enough to matter. */
  sketchOf(slot: number): PathSketch | undefined {
    return this.#sketches[slot];
  }

  openSketch(slot: number): PathSketch {
    return (this.#sketches[slot] ??= new PathSketch());
  }

  /** Shows every live source, in no order. */
  forEach(visit: (slot: number, source: Source) => void): void {
    for (let slot = 0; slot < this.#top; slot++) if (this.isLive(slot)) visit(slot, this.sourceOf(slot));
  }

  /** The live sources, the one that came first first: takes sorting, so for an alert and not for a request. */
  inOrder(): number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.#top; slot++) if (this.isLive(slot)) slots.push(slot);
    return slots.sort((a, b) => this.rows.visit(a) - this.rows.visit(b));
  }

  /** The live sources with the highest `score`, best first, of equals the one that came first; in O(sources). */
  top(count: number, score: (slot: number) => number): number[] {
    if (count <= 0) return [];
    const best: { slot: number; score: number; visit: number }[] = [];
    for (let slot = 0; slot < this.#top; slot++) {
      const visit = this.rows.visit(slot);
      if (visit === 0) continue;
      const value = score(slot);
      if (value <= 0) continue;
      const isBehind = (one: { score: number; visit: number }) =>
        one.score < value || (one.score === value && one.visit > visit);
      if (best.length === count && !isBehind(best[count - 1]!)) continue;
      let i = best.length === count ? count - 1 : best.length;
      while (i > 0 && isBehind(best[i - 1]!)) {
        best[i] = best[i - 1]!;
        i--;
      }
      best[i] = { slot, score: value, visit };
    }
    return best.map((entry) => entry.slot);
  }

  /** Looks at a few slots where the hand stands and forgets the quietest: constant work, close to least active. */
  #shedOne(): void {
    let quietest = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let looked = 0, seen = 0; seen < 16 && looked < this.#top; looked++) {
      this.#hand = this.#hand + 1 >= this.#top ? 0 : this.#hand + 1;
      if (!this.isLive(this.#hand)) continue;
      seen++;
      const weight = this.rows.requests(this.#hand) + this.rows.sustainedRequests(this.#hand);
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
