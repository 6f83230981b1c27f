/**
 * The layout of a log. nginx writes every line from one template, so what lies between the values never changes: it is
 * learned from one good line, as the literal bytes before each value and the field that value belongs to.
 */
import { FamiliarStrings } from "./familiar.ts";
import { FIELD_NAMES, type FieldChoice, type FieldTable, HOST, METHOD, TIME, USER_AGENT } from "./fields.ts";

const QUOTE = 34;
const BACKSLASH = 92;
const MINUS = 45;
const DOT = 46;
const ZERO = 48;

/** The field number of a value nobody reads. */
export const SKIPPED = -1;

/** Fields whose strings repeat, and how many of the first bytes tell most of them apart. */
const FAMILIAR: ReadonlyMap<number, number> = new Map([
  [METHOD, 4],
  [HOST, 8],
  [USER_AGENT, 52],
]);

/** One value of the line. */
export interface Slot {
  /** The bytes before the value, with the opening quote where it is a string. */
  readonly literal: Literal;
  readonly isString: boolean;
  /** A field number, or SKIPPED. */
  readonly field: number;
  /** False when another key of the line could serve the same field. */
  readonly isOnly: boolean;
  readonly rank: number;
  /** The strings that stand here on many lines; null where they differ from line to line. */
  readonly familiar: FamiliarStrings | null;
}

/** A line as fixed bytes with values between them. */
export interface Layout {
  readonly slots: readonly Slot[];
  /** The bytes after the last value. */
  readonly tail: Literal;
}

/**
 * Bytes to be found in place, compared eight at a time: as floating-point numbers, the only 64-bit ones that cost
 * nothing here. Plain ASCII is never NaN nor zero, so two are equal exactly when their bytes are.
 */
class Literal {
  readonly #length: number;
  /** All but the last bytes by eights; then the last eight, some of them for the second time. */
  readonly #eights: Float64Array;
  readonly #last: number;
  /** All bytes of a literal shorter than eight. */
  readonly #few: Uint8Array;

  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { length } = bytes;
    this.#length = length;
    const isLong = length >= 8;
    this.#eights = Float64Array.from({ length: isLong ? (length - 1) >> 3 : 0 }, (_, i) =>
      view.getFloat64(i * 8, true),
    );
    this.#last = isLong ? view.getFloat64(length - 8, true) : 0;
    this.#few = isLong ? new Uint8Array() : bytes;
  }

  /** The offset after these bytes when they stand at `at`, before `end`; else -1. */
  skip(buffer: Buffer, view: DataView, at: number, end: number): number {
    if (at + this.#length > end) return -1;
    const next = at + this.#length;
    const few = this.#few;
    if (this.#length < 8) {
      for (let i = 0; i < few.length; i++) if (buffer[at + i] !== few[i]) return -1;
      return next;
    }
    if (view.getFloat64(next - 8, true) !== this.#last) return -1;
    const eights = this.#eights;
    for (let i = 0; i < eights.length; i++) if (view.getFloat64(at + i * 8, true) !== eights[i]) return -1;
    return next;
  }
}

// A quote ends a string; escapes, control bytes and non-ASCII are left to the slow path.
const IS_PLAIN = new Uint8Array(256).fill(1, 32, 128);
IS_PLAIN[QUOTE] = 0;
IS_PLAIN[BACKSLASH] = 0;

/**
 * The offset of the quote that ends the string beginning at `at`, or -1 when the string is not plain ASCII. Four bytes
 * at a time while none of them is special ("determine if a word has a byte less than n", Bit Twiddling Hacks).
 */
export function stringEnd(buffer: Buffer, view: DataView, at: number, end: number): number {
  let p = at;
  for (const last = end - 4; p <= last; p += 4) {
    const word = view.getInt32(p, true);
    const quote = word ^ 0x22222222;
    const backslash = word ^ 0x5c5c5c5c;
    const zero = ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash);
    if (((zero | ((word - 0x20202020) & ~word) | word) & 0x80808080) !== 0) break;
  }
  while (p < end && IS_PLAIN[buffer[p]!] === 1) p++;
  return p < end && buffer[p] === QUOTE ? p : -1;
}

/** The offset after the JSON number beginning at `at` (without an exponent: that is unusual), or -1. */
export function numberEnd(buffer: Buffer, at: number, end: number): number {
  let p = at < end && buffer[at] === MINUS ? at + 1 : at;
  const whole = p;
  p = digitsEnd(buffer, p, end);
  if (p === whole || (buffer[whole] === ZERO && p > whole + 1)) return -1;
  if (p < end && buffer[p] === DOT) {
    const fraction = p + 1;
    p = digitsEnd(buffer, fraction, end);
    if (p === fraction) return -1;
  }
  const next = p < end ? buffer[p]! : 0;
  return next === 69 || next === 101 ? -1 : p;
}

function digitsEnd(buffer: Buffer, at: number, end: number): number {
  let p = at;
  while (p < end && buffer[p]! >= 48 && buffer[p]! <= 57) p++;
  return p;
}

interface Value {
  readonly key: string;
  readonly literal: Literal;
  readonly isString: boolean;
}

/**
 * The layout of the line in bytes `start` to `end`, which is known to be one JSON object; null when it holds anything
 * but plain strings and numbers, a key twice, or a key that serves two fields.
 */
export function learnLayout(buffer: Buffer, start: number, end: number, table: FieldTable): Layout | null {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const values: Value[] = [];
  let before = start;
  let p = skipSpace(buffer, start, end) + 1;
  for (;;) {
    p = skipSpace(buffer, p, end);
    if (buffer[p] !== QUOTE) return null;
    const keyEnd = stringEnd(buffer, view, p + 1, end);
    if (keyEnd < 0) return null;
    const key = buffer.toString("latin1", p + 1, keyEnd);
    p = skipSpace(buffer, skipSpace(buffer, keyEnd + 1, end) + 1, end);
    const isString = buffer[p] === QUOTE;
    if (isString) p++;
    values.push({ key, literal: new Literal(copyOf(buffer, before, p)), isString });
    p = isString ? stringEnd(buffer, view, p, end) : numberEnd(buffer, p, end);
    if (p < 0) return null;
    before = p;
    p = skipSpace(buffer, isString ? p + 1 : p, end);
    if (buffer[p] === 125) return assign(values, new Literal(copyOf(buffer, before, end)), table);
    if (p >= end) return null;
    p++;
  }
}

/** Gives each field to its best key, as the slow path would for a line where every value is given. */
function assign(values: readonly Value[], tail: Literal, table: FieldTable): Layout | null {
  if (new Set(values.map((value) => value.key)).size !== values.length) return null;
  const choices = values.map((value) => table.get(value.key) ?? []);
  if (choices.some((list) => list.length > 1)) return null;
  const all = choices.flat();
  const slots = values.map(({ literal, isString }, i): Slot => {
    const choice = choices[i]![0];
    if (choice === undefined || !isRead(choice, all))
      return { literal, isString, field: SKIPPED, isOnly: true, rank: 0, familiar: null };
    const isOnly = all.filter((other) => other.field === choice.field).length === 1;
    const reach = isString ? FAMILIAR.get(choice.field) : undefined;
    const familiar = reach === undefined ? null : new FamiliarStrings(reach);
    return { literal, isString, field: choice.field, isOnly, rank: choice.rank, familiar };
  });
  return { slots, tail };
}

/** The best key of its field is read; of times, every key is, or every named one: the finest is taken. */
function isRead(choice: FieldChoice, all: readonly FieldChoice[]): boolean {
  const rivals = all.filter((other) => other.field === choice.field);
  if (choice.field === TIME) return choice.isNamed || !rivals.some((other) => other.isNamed);
  return rivals.every((other) => other.rank >= choice.rank);
}

function skipSpace(buffer: Buffer, at: number, end: number): number {
  let p = at;
  while (p < end && (buffer[p] === 32 || buffer[p] === 9 || buffer[p] === 13)) p++;
  return p;
}

function copyOf(buffer: Buffer, start: number, end: number): Uint8Array {
  return Uint8Array.prototype.slice.call(buffer, start, end);
}

if (FIELD_NAMES[TIME] !== "timestamp") throw new Error("field numbers and FIELD_NAMES disagree");
