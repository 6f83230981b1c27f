import type { Source } from "./net/cidr.ts";
import { v4Of } from "./net/ip.ts";
import { SourceIndex } from "./source-index.ts";

/** End of the list, and what stands for "none". */
const NONE = -1;

/**
 * One value per source, in the order in which they were last set, up to a bound: beyond it the oldest goes. A Map
 * alone keeps that order too, but finding its first key passes over everything deleted before it: with the bound
 * reached, every new source would cost more than the rest of its request together.
 */
export class RecencyMap<V> {
  readonly #index = new SourceIndex();
  readonly #keys: Source[] = [];
  readonly #values: V[] = [];
  readonly #older: number[] = [];
  readonly #newer: number[] = [];
  readonly #free: number[] = [];
  #oldest = NONE;
  #newest = NONE;

  constructor(readonly limit: number) {}

  get size(): number {
    return this.#index.size;
  }

  /** `address`: v4Of(source), where the caller has it. */
  get(source: Source, address?: number): V | undefined {
    const i = this.#index.get(source, address);
    return i === undefined ? undefined : this.#values[i];
  }

  /** Makes the source the newest. Returns the one that had to go for it, if any. */
  set(source: Source, value: V, address = v4Of(source)): Source | undefined {
    const known = this.#index.get(source, address);
    if (known !== undefined) {
      this.#renew(known);
      this.#values[known] = value;
      return undefined;
    }
    const gone = this.#index.size >= this.limit ? this.#keys[this.#oldest] : undefined;
    if (gone !== undefined) this.delete(gone);
    const i = this.#free.pop() ?? this.#keys.length;
    this.#keys[i] = source;
    this.#values[i] = value;
    this.#index.add(source, i, address);
    this.#link(i);
    return gone;
  }

  /** False when there was nothing to delete. */
  delete(source: Source): boolean {
    const i = this.#index.get(source);
    if (i === undefined) return false;
    this.#index.delete(source);
    this.#unlink(i);
    this.#free.push(i);
    return true;
  }

  /** The oldest first. */
  keys(): Source[] {
    const keys: Source[] = [];
    for (let i = this.#oldest; i !== NONE; i = this.#newer[i]!) keys.push(this.#keys[i]!);
    return keys;
  }

  /** Shows the values, the newest first, until `visit` says false. */
  walkNewest(visit: (value: V) => boolean): void {
    for (let i = this.#newest; i !== NONE; i = this.#older[i]!) if (!visit(this.#values[i]!)) return;
  }

  #renew(i: number): void {
    if (i === this.#newest) return;
    this.#unlink(i);
    this.#link(i);
  }

  #link(i: number): void {
    this.#older[i] = this.#newest;
    this.#newer[i] = NONE;
    if (this.#newest === NONE) this.#oldest = i;
    else this.#newer[this.#newest] = i;
    this.#newest = i;
  }

  #unlink(i: number): void {
    const older = this.#older[i]!;
    const newer = this.#newer[i]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }
}
