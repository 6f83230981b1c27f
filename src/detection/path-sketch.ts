import type { PathCount } from "../decision.ts";

/** How many paths and statuses a sketch remembers, and how much of each text. */
const PATHS = 6;
const STATUSES = 6;
const MAX_TEXT = 200;
/** Bits that different paths set: enough to tell sixty from a hundred and thirty. */
const SEEN_BITS = 64;

/**
 * What a busy source (or the site) mostly asks for, in constant memory: the space-saving counters of
 * Metwally, Agrawal and El Abbadi (2005). A count is an upper bound, never too low.
 */
export class PathSketch {
  // Numbers and texts in columns: there is a sketch for every busy source, and a list of pairs would be ten objects each.
  readonly #paths: string[] = [];
  readonly #pathCounts: number[] = [];
  readonly #pathKinds: (string | undefined)[] = [];
  readonly #pathCosts: (number | undefined)[] = [];
  readonly #statuses: number[] = [];
  readonly #statusCounts: number[] = [];
  /** Two numbers, not a list: there is a sketch for every busy source. */
  #seenLow = 0;
  #seenHigh = 0;
  #fetches = 0;
  #fetchedBytes = 0;
  #parts = 0;
  #seconds = 0;
  #lastSecond = -1;
  /** Looks taken down one by one. */
  looks = 0;
  userAgent: string | undefined;
  /** More than one program asked, as far as they say who they are. */
  mixesAgents = false;

  /** Counts a request; `weight` is how many it stands for, `kind` the class it was taken for and `cost` what it counted, where there are classes. */
  add(path: string, status: number, userAgent: string | undefined, weight: number, kind?: string, cost?: number): void {
    const at = this.#addPath(path, Math.min(queryStart(path), MAX_TEXT), weight);
    this.#pathKinds[at] = kind;
    this.#pathCosts[at] = cost;
    this.#addStatus(status, weight);
    if (userAgent !== undefined) this.#setAgent(headOf(userAgent, MAX_TEXT));
  }

  /** Counts a request of those in `add` as one that fetched something, whole. */
  addFetch(bytes: number, weight: number): void {
    this.#fetches += weight;
    this.#fetchedBytes += bytes * weight;
  }

  /**
   * Takes down what a request in `add` asked for, by the hash of its path and whether it is part of a page, and when, in
   * seconds; they come in order.
   */
  addLook(hash: number, isPart: boolean, second: number): void {
    if (hash & 32) this.#seenHigh |= 1 << (hash & 31);
    else this.#seenLow |= 1 << (hash & 31);
    this.looks++;
    if (isPart) this.#parts++;
    if (second === this.#lastSecond) return;
    this.#lastSecond = second;
    this.#seconds++;
  }

  /** The share of parts of pages in its looks. */
  get parts(): number {
    return this.looks === 0 ? 0 : this.#parts / this.looks;
  }

  /** Different seconds in which it looked, for each look: 1 where none shared its second. */
  get spread(): number {
    return this.looks === 0 ? 0 : this.#seconds / this.looks;
  }

  /**
   * How many different paths it looked at, about: by linear counting (Whang, Vander-Zanden and Taylor, 1990), from the bits
   * that they left unset. A hundred or two at most are told apart.
   */
  get variety(): number {
    const unset = SEEN_BITS - bitsIn(this.#seenLow) - bitsIn(this.#seenHigh);
    return -SEEN_BITS * Math.log(Math.max(1, unset) / SEEN_BITS);
  }

  /** All that was counted: a path that leaves the list leaves its count to the next. */
  get #total(): number {
    return this.#pathCounts.reduce((sum, count) => sum + count, 0);
  }

  /** The share of its most frequent path in all that was counted. */
  get topShare(): number {
    return this.#total === 0 ? 0 : Math.max(...this.#pathCounts) / this.#total;
  }

  /** The share of all that was counted that fetched something, and how large that was on average. */
  get fetched(): { readonly share: number; readonly bytes: number } {
    if (this.#fetches === 0) return { share: 0, bytes: 0 };
    return { share: this.#fetches / this.#total, bytes: this.#fetchedBytes / this.#fetches };
  }

  /** Most frequent first, at most `limit`. */
  paths(limit = 5): PathCount[] {
    const paths = this.#paths.map((path, i): PathCount => {
      const [kind, cost] = [this.#pathKinds[i], this.#pathCosts[i]];
      const counted = { path, count: this.#pathCounts[i]! };
      return kind === undefined ? counted : cost === undefined ? { ...counted, kind } : { ...counted, kind, cost };
    });
    return paths.sort((a, b) => b.count - a.count).slice(0, limit);
  }

  statuses(limit = 5): { status: number; count: number }[] {
    const statuses = this.#statuses.map((status, i) => ({ status, count: this.#statusCounts[i]! }));
    return statuses.sort((a, b) => b.count - a.count).slice(0, limit);
  }

  #setAgent(agent: string): void {
    if (this.userAgent !== undefined && this.userAgent !== agent) this.mixesAgents = true;
    this.userAgent = agent;
  }

  /** The first `length` characters of `path`: cut out only when they are new. Returns its place. */
  #addPath(path: string, length: number, weight: number): number {
    const paths = this.#paths;
    const counts = this.#pathCounts;
    let least = 0;
    for (let i = 0; i < paths.length; i++) {
      const known = paths[i]!;
      if (known.length === length && (known === path || (length < path.length && path.startsWith(known)))) {
        counts[i]! += weight;
        return i;
      }
      if (counts[i]! < counts[least]!) least = i;
    }
    const at = paths.length < PATHS ? paths.length : least;
    paths[at] = headOf(path, length);
    counts[at] = (counts[at] ?? 0) + weight;
    return at;
  }

  #addStatus(status: number, weight: number): void {
    const known = this.#statuses.indexOf(status);
    if (known >= 0) this.#statusCounts[known]! += weight;
    else if (this.#statuses.length < STATUSES) {
      this.#statuses.push(status);
      this.#statusCounts.push(weight);
    }
  }
}

/** How many bits of 32 are set. */
function bitsIn(word: number): number {
  let n = 0;
  for (let rest = word; rest !== 0; rest &= rest - 1) n++;
  return n;
}

/** Where the query begins, or the length of the path when it has none. */
export function queryStart(path: string): number {
  const at = path.indexOf("?");
  return at < 0 ? path.length : at;
}

/** A part of a text of at most this many characters may as well hold on to the whole. */
const SHORT_TEXT = 256;

/**
 * The first `length` characters of a text, to be kept: in memory of their own, for a slice holds on to all of its text,
 * and whoever asks decides how long that is.
 */
export function headOf(text: string, length: number): string {
  if (length >= text.length) return text;
  const head = text.slice(0, length);
  return text.length <= SHORT_TEXT ? head : (JSON.parse(JSON.stringify(head)) as string);
}
