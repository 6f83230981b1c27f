/** From the values of one JSON object to an access record. The slow path, and the meaning the fast path must equal. */
import { type Ip, parseIp } from "../net/ip.ts";
import {
  type FailureKind,
  FIELD_NAMES,
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
import type { AccessRecord, EpochMs } from "./record.ts";
import { parseTime } from "./time.ts";

/** The record in `value` (anything JSON can hold), or what is wrong with it. Never throws. */
export function toRecord(value: unknown, table: FieldTable, addresses: IpTable): AccessRecord | FailureKind {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "not-object";
  const found = pick(value as Record<string, unknown>, table);
  const { best } = found;

  const source = best[SOURCE];
  if (source === undefined) return "no-source";
  const ip = typeof source === "string" ? addresses.get(source) : null;
  if (ip === null) return "bad-source";

  if (found.times.length === 0) return "no-time";
  const at = finest(found.times);
  if (at === null) return "bad-time";

  const status = best[STATUS];
  if (status === undefined) return "no-status";
  const code = parseStatus(status);
  if (code === null) return "bad-status";

  const bytes = parseSize(best[SIZE]);
  if (bytes === null) return "bad-size";

  const target = best[PATH];
  const line = splitRequest(typeof target === "string" ? target : "");
  const method = best[METHOD];
  return createRecord(
    at,
    ip,
    typeof method === "string" ? method : line.method,
    line.path,
    code,
    bytes,
    textOf(best[USER_AGENT]),
    textOf(best[HOST]),
    parseSeconds(best[REQUEST_TIME]),
    addressOf(best[PEER], addresses),
  );
}

/** One place makes records, so that all of them have one hidden class. */
export function createRecord(
  at: EpochMs,
  source: Ip,
  method: string,
  path: string,
  status: number,
  bytes: number,
  userAgent: string | undefined,
  host: string | undefined,
  requestSeconds: number | undefined,
  peer: Ip | undefined,
): AccessRecord {
  return { at, source, method, path, status, bytes, userAgent, host, requestSeconds, peer };
}

/** True for a value that says something. nginx writes "" or "-" for a variable without one. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" && value !== "-";
}

interface Picked {
  /** The best given value of each field, by field index. */
  readonly best: readonly unknown[];
  /** Every given time, best name first. */
  readonly times: readonly unknown[];
}

/** Walks the object's own keys once. A key such as __proto__ is a key like any other: nothing is inherited or set. */
function pick(object: Record<string, unknown>, table: FieldTable): Picked {
  const best: unknown[] = new Array(FIELD_NAMES.length).fill(undefined);
  const ranks: number[] = new Array(FIELD_NAMES.length).fill(Number.POSITIVE_INFINITY);
  const times: { rank: number; isNamed: boolean; value: unknown }[] = [];
  for (const key of Object.keys(object)) {
    const choices = table.get(key);
    if (choices === undefined) continue;
    const value = object[key];
    if (!isGiven(value)) continue;
    for (const { field, rank, isNamed } of choices) {
      if (field === TIME) times.push({ rank, isNamed, value });
      if (rank >= ranks[field]!) continue;
      ranks[field] = rank;
      best[field] = value;
    }
  }
  if (times.length < 2) return { best, times: times.map((t) => t.value) };
  const anyNamed = times.some((t) => t.isNamed);
  const considered = times.filter((t) => t.isNamed || !anyNamed).sort((a, b) => a.rank - b.rank);
  return { best, times: considered.map((t) => t.value) };
}

/** The first of the times that has milliseconds, or the first: a request logged twice is timed by the finer clock. */
function finest(values: readonly unknown[]): EpochMs | null {
  let chosen: EpochMs | null = null;
  for (const value of values) {
    const time = parseTime(value);
    if (time !== null && (chosen === null || isFiner(time, chosen))) chosen = time;
  }
  return chosen;
}

/** True when `time` has milliseconds and `other` has none. */
export function isFiner(time: EpochMs, other: EpochMs): boolean {
  return time % 1000 !== 0 && other % 1000 === 0;
}

function parseStatus(value: unknown): number | null {
  if (typeof value === "string") return /^[1-9]\d\d$/.test(value) ? Number(value) : null;
  return typeof value === "number" && Number.isInteger(value) && value >= 100 && value <= 999 ? value : null;
}

function parseSize(value: unknown): number | null {
  if (value === undefined) return 0;
  if (typeof value === "string") return /^\d{1,15}$/.test(value) ? Number(value) : null;
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? Math.abs(value) : null;
}

function parseSeconds(value: unknown): number | undefined {
  if (typeof value === "string") return /^\d{1,9}(\.\d{1,9})?$/.test(value) ? Number(value) : undefined;
  return typeof value === "number" && value >= 0 && value < 1e9 ? Math.abs(value) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function addressOf(value: unknown, addresses: IpTable): Ip | undefined {
  return typeof value === "string" ? (addresses.get(value) ?? undefined) : undefined;
}

const REQUEST_LINE = /^([A-Z][A-Z_-]{0,31}) ([^ ].*?)(?: HTTP\/\d(?:\.\d)?)?$/;

/** "GET /x HTTP/1.1" to its method and target; any other text is a target alone. */
export function splitRequest(text: string): { readonly method: string; readonly path: string } {
  if (text.startsWith("/")) return { method: "", path: text };
  const match = REQUEST_LINE.exec(text);
  return match === null ? { method: "", path: text } : { method: match[1]!, path: match[2]! };
}

/**
 * Addresses by the text they were logged as: parsing an IPv6 address costs more than the rest of its line. Bounded by
 * two generations: when the young one is full it becomes the old one, and what is still in use moves over.
 */
export class IpTable {
  #young = new Map<string, Ip | null>();
  #old = new Map<string, Ip | null>();

  constructor(private readonly capacity = 16_384) {}

  get(text: string): Ip | null {
    let ip = this.#young.get(text);
    if (ip !== undefined) return ip;
    ip = this.#old.get(text);
    if (ip === undefined) {
      // Longer text is no address; keeping it would let a line decide how much we remember.
      if (text.length > 45) return null;
      ip = parseIp(text);
    }
    if (this.#young.size >= this.capacity) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, ip);
    return ip;
  }
}
