/** How numbers and causes read in words: one wording for audit, Slack, dashboard and command line. [pure] */
import { formatDuration } from "./config/duration.ts";
import type { Ban, BaselineSnapshot, Decision, Evidence } from "./decision.ts";

/** "5.50 req/s" */
export function rateText(rate: number): string {
  return `${rate.toFixed(2)} req/s`;
}

/** "0.70 ± 0.50" */
export function baselineText(baseline: Pick<BaselineSnapshot, "mean" | "stddev">): string {
  return `${baseline.mean.toFixed(2)} ± ${baseline.stddev.toFixed(2)}`;
}

/** "hour 14, 1800 samples", "rolling, 900 samples", "floor, 12 samples" */
export function baselineSourceText(baseline: BaselineSnapshot): string {
  const from = baseline.from === "hour" ? `hour ${baseline.hour}` : baseline.from;
  return `${from}, ${baseline.samples} samples`;
}

/** The tests that fired, each against its threshold: "z-score 5.50 > 3.00, 6.1 x mean > 5.0 x". */
export function conditionText(evidence: Evidence): string {
  const parts = evidence.reasons.map((reason) => {
    switch (reason) {
      case "z-score":
        return `z-score ${evidence.zScore.toFixed(2)} > ${evidence.thresholds.zScore.toFixed(2)}`;
      case "rate-multiple":
        return `rate ${evidence.multiple.toFixed(1)} x mean > ${evidence.thresholds.rateMultiple.toFixed(1)} x`;
      case "ceiling":
        return `rate ${evidence.rate.toFixed(2)} > ceiling ${evidence.triggerRate.toFixed(2)} req/s`;
      default:
        return reason satisfies never;
    }
  });
  if (evidence.stream === "failures") parts.push(`failures over ${formatDuration(evidence.windowMs)}`);
  if (evidence.tightenedBy) parts.push(`tightened by ${evidence.tightenedBy}`);
  if (evidence.trusted) parts.push("trusted source");
  return parts.join(", ");
}

/** Why a ban exists, in a few words. */
export function causeText(ban: Ban): string {
  switch (ban.cause.scope) {
    case "source":
      return conditionText(ban.cause);
    case "manual":
      return ban.cause.note ? `manual by ${ban.cause.by}: ${ban.cause.note}` : `manual by ${ban.cause.by}`;
    case "adopted":
      return "found in the firewall at start";
    default:
      return ban.cause satisfies never;
  }
}

/** "10m", "2h", "permanent": the whole length of the ban. */
export function banLengthText(ban: Ban): string {
  return ban.until === "permanent" ? "permanent" : formatDuration(ban.until - ban.since);
}

/** "1st", "2nd", "3rd", "4th", "11th" */
export function ordinal(n: number): string {
  const tail = n % 100 >= 11 && n % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${tail}`;
}

/** One plain line for an alert. */
export function alertText(alert: Extract<Decision, { kind: "alert" }>["alert"]): string {
  switch (alert.type) {
    case "global-anomaly":
      return alert.state === "resolved"
        ? `global anomaly resolved after ${formatDuration(Math.round((alert.verdict.at - alert.since) / 1000) * 1000)}`
        : `global anomaly ${alert.state}: ${conditionText(alert.verdict)}, ${alert.verdict.sources} sources, nobody is blocked for it`;
    case "circuit-breaker":
      return alert.state === "open"
        ? `circuit breaker open: ${alert.bansInMinute} bans in a minute, limit ${alert.limit}; single sources are not banned until it closes`
        : "circuit breaker closed: single sources are banned again";
    case "ban-ineffective":
      return `ban ineffective: ${alert.requests} requests of ${alert.ban.source} reached the log after its ban`;
    default:
      return alert satisfies never;
  }
}
