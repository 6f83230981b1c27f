import type { EpochMs } from "../accesslog/record.ts";
import type { Permit } from "../decision.ts";
import { covers, overlaps, parseRange, type Range, type Source } from "../net/cidr.ts";

/** Most permits at one time: people give them by hand, and each is asked for every source that is judged. */
export const MOST_PERMITS = 1_000;

/** A range that is never banned, and why. */
export interface Allowed {
  readonly range: Range;
  readonly why: string;
}

/** Who is never banned: the configured list, what people have permitted since, and what the host itself must not lose. */
export class Allowlist {
  #configured: readonly Allowed[];
  #protected: readonly Allowed[] = [];
  readonly #permits = new Map<Source, Allowed & { readonly permit: Permit }>();
  /** No permit ends before this, so that time passes at no cost until then. */
  #nextEnd = Number.POSITIVE_INFINITY;

  constructor(configured: readonly Source[]) {
    this.#configured = toAllowed(configured);
  }

  get size(): number {
    return this.#configured.length + this.#protected.length + this.#permits.size;
  }

  /** The configured ranges and the host's own; permits apart. */
  get fixed(): readonly Allowed[] {
    return [...this.#configured, ...this.#protected];
  }

  /** In the order in which they were given. */
  get permits(): Permit[] {
    return [...this.#permits.values()].map(({ permit }) => permit);
  }

  /** Takes in a permit, in place of an earlier one for the same range. False when there are too many. */
  permit(permit: Permit): boolean {
    if (!this.#permits.has(permit.source) && this.#permits.size >= MOST_PERMITS) return false;
    this.#permits.set(permit.source, {
      permit,
      range: parseRange(permit.source)!,
      why: `${permit.source} was allowed by ${permit.by}${permit.note ? `: ${permit.note}` : ""}`,
    });
    this.#nextEnd = Math.min(this.#nextEnd, endOf(permit));
    return true;
  }

  /** Takes a permit back; undefined when there is none for exactly this range. */
  forbid(source: Source): Permit | undefined {
    const permit = this.#permits.get(source)?.permit;
    this.#permits.delete(source);
    return permit;
  }

  /** Takes out the permits whose time is over. */
  expire(now: EpochMs): Permit[] {
    if (now < this.#nextEnd) return [];
    const over = this.permits.filter((permit) => endOf(permit) <= now);
    for (const { source } of over) this.#permits.delete(source);
    this.#nextEnd = Math.min(...this.permits.map(endOf));
    return over;
  }

  configure(configured: readonly Source[]): void {
    this.#configured = toAllowed(configured);
  }

  /** Replaces the host's own list: loopback, own addresses, gateway, bridges, live SSH peers. */
  protect(ranges: readonly Allowed[]): void {
    this.#protected = ranges;
  }

  /** The entry that speaks against banning this source, or null. A ban of a range that holds an allowed address is spoken against too. */
  match(source: Source): Allowed | null {
    const range = parseRange(source);
    if (range === null) return null;
    const hit = (entry: Allowed) => covers(entry.range, range) || overlaps(entry.range, range);
    return this.#configured.find(hit) ?? this.#protected.find(hit) ?? this.#permits.values().find(hit) ?? null;
  }

  /** Does a protected address lie inside this range without filling it? Then the range may not be treated as one source. */
  splits(range: Range): boolean {
    const inside = (entry: Allowed) => entry.range.prefix > range.prefix && covers(range, entry.range);
    return this.#configured.some(inside) || this.#protected.some(inside) || this.#permits.values().some(inside);
  }
}

function endOf({ until }: Permit): EpochMs {
  return until === "permanent" ? Number.POSITIVE_INFINITY : until;
}

function toAllowed(sources: readonly Source[]): Allowed[] {
  return sources.map((source) => ({ range: parseRange(source)!, why: `allowlist ${source}` }));
}
