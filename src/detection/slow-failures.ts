import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";
import { RecencyMap } from "../recency.ts";

/** The span that the limit is about. */
export const SLOW_MS = 72 * 3_600_000;
/** A surge is made of sources that failed this lately, and more than once; only the latest so many are looked at. */
const SURGE_MS = 3_600_000;
const SURGE_LEVEL = 1.5;
const SURGE_LOOK = 512;
/** A source's bucket as plain values; a null level: forgotten. */
export type SavedLevel = readonly [source: Source, level: number | null, at: EpochMs, target: number];

interface Bucket {
  readonly level: number;
  readonly at: EpochMs;
  /** What it asked for when it last tried a known weakness, hashed, but for these flags; 0 for nothing. */
  readonly target: number;
}

/** It has tried a blatant weakness; it has tried one at all; it was banned. Until the bucket is empty. */
const IS_BLATANT = 1;
const IS_ATTEMPT = 2;
const WAS_BANNED = 4;
const FLAGS = IS_BLATANT | IS_ATTEMPT | WAS_BANNED;

/** Most sources remembered; the one whose last failure is oldest is forgotten first. */
const LIMIT = 50_000;

/**
 * Failures of sources that stay below every minute's and ten minutes' bar: a password an hour for days. A
 * leaky bucket per source: each failure fills it, a right password takes one out, time empties it at the limit per
 * three days.
 */
export class SlowFailures {
  /** In order of last failure. */
  readonly #levels = new RecencyMap<Bucket>(LIMIT);
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
    return this.#set(source, this.levelOf(source, at) + failures, at, this.#targetOf(source, at));
  }

  /** Adds an attempt on a known weakness; the same one again is a feed or a bookmark that is gone, and adds nothing. */
  addExploit(source: Source, failures: number, at: EpochMs, hash: number, isBlatant: boolean): number {
    const last = this.#targetOf(source, at);
    const attempt = (hash & ~FLAGS) | IS_ATTEMPT;
    const isAgain = (last & ~(FLAGS ^ IS_ATTEMPT)) === attempt;
    const target = attempt | (last & (IS_BLATANT | WAS_BANNED)) | (isBlatant ? IS_BLATANT : 0);
    return this.#set(source, this.levelOf(source, at) + (isAgain ? 0 : failures), at, target);
  }

  /** Takes one failure back: whoever gets in after a mistake has made a mistake. Who never failed is not remembered for it. */
  forgive(source: Source, at: EpochMs): void {
    const entry = this.#levels.get(source);
    if (entry !== undefined) this.#set(source, Math.max(0, this.levelOf(source, at) - 1), at, entry.target);
  }

  /**
   * After its ban a source has at least `chances` failures left: it needs a new offence, but not a whole new siege. After
   * another, before the bucket was empty, half of them.
   */
  afterBan(source: Source, chances: number, at: EpochMs): void {
    const entry = this.#levels.get(source);
    if (entry === undefined) return;
    const left = this.wasBanned(source, at) ? chances / 2 : chances;
    const level = Math.max(0, Math.min(this.levelOf(source, at), this.limit - left));
    this.#set(source, level, at, entry.target | WAS_BANNED);
  }

  /** As if it had never failed. */
  forget(source: Source): void {
    if (this.#levels.delete(source)) this.#changed?.add(source);
  }

  levelOf(source: Source, at: EpochMs): number {
    const entry = this.#levels.get(source);
    return entry === undefined ? 0 : this.#levelIn(entry, at);
  }

  /**
   * May it be one of a botnet's addresses? They guess passwords, or try one hole that no mistake explains; who looks for
   * old plugins comes alone.
   */
  isLikeBotnet(source: Source): boolean {
    const target = this.#levels.get(source)?.target ?? 0;
    return (target & IS_ATTEMPT) === 0 || (target & IS_BLATANT) !== 0;
  }

  /** Was it banned, with its bucket never empty since? */
  wasBanned(source: Source, at: EpochMs): boolean {
    return (this.#targetOf(source, at) & WAS_BANNED) !== 0;
  }

  /**
   * Have at least this many sources failed more than once, and again within the last hour? Looked for among the
   * sources that failed last.
   */
  isSurging(sources: number, now: EpochMs): boolean {
    let failing = 0;
    let looked = 0;
    this.#levels.walkNewest((bucket) => {
      if (now - bucket.at > SURGE_MS || looked++ === SURGE_LOOK) return false;
      if (this.#levelIn(bucket, now) >= SURGE_LEVEL) failing++;
      return failing < sources;
    });
    return failing >= sources;
  }

  /** How full each bucket was when it last changed, the oldest first; null for who is forgotten. `whole`: all, not only the changes. */
  save(whole: boolean): SavedLevel[] {
    const changed = whole ? this.#levels.keys() : (this.#changed ?? this.#levels.keys());
    const saved = [...changed].map((source): SavedLevel => {
      const entry = this.#levels.get(source);
      return [source, entry?.level ?? null, entry?.at ?? 0, entry?.target ?? 0];
    });
    this.#changed = new Set();
    return saved;
  }

  restore(saved: readonly SavedLevel[]): void {
    for (const [source, level, at, target] of saved)
      if (level !== null) this.#levels.set(source, { level, at, target });
  }

  #targetOf(source: Source, at: EpochMs): number {
    const entry = this.#levels.get(source);
    return entry === undefined || this.#levelIn(entry, at) === 0 ? 0 : entry.target;
  }

  #levelIn({ level, at }: Bucket, now: EpochMs): number {
    return Math.max(0, level - ((now - at) / SLOW_MS) * this.limit);
  }

  #set(source: Source, level: number, at: EpochMs, target: number): number {
    const gone = this.#levels.set(source, { level, at, target });
    if (gone !== undefined) this.#changed?.add(gone);
    this.#changed?.add(source);
    return level;
  }
}
