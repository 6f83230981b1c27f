/** The tail of the audit log: what was done, newest first. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Alert, Ban, GlobalVerdict, Outcome } from "../decision.ts";
import type { SystemStatus } from "../status.ts";
import {
  alertText,
  banLengthText,
  baselineSourceText,
  baselineText,
  causeText,
  modeText,
  ordinal,
  permitText,
  rateText,
} from "../wording.ts";
import { visibleText } from "./format.ts";
import type { Empty } from "./model.ts";
import type { Stamp, Zone } from "./zone.ts";

const ROWS = 10;

export interface AuditPanel {
  readonly path: string;
  readonly rows: readonly AuditRow[];
  readonly empty: Empty;
}

export interface AuditRow {
  readonly id: string;
  readonly time: Stamp;
  readonly action: string;
  readonly tone: "bad" | "ok" | "warn" | "mute";
  readonly subject: string;
  readonly condition: string;
  readonly rate: string;
  readonly baseline: string;
  readonly duration: string;
  /** "failed" or "dry run"; "" when it was done. */
  readonly result: string;
}

type Words = Omit<AuditRow, "id" | "time" | "result">;

/** Older ones are shown with their day. */
const TODAY_MS = 20 * 3_600_000;

export function auditPanel({ at, outcomes, auditPath }: SystemStatus, zone: Zone): AuditPanel {
  const path = visibleText(auditPath);
  return {
    path,
    rows: distinct(
      outcomes
        .slice(-ROWS)
        .reverse()
        .map((outcome) => rowOf(outcome, at, zone)),
    ),
    empty: {
      lead: "Nothing recorded yet",
      rest: `Bans, unbans, alerts and baselines appear here${path ? ` and in ${path}` : ""}.`,
    },
  };
}

/** Two alerts of one second may read alike; an id may stand only once in a page. */
function distinct(rows: readonly AuditRow[]): readonly AuditRow[] {
  const seen = new Map<string, number>();
  return rows.map((row) => {
    const before = seen.get(row.id) ?? 0;
    seen.set(row.id, before + 1);
    return before === 0 ? row : { ...row, id: `${row.id}-${before}` };
  });
}

function rowOf(outcome: Outcome, now: EpochMs, zone: Zone): AuditRow {
  const { decision, result, detail } = outcome;
  const words = wordsOf(outcome);
  const condition = result === "failed" && detail ? `${words.condition}: ${detail}` : words.condition;
  return {
    ...words,
    id: `a-${decision.at}-${words.action}-${words.subject.replace(/[^0-9a-z]/gi, "-")}`,
    time: now - decision.at < TODAY_MS ? zone.stamp(decision.at) : zone.dayMinute(decision.at),
    condition: visibleText(condition, 300),
    result: result === "done" ? "" : result === "failed" ? "failed" : "dry run",
  };
}

function wordsOf({ decision }: Outcome): Words {
  switch (decision.kind) {
    case "ban":
      return {
        action: "BAN",
        tone: "bad",
        subject: decision.ban.source,
        condition: `${causeText(decision.ban)} · ${ordinal(decision.ban.banCount)} offence`,
        duration: banLengthText(decision.ban),
        ...figures(decision.ban.cause),
      };
    case "unban":
      return {
        action: "UNBAN",
        tone: "ok",
        subject: decision.ban.source,
        condition: `${decision.why}${decision.by ? ` by ${decision.by}` : ""} · ${ordinal(decision.ban.banCount)} offence`,
        duration: banLengthText(decision.ban),
        rate: "",
        baseline: "",
      };
    case "alert":
      return alertWords(decision.alert);
    case "baseline":
      return {
        action: "BASELINE",
        tone: "mute",
        subject: "global",
        condition: `${baselineSourceText(decision.site)} · busy source ${baselineText(decision.sources)}`,
        rate: "",
        baseline: baselineText(decision.site),
        duration: "",
      };
    case "mode":
      return {
        action: decision.mode === "enforce" ? "ARM" : "DISARM",
        tone: decision.mode === "enforce" ? "ok" : "warn",
        subject: "mode",
        condition: modeText(decision),
        rate: "",
        baseline: "",
        duration: "",
      };
    case "permit":
      return {
        action: decision.change === "given" ? "ALLOW" : "DISALLOW",
        tone: "mute",
        subject: decision.permit.source,
        condition: permitText(decision),
        rate: "",
        baseline: "",
        duration: banLengthText(decision.permit),
      };
    default:
      return decision satisfies never;
  }
}

function alertWords(alert: Alert): Words {
  const words = { action: "ALERT", tone: "warn", condition: alertText(alert), duration: "" } as const;
  switch (alert.type) {
    case "global-anomaly":
      return { ...words, subject: "global", ...figures(alert.verdict) };
    case "circuit-breaker":
      return { ...words, subject: "global", rate: "", baseline: "" };
    case "ban-ineffective":
      return { ...words, subject: alert.ban.source, rate: "", baseline: "" };
    case "firewall-mended":
      return { ...words, subject: "firewall", rate: "", baseline: "" };
    case "log-lag":
      return { ...words, subject: "log", rate: "", baseline: "" };
    default:
      return alert satisfies never;
  }
}

/** A ban of a person or of a lost state file has no measurement behind it. */
function figures(cause: Ban["cause"] | GlobalVerdict): Pick<Words, "rate" | "baseline"> {
  if (cause.scope === "manual" || cause.scope === "adopted") return { rate: "", baseline: "" };
  return { rate: rateText(cause.rate), baseline: baselineText(cause.baseline) };
}
