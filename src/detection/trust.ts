import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";

/** Most sources remembered as trusted; the longest unproven is forgotten first. */
const LIMIT = 50_000;

/** Sources that lately did something only an account can do, and until when that gives them head-room. */
export class Trust {
  #until = new Map<Source, EpochMs>();
  /** What changed since the last save; null until the first save, so that nobody who never saves pays for it. */
  #changed: Set<Source> | null = null;

  constructor(private durationMs: number) {}

  get size(): number {
    return this.#until.size;
  }

  /** Until when the source is trusted; 0 when it is not. */
  until(source: Source): EpochMs {
    return this.#until.get(source) ?? 0;
  }

  /** The source proved an account at `at`; returns until when it is trusted now. */
  prove(source: Source, at: EpochMs): EpochMs {
    if (this.durationMs === 0) return 0;
    // Re-inserting keeps the map in order of last proof, so the first key is the one to forget.
    this.#until.delete(source);
    if (this.#until.size >= LIMIT) this.#forget(this.#until.keys().next().value!);
    const until = at + this.durationMs;
    this.#until.set(source, until);
    this.#changed?.add(source);
    return until;
  }

  /** A banned source has to prove itself anew. */
  revoke(source: Source): void {
    this.#forget(source);
  }

  /** Who is trusted until when, the longest unproven first; null for who is no more. `whole`: all, not only the changes. */
  save(whole: boolean): (readonly [source: Source, until: EpochMs | null])[] {
    const changed = whole ? null : this.#changed;
    this.#changed = new Set();
    return changed === null
      ? [...this.#until]
      : [...changed].map((source) => [source, this.#until.get(source) ?? null]);
  }

  restore(saved: readonly (readonly [source: Source, until: EpochMs | null])[]): void {
    for (const [source, until] of saved) if (until !== null) this.#until.set(source, until);
  }

  #forget(source: Source): void {
    if (this.#until.delete(source)) this.#changed?.add(source);
  }

  configure(durationMs: number): void {
    this.durationMs = durationMs;
  }
}
