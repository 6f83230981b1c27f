import { covers, overlaps, parseRange, type Range, type Source } from "../net/cidr.ts";

/** A range that is never banned, and why. */
export interface Allowed {
  readonly range: Range;
  readonly why: string;
}

/** Who is never banned: the configured list, and what the host itself must not lose. */
export class Allowlist {
  #configured: readonly Allowed[];
  #protected: readonly Allowed[] = [];

  constructor(configured: readonly Source[]) {
    this.#configured = toAllowed(configured);
  }

  get size(): number {
    return this.#configured.length + this.#protected.length;
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
    return this.#configured.find(hit) ?? this.#protected.find(hit) ?? null;
  }

  /** Does a protected address lie inside this range without filling it? Then the range may not be treated as one source. */
  splits(range: Range): boolean {
    const inside = (entry: Allowed) => entry.range.prefix > range.prefix && covers(range, entry.range);
    return this.#configured.some(inside) || this.#protected.some(inside);
  }
}

function toAllowed(sources: readonly Source[]): Allowed[] {
  return sources.map((source) => ({ range: parseRange(source)!, why: `allowlist ${source}` }));
}
