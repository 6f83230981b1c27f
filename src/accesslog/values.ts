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
export function toRecord(value: unknown, plans: KeyPlans, addresses: IpTable): AccessRecord | FailureKind {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "not-object";
  const object = value as Record<string, unknown>;
  const plan = plans.of(object);

  const source = best(object, plan[SOURCE]!);
  if (source === undefined) return "no-source";
  const ip = typeof source === "string" ? addresses.get(source) : null;
  if (ip === null) return "bad-source";

  const at = finest(object, plan[TIME]!);
  if (typeof at === "string") return at;

  const status = best(object, plan[STATUS]!);
  if (status === undefined) return "no-status";
  const code = parseStatus(status);
  if (code === null) return "bad-status";

  const bytes = parseSize(best(object, plan[SIZE]!));
  if (bytes === null) return "bad-size";

  const target = best(object, plan[PATH]!);
  const line = splitRequest(typeof target === "string" ? target : "");
  const method = best(object, plan[METHOD]!);
  return createRecord(
    at,
    ip,
    typeof method === "string" ? method : line.method,
    line.path,
    code,
    bytes,
    textOf(best(object, plan[USER_AGENT]!)),
    textOf(best(object, plan[HOST]!)),
    parseSeconds(best(object, plan[REQUEST_TIME]!)),
    addressOf(best(object, plan[PEER]!), addresses),
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
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" && value !== "-";
}

interface PlannedKey {
  readonly key: string;
  readonly rank: number;
  readonly isNamed: boolean;
}

/** By field number: the keys an object has for it, best first. */
type KeyPlan = readonly (readonly PlannedKey[])[];

/**
 * Which keys of an object to read. Lines of a log have the same keys, so the last answer is kept. Only keys the object
 * itself has are in a plan: __proto__ is a key like any other, and nothing inherited is ever read.
 */
export class KeyPlans {
  #keys: readonly string[] = [];
  #plan: KeyPlan;

  constructor(private readonly table: FieldTable) {
    this.#plan = this.#planFor([]);
  }

  of(object: object): KeyPlan {
    const keys = Object.keys(object);
    if (!isSameList(keys, this.#keys)) {
      this.#keys = keys;
      this.#plan = this.#planFor(keys);
    }
    return this.#plan;
  }

  #planFor(keys: readonly string[]): KeyPlan {
    const plan = FIELD_NAMES.map((): PlannedKey[] => []);
    for (const key of keys)
      for (const { field, rank, isNamed } of this.table.get(key) ?? []) plan[field]!.push({ key, rank, isNamed });
    for (const planned of plan) planned.sort((a, b) => a.rank - b.rank);
    return plan;
  }
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The first given value, or undefined. */
function best(object: Record<string, unknown>, planned: readonly PlannedKey[]): unknown {
  for (let i = 0; i < planned.length; i++) {
    const value = object[planned[i]!.key];
    if (isGiven(value)) return value;
  }
  return undefined;
}

/**
 * The first of the given times that has milliseconds, or the first: a request logged twice is timed by the finer
 * clock. A key the operator named keeps the aliases out; named keys come first.
 */
function finest(object: Record<string, unknown>, planned: readonly PlannedKey[]): EpochMs | "no-time" | "bad-time" {
  let chosen: EpochMs | null = null;
  let isAnyGiven = false;
  let isNamedGiven = false;
  for (const { key, isNamed } of planned) {
    const value = object[key];
    if (!isGiven(value) || (isNamedGiven && !isNamed)) continue;
    isAnyGiven = true;
    isNamedGiven ||= isNamed;
    const time = parseTime(value);
    if (time !== null && (chosen === null || isFiner(time, chosen))) chosen = time;
  }
  return chosen ?? (isAnyGiven ? "bad-time" : "no-time");
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
