import type { EpochMs } from "../accesslog/record.ts";
import type { BaselineSnapshot } from "../decision.ts";

export interface BaselineSettings {
  /** Seconds the rolling baseline looks back. */
  readonly historySeconds: number;
  /** Seconds the current hour's slot needs before it is preferred. */
  readonly hourSlotSamples: number;
  readonly spikeGuard: number;
  readonly floorMean: number;
  readonly floorStddev: number;
  /** discard: a guarded second does not enter. winsorise: it enters as guard × mean. */
  readonly guardBy: "discard" | "winsorise";
  /** Growth is believed after it has filled more guarded seconds than this, with at least this many sources each. */
  readonly growthSeconds: number;
  readonly growthSources: number;
}

/** Fewest seconds before the guard acts or a learned value replaces the floor: fewer say nothing about spread. */
const LEAST_SAMPLES = 10;

/** Sums as plain values: samples, sum, sum of squares, errors. */
export type SavedMoments = readonly [n: number, sum: number, squares: number, errors: number];

/** A Baseline as plain values. `ring` holds the seconds to write: all of them, or those since the last save. */
export interface SavedBaseline {
  readonly size: number;
  readonly head: number;
  /** The last second in the ring, and since when none is missing in it; null while it is empty. */
  readonly lastSecond: number | null;
  readonly unbrokenFrom: number | null;
  readonly rolling: SavedMoments;
  readonly hours: readonly SavedMoments[];
  readonly hour: number;
  readonly grown: number;
  readonly guarded: number;
  readonly snapshot: BaselineSnapshot;
  readonly ring: readonly (readonly [slot: number, count: number, errors: number])[];
}

/** Sums over per-second counts, enough for mean and population standard deviation. */
class Moments {
  n = 0;
  sum = 0;
  squares = 0;
  errors = 0;

  static from([n, sum, squares, errors]: SavedMoments): Moments {
    return Object.assign(new Moments(), { n, sum, squares, errors });
  }

  save(): SavedMoments {
    return [this.n, this.sum, this.squares, this.errors];
  }

  add(count: number, errors: number, sign: 1 | -1): void {
    this.n += sign;
    this.sum += sign * count;
    this.squares += sign * count * count;
    this.errors += sign * errors;
  }

  get mean(): number {
    return this.n === 0 ? 0 : this.sum / this.n;
  }

  get stddev(): number {
    const mean = this.mean;
    return this.n === 0 ? 0 : Math.sqrt(Math.max(0, this.squares / this.n - mean * mean));
  }
}

/**
 * Mean and standard deviation of the site's requests per second: over a rolling history, and per UTC hour.
 * Idle seconds count as zero. Fed one closed second at a time; recalculated when told.
 */
export class Baseline {
  #settings: BaselineSettings;
  #counts: Float64Array;
  #errors: Float64Array;
  #head = 0;
  /** The last second in the ring, and since when there is none missing in it. */
  #lastSecond = Number.NEGATIVE_INFINITY;
  #unbrokenFrom = Number.POSITIVE_INFINITY;
  /** Seconds in the ring that no save has seen yet. */
  #unsaved = 0;
  #rolling = new Moments();
  #hours: Moments[] = Array.from({ length: 24 }, () => new Moments());
  /** Absolute hour the current slot belongs to; its slot restarts when a new hour begins. */
  #hour = -1;
  #snapshot: BaselineSnapshot;
  /** Guarded seconds in a row's worth of evidence that the site has really grown. */
  #grown = 0;
  /** Seconds the spike guard kept out (or cut down). */
  guarded = 0;

  constructor(settings: BaselineSettings) {
    this.#settings = settings;
    this.#counts = new Float64Array(settings.historySeconds);
    this.#errors = new Float64Array(settings.historySeconds);
    this.#snapshot = this.#floor(0, 0);
  }

  /** The values in force since the last recalculation. */
  get snapshot(): BaselineSnapshot {
    return this.#snapshot;
  }

  /** Guarded seconds that speak for growth, as far as calm ones since have not outweighed them. */
  get grown(): number {
    return this.#grown;
  }

  /** Closes one second. `sources` is how many distinct sources it or its window had: growth must be widely spread. */
  addSecond(second: number, count: number, errors: number, sources: number): void {
    this.#turnHour(Math.floor(second / 3600));
    const admitted = this.#guard(count, sources);
    if (admitted === null) return;
    this.#push(admitted, admitted === count ? errors : errors * (admitted / count));
    if (second !== this.#lastSecond + 1) this.#unbrokenFrom = second;
    this.#lastSecond = second;
  }

  /** Takes back what a source turned out not to be allowed to teach: its requests of one of the last seconds. */
  retract(second: number, requests: number, errors: number): void {
    if (second < this.#unbrokenFrom || second > this.#lastSecond) return;
    const back = this.#lastSecond - second + 1;
    if (back > this.#rolling.n) return;
    const i = (this.#head - back + this.#counts.length) % this.#counts.length;
    const count = Math.max(0, this.#counts[i]! - requests);
    const failed = Math.max(0, this.#errors[i]! - errors);
    const slot = Math.floor(second / 3600) === this.#hour ? this.#hours[((this.#hour % 24) + 24) % 24]! : null;
    for (const moments of slot === null ? [this.#rolling] : [this.#rolling, slot]) {
      moments.add(this.#counts[i]!, this.#errors[i]!, -1);
      moments.add(count, failed, 1);
    }
    this.#counts[i] = count;
    this.#errors[i] = failed;
    this.#unsaved = Math.max(this.#unsaved, back);
  }

  /** Takes back the last seconds whole, from this one on, as far as none is missing among them: they were not normal. */
  forgetSince(second: number): void {
    while (this.#rolling.n > 0 && this.#lastSecond >= Math.max(second, this.#unbrokenFrom)) {
      this.#head = (this.#head - 1 + this.#counts.length) % this.#counts.length;
      const [count, errors] = [this.#counts[this.#head]!, this.#errors[this.#head]!];
      this.#rolling.add(count, errors, -1);
      if (Math.floor(this.#lastSecond / 3600) === this.#hour)
        this.#hours[((this.#hour % 24) + 24) % 24]!.add(count, errors, -1);
      this.#lastSecond--;
      if (this.#unsaved > 0) this.#unsaved--;
    }
  }

  /** `seconds` idle seconds beginning at `from`: the same as that many zeros, in time bounded by history and hours. */
  addIdle(from: number, seconds: number): void {
    const skip = Math.max(0, seconds - Math.max(this.#settings.historySeconds, 3600));
    // Whole hours skipped would end up with slots full of zeros and be overwritten by the next visit: leave them be.
    for (let s = from + skip; s < from + seconds; s++) this.addSecond(s, 0, 0, 0);
  }

  /** Takes the learned values into force: the current hour's slot when it has enough, else the rolling history. */
  recalculate(at: EpochMs): BaselineSnapshot {
    const hour = ((Math.floor(at / 3_600_000) % 24) + 24) % 24;
    const slot = this.#hours[hour]!;
    const current = this.#hour === Math.floor(at / 3_600_000);
    if (current && slot.n >= this.#settings.hourSlotSamples) this.#snapshot = this.#learned(at, slot, hour);
    else if (this.#rolling.n >= LEAST_SAMPLES) this.#snapshot = this.#learned(at, this.#rolling, undefined);
    else this.#snapshot = this.#floor(at, this.#rolling.n);
    return this.#snapshot;
  }

  /** What each UTC hour's slot holds now; null while it has no samples. */
  hours(at: EpochMs): (BaselineSnapshot | null)[] {
    return this.#hours.map((slot, hour) => (slot.n === 0 ? null : this.#learned(at, slot, hour)));
  }

  configure(settings: BaselineSettings): void {
    if (settings.historySeconds !== this.#settings.historySeconds) this.#resize(settings.historySeconds);
    this.#settings = settings;
  }

  /** Plain values that `restore` takes; `whole`: every second of the ring, not only those since the last save. */
  save(whole: boolean): SavedBaseline {
    const count = whole ? this.#rolling.n : Math.min(this.#unsaved, this.#rolling.n);
    this.#unsaved = 0;
    const size = this.#counts.length;
    const ring = Array.from({ length: count }, (_, i): [number, number, number] => {
      const slot = (this.#head - count + i + size) % size;
      return [slot, this.#counts[slot]!, this.#errors[slot]!];
    });
    return {
      size,
      head: this.#head,
      lastSecond: Number.isFinite(this.#lastSecond) ? this.#lastSecond : null,
      unbrokenFrom: Number.isFinite(this.#unbrokenFrom) ? this.#unbrokenFrom : null,
      rolling: this.#rolling.save(),
      hours: this.#hours.map((slot) => slot.save()),
      hour: this.#hour,
      grown: this.#grown,
      guarded: this.guarded,
      snapshot: this.#snapshot,
      ring,
    };
  }

  /** Goes on where a whole `save` was made, also when the history's length was changed meanwhile. */
  restore(saved: SavedBaseline): void {
    this.#counts = new Float64Array(saved.size);
    this.#errors = new Float64Array(saved.size);
    for (const [slot, count, errors] of saved.ring) {
      this.#counts[slot] = count;
      this.#errors[slot] = errors;
    }
    this.#head = saved.head;
    this.#lastSecond = saved.lastSecond ?? Number.NEGATIVE_INFINITY;
    this.#unbrokenFrom = saved.unbrokenFrom ?? Number.POSITIVE_INFINITY;
    this.#rolling = Moments.from(saved.rolling);
    this.#hours = saved.hours.map((slot) => Moments.from(slot));
    this.#hour = saved.hour;
    this.#grown = saved.grown;
    this.guarded = saved.guarded;
    this.#snapshot = saved.snapshot;
    if (saved.size !== this.#settings.historySeconds) this.#resize(this.#settings.historySeconds);
  }

  #resize(size: number): void {
    const kept = Math.min(this.#rolling.n, size);
    const counts = new Float64Array(size);
    const errors = new Float64Array(size);
    const moments = new Moments();
    for (let i = 0; i < kept; i++) {
      const from = (this.#head - kept + i + this.#counts.length) % this.#counts.length;
      counts[i] = this.#counts[from]!;
      errors[i] = this.#errors[from]!;
      moments.add(counts[i]!, errors[i]!, 1);
    }
    this.#counts = counts;
    this.#errors = errors;
    this.#head = kept % size;
    this.#rolling = moments;
    this.#unsaved = kept;
  }

  #turnHour(hour: number): void {
    if (hour === this.#hour) return;
    this.#hour = hour;
    this.#hours[((hour % 24) + 24) % 24] = new Moments();
  }

  /** The count to learn from a second, or null to leave it out. */
  #guard(count: number, sources: number): number | null {
    const { spikeGuard, growthSources, growthSeconds, guardBy } = this.#settings;
    const limit = spikeGuard * this.#snapshot.mean;
    if (this.#rolling.n < LEAST_SAMPLES || count <= limit) {
      if (this.#grown > 0) this.#grown--;
      return count;
    }
    this.guarded++;
    // A guard alone would hold the baseline at 2 req/s for ever after honest growth to 40.
    if (sources >= growthSources && ++this.#grown > growthSeconds) return count;
    return guardBy === "winsorise" ? limit : null;
  }

  #push(count: number, errors: number): void {
    if (this.#rolling.n === this.#counts.length)
      this.#rolling.add(this.#counts[this.#head]!, this.#errors[this.#head]!, -1);
    this.#counts[this.#head] = count;
    this.#errors[this.#head] = errors;
    this.#head = this.#head + 1 === this.#counts.length ? 0 : this.#head + 1;
    if (this.#unsaved < this.#counts.length) this.#unsaved++;
    this.#rolling.add(count, errors, 1);
    this.#hours[((this.#hour % 24) + 24) % 24]!.add(count, errors, 1);
  }

  #learned(at: EpochMs, from: Moments, hour: number | undefined): BaselineSnapshot {
    const { floorMean, floorStddev } = this.#settings;
    const atFloor = from.mean <= floorMean && from.stddev <= floorStddev;
    return {
      at,
      mean: Math.max(from.mean, floorMean),
      stddev: Math.max(from.stddev, floorStddev),
      errorRate: from.n === 0 ? 0 : from.errors / from.n,
      samples: from.n,
      from: hour !== undefined ? "hour" : atFloor ? "floor" : "rolling",
      hour,
    };
  }

  #floor(at: EpochMs, samples: number): BaselineSnapshot {
    const { floorMean, floorStddev } = this.#settings;
    return { at, mean: floorMean, stddev: floorStddev, errorRate: 0, samples, from: "floor" };
  }
}
