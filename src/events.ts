/** Decisions as the JSON lines that `replay --events` writes. [pure] */
import type { Decision } from "./decision.ts";
import { alertText, banLengthText, causeText } from "./wording.ts";

/** One event: `ts` in epoch seconds of the log's time; `duration` in seconds, -1 for permanent. */
export interface ReplayEvent {
  readonly ts: number;
  readonly action: "BAN" | "UNBAN" | "ALERT";
  readonly ip?: string;
  readonly duration?: number;
  readonly condition: string;
  readonly [more: string]: unknown;
}

/** The event of a decision; null for what is no event (a recalculated baseline, an anomaly that ended). */
export function replayEvent(decision: Decision): ReplayEvent | null {
  const ts = decision.at / 1000;
  switch (decision.kind) {
    case "ban": {
      const { ban } = decision;
      const duration = ban.until === "permanent" ? -1 : (ban.until - ban.since) / 1000;
      const evidence = ban.cause.scope === "source" ? { evidence: ban.cause } : {};
      return {
        ts,
        action: "BAN",
        ip: ban.source,
        duration,
        condition: causeText(ban),
        banCount: ban.banCount,
        ...evidence,
      };
    }
    case "unban":
      return {
        ts,
        action: "UNBAN",
        ip: decision.ban.source,
        condition: `${decision.why} after ${banLengthText(decision.ban)}`,
      };
    case "alert": {
      const { alert } = decision;
      if (alert.type === "global-anomaly" && alert.state === "resolved") return null;
      const evidence = alert.type === "global-anomaly" ? { evidence: alert.verdict } : {};
      return { ts, action: "ALERT", condition: alertText(alert), type: alert.type, ...evidence };
    }
    case "baseline":
    case "mode":
    case "permit":
      return null;
    default:
      return decision satisfies never;
  }
}
