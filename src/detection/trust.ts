import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";

/** Most sources remembered as trusted; the longest unproven is forgotten first. */
const LIMIT = 50_000;

/** Sources that lately did something only an account can do, and until when that gives them head-room. */
export class Trust {
  #until = new Map<Source, EpochMs>();

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
    if (this.#until.size >= LIMIT) this.#until.delete(this.#until.keys().next().value!);
    const until = at + this.durationMs;
    this.#until.set(source, until);
    return until;
  }

  /** A banned source has to prove itself anew. */
  revoke(source: Source): void {
    this.#until.delete(source);
  }

  configure(durationMs: number): void {
    this.durationMs = durationMs;
  }
}
