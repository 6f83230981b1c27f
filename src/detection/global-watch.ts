import type { EpochMs } from "../accesslog/record.ts";

export interface GlobalWatchSettings {
  /** How long the site must be out of its normal before the alert fires. */
  readonly persistenceMs: number;
  /** Least time between two messages about an anomaly that fires or goes on firing. */
  readonly repeatEveryMs: number;
}

export type GlobalChange = "firing" | "still-firing" | "resolved" | null;

/** A GlobalWatch as plain values; null for never. */
export interface SavedWatch {
  readonly hotSince: EpochMs | null;
  readonly lastHotAt: EpochMs | null;
  readonly firingSince: EpochMs | null;
  readonly lastToldAt: EpochMs | null;
  readonly told: boolean;
}

/** From a stream of hot/normal looks at the site to the few moments worth telling. */
export class GlobalWatch {
  #hotSince: EpochMs | null = null;
  #lastHotAt: EpochMs = Number.NEGATIVE_INFINITY;
  #firingSince: EpochMs | null = null;
  #lastToldAt: EpochMs = Number.NEGATIVE_INFINITY;
  #told = false;

  /** `calmMs`: how long the site must be back to normal before the anomaly counts as over. */
  constructor(
    private settings: GlobalWatchSettings,
    private readonly calmMs: number,
  ) {}

  /** When the anomaly now firing began, or null. */
  get firingSince(): EpochMs | null {
    return this.#firingSince;
  }

  /** When the site began to be out of its normal, or null: before it fires, too. */
  get hotSince(): EpochMs | null {
    return this.#hotSince;
  }

  update(at: EpochMs, hot: boolean): GlobalChange {
    return hot ? this.#hot(at) : this.#normal(at);
  }

  configure(settings: GlobalWatchSettings): void {
    this.settings = settings;
  }

  save(): SavedWatch {
    const known = (at: EpochMs) => (Number.isFinite(at) ? at : null);
    return {
      hotSince: this.#hotSince,
      lastHotAt: known(this.#lastHotAt),
      firingSince: this.#firingSince,
      lastToldAt: known(this.#lastToldAt),
      told: this.#told,
    };
  }

  restore(saved: SavedWatch): void {
    this.#hotSince = saved.hotSince;
    this.#lastHotAt = saved.lastHotAt ?? Number.NEGATIVE_INFINITY;
    this.#firingSince = saved.firingSince;
    this.#lastToldAt = saved.lastToldAt ?? Number.NEGATIVE_INFINITY;
    this.#told = saved.told;
  }

  #hot(at: EpochMs): GlobalChange {
    this.#hotSince ??= at;
    this.#lastHotAt = at;
    if (this.#firingSince === null) {
      if (at - this.#hotSince < this.settings.persistenceMs) return null;
      this.#firingSince = this.#hotSince;
      this.#told = false;
    }
    if (at - this.#lastToldAt < this.settings.repeatEveryMs) return null;
    this.#lastToldAt = at;
    const change = this.#told ? "still-firing" : "firing";
    this.#told = true;
    return change;
  }

  #normal(at: EpochMs): GlobalChange {
    if (at - this.#lastHotAt < this.calmMs && this.#firingSince !== null) return null;
    this.#hotSince = null;
    if (this.#firingSince === null) return null;
    this.#firingSince = null;
    // An anomaly that was never told (it came too soon after the last) is not told as over either.
    return this.#told ? "resolved" : null;
  }
}
