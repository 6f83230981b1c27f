/**
 * The most frequent keys of a stream, in constant memory: the space-saving counters of Metwally, Agrawal and El Abbadi
 * (2005). A count is an upper bound, never too low, and what is more frequent than one in `limit` is never missed.
 */
export class TopCounts<K> {
  readonly #places = new Map<K, number>();
  readonly #keys: K[] = [];
  readonly #counts: number[] = [];
  /** The sum of all weights, those of forgotten keys included. */
  total = 0;

  constructor(private readonly limit: number) {}

  add(key: K, weight: number): void {
    this.total += weight;
    const place = this.#places.get(key);
    if (place !== undefined) this.#counts[place]! += weight;
    else if (this.#keys.length < this.limit) this.#enter(key, this.#keys.length, weight);
    else this.#replaceLeast(key, weight);
  }

  /** Most frequent first, at most `limit`. */
  top(limit: number): { key: K; count: number }[] {
    const entries = this.#keys.map((key, i) => ({ key, count: this.#counts[i]! }));
    return entries.sort((a, b) => b.count - a.count).slice(0, limit);
  }

  countOf(key: K): number {
    const place = this.#places.get(key);
    return place === undefined ? 0 : this.#counts[place]!;
  }

  /** Adds all that `other` counted. */
  merge(other: TopCounts<K>): void {
    const before = this.total;
    for (const { key, count } of other.top(this.limit)) this.add(key, count);
    this.total = before + other.total;
  }

  #enter(key: K, place: number, count: number): void {
    this.#keys[place] = key;
    this.#counts[place] = count;
    this.#places.set(key, place);
  }

  #replaceLeast(key: K, weight: number): void {
    let least = 0;
    for (let i = 1; i < this.#counts.length; i++) if (this.#counts[i]! < this.#counts[least]!) least = i;
    this.#places.delete(this.#keys[least]!);
    this.#enter(key, least, this.#counts[least]! + weight);
  }
}
