/** Strings made from bytes, once: access logs repeat their methods, paths and user agents. */

/** Words of a remembered string: 256 bytes, four at a time. */
const WORDS = 64;
const LONGEST = WORDS * 4 - 4;

/**
 * A direct-mapped table of ASCII strings by their bytes. A lookup compares every byte, so a clash of hashes costs a new
 * string, never a wrong one. Bounded: `slots` strings of at most 252 bytes; longer ones are made each time. A string is
 * kept when it is met for the second time: the many targets that are asked for once do not put out the ones that return.
 */
export class StringTable {
  readonly #texts: (string | undefined)[];
  /** The bytes of the texts, WORDS words for each. */
  readonly #words: Int32Array;
  /** Per slot, the hash of the last string that was not found there. */
  readonly #missed: Int32Array;
  readonly #mask: number;

  /** `slots` is a power of two. */
  constructor(slots = 4096) {
    this.#texts = new Array(slots).fill(undefined);
    this.#words = new Int32Array(slots * WORDS);
    this.#missed = new Int32Array(slots);
    this.#mask = slots - 1;
  }

  /** The string in bytes `start` to `end`, which the caller knows to be ASCII. `view` is of `buffer`. */
  get(buffer: Buffer, view: DataView, start: number, end: number): string {
    const length = end - start;
    if (length > LONGEST) return buffer.toString("latin1", start, end);
    const hash = hashOf(buffer, view, start, length);
    const slot = hash & this.#mask;
    const known = this.#texts[slot];
    if (known !== undefined && known.length === length && this.#isSame(slot, buffer, view, start, length)) return known;
    const text = buffer.toString("latin1", start, end);
    if (this.#missed[slot] === hash) this.#keep(slot, text, buffer, view, start);
    else this.#missed[slot] = hash;
    return text;
  }

  #isSame(slot: number, buffer: Buffer, view: DataView, start: number, length: number): boolean {
    const words = this.#words;
    const last = slot * WORDS + (length >> 2);
    for (let i = slot * WORDS, p = start; i < last; i++, p += 4) if (view.getInt32(p, true) !== words[i]) return false;
    return words[last] === lastWord(buffer, view, start, length);
  }

  #keep(slot: number, text: string, buffer: Buffer, view: DataView, start: number): void {
    const words = this.#words;
    const last = slot * WORDS + (text.length >> 2);
    for (let i = slot * WORDS, p = start; i < last; i++, p += 4) words[i] = view.getInt32(p, true);
    words[last] = lastWord(buffer, view, start, text.length);
    this.#texts[slot] = text;
  }
}

/** The last four bytes, some of them compared already; all bytes of a shorter string. */
function lastWord(buffer: Buffer, view: DataView, start: number, length: number): number {
  if (length >= 4) return view.getInt32(start + length - 4, true);
  let word = 0;
  for (let i = 0; i < length; i++) word = (word << 8) | buffer[start + i]!;
  return word;
}

/** Mixes the length, the first four words and the last four: where paths and user agents differ. */
function hashOf(buffer: Buffer, view: DataView, start: number, length: number): number {
  let h = Math.imul(length, 0x9e3779b1);
  const last = start + length - 4;
  const head = Math.min(last, start + 16);
  for (let p = start; p < head; p += 4) h = mix(h, view.getInt32(p, true));
  for (let p = Math.max(start, head, last - 12); p < last; p += 4) h = mix(h, view.getInt32(p, true));
  return mix(h, lastWord(buffer, view, start, length));
}

function mix(h: number, word: number): number {
  const mixed = Math.imul(h ^ word, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
