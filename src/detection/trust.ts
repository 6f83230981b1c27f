import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";
import { RecencyMap } from "../recency.ts";

/** Most sources remembered as trusted; the longest unproven is forgotten first. */
const LIMIT = 50_000;

/** Sources that lately did something only an account can do, and until when that gives them head-room. */
export class Trust {
  /** In order of last proof. */
  readonly #until = new RecencyMap<EpochMs>(LIMIT);
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
    const until = at + this.durationMs;
    const gone = this.#until.set(source, until);
    if (gone !== undefined) this.#changed?.add(gone);
    this.#changed?.add(source);
    return until;
  }

  /** A banned source has to prove itself anew. */
  revoke(source: Source): void {
    if (this.#until.delete(source)) this.#changed?.add(source);
  }

  /** Who is trusted until when, the longest unproven first; null for who is no more. `whole`: all, not only the changes. */
  save(whole: boolean): (readonly [source: Source, until: EpochMs | null])[] {
    const changed = whole ? this.#until.keys() : (this.#changed ?? this.#until.keys());
    this.#changed = new Set();
    return [...changed].map((source) => [source, this.#until.get(source) ?? null]);
  }

  restore(saved: readonly (readonly [source: Source, until: EpochMs | null])[]): void {
    for (const [source, until] of saved) if (until !== null) this.#until.set(source, until);
  }

  configure(durationMs: number): void {
    this.durationMs = durationMs;
  }
}
