/**
 * An outcome as one line of the audit log, and such a line back into its fields. [pure]
 *
 *     [2026-04-25T12:00:00Z] BAN 203.0.113.10 | z-score 5.50 > 3.00 | 5.50 req/s | 0.70 ± 0.50 | 10m
 *
 * Five fields, always; a value that does not exist is "-". Inside a field, a backslash, the field separator and
 * everything that could break the line or deceive a terminal is written as a backslash escape, so one event is
 * one line whatever an attacker or an operator typed, and the reader gets the exact text back.
 */
import type { EpochMs } from "../accesslog/record.ts";
import type { Outcome } from "../decision.ts";
import { baselineText, lengthText, rateText, timeText } from "../wording.ts";
import { type AuditAction, type AuditEvent, auditEvent } from "./event.ts";

/** The texts of one line, unescaped; "-" where there is no value. */
export interface AuditFields {
  /** Whole seconds. */
  readonly at: EpochMs;
  readonly action: AuditAction;
  readonly ip: string;
  readonly condition: string;
  readonly rate: string;
  readonly baseline: string;
  readonly duration: string;
}

const ACTIONS: readonly AuditAction[] = ["BAN", "UNBAN", "BASELINE", "ALERT", "ARM", "DISARM", "ALLOW", "DISALLOW"];
const NONE = "-";

/** The line an outcome leaves, without its newline. */
export function auditLine(outcome: Outcome): string {
  return formatAuditLine(auditFields(auditEvent(outcome)));
}

/** The texts an event shows in its five fields. */
export function auditFields(event: AuditEvent): AuditFields {
  return {
    at: event.at,
    action: event.action,
    ip: event.ip ?? NONE,
    condition: event.condition,
    rate: event.rate === null ? NONE : rateText(event.rate),
    baseline: event.baseline === null ? NONE : baselineText(event.baseline),
    duration: event.duration === null ? NONE : lengthText(event.duration),
  };
}

/** Fields to a line without its newline; an empty text becomes "-". */
export function formatAuditLine(fields: AuditFields): string {
  const head = `[${timeText(fields.at)}] ${fields.action} ${escapeField(fields.ip).replace(/\s/g, escapeChar)}`;
  const rest = [fields.condition, fields.rate, fields.baseline, fields.duration].map(escapeField);
  return [head, ...rest].join(" | ");
}

/** The fields of a line as formatAuditLine wrote it; null for anything else. */
export function parseAuditLine(line: string): AuditFields | null {
  const parts = line.split(" | ");
  const head = /^\[([^\]\s]+)\] ([A-Z]+) (\S+)$/.exec(parts[0]!);
  const at = Date.parse(head?.[1] ?? "");
  const action = ACTIONS.find((known) => known === head?.[2]);
  if (parts.length !== 5 || !head || Number.isNaN(at) || !action) return null;
  const [ip, condition, rate, baseline, duration] = [head[3]!, ...parts.slice(1)].map(unescapeField);
  return { at, action, ip: ip!, condition: condition!, rate: rate!, baseline: baseline!, duration: duration! };
}

// Controls (C0, DEL, C1), format characters (bidi, zero width, tags), unpaired surrogates, line and paragraph separators.
const UNSAFE = /[\\|\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const ESCAPE = /\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]{5,6})\})/g;

function escapeField(text: string): string {
  return text === "" ? NONE : text.replace(UNSAFE, escapeChar);
}

function escapeChar(char: string): string {
  if (char === "\\") return "\\\\";
  const hex = char.codePointAt(0)!.toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, "0")}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`;
}

function unescapeField(text: string): string {
  return text.replace(ESCAPE, (_, byte?: string, unit?: string, point?: string) => {
    const hex = byte ?? unit ?? point;
    return hex === undefined ? "\\" : String.fromCodePoint(Number.parseInt(hex, 16));
  });
}
