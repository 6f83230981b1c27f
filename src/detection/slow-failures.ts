import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";

/** The span that the limit is about. */
export const SLOW_MS = 6 * 3_600_000;
/** Most sources remembered; the one whose last failure is oldest is forgotten first. */
const LIMIT = 50_000;

/**
 * Failures of sources that stay below every minute's and ten minutes' bar: a password every minute for days. A
 * leaky bucket per source: each failure fills it, time empties it at the limit per six hours.
 */
export class SlowFailures {
  #levels = new Map<Source, { level: number; at: EpochMs }>();

  constructor(private limit: number) {}

  get size(): number {
    return this.#levels.size;
  }

  configure(limit: number): void {
    this.limit = limit;
  }

  /** Adds failures; returns how full the bucket is now, in failures. Above the limit is too much. */
  add(source: Source, failures: number, at: EpochMs): number {
    const level = this.levelOf(source, at) + failures;
    this.#set(source, level, at);
    return level;
  }

  /** After its ban a source starts half full: it needs a new offence, but not a whole new siege. */
  afterBan(source: Source, at: EpochMs): void {
    if (this.#levels.has(source)) this.#set(source, Math.min(this.levelOf(source, at), this.limit / 2), at);
  }

  levelOf(source: Source, at: EpochMs): number {
    const entry = this.#levels.get(source);
    return entry === undefined ? 0 : Math.max(0, entry.level - ((at - entry.at) / SLOW_MS) * this.limit);
  }

  #set(source: Source, level: number, at: EpochMs): void {
    this.#levels.delete(source);
    if (this.#levels.size >= LIMIT) this.#levels.delete(this.#levels.keys().next().value!);
    this.#levels.set(source, { level, at });
  }
}
