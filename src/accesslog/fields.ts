/** Which JSON keys carry which part of a request, and what can be wrong with a line. */

/** The parts of a request we read; the first six are the contract's, the rest are read where they are logged. */
export type FieldName =
  | "source_ip"
  | "timestamp"
  | "method"
  | "path"
  | "status"
  | "response_size"
  | "user_agent"
  | "host"
  | "request_time"
  | "peer";

/** Why a line is not an access record. Counted by name, never thrown. */
export type FailureKind =
  | "not-json"
  | "not-object"
  | "no-source"
  | "bad-source"
  | "no-time"
  | "bad-time"
  | "no-status"
  | "bad-status"
  | "bad-size";

/** Names tried after the configured ones, best first: nginx's own variable names and what log formats call them. */
const FIELD_ALIASES: Readonly<Record<FieldName, readonly string[]>> = {
  source_ip: ["source_ip", "remote_addr", "client_ip", "remote_ip"],
  timestamp: ["timestamp", "time", "time_iso8601", "msec"],
  method: ["method", "request_method"],
  path: ["path", "request_uri", "uri", "request"],
  status: ["status"],
  response_size: ["response_size", "body_bytes_sent", "bytes"],
  user_agent: ["user_agent", "http_user_agent"],
  host: ["host"],
  request_time: ["request_time"],
  peer: ["peer", "realip_remote_addr"],
};

/** In the order of the field numbers below. */
export const FIELD_NAMES: readonly FieldName[] = Object.keys(FIELD_ALIASES) as FieldName[];

// Field numbers: plain constants, because the fast path switches on them for every value of every line.
export const SOURCE = 0;
export const TIME = 1;
export const METHOD = 2;
export const PATH = 3;
export const STATUS = 4;
export const SIZE = 5;
export const USER_AGENT = 6;
export const HOST = 7;
export const REQUEST_TIME = 8;
export const PEER = 9;

/** What one JSON key may carry, and how good a choice it is for that field. */
export interface FieldChoice {
  /** A field number. */
  readonly field: number;
  /** 0 is the best. */
  readonly rank: number;
  /** True when the operator named this key: for the time field a named key beats a finer alias. */
  readonly isNamed: boolean;
}

/** By JSON key: the fields it may serve. */
export type FieldTable = ReadonlyMap<string, readonly FieldChoice[]>;

/** Every key worth reading, with the fields it may serve: configured names first, then the aliases. */
export function createFieldTable(named: Partial<Record<FieldName, readonly string[] | undefined>>): FieldTable {
  const table = new Map<string, FieldChoice[]>();
  FIELD_NAMES.forEach((name, field) => {
    const ours = named[name] ?? [];
    const keys = [...new Set([...ours, ...FIELD_ALIASES[name]])];
    keys.forEach((key, rank) => {
      const choices = table.get(key) ?? [];
      choices.push({ field, rank, isNamed: rank < ours.length });
      table.set(key, choices);
    });
  });
  return table;
}
