/** How many paths and statuses a sketch remembers, and how much of each text. */
const PATHS = 6;
const STATUSES = 6;
const MAX_TEXT = 200;

/**
 * What a busy source (or the site) mostly asks for, in constant memory: the space-saving counters of
 * Metwally, Agrawal and El Abbadi (2005). A count is an upper bound, never too low.
 */
export class PathSketch {
  #paths: { path: string; count: number }[] = [];
  #statuses: { status: number; count: number }[] = [];
  userAgent: string | undefined;

  /** Counts a request; `weight` is how many it stands for. */
  add(path: string, status: number, userAgent: string | undefined, weight: number): void {
    const cut = queryStart(path);
    this.#addPath(cut < path.length || path.length > MAX_TEXT ? path.slice(0, Math.min(cut, MAX_TEXT)) : path, weight);
    this.#addStatus(status, weight);
    if (userAgent !== undefined)
      this.userAgent = userAgent.length > MAX_TEXT ? userAgent.slice(0, MAX_TEXT) : userAgent;
  }

  /** Most frequent first, at most `limit`. */
  paths(limit = 5): { path: string; count: number }[] {
    return this.#paths.toSorted((a, b) => b.count - a.count).slice(0, limit);
  }

  statuses(limit = 5): { status: number; count: number }[] {
    return this.#statuses.toSorted((a, b) => b.count - a.count).slice(0, limit);
  }

  #addPath(path: string, weight: number): void {
    const known = this.#paths.find((entry) => entry.path === path);
    if (known) known.count += weight;
    else if (this.#paths.length < PATHS) this.#paths.push({ path, count: weight });
    else {
      const least = this.#paths.reduce((a, b) => (b.count < a.count ? b : a));
      least.path = path;
      least.count += weight;
    }
  }

  #addStatus(status: number, weight: number): void {
    const known = this.#statuses.find((entry) => entry.status === status);
    if (known) known.count += weight;
    else if (this.#statuses.length < STATUSES) this.#statuses.push({ status, count: weight });
  }
}

/** Where the query begins, or the length of the path when it has none. */
export function queryStart(path: string): number {
  const at = path.indexOf("?");
  return at < 0 ? path.length : at;
}
