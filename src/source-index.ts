import type { Source } from "./net/cidr.ts";
import { NO_V4, v4Of } from "./net/ip.ts";

/** Stands for "no source" beside a slot. */
const EMPTY = -1;

/**
 * Which slot a source has. IPv4 addresses are looked up by their 32 bits (open addressing, linear probing), which
 * neither hashes nor compares text; all others by their text.
 */
export class SourceIndex {
  /** The address and its slot side by side, for each place. */
  #places = new Int32Array(2 * 2048).fill(EMPTY);
  #used = 0;
  readonly #others = new Map<Source, number>();

  get size(): number {
    return this.#used + this.#others.size;
  }

  /** The slot of a source, or undefined. `address`: v4Of(source), where the caller has it. */
  get(source: Source, address = v4Of(source)): number | undefined {
    if (address === NO_V4) return this.#others.get(source);
    const slot = this.#places[this.#placeOf(address) + 1]!;
    return slot === EMPTY ? undefined : slot;
  }

  /** Gives a source that has none a slot. */
  add(source: Source, slot: number, address = v4Of(source)): void {
    if (address === NO_V4) {
      this.#others.set(source, slot);
      return;
    }
    // At most half full: a search ends after a place or two.
    if (this.#used * 4 >= this.#places.length) this.#grow();
    this.#put(address, slot);
    this.#used++;
  }

  delete(source: Source, address = v4Of(source)): void {
    if (address === NO_V4) this.#others.delete(source);
    else this.#empty(this.#placeOf(address));
  }

  /** Where the address is, or the empty place where it belongs. */
  #placeOf(address: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    let i = homeOf(address, mask);
    while (places[i + 1] !== EMPTY && places[i] !== address) i = (i + 2) & mask;
    return i;
  }

  #put(address: number, slot: number): void {
    const i = this.#placeOf(address);
    this.#places[i] = address;
    this.#places[i + 1] = slot;
  }

  /** Closes the gap, so that no search ends early: what stands behind it moves up unless it is at home there. */
  #empty(place: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    if (places[place + 1] === EMPTY) return;
    this.#used--;
    let gap = place;
    for (let i = (gap + 2) & mask; places[i + 1] !== EMPTY; i = (i + 2) & mask) {
      const home = homeOf(places[i]!, mask);
      if (((i - home) & mask) < ((i - gap) & mask)) continue;
      places[gap] = places[i]!;
      places[gap + 1] = places[i + 1]!;
      gap = i;
    }
    places[gap + 1] = EMPTY;
  }

  #grow(): void {
    const old = this.#places;
    this.#places = new Int32Array(old.length * 2).fill(EMPTY);
    for (let i = 0; i < old.length; i += 2) if (old[i + 1] !== EMPTY) this.#put(old[i]!, old[i + 1]!);
  }
}

/** The place where a search for an address begins; even. Neighbours in a network are spread over the table. */
function homeOf(address: number, mask: number): number {
  let h = Math.imul(address ^ (address >>> 16), 0x45d9f3b);
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  return ((h ^ (h >>> 16)) << 1) & mask;
}
