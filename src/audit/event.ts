/** What the audit log says about an outcome, before it becomes a line of text or of JSON. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Alert, BaselineSnapshot, Decision, Evidence, Outcome } from "../decision.ts";
import { alertText, banLengthMs, baselineSourceText, causeText, modeText, permitText, unbanText } from "../wording.ts";

/** What an audit line says was done. */
export type AuditAction = "BAN" | "UNBAN" | "BASELINE" | "ALERT" | "ARM" | "DISARM" | "ALLOW" | "DISALLOW";

/** One audited event. Texts are raw: whoever prints them escapes them. */
export interface AuditEvent {
  /** When it was decided. */
  readonly at: EpochMs;
  readonly action: AuditAction;
  /** The source; "global" for an alert about the whole site; null where no address is concerned. */
  readonly ip: string | null;
  readonly condition: string;
  /** Raw requests per second, where one was measured. */
  readonly rate: number | null;
  readonly baseline: BaselineSnapshot | null;
  /** Whole length of the ban, or how long a resolved anomaly lasted, in milliseconds. */
  readonly duration: number | "permanent" | null;
  /** Bans of this source so far. */
  readonly banCount: number | null;
  readonly result: Outcome["result"];
  readonly detail: string | null;
  /** What the decision rests on, as plain data. */
  readonly evidence: unknown;
}

type Facts = Omit<AuditEvent, "at" | "result" | "detail">;

/** The longest cause and the longest failure detail that are kept, in characters. */
const MAX_TEXT = 500;

/** The event an outcome leaves in the audit log; every outcome leaves exactly one. */
export function auditEvent(outcome: Outcome): AuditEvent {
  const facts = factsOf(outcome.decision);
  return {
    at: outcome.decision.at,
    ...facts,
    condition: cut(facts.condition) + resultText(outcome),
    result: outcome.result,
    detail: outcome.detail ?? null,
  };
}

function factsOf(decision: Decision): Facts {
  switch (decision.kind) {
    case "ban":
      return {
        action: "BAN",
        ip: decision.ban.source,
        condition: causeText(decision.ban),
        ...measured(decision.ban.cause.scope === "source" ? decision.ban.cause : null),
        duration: banLengthMs(decision.ban),
        banCount: decision.ban.banCount,
        evidence: decision.ban.cause,
      };
    case "unban":
      return {
        action: "UNBAN",
        ip: decision.ban.source,
        condition: unbanText(decision),
        // Nothing is measured when a ban ends; the figures that led to it stand in its BAN line.
        ...measured(null),
        duration: banLengthMs(decision.ban),
        banCount: decision.ban.banCount,
        evidence: { why: decision.why, by: decision.by ?? null, since: decision.ban.since, until: decision.ban.until },
      };
    case "alert":
      return alertFacts(decision.alert);
    case "baseline":
      return {
        action: "BASELINE",
        ip: null,
        condition: baselineSourceText(decision.site),
        rate: null,
        baseline: decision.site,
        duration: null,
        banCount: null,
        evidence: { sources: decision.sources },
      };
    case "mode":
      return {
        action: decision.mode === "enforce" ? "ARM" : "DISARM",
        ip: null,
        condition: modeText(decision),
        ...measured(null),
        duration: null,
        banCount: null,
        evidence: { mode: decision.mode, by: decision.by, bans: decision.bans },
      };
    case "permit":
      return {
        action: decision.change === "given" ? "ALLOW" : "DISALLOW",
        ip: decision.permit.source,
        condition: permitText(decision),
        ...measured(null),
        duration: banLengthMs(decision.permit),
        banCount: null,
        evidence: { change: decision.change, permit: decision.permit, by: decision.by ?? null },
      };
    default:
      return decision satisfies never;
  }
}

function alertFacts(alert: Alert): Facts {
  const common = { action: "ALERT", condition: alertText(alert), evidence: alert } as const;
  switch (alert.type) {
    case "global-anomaly": {
      const duration = alert.state === "resolved" ? Math.max(0, alert.verdict.at - alert.since) : null;
      return { ...common, ip: "global", ...measured(alert.verdict), duration, banCount: null };
    }
    case "circuit-breaker":
      return { ...common, ip: "global", ...measured(null), duration: null, banCount: null };
    case "ban-ineffective": {
      const { ban } = alert;
      return { ...common, ip: ban.source, ...measured(null), duration: banLengthMs(ban), banCount: ban.banCount };
    }
    case "firewall-mended":
    case "log-lag":
      return { ...common, ip: null, ...measured(null), duration: null, banCount: null };
    default:
      return alert satisfies never;
  }
}

function measured(evidence: Evidence | null): Pick<AuditEvent, "rate" | "baseline"> {
  return { rate: evidence?.rate ?? null, baseline: evidence?.baseline ?? null };
}

function resultText(outcome: Outcome): string {
  switch (outcome.result) {
    case "done":
      return "";
    case "dry-run":
      return " (dry-run)";
    case "failed":
      return ` (FAILED: ${cut(outcome.detail ?? "no detail")})`;
    default:
      return outcome.result satisfies never;
  }
}

function cut(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`;
}
