import type { EpochMs } from "../accesslog/record.ts";
import type { BaselineSnapshot } from "../decision.ts";

export interface SourceBaselineSettings {
  readonly floorMean: number;
  readonly floorStddev: number;
  readonly capMean: number;
  readonly capStddev: number;
}

/** A SourceBaseline as plain values: for each absolute hour its visits as [bucket, visits]. */
export interface SavedSourceBaseline {
  readonly hour: number;
  readonly snapshot: BaselineSnapshot;
  readonly hours: readonly (readonly [hour: number, visits: readonly (readonly [bucket: number, visits: number])[]])[];
}

/** Peaks are kept in logarithmic buckets, 8 to a doubling: 9 % wide, from one request a minute to 2,000 a second. */
const BUCKETS = 136;
const LEAST = 1 / 60;
const PER_DOUBLING = 8;
const HOURS = 24;
/** Fewest visits in the busy share before it replaces the floor: a handful would be noise. */
const LEAST_BUSY = 5;

/**
 * What this site's busy sources look like: mean and spread of the highest rate of the busiest 2 % of visits
 * over 24 hours. It is what one source is compared with: offices, crawlers and sync clients are in it, so
 * they are normal here. Capped, so that slow poisoning ends at the cap.
 */
export class SourceBaseline {
  #settings: SourceBaselineSettings;
  #hours: Uint32Array[] = Array.from({ length: HOURS }, () => new Uint32Array(BUCKETS));
  #hour = -1;
  /** Absolute hours that changed since the last save. */
  #unsaved = new Set<number>();
  #snapshot: BaselineSnapshot;

  /** `busyShare`: the busiest share of visits that it is made of. */
  constructor(
    settings: SourceBaselineSettings,
    private readonly busyShare: number,
  ) {
    this.#settings = settings;
    this.#snapshot = {
      at: 0,
      mean: settings.floorMean,
      stddev: settings.floorStddev,
      errorRate: 0,
      samples: 0,
      from: "floor",
    };
  }

  get snapshot(): BaselineSnapshot {
    return this.#snapshot;
  }

  /** A visit ended (or an hour of it): `peak` is its highest compared rate per second. */
  add(at: EpochMs, peak: number): void {
    if (peak <= 0) return;
    this.#turnHour(at);
    this.#hours[slotOf(this.#hour)]![bucketOf(peak)]!++;
    this.#unsaved.add(this.#hour);
  }

  recalculate(at: EpochMs): BaselineSnapshot {
    this.#turnHour(at);
    const { floorMean, floorStddev, capMean, capStddev } = this.#settings;
    const busy = this.#busiest();
    const mean = Math.min(capMean, Math.max(floorMean, busy.mean));
    const stddev = Math.min(capStddev, Math.max(floorStddev, busy.stddev));
    const learned = busy.n >= LEAST_BUSY && (mean > floorMean || stddev > floorStddev);
    this.#snapshot = {
      at,
      mean: learned ? mean : floorMean,
      stddev: learned ? stddev : floorStddev,
      errorRate: 0,
      samples: busy.total,
      from: learned ? "rolling" : "floor",
    };
    return this.#snapshot;
  }

  configure(settings: SourceBaselineSettings): void {
    this.#settings = settings;
  }

  /** Plain values that `restore` takes; `whole`: every hour, not only those that changed since the last save. */
  save(whole: boolean): SavedSourceBaseline {
    const all = this.#hour < 0 ? [] : Array.from({ length: HOURS }, (_, i) => this.#hour - i);
    const hours = all
      .filter((hour) => whole || this.#unsaved.has(hour))
      .map((hour) => [hour, this.#visits(hour)] as const);
    this.#unsaved.clear();
    return { hour: this.#hour, snapshot: this.#snapshot, hours };
  }

  /** Goes on where a whole `save` was made. */
  restore(saved: SavedSourceBaseline): void {
    this.#hour = saved.hour;
    this.#snapshot = saved.snapshot;
    for (const [hour, visits] of saved.hours) {
      if (hour > saved.hour - HOURS && hour <= saved.hour)
        for (const [bucket, count] of visits) this.#hours[hour % HOURS]![bucket] = count;
    }
  }

  #visits(hour: number): [number, number][] {
    return [...this.#hours[hour % HOURS]!.entries()].filter(([, visits]) => visits > 0);
  }

  #busiest(): { n: number; total: number; mean: number; stddev: number } {
    const all = new Float64Array(BUCKETS);
    let total = 0;
    for (const hour of this.#hours)
      for (let i = 0; i < BUCKETS; i++) {
        all[i]! += hour[i]!;
        total += hour[i]!;
      }
    let left = Math.floor(total * this.busyShare);
    let n = 0;
    let sum = 0;
    let squares = 0;
    for (let i = BUCKETS - 1; i >= 0 && left > 0; i--) {
      const take = Math.min(left, all[i]!);
      const rate = rateOf(i);
      n += take;
      sum += take * rate;
      squares += take * rate * rate;
      left -= take;
    }
    const mean = n === 0 ? 0 : sum / n;
    return { n, total, mean, stddev: n === 0 ? 0 : Math.sqrt(Math.max(0, squares / n - mean * mean)) };
  }

  #turnHour(at: EpochMs): void {
    const hour = Math.floor(at / 3_600_000);
    if (hour === this.#hour) return;
    const gone = this.#hour < 0 ? HOURS : Math.min(HOURS, hour - this.#hour);
    for (let i = 0; i < gone; i++) this.#hours[slotOf(hour - i)]!.fill(0);
    this.#hour = hour;
    for (const old of this.#unsaved) if (old <= hour - HOURS) this.#unsaved.delete(old);
  }
}

function bucketOf(rate: number): number {
  return Math.min(BUCKETS - 1, Math.max(0, Math.floor(Math.log2(rate / LEAST) * PER_DOUBLING)));
}

function rateOf(bucket: number): number {
  return LEAST * 2 ** ((bucket + 0.5) / PER_DOUBLING);
}

/** Hours before 1970 have a slot too. */
function slotOf(hour: number): number {
  return ((hour % HOURS) + HOURS) % HOURS;
}
