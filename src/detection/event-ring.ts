import type { EpochMs } from "../accesslog/record.ts";

/** What one event adds to its source's counters while it is inside the window. Bits, so that one event can be several. */
export const Mark = {
  request: 1,
  error: 2,
  blamed: 4,
  /** A failure that speaks for itself. */ certain: 8,
  probe: 16,
  /** A failure of greater weight; of the greatest where it is certain too. */ exploit: 32,
  /** Takes one certain failure back: a login that was followed by the pages behind it. */
  excused: 64,
  /** A probe beside one that failed before: a directory that has moved, more likely than a scan. */
  sibling: 128,
} as const;

/** What attempts on known weaknesses count, in failures. */
export interface ExploitWeights {
  readonly exploitWeight: number;
  readonly blatantWeight: number;
}

/** How many certain failures these marks stand for; −1 takes one back. */
export function failureWeight(marks: number, { exploitWeight, blatantWeight }: ExploitWeights): number {
  if (marks & Mark.excused) return -1;
  if (marks & Mark.exploit) return marks & Mark.certain ? blatantWeight : exploitWeight;
  return marks & Mark.certain ? 1 : 0;
}

/** Events in a block: about a megabyte. */
const BLOCK = 65_536;

/** A stretch of events, as columns: 21 bytes an event. */
class Block {
  readonly at: Float64Array;
  readonly slot: Int32Array;
  /** The visit of the source that it belongs to. */
  readonly visit: Int32Array;
  readonly cost: Float32Array;
  readonly marks: Uint8Array;

  constructor(size: number) {
    this.at = new Float64Array(size);
    this.slot = new Int32Array(size);
    this.visit = new Int32Array(size);
    this.cost = new Float32Array(size);
    this.marks = new Uint8Array(size);
  }
}

/**
 * The events of the last window, oldest first, for all sources together, up to a bound. One shared queue instead of
 * one list per source keeps a source without traffic at zero bytes and makes eviction O(1) amortised. In blocks, so
 * that it takes no more memory than its events do, and gives back what a flood took. Times must not decrease; the
 * engine sees to that.
 */
export class EventRing {
  /** Oldest first; the last one is being filled. */
  readonly #blocks: Block[] = [];
  #first: Block;
  #last: Block;
  /** The next block, when one has been emptied: a steady flow makes none. */
  #spare: Block | null = null;
  /** Where the oldest event is in the first block, and where the next one goes in the last. */
  #head = 0;
  #tail = 0;
  #length = 0;
  /** Events pushed out before their time because the ring was full. */
  overflowed = 0;

  constructor(
    readonly capacityLimit: number,
    private readonly blockSize = BLOCK,
  ) {
    this.#first = this.#last = new Block(blockSize);
    this.#blocks.push(this.#first);
  }

  get length(): number {
    return this.#length;
  }

  /** Time of the oldest event; Infinity when empty. */
  get oldestAt(): EpochMs {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#first.at[this.#head]!;
  }

  /** Appends; returns the cost as stored (32-bit), so that adding and removing it cancel exactly. */
  push(at: EpochMs, slot: number, visit: number, cost: number, marks: number): number {
    if (this.#tail === this.blockSize) this.#extend();
    const block = this.#last;
    const i = this.#tail++;
    block.at[i] = at;
    block.slot[i] = slot;
    block.visit[i] = visit;
    block.cost[i] = cost;
    block.marks[i] = marks;
    this.#length++;
    return block.cost[i]!;
  }

  /** Is there room without growing past the bound? When not, the caller evicts the oldest first. */
  get isFull(): boolean {
    return this.#length >= this.capacityLimit;
  }

  /** Removes the oldest event and hands it to `take`. */
  shift(take: (slot: number, visit: number, cost: number, marks: number) => void): void {
    const block = this.#first;
    const i = this.#head++;
    this.#length--;
    if (this.#head === this.blockSize) this.#dropFirst();
    take(block.slot[i]!, block.visit[i]!, block.cost[i]!, block.marks[i]!);
  }

  /** Shows the events of one source's visit, oldest first, by looking through all. */
  forEachOf(slot: number, visit: number, show: (at: EpochMs, marks: number) => void): void {
    let i = this.#head;
    for (const block of this.#blocks) {
      const end = block === this.#last ? this.#tail : this.blockSize;
      for (; i < end; i++) if (block.visit[i] === visit && block.slot[i] === slot) show(block.at[i]!, block.marks[i]!);
      i = 0;
    }
  }

  #extend(): void {
    this.#last = this.#spare ?? new Block(this.blockSize);
    this.#spare = null;
    this.#tail = 0;
    this.#blocks.push(this.#last);
  }

  /** The last block too, once it is full and everything has left: the next event finds it empty. */
  #dropFirst(): void {
    this.#head = 0;
    if (this.#first === this.#last) {
      this.#tail = 0;
      return;
    }
    this.#spare = this.#first;
    this.#blocks.shift();
    this.#first = this.#blocks[0]!;
  }
}
