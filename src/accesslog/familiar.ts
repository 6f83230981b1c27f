/**
 * Strings that stood at one place of the line before: hosts, methods and user agents repeat. One is found by its first
 * bytes and compared where it stands, so neither its end nor its hash has to be looked for.
 */

const QUOTE = 34;
/** A power of two. */
const SLOTS = 64;
/** Room for a string and its quote, compared eight bytes at a time (see Literal in layout.ts). */
const EIGHTS = 32;
const SHORTEST = 3;
const LONGEST = EIGHTS * 8 - 1;

export class FamiliarStrings {
  readonly #texts: string[] = new Array(SLOTS).fill("");
  /** Each string with its quote; the last eight bytes come last, some of them for the second time. */
  readonly #eights = new Float64Array(SLOTS * EIGHTS);
  /** Where the string that was found ends: its quote. */
  end = 0;

  /** `reach`: how many of the first bytes tell most strings of this place apart. */
  constructor(private readonly reach: number) {}

  /** The string at `start`, if it is a familiar one and ends before `limit`; else null. `view` is of `buffer`. */
  find(view: DataView, start: number, limit: number): string | null {
    if (start + Math.max(4, this.reach) > limit) return null;
    const slot = this.#slotOf(view, start);
    const text = this.#texts[slot]!;
    const end = start + text.length;
    if (text.length === 0 || end >= limit || !this.#isAt(view, start, end + 1, slot)) return null;
    this.end = end;
    return text;
  }

  /** Makes the string at `start`, which a quote ends, a familiar one. The caller knows it to be plain ASCII. */
  keep(text: string, view: DataView, start: number): void {
    const { length } = text;
    const limit = start + length + 1;
    if (length < SHORTEST || length > LONGEST || start + this.reach > view.byteLength) return;
    if (view.getUint8(limit - 1) !== QUOTE) return;
    const slot = this.#slotOf(view, start);
    this.#texts[slot] = text;
    let at = slot * EIGHTS;
    if (length < 7) {
      this.#eights[at] = view.getInt32(start, true);
      this.#eights[at + 1] = view.getInt32(limit - 4, true);
      return;
    }
    for (let p = start; p + 8 < limit; p += 8) this.#eights[at++] = view.getFloat64(p, true);
    this.#eights[at] = view.getFloat64(limit - 8, true);
  }

  #isAt(view: DataView, start: number, limit: number, slot: number): boolean {
    const eights = this.#eights;
    let at = slot * EIGHTS;
    if (limit - start < 8)
      return view.getInt32(start, true) === eights[at] && view.getInt32(limit - 4, true) === eights[at + 1];
    for (let p = start; p + 8 < limit; p += 8) if (view.getFloat64(p, true) !== eights[at++]) return false;
    return view.getFloat64(limit - 8, true) === eights[at];
  }

  /** By every sixteenth byte or so within reach. */
  #slotOf(view: DataView, start: number): number {
    const last = start + Math.max(0, this.reach - 4);
    let hash = 0;
    for (let p = start; p <= last; p += 12) hash = Math.imul(hash ^ view.getInt32(p, true), 0x9e3779b1);
    return (hash ^ (hash >>> 15)) >>> 26;
  }
}
