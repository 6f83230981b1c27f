import type { EpochMs } from "../accesslog/record.ts";

/** What one source did in one bucket of the sustained window. */
export interface Bucket {
  readonly slot: number;
  readonly requests: number;
  readonly errors: number;
  readonly certain: number;
  readonly probes: number;
  readonly siblings: number;
  readonly cost: number;
}

/** Length of a bucket: the grain at which the ten-minute window slides. */
export const BUCKET_MS = 10_000;

/**
 * The sustained (ten-minute) window of all sources: one bucket per source and ten seconds in which it did
 * something worth watching. Low-and-slow sources are few, so this stays small where exact timestamps would not.
 */
export class SustainedRing {
  #size = 1024;
  #start = new Float64Array(this.#size);
  #slot = new Int32Array(this.#size);
  #requests = new Uint32Array(this.#size);
  #errors = new Uint32Array(this.#size);
  #certain = new Int32Array(this.#size);
  #probes = new Uint32Array(this.#size);
  #siblings = new Uint32Array(this.#size);
  #cost = new Float64Array(this.#size);
  /** Serial numbers of the oldest bucket and of the next one to be made. */
  #first = 0;
  #next = 0;

  constructor(readonly limit: number) {}

  get length(): number {
    return this.#next - this.#first;
  }

  get isFull(): boolean {
    return this.length >= this.limit;
  }

  get oldestStart(): EpochMs {
    return this.length === 0 ? Number.POSITIVE_INFINITY : this.#start[this.#first & (this.#size - 1)]!;
  }

  /** Is the bucket with this serial number still here and begun at `start`? */
  isOpen(serial: number, slot: number, start: EpochMs): boolean {
    if (serial < this.#first || serial >= this.#next) return false;
    const i = serial & (this.#size - 1);
    return this.#slot[i] === slot && this.#start[i] === start;
  }

  /** Opens a bucket and returns its serial number. */
  open(slot: number, start: EpochMs): number {
    if (this.length === this.#size) this.#grow();
    const serial = this.#next++;
    const i = serial & (this.#size - 1);
    this.#start[i] = start;
    this.#slot[i] = slot;
    this.#requests[i] = this.#errors[i] = this.#certain[i] = this.#probes[i] = this.#siblings[i] = 0;
    this.#cost[i] = 0;
    return serial;
  }

  add(
    serial: number,
    requests: number,
    errors: number,
    certain: number,
    probes: number,
    siblings: number,
    cost: number,
  ): void {
    const i = serial & (this.#size - 1);
    this.#requests[i]! += requests;
    this.#errors[i]! += errors;
    this.#certain[i]! += certain;
    this.#probes[i]! += probes;
    this.#siblings[i]! += siblings;
    this.#cost[i]! += cost;
  }

  shift(): Bucket {
    const i = this.#first++ & (this.#size - 1);
    return {
      slot: this.#slot[i]!,
      requests: this.#requests[i]!,
      errors: this.#errors[i]!,
      certain: this.#certain[i]!,
      probes: this.#probes[i]!,
      siblings: this.#siblings[i]!,
      cost: this.#cost[i]!,
    };
  }

  #grow(): void {
    const size = this.#size * 2;
    const move = <T extends Float64Array | Int32Array | Uint32Array>(from: T, to: T): T => {
      for (let s = this.#first; s < this.#next; s++) to[s & (size - 1)] = from[s & (this.#size - 1)]!;
      return to;
    };
    this.#start = move(this.#start, new Float64Array(size));
    this.#slot = move(this.#slot, new Int32Array(size));
    this.#requests = move(this.#requests, new Uint32Array(size));
    this.#errors = move(this.#errors, new Uint32Array(size));
    this.#certain = move(this.#certain, new Int32Array(size));
    this.#siblings = move(this.#siblings, new Uint32Array(size));
    this.#probes = move(this.#probes, new Uint32Array(size));
    this.#cost = move(this.#cost, new Float64Array(size));
    this.#size = size;
  }
}
