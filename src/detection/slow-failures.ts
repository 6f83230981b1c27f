import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";
import { RecencyMap } from "./recency.ts";

/** The span that the limit is about. */
export const SLOW_MS = 6 * 3_600_000;
/** A source's bucket as plain values; a null level: forgotten. */
export type SavedLevel = readonly [source: Source, level: number | null, at: EpochMs];

/** Most sources remembered; the one whose last failure is oldest is forgotten first. */
const LIMIT = 50_000;

/**
 * Failures of sources that stay below every minute's and ten minutes' bar: a password every minute for days. A
 * leaky bucket per source: each failure fills it, time empties it at the limit per six hours.
 */
export class SlowFailures {
  /** In order of last failure. */
  readonly #levels = new RecencyMap<{ readonly level: number; readonly at: EpochMs }>(LIMIT);
  /** What changed since the last save; null until the first save, so that nobody who never saves pays for it. */
  #changed: Set<Source> | null = null;

  constructor(private limit: number) {}

  get size(): number {
    return this.#levels.size;
  }

  configure(limit: number): void {
    this.limit = limit;
  }

  /** Adds failures; returns how full the bucket is now, in failures. Above the limit is too much. */
  add(source: Source, failures: number, at: EpochMs): number {
    const level = Math.max(0, this.levelOf(source, at) + failures);
    this.#set(source, level, at);
    return level;
  }

  /** After its ban a source has `chances` failures left: it needs a new offence, but not a whole new siege. */
  afterBan(source: Source, chances: number, at: EpochMs): void {
    if (this.#levels.get(source) !== undefined)
      this.#set(source, Math.max(0, Math.min(this.levelOf(source, at), this.limit - chances)), at);
  }

  levelOf(source: Source, at: EpochMs): number {
    const entry = this.#levels.get(source);
    return entry === undefined ? 0 : Math.max(0, entry.level - ((at - entry.at) / SLOW_MS) * this.limit);
  }

  /** How full each bucket was when it last changed, the oldest first; null for who is forgotten. `whole`: all, not only the changes. */
  save(whole: boolean): SavedLevel[] {
    const changed = whole ? this.#levels.keys() : (this.#changed ?? this.#levels.keys());
    const saved = [...changed].map((source): SavedLevel => {
      const entry = this.#levels.get(source);
      return [source, entry === undefined ? null : entry.level, entry?.at ?? 0];
    });
    this.#changed = new Set();
    return saved;
  }

  restore(saved: readonly SavedLevel[]): void {
    for (const [source, level, at] of saved) if (level !== null) this.#levels.set(source, { level, at });
  }

  #set(source: Source, level: number, at: EpochMs): void {
    const gone = this.#levels.set(source, { level, at });
    if (gone !== undefined) this.#changed?.add(gone);
    this.#changed?.add(source);
  }
}
