/**
 * Should we tell, and why. A state machine without a clock: outcomes and times in, tellings out. [pure]
 *
 * - Bans, unbans and bans that do not block: the first few within a rolling minute are told at once; the rest of
 *   a storm is folded into a digest, at most one a minute.
 * - A firewall command that fails is told once per source, and again only after it has worked.
 * - Arming and disarming, and permits given and taken back, are told each time.
 * - A mended firewall is told at most every `repeatMs`; the audit log has each time.
 * - What lasts (a global anomaly, an open circuit breaker, a log that is not read in time) is told when it begins, then at most every
 *   `repeatMs` even if it ends and begins anew, and once when a told one is over.
 */
import type { EpochMs } from "../accesslog/record.ts";
import type { Alert, Outcome } from "../decision.ts";
import type { Source } from "../net/cidr.ts";
import { Lasting } from "./lasting.ts";
import { Storm, type StormSettings } from "./storm.ts";
import { type Due, hasPassed, type Telling } from "./telling.ts";

/** How much is told when much happens. */
export interface PolicySettings extends StormSettings {
  /** Least time between two alerts about one thing that lasts. */
  readonly repeatMs: number;
}

/** What the daemon begins with; `repeatMs` is configurable. */
export const DEFAULT_POLICY: PolicySettings = {
  stormLimit: 3,
  stormWindowMs: 60_000,
  digestEveryMs: 60_000,
  digestDelayMs: 5_000,
  repeatMs: 600_000,
};

/** Whether an outcome is told, and when; it remembers what it has told. */
export interface Policy {
  /** Judges one outcome. `now` is wall-clock time and may step back; nothing is then held longer than its period. */
  decide(outcome: Outcome, now: EpochMs): Telling;
  /** What is to be told at `now`; what is returned is regarded as told. */
  due(now: EpochMs): readonly Due[];
  /** The digest collected so far, due or not: for a stop. */
  drain(): readonly Due[];
}

/** Sources whose failure or ineffective ban is remembered; the longest remembered is forgotten first. */
const MAX_REMEMBERED = 10_000;

const NEVER: Telling = { when: "never", reason: "suppressed" };

/** A policy that has told nothing yet. */
export function createPolicy(settings: PolicySettings = DEFAULT_POLICY): Policy {
  const storm = new Storm(settings);
  const anomaly = new Lasting(settings.repeatMs);
  const breaker = new Lasting(settings.repeatMs);
  const crowdBreaker = new Lasting(settings.repeatMs);
  const lag = new Lasting(settings.repeatMs);
  /** When a mended firewall was last told: who flushes it each second must not fill the channel. */
  let mendedAt: EpochMs | null = null;
  /** Firewall commands last seen to fail, "ban 203.0.113.9". */
  const failing = new Set<string>();
  /** When each ineffective ban was last told. */
  const ineffective = new Map<Source, EpochMs>();

  function decideEnforcement(kind: "ban" | "unban", source: Source, outcome: Outcome, now: EpochMs): Telling {
    if (outcome.result === "failed") {
      const key = `${kind} ${source}`;
      if (failing.has(key)) return NEVER;
      failing.add(key);
      forgetOldest(failing);
      return storm.admit(outcome, "failed", now);
    }
    const wasFailing = [failing.delete(`ban ${source}`), failing.delete(`unban ${source}`)].includes(true);
    return storm.admit(outcome, wasFailing ? "resolved" : "first", now);
  }

  function decideAlert(alert: Alert, outcome: Outcome, now: EpochMs): Telling {
    switch (alert.type) {
      case "global-anomaly":
        return anomaly.decide(alert.state !== "resolved", outcome, now);
      case "circuit-breaker":
        return (alert.of === "participants" ? crowdBreaker : breaker).decide(alert.state === "open", outcome, now);
      case "ban-ineffective": {
        const { source } = alert.ban;
        const toldAt = ineffective.get(source);
        if (toldAt !== undefined && !hasPassed(settings.repeatMs, toldAt, now)) return NEVER;
        ineffective.delete(source);
        ineffective.set(source, now);
        forgetOldest(ineffective);
        return storm.admit(outcome, toldAt === undefined ? "first" : "repeat-due", now);
      }
      case "firewall-mended": {
        if (mendedAt !== null && !hasPassed(settings.repeatMs, mendedAt, now)) return NEVER;
        const reason = mendedAt === null ? "first" : "repeat-due";
        mendedAt = now;
        return { when: "now", reason };
      }
      case "log-lag":
        return lag.decide(alert.state === "behind", outcome, now);
      default:
        return alert satisfies never;
    }
  }

  return {
    decide(outcome, now) {
      const { decision } = outcome;
      switch (decision.kind) {
        case "ban":
        case "unban":
          return decideEnforcement(decision.kind, decision.ban.source, outcome, now);
        case "alert":
          return decideAlert(decision.alert, outcome, now);
        case "baseline":
          return NEVER;
        // Rare, and made by people: each time.
        case "mode":
          return { when: "now", reason: "first" };
        // Its end was said when it was given.
        case "permit":
          return decision.change === "expired" ? NEVER : { when: "now", reason: "first" };
        default:
          return decision satisfies never;
      }
    },
    due: (now) => [
      ...anomaly.due(now),
      ...breaker.due(now),
      ...crowdBreaker.due(now),
      ...lag.due(now),
      ...storm.due(now),
    ],
    drain: () => storm.drain(),
  };
}

function forgetOldest(table: Set<string> | Map<Source, EpochMs>): void {
  if (table.size <= MAX_REMEMBERED) return;
  for (const key of table.keys()) {
    (table as Set<unknown>).delete(key);
    return;
  }
}
