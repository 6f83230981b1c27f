/**
 * The fast path: a line that fits the learned layout and holds nothing unusual is read straight from its bytes. Any
 * other is left to the slow path (values.ts), whose meaning this must equal; fast.test.ts holds the two together.
 */
import { type Ip, NO_V4, parseIp, v4Of } from "../net/ip.ts";
import {
  type FieldTable,
  HOST,
  METHOD,
  PATH,
  PEER,
  REQUEST_TIME,
  SIZE,
  SOURCE,
  STATUS,
  TIME,
  USER_AGENT,
} from "./fields.ts";
import { StringTable } from "./intern.ts";
import { type Layout, learnLayout, numberEnd, SKIPPED, type Slot, stringEnd } from "./layout.ts";
import type { AccessRecord, EpochMs } from "./record.ts";
import { TimeReader } from "./time.ts";
import { createRecord, type IpTable, isFiner, splitRequest } from "./values.ts";

const NEWLINE = 10;
const MINUS = 45;
const DOT = 46;
const SLASH = 47;
const ZERO = 48;

/** Reads the lines of one log; learns their layout anew when it changes. */
export class FastReader {
  #layout: Layout | null = null;
  readonly #strings = new StringTable(8192);
  readonly #time = new TimeReader();
  readonly #v4 = new V4Table();
  /** Where the line after the one last read begins. */
  next = 0;
  /** v4Of the source of the line last read. */
  address = NO_V4;

  constructor(
    private readonly table: FieldTable,
    private readonly addresses: IpTable,
  ) {}

  /** Learns from the good line in bytes `start` to `end` (no newline). Keeps what it knew when the line is not plain. */
  learn(buffer: Buffer, start: number, end: number): void {
    this.#layout = learnLayout(buffer, start, end, this.table) ?? this.#layout;
  }

  /**
   * The record of the line that begins at `start`, or null: ask the slow path. `end` is that of the window: no value and
   * no literal can hold a newline, so there is no need to look for the line's own end first. `view` is of `buffer`.
   */
  read(buffer: Buffer, view: DataView, start: number, end: number): AccessRecord | null {
    const layout = this.#layout;
    if (layout === null) return null;
    let at: EpochMs | null = null;
    let atRank = 0;
    let source: Ip | null = null;
    let peer: Ip | undefined;
    let method = "";
    let path = "";
    let status = 0;
    let bytes = 0;
    let userAgent: string | undefined;
    let host: string | undefined;
    let requestSeconds: number | undefined;
    let p = start;
    const { slots } = layout;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      const from = slot.literal.skip(buffer, view, p, end);
      if (from < 0) return null;
      const known = slot.familiar?.find(view, from, end);
      if (known != null) {
        p = slot.familiar!.end;
        if (slot.field === METHOD) method = known;
        else if (slot.field === HOST) host = known;
        else userAgent = known;
        continue;
      }
      p = slot.isString ? stringEnd(buffer, view, from, end) : numberEnd(buffer, from, end);
      if (p < 0) return null;
      if (slot.field === SKIPPED) continue;
      if (p === from || (p === from + 1 && buffer[from] === MINUS)) {
        // Nothing given: as if the key were not there, unless another key could serve.
        if (!slot.isOnly) return null;
        continue;
      }
      switch (slot.field) {
        case SOURCE:
          source = this.#source(buffer, from, p);
          if (source === null) return null;
          break;
        case TIME: {
          const time = slot.isString ? this.#time.read(buffer, from, p) : epochMs(buffer, from, p);
          if (time === null) return null;
          if (at === null || isFiner(time, at) || (!isFiner(at, time) && slot.rank < atRank)) {
            at = time;
            atRank = slot.rank;
          }
          break;
        }
        case METHOD:
          if (!slot.isString) return null;
          method = this.#text(slot, buffer, view, from, p);
          break;
        case PATH:
          if (!slot.isString) return null;
          path = this.#strings.get(buffer, view, from, p);
          if (buffer[from] !== SLASH) {
            const request = splitRequest(path);
            path = request.path;
            if (method === "") method = request.method;
          }
          break;
        case STATUS:
          if (p - from !== 3 || buffer[from] === ZERO) return null;
          status = wholeNumber(buffer, from, p);
          if (status < 0) return null;
          break;
        case SIZE:
          bytes = wholeNumber(buffer, from, p);
          if (bytes < 0) return null;
          break;
        case USER_AGENT:
          if (!slot.isString) return null;
          userAgent = this.#text(slot, buffer, view, from, p);
          break;
        case HOST:
          if (!slot.isString) return null;
          host = this.#text(slot, buffer, view, from, p);
          break;
        case REQUEST_TIME:
          requestSeconds = decimal(buffer, from, p);
          if (requestSeconds < 0) return null;
          break;
        case PEER:
          peer = this.#v4.get(buffer, from, p) ?? this.addresses.get(buffer.toString("latin1", from, p)) ?? undefined;
          break;
        default:
          return null;
      }
    }
    p = layout.tail.skip(buffer, view, p, end);
    if (p < 0 || (p < end && buffer[p] !== NEWLINE)) return null;
    if (source === null || at === null || status === 0) return null;
    this.next = p + 1;
    return createRecord(at, source, method, path, status, bytes, userAgent, host, requestSeconds, peer);
  }

  /** A string where many lines have the same: it is a familiar one from now on. */
  #text(slot: Slot, buffer: Buffer, view: DataView, start: number, end: number): string {
    const text = this.#strings.get(buffer, view, start, end);
    slot.familiar?.keep(text, view, start);
    return text;
  }

  /** The source in bytes `start` to `end`, or null; its 32 bits are in `address` then. */
  #source(buffer: Buffer, start: number, end: number): Ip | null {
    const known = this.#v4.get(buffer, start, end);
    if (known !== null) {
      this.address = this.#v4.key | 0;
      return known;
    }
    const ip = this.addresses.get(buffer.toString("latin1", start, end));
    this.address = ip === null ? NO_V4 : v4Of(ip);
    return ip;
  }
}

/** The digits in bytes `start` to `end` as a number; -1 for anything else and for more than 15 of them. */
function wholeNumber(buffer: Buffer, start: number, end: number): number {
  if (end - start > 15) return -1;
  let value = 0;
  for (let p = start; p < end; p++) {
    const digit = buffer[p]! - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6];

/**
 * "12.345" as a number; -1 for anything but 1 to 9 digits and at most 6 decimals. Exact: the digits and the power of
 * ten are both exact, so their quotient is the nearest number, the one Number("12.345") gives.
 */
function decimal(buffer: Buffer, start: number, end: number): number {
  let dot = start;
  while (dot < end && buffer[dot] !== DOT) dot++;
  const decimals = end - dot - 1;
  if (dot === start || dot - start > 9 || decimals === 0 || decimals > 6) return -1;
  const whole = wholeNumber(buffer, start, dot);
  if (decimals < 0 || whole < 0) return whole;
  const fraction = wholeNumber(buffer, dot + 1, end);
  return fraction < 0 ? -1 : (whole * POWERS[decimals]! + fraction) / POWERS[decimals]!;
}

/** "1767600000.123" ($msec) as milliseconds, or null for anything but at most 11 digits and at most 3 decimals. */
function epochMs(buffer: Buffer, start: number, end: number): EpochMs | null {
  let dot = start;
  while (dot < end && buffer[dot] !== DOT) dot++;
  const decimals = end - dot - 1;
  if (dot === start || dot - start > 11 || decimals === 0 || decimals > 3) return null;
  const seconds = wholeNumber(buffer, start, dot);
  const fraction = decimals < 0 ? 0 : wholeNumber(buffer, dot + 1, end);
  if (seconds < 0 || fraction < 0 || seconds >= 253_402_300_800) return null;
  return seconds * 1000 + fraction * POWERS[3 - Math.max(0, decimals)]!;
}

/** IPv4 addresses by value: direct-mapped and bounded; a canonical address and its 32 bits say the same. */
class V4Table {
  readonly #mask: number;
  readonly #keys: Uint32Array;
  readonly #ips: (Ip | undefined)[];
  /** The 32 bits of the address last asked for. */
  key = 0;

  /** `slots` is a power of two. */
  constructor(slots = 1 << 17) {
    this.#mask = slots - 1;
    this.#keys = new Uint32Array(slots);
    this.#ips = new Array(slots).fill(undefined);
  }

  /** The IPv4 address in bytes `start` to `end`, or null when it is not a canonical one. */
  get(buffer: Buffer, start: number, end: number): Ip | null {
    const key = v4Value(buffer, start, end);
    if (key < 0) return null;
    this.key = key;
    const slot = (Math.imul(key, 0x9e3779b1) >>> 15) & this.#mask;
    const known = this.#ips[slot];
    if (known !== undefined && this.#keys[slot] === key) return known;
    const ip = parseIp(buffer.toString("latin1", start, end));
    if (ip === null) return null;
    this.#keys[slot] = key;
    this.#ips[slot] = ip;
    return ip;
  }
}

/** The address as a number from 0 to 2³² − 1, or -1 when it is not dotted decimal without leading zeros. */
function v4Value(buffer: Buffer, start: number, end: number): number {
  if (end - start > 15) return -1;
  let value = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let p = start; p < end; p++) {
    const byte = buffer[p]!;
    if (byte === DOT) {
      if (digits === 0) return -1;
      value = value * 256 + octet;
      octet = 0;
      digits = 0;
      dots++;
    } else {
      const digit = byte - 48;
      if (digit < 0 || digit > 9 || (digits > 0 && octet === 0)) return -1;
      octet = octet * 10 + digit;
      if (octet > 255) return -1;
      digits++;
    }
  }
  return dots === 3 && digits > 0 ? value * 256 + octet : -1;
}
