/** An audited event as one line of JSON, for machines: the same events as the audit log, with their evidence. [pure] */
import type { AuditEvent } from "./event.ts";

/** Longest text kept from an event's evidence, in characters; request paths can be tens of kilobytes. */
const MAX_TEXT = 1024;

/** What JSON may leave as it is although a terminal or an editor would act on it. Only ever found inside strings. */
const UNSAFE = /[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** One JSON object on one line, without its newline. `ts` is ISO 8601 UTC with milliseconds; rates are per second. */
export function auditJson(event: AuditEvent): string {
  const { baseline, duration } = event;
  const record = {
    ts: new Date(event.at).toISOString(),
    action: event.action,
    ip: event.ip,
    condition: event.condition,
    rate: event.rate,
    baseline: baseline && {
      mean: baseline.mean,
      stddev: baseline.stddev,
      from: baseline.from,
      hour: baseline.hour,
      samples: baseline.samples,
    },
    durationSeconds: typeof duration === "number" ? duration / 1000 : duration,
    banCount: event.banCount,
    result: event.result,
    detail: event.detail,
    evidence: event.evidence,
  };
  return JSON.stringify(record, (_, value: unknown) => (typeof value === "string" ? cut(value) : value)).replace(
    UNSAFE,
    escapeUnits,
  );
}

function cut(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}

/** JSON knows no escape beyond 16 bits: a character outside is written as its two surrogates. */
function escapeUnits(char: string): string {
  let text = "";
  for (let i = 0; i < char.length; i++) text += `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`;
  return text;
}
