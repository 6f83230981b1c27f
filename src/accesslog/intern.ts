/** Strings made from bytes, once: access logs repeat their methods, paths and user agents. */

const LONGEST = 256;

interface Entry {
  readonly text: string;
  readonly length: number;
  readonly words: Int32Array;
  readonly rest: Uint8Array;
}

/**
 * A direct-mapped table of ASCII strings by their bytes. A lookup compares every byte, so a clash of hashes costs a new
 * string, never a wrong one. Bounded: `slots` strings of at most 256 bytes; longer ones are made each time.
 */
export class StringTable {
  readonly #entries: (Entry | undefined)[];
  readonly #mask: number;

  /** `slots` is a power of two. */
  constructor(slots = 4096) {
    this.#entries = new Array(slots).fill(undefined);
    this.#mask = slots - 1;
  }

  /** The string in bytes `start` to `end`, which the caller knows to be ASCII. `view` is of `buffer`. */
  get(buffer: Buffer, view: DataView, start: number, end: number): string {
    const length = end - start;
    if (length > LONGEST) return buffer.toString("latin1", start, end);
    const slot = hash(buffer, view, start, length) & this.#mask;
    const entry = this.#entries[slot];
    if (entry !== undefined && entry.length === length && isSame(entry, buffer, view, start)) return entry.text;
    const text = buffer.toString("latin1", start, end);
    this.#entries[slot] = createEntry(text, buffer, view, start, length);
    return text;
  }
}

/** Mixes the length, the first four words and the last four: where paths and user agents differ. */
function hash(buffer: Buffer, view: DataView, start: number, length: number): number {
  let h = Math.imul(length, 0x9e3779b1);
  if (length < 4) {
    for (let i = 0; i < length; i++) h = mix(h, buffer[start + i]!);
    return h >>> 0;
  }
  const last = start + length - 4;
  const head = Math.min(last, start + 16);
  for (let p = start; p < head; p += 4) h = mix(h, view.getInt32(p, true));
  for (let p = Math.max(head, last - 12); p < last; p += 4) h = mix(h, view.getInt32(p, true));
  return mix(h, view.getInt32(last, true)) >>> 0;
}

function mix(h: number, word: number): number {
  const mixed = Math.imul(h ^ word, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

function isSame(entry: Entry, buffer: Buffer, view: DataView, start: number): boolean {
  const { words, rest } = entry;
  let p = start;
  for (let i = 0; i < words.length; i++, p += 4) if (view.getInt32(p, true) !== words[i]) return false;
  for (let i = 0; i < rest.length; i++, p++) if (buffer[p] !== rest[i]) return false;
  return true;
}

function createEntry(text: string, buffer: Buffer, view: DataView, start: number, length: number): Entry {
  const words = new Int32Array(length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = view.getInt32(start + i * 4, true);
  const rest = new Uint8Array(length & 3);
  for (let i = 0; i < rest.length; i++) rest[i] = buffer[start + words.length * 4 + i]!;
  return { text, length, words, rest };
}
