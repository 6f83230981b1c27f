import type { EpochMs } from "../accesslog/record.ts";

/** What one event adds to its source's counters while it is inside the window. Bits, so that one event can be several. */
export const Mark = {
  request: 1,
  error: 2,
  blamed: 4,
  /** A failure that speaks for itself. */ certain: 8,
  probe: 16,
  /** A certain failure of greater weight. */ exploit: 32,
  /** Takes one certain failure back: a login that was followed by the pages behind it. */
  excused: 64,
  /** A probe beside one that failed before: a directory that has moved, more likely than a scan. */
  sibling: 128,
} as const;

/** How many certain failures these marks stand for; −1 takes one back. */
export function failureWeight(marks: number, exploitWeight: number): number {
  if (marks & Mark.excused) return -1;
  return marks & Mark.exploit ? exploitWeight : marks & Mark.certain ? 1 : 0;
}

/**
 * The events of the last window, oldest first, for all sources together: a ring that grows up to a bound.
 * One shared ring instead of one list per source keeps a source without traffic at zero bytes and makes
 * eviction O(1) amortised. Times must not decrease; the engine sees to that.
 */
export class EventRing {
  #at: Float64Array;
  #slot: Int32Array;
  #cost: Float32Array;
  #marks: Uint8Array;
  #head = 0;
  #length = 0;
  /** Events pushed out before their time because the ring was full. */
  overflowed = 0;

  constructor(
    readonly capacityLimit: number,
    initial = 1024,
  ) {
    const size = Math.min(initial, capacityLimit);
    this.#at = new Float64Array(size);
    this.#slot = new Int32Array(size);
    this.#cost = new Float32Array(size);
    this.#marks = new Uint8Array(size);
  }

  get length(): number {
    return this.#length;
  }

  /** Time of the oldest event; Infinity when empty. */
  get oldestAt(): EpochMs {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#at[this.#head]!;
  }

  /** Appends; returns the cost as stored (32-bit), so that adding and removing it cancel exactly. */
  push(at: EpochMs, slot: number, cost: number, marks: number): number {
    if (this.#length === this.#at.length) this.#grow();
    let i = this.#head + this.#length;
    if (i >= this.#at.length) i -= this.#at.length;
    this.#at[i] = at;
    this.#slot[i] = slot;
    this.#cost[i] = cost;
    this.#marks[i] = marks;
    this.#length++;
    return this.#cost[i]!;
  }

  /** Is there room without growing past the bound? When not, the caller evicts the oldest first. */
  get isFull(): boolean {
    return this.#length >= this.capacityLimit;
  }

  /** Removes the oldest event and hands it to `take`. */
  shift(take: (slot: number, cost: number, marks: number) => void): void {
    const i = this.#head;
    this.#head = i + 1 === this.#at.length ? 0 : i + 1;
    this.#length--;
    take(this.#slot[i]!, this.#cost[i]!, this.#marks[i]!);
  }

  /** Visits the events of one slot, oldest first, by looking through all. */
  forEachOf(slot: number, visit: (at: EpochMs, marks: number) => void): void {
    for (let n = 0, i = this.#head; n < this.#length; n++) {
      if (this.#slot[i] === slot) visit(this.#at[i]!, this.#marks[i]!);
      i = i + 1 === this.#slot.length ? 0 : i + 1;
    }
  }

  #grow(): void {
    const size = Math.min(this.capacityLimit, this.#at.length * 2);
    this.#at = this.#unrolled(this.#at, new Float64Array(size));
    this.#slot = this.#unrolled(this.#slot, new Int32Array(size));
    this.#cost = this.#unrolled(this.#cost, new Float32Array(size));
    this.#marks = this.#unrolled(this.#marks, new Uint8Array(size));
    this.#head = 0;
  }

  #unrolled<T extends Float64Array | Int32Array | Float32Array | Uint8Array>(from: T, to: T): T {
    const tail = from.subarray(this.#head);
    to.set(tail as never, 0);
    to.set(from.subarray(0, this.#head) as never, tail.length);
    return to;
  }
}
