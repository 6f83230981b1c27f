/** Times as access logs write them: ISO 8601 with an offset, or epoch seconds with milliseconds. */
import type { EpochMs } from "./record.ts";

const ISO = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d)?)$/;
const EPOCH = /^\d{1,11}(?:\.\d{1,9})?$/;
const YEAR_10000 = 253_402_300_800_000;

/**
 * A logged time in milliseconds, or null when it is not one. Text without an offset is refused: it could be any of
 * 24 hours. Fractions finer than a millisecond are cut. A date that does not exist (30 February) is refused.
 */
export function parseTime(value: unknown): EpochMs | null {
  if (typeof value === "number") return epochMs(value);
  if (typeof value !== "string") return null;
  return EPOCH.test(value) ? epochMs(Number(value)) : parseIso(value);
}

/** Epoch seconds ($msec) to milliseconds. Rounded, because 1767600000.123 * 1000 is not a whole number in binary. */
function epochMs(seconds: number): EpochMs | null {
  const ms = Math.round(seconds * 1000);
  return ms >= 0 && ms < YEAR_10000 ? ms : null;
}

function parseIso(text: string): EpochMs | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const offsetHours = Number(match[9] ?? 0);
  const offsetMinutes = Number(match[10] ?? 0);
  if (hour > 23 || minute > 59 || second > 59 || offsetHours > 23 || offsetMinutes > 59) return null;
  if (day < 1 || month < 1 || month > 12 || day > daysIn(year, month)) return null;
  const local =
    Date.UTC(year, month - 1, day, hour, minute, second) + Number((match[7] ?? "").padEnd(3, "0").slice(0, 3));
  const offset = (offsetHours * 60 + offsetMinutes) * 60_000;
  const ms = match[8] === "-" ? local + offset : local - offset;
  // Date.UTC reads the years 0 to 99 as 1900 to 1999; nothing before 1970 is a log time anyway.
  return year >= 1970 && ms >= 0 ? ms : null;
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

const LONGEST = 40;

/**
 * Reads times from bytes, and remembers the minute: consecutive lines of a log differ in their seconds and
 * milliseconds only, so most of them cost a comparison instead of a date computation.
 */
export class TimeReader {
  readonly #bytes = new Uint8Array(LONGEST);
  #length = 0;
  /** The remembered time with its seconds and milliseconds at zero. */
  #minute = 0;

  /** The time written in bytes `start` to `end` (ASCII), or null. */
  read(buffer: Buffer, start: number, end: number): EpochMs | null {
    const length = end - start;
    if (length === this.#length && this.#isSameMinute(buffer, start, length)) return this.#remembered(buffer, start);
    const ms = parseTime(buffer.toString("latin1", start, end));
    if (ms !== null) this.#remember(buffer, start, length, ms);
    return ms;
  }

  /** "2026-01-05T08:00:" and what follows the seconds, or three digits of milliseconds, are as remembered. */
  #isSameMinute(buffer: Buffer, start: number, length: number): boolean {
    const bytes = this.#bytes;
    for (let i = 0; i < 17; i++) if (buffer[start + i] !== bytes[i]) return false;
    if (buffer[start + 17]! > 53 || !isDigit(buffer[start + 17]!) || !isDigit(buffer[start + 18]!)) return false;
    let i = 19;
    if (bytes[19] === 46) {
      if (buffer[start + 19] !== 46) return false;
      for (i = 20; i < 23; i++) if (!isDigit(buffer[start + i]!)) return false;
    }
    for (; i < length; i++) if (buffer[start + i] !== bytes[i]) return false;
    return true;
  }

  #remembered(buffer: Buffer, start: number): EpochMs {
    const seconds = twoDigits(buffer, start + 17);
    if (this.#bytes[19] !== 46) return this.#minute + seconds * 1000;
    return this.#minute + seconds * 1000 + (buffer[start + 20]! - 48) * 100 + twoDigits(buffer, start + 21);
  }

  /** Only the two layouts `#isSameMinute` knows are remembered: whole seconds, or exactly three decimals after a dot. */
  #remember(buffer: Buffer, start: number, length: number, ms: EpochMs): void {
    const hasMillis = buffer[start + 19] === 46 && !isDigit(buffer[start + 23]!);
    const hasFraction = buffer[start + 19] === 46 || buffer[start + 19] === 44;
    this.#length = 0;
    if (length < 20 || length > LONGEST || buffer[start + 4] !== 45 || (hasFraction && !hasMillis)) return;
    for (let i = 0; i < length; i++) this.#bytes[i] = buffer[start + i]!;
    this.#length = length;
    this.#minute = ms - (ms % 1000) - twoDigits(buffer, start + 17) * 1000;
  }
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

function twoDigits(buffer: Buffer, at: number): number {
  return (buffer[at]! - 48) * 10 + buffer[at + 1]! - 48;
}
