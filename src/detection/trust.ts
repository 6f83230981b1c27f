import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";
import { RecencyMap } from "../recency.ts";

/** Most sources remembered as trusted; the longest unproven is forgotten first. */
const LIMIT = 50_000;

/** A row of what is saved: until when the source is trusted, and since when without a break; null for who is no more. */
export type SavedTrust = readonly [source: Source, until: EpochMs | null, since: EpochMs];

interface Span {
  readonly since: EpochMs;
  readonly until: EpochMs;
}

/** Sources that lately did something only an account can do, and until when that gives them head-room. */
export class Trust {
  /** In order of last proof. */
  readonly #spans = new RecencyMap<Span>(LIMIT);
  /** What changed since the last save; null until the first save, so that nobody who never saves pays for it. */
  #changed: Set<Source> | null = null;

  constructor(private durationMs: number) {}

  get size(): number {
    return this.#spans.size;
  }

  /** Until when the source is trusted; 0 when it is not. `address`: v4Of(source), where the caller has it. */
  until(source: Source, address?: number): EpochMs {
    return this.#spans.get(source, address)?.until ?? 0;
  }

  /** Since when the source has been trusted without a break; 0 when it is not, or nobody knows. */
  since(source: Source): EpochMs {
    return this.#spans.get(source)?.since ?? 0;
  }

  /** The source proved an account at `at`; returns until when it is trusted now. */
  prove(source: Source, at: EpochMs, address?: number): EpochMs {
    if (this.durationMs === 0) return 0;
    const until = at + this.durationMs;
    const before = this.#spans.get(source, address);
    const since = before !== undefined && before.until > at ? before.since : at;
    const gone = this.#spans.set(source, { since, until }, address);
    if (gone !== undefined) this.#changed?.add(gone);
    this.#changed?.add(source);
    return until;
  }

  /** A banned source has to prove itself anew. */
  revoke(source: Source): void {
    if (this.#spans.delete(source)) this.#changed?.add(source);
  }

  /** Who is trusted, the longest unproven first. `whole`: all, not only the changes. */
  save(whole: boolean): SavedTrust[] {
    const changed = whole ? this.#spans.keys() : (this.#changed ?? this.#spans.keys());
    this.#changed = new Set();
    return [...changed].map((source) => {
      const span = this.#spans.get(source);
      return [source, span?.until ?? null, span?.since ?? 0];
    });
  }

  restore(saved: readonly SavedTrust[]): void {
    for (const [source, until, since] of saved) if (until !== null) this.#spans.set(source, { since, until });
  }

  configure(durationMs: number): void {
    this.durationMs = durationMs;
  }
}
