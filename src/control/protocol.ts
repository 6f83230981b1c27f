/**
 * What the command line and the daemon say to each other: HTTP with JSON over a unix socket.
 * `curl --unix-socket /run/anomaly-detector/control.sock http://localhost/v1/status` speaks it too. [pure]
 */
import type { EpochMs } from "../accesslog/record.ts";
import type { Mode } from "../arming.ts";
import { parseDuration } from "../config/duration.ts";
import type { Permit } from "../decision.ts";
import type { FullExplanation } from "../explanation.ts";
import { parseRange, parseSource, type Source } from "../net/cidr.ts";
import type { BanStatus, SystemStatus } from "../status.ts";

/** The path of each request. */
export const PATHS = {
  status: "/v1/status",
  bans: "/v1/bans",
  ban: "/v1/ban",
  unban: "/v1/unban",
  allow: "/v1/allow",
  disallow: "/v1/disallow",
  allowlist: "/v1/allowlist",
  mode: "/v1/mode",
  explain: "/v1/explain",
  reconcile: "/v1/reconcile",
} as const;

/** What a request body may weigh. The longest honest one is below 1 KB. */
export const MAX_BODY_BYTES = 16 * 1024;

/** Longest note and longest name of who asked, in characters. */
const MAX_NOTE = 200;
const MAX_BY = 64;

/** What the control socket acts on: the running daemon. */
export interface ControlTarget {
  status(): SystemStatus;
  bans(): readonly BanStatus[];
  ban(request: BanRequest): Promise<BanReply>;
  unban(request: UnbanRequest): Promise<UnbanReply>;
  allow(request: AllowRequest): AllowReply;
  disallow(request: DisallowRequest): DisallowReply;
  allowlist(): AllowlistReply;
  setMode(request: ModeRequest): Promise<ModeReply>;
  explain(source: Source): FullExplanation;
  /** Compares the firewall with the bans and mends it, now. */
  reconcile(): Promise<ReconcileReply>;
}

/** A person's wish to ban. `by` and `note` are shown, never executed. */
export interface BanRequest {
  readonly source: Source;
  /** "default": as long as the source's ban count makes it. */
  readonly until: EpochMs | "permanent" | "default";
  readonly by: string;
  readonly note?: string | undefined;
}

/** A person's wish to end a ban. */
export interface UnbanRequest {
  readonly source: Source;
  readonly by: string;
  /** Forget the source's ban count too. */
  readonly forget: boolean;
}

/** A person's wish that nobody in a range is banned. `by` and `note` are shown, never executed. */
export interface AllowRequest {
  readonly source: Source;
  readonly until: EpochMs | "permanent";
  readonly by: string;
  readonly note?: string | undefined;
}

/** A person's wish to take that back. */
export interface DisallowRequest {
  readonly source: Source;
  readonly by: string;
}

/** From now on act, or only watch. It stands until the configuration says something else than now. */
export interface ModeRequest {
  readonly mode: Mode;
  readonly by: string;
}

/** What came of a wish to ban. */
export type BanReply =
  | { readonly result: "banned"; readonly ban: BanStatus }
  /** It was banned before, by this or a wider ban, which stands unchanged. */
  | { readonly result: "already-banned"; readonly ban: BanStatus }
  /** Not allowed: allowlisted, one of this host's own addresses, no room for another ban. `why` is a sentence. */
  | { readonly result: "refused"; readonly why: string }
  /** Decided, but the firewall did not do it; it is retried. */
  | { readonly result: "failed"; readonly detail: string };

/** What came of a wish to unban. `source`: the ban that was meant, an address or a prefix. */
export type UnbanReply =
  | { readonly result: "unbanned"; readonly source: Source; readonly forgotten: boolean }
  | { readonly result: "not-banned"; readonly source: Source; readonly forgotten: boolean }
  | { readonly result: "failed"; readonly detail: string };

/** What came of a wish to allow. */
export type AllowReply =
  /** `unbanned`: bans in the range, which end with it. */
  | { readonly result: "allowed"; readonly permit: Permit; readonly unbanned: readonly Source[] }
  /** There are too many already. `why` is a sentence. */
  | { readonly result: "refused"; readonly why: string };

/** What came of a wish to disallow. */
export type DisallowReply =
  | { readonly result: "disallowed"; readonly permit: Permit }
  /** No person has allowed exactly this range. `fixed`: why it is never banned all the same, if so. */
  | { readonly result: "not-allowed"; readonly source: Source; readonly fixed: string | null };

/** Who is never banned. */
export interface AllowlistReply {
  readonly at: EpochMs;
  /** By a person's word, in the order in which it was given. */
  readonly permits: readonly Permit[];
  /** By the configuration, or because the host must not lose them. */
  readonly fixed: readonly { readonly range: string; readonly why: string }[];
}

/** What came of arm or disarm. */
export type ModeReply =
  /** `bans`: in force from now on, or (watch-only) no longer in the firewall. */
  | { readonly result: "changed" | "unchanged"; readonly mode: Mode; readonly bans: number }
  /** The firewall could not be installed or taken out: the mode is what it was. */
  | { readonly result: "failed"; readonly detail: string };

/** What a comparison of kernel and ledger came to. */
export type ReconcileReply =
  /** What had to be changed; all zero when the firewall held what the `bans` are. */
  | {
      readonly result: "reconciled";
      readonly added: number;
      readonly removed: number;
      /** Entries whose end was another one. */
      readonly refreshed: number;
      /** Tables in which our chain or the hook into it had to be restored. */
      readonly repaired: number;
      readonly bans: number;
    }
  | { readonly result: "failed"; readonly detail: string };

/** One ban in GET /v1/bans. */
export interface ListedBan extends BanStatus {
  /** Packets the firewall has dropped for it, or null where the backend cannot tell. */
  readonly droppedPackets: number | null;
}

/** The bans in force at `at`, latest first. */
export interface BanList {
  readonly at: EpochMs;
  readonly bans: readonly ListedBan[];
}

/** The body of every answer that is not 200, besides the replies above. */
export interface ErrorReply {
  readonly error: string;
}

/** The HTTP status of each reply. */
export const STATUS_OF = {
  banned: 200,
  "already-banned": 200,
  unbanned: 200,
  refused: 409,
  "not-banned": 404,
  allowed: 200,
  disallowed: 200,
  "not-allowed": 404,
  changed: 200,
  unchanged: 200,
  reconciled: 200,
  failed: 502,
};

type ReadBody<T> = { readonly ok: true; readonly request: T } | { readonly ok: false; readonly error: string };

/** { source, for?: "10m" | "permanent", by?, note? } as sent, to a BanRequest as understood. */
export function readBanRequest(body: unknown, now: EpochMs): ReadBody<BanRequest> {
  const fields = readFields(body, ["source", "for", "by", "note"]);
  if (typeof fields === "string") return refuse(fields);
  const source = readSource(fields.source);
  if (!source.ok) return source;
  const until = readUntil(fields.for, now);
  if (until === null) return refuse(`"for" must be a duration from 1s to 3650d (10m, 2h30m) or permanent`);
  const by = readText(fields.by ?? "unknown", MAX_BY);
  if (by === null) return refuse(`"by" must be text`);
  const note = fields.note === undefined ? undefined : readText(fields.note, MAX_NOTE);
  if (note === null) return refuse(`"note" must be text`);
  return { ok: true, request: { source: source.request, until, by, note } };
}

/** { source, forget?: boolean, by? } as sent, to an UnbanRequest as understood. */
export function readUnbanRequest(body: unknown): ReadBody<UnbanRequest> {
  const fields = readFields(body, ["source", "forget", "by"]);
  if (typeof fields === "string") return refuse(fields);
  const source = readSource(fields.source);
  if (!source.ok) return source;
  const forget = fields.forget ?? false;
  if (typeof forget !== "boolean") return refuse(`"forget" must be true or false`);
  const by = readText(fields.by ?? "unknown", MAX_BY);
  if (by === null) return refuse(`"by" must be text`);
  return { ok: true, request: { source: source.request, by, forget } };
}

/** { source, for?: "2h" | "permanent", by?, note? } as sent, to an AllowRequest as understood. Without `for`: for good. */
export function readAllowRequest(body: unknown, now: EpochMs): ReadBody<AllowRequest> {
  const read = readBanRequest(body, now);
  if (!read.ok) return read;
  const { until, ...request } = read.request;
  return { ok: true, request: { ...request, until: until === "default" ? "permanent" : until } };
}

/** { source, by? } as sent, to a DisallowRequest as understood. */
export function readDisallowRequest(body: unknown): ReadBody<DisallowRequest> {
  const fields = readFields(body, ["source", "by"]);
  if (typeof fields === "string") return refuse(fields);
  const source = readSource(fields.source);
  if (!source.ok) return source;
  const by = readText(fields.by ?? "unknown", MAX_BY);
  return by === null ? refuse(`"by" must be text`) : { ok: true, request: { source: source.request, by } };
}

/** { mode: "enforce" | "watch-only", by? } as sent, to a ModeRequest as understood. */
export function readModeRequest(body: unknown): ReadBody<ModeRequest> {
  const fields = readFields(body, ["mode", "by"]);
  if (typeof fields === "string") return refuse(fields);
  const { mode } = fields;
  if (mode !== "enforce" && mode !== "watch-only") return refuse(`"mode" must be enforce or watch-only`);
  const by = readText(fields.by ?? "unknown", MAX_BY);
  return by === null ? refuse(`"by" must be text`) : { ok: true, request: { mode, by } };
}

/**
 * An address or range that a person may name. A range that takes in much of the Internet is more likely a
 * slip than a wish, and one rule cannot be undone from behind it.
 */
export function readSource(value: unknown): ReadBody<Source> {
  if (typeof value !== "string" || value.length > 64) return refuse(`"source" must be an address or CIDR`);
  const range = parseRange(value.trim());
  if (range === null)
    return refuse(`${JSON.stringify(value)} is not an address or CIDR (203.0.113.9, 2001:db8:66::/48)`);
  const widest = range.v6 ? 32 : 16;
  if (range.prefix < widest)
    return refuse(`${value.trim()} is too wide: IPv${range.v6 ? 6 : 4} ranges are /${widest} or smaller`);
  return { ok: true, request: parseSource(value.trim())! };
}

function readFields(body: unknown, known: readonly string[]): Readonly<Record<string, unknown>> | string {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return "the body must be a JSON object";
  const unknown = Object.keys(body).find((key) => !known.includes(key));
  if (unknown !== undefined)
    return `unknown field ${JSON.stringify(unknown.slice(0, 64))}; known are ${known.join(", ")}`;
  return body as Readonly<Record<string, unknown>>;
}

const LEAST_MS = 1_000;
const MOST_MS = parseDuration("3650d")!;

function readUntil(value: unknown, now: EpochMs): BanRequest["until"] | null {
  if (value === undefined || value === "default") return "default";
  if (value === "permanent") return "permanent";
  const ms = typeof value === "string" ? parseDuration(value) : null;
  return ms !== null && ms >= LEAST_MS && ms <= MOST_MS ? now + ms : null;
}

/** Cut, never refused, for length: a long note must not stop a ban. Line breaks become spaces. */
function readText(value: unknown, max: number): string | null {
  return typeof value === "string" ? value.replace(/\s+/g, " ").trim().slice(0, max).toWellFormed() : null;
}

function refuse(error: string): { ok: false; error: string } {
  return { ok: false, error };
}
