/** The parts that can be ill, and the counters that tell of what was skipped. [pure] */
import type { HealthCheck, SystemStatus } from "../status.ts";
import { HEALTH_NAMES } from "./condition.ts";
import { bytesText, countText, NOTHING, plural, visibleText } from "./format.ts";
import type { Zone } from "./zone.ts";

export interface Check {
  readonly name: string;
  readonly level: HealthCheck["level"];
  readonly short: string;
  /** The mend, when not ok; else "". */
  readonly detail: string;
}

export interface HealthPanel {
  readonly meta: string;
  readonly checks: readonly Check[];
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  /** The last line that could not be read, as text; "" when there was none. */
  readonly badLine: string;
}

/** The short form beside the detector: every check, and the allow list. */
export function healthStrip({ health, allowlistRanges }: SystemStatus): readonly Check[] {
  return [
    ...health.map(checkOf),
    { name: "Allow list", level: "ok", short: plural(allowlistRanges, "range"), detail: "" },
  ];
}

export function healthPanel(status: SystemStatus, zone: Zone): HealthPanel {
  const { health, log } = status;
  const ill = health.filter((check) => check.level !== "ok").length;
  return {
    meta: ill === 0 ? "all parts well" : `${ill} of ${health.length} need attention`,
    checks: health.map(checkOf),
    facts: [...logFacts(status, zone), ...engineFacts(status), ...outwardFacts(status, zone)],
    badLine: log.failureSample === undefined ? "" : visibleText(log.failureSample, 200),
  };
}

function checkOf(check: HealthCheck): Check {
  return {
    name: HEALTH_NAMES[check.name],
    level: check.level,
    short: visibleText(check.short, 60),
    detail: check.level === "ok" ? "" : visibleText(check.detail ?? "", 300),
  };
}

function logFacts({ log }: SystemStatus, zone: Zone): HealthPanel["facts"] {
  const bad = Object.entries(log.failures).filter(([, count]) => count > 0);
  const kinds = bad.map(([kind, count]) => `${visibleText(kind, 30)} ${countText(count)}`).join(", ");
  return [
    { name: "Log", value: visibleText(log.path) },
    {
      name: "Read",
      value: `${plural(log.lines, "line")}, ${bytesText(log.bytes)}; ${bytesText(log.unreadBytes)} to go`,
    },
    { name: "Newest line", value: log.newestAt === null ? NOTHING : zone.day(log.newestAt).text },
    { name: "Bad lines", value: kinds || "none" },
    { name: "Too long", value: plural(log.oversized, "line") },
    { name: "Rotations", value: `${countText(log.rotations)}, truncations ${countText(log.truncations)}` },
  ];
}

function engineFacts({ engine: { counters } }: SystemStatus): HealthPanel["facts"] {
  return [
    { name: "Counted", value: plural(counters.records, "request") },
    { name: "Not counted", value: `${countText(counters.late)} late, ${countText(counters.future)} from the future` },
    {
      name: "Kept apart",
      value: `${countText(counters.banned)} of banned, ${countText(counters.allowlisted)} of allowed sources`,
    },
    { name: "Sources shed", value: countText(counters.sourcesShed) },
    {
      name: "Bans",
      value: `${countText(counters.bans)} made, ${countText(counters.unbans)} ended, ${countText(counters.bansWithheld)} withheld`,
    },
  ];
}

function outwardFacts({ firewall, slack }: SystemStatus, zone: Zone): HealthPanel["facts"] {
  const told = slack.lastSentAt === null ? "" : `, last ${zone.stamp(slack.lastSentAt).text}`;
  return [
    { name: "Firewall", value: `${firewall.backend}, ${plural(firewall.entries, "entry", "entries")}` },
    { name: "Hooks", value: firewall.hooks.join(", ") || "none" },
    {
      name: "Slack",
      value: slack.configured
        ? `${countText(slack.sent)} sent, ${countText(slack.queued)} waiting, ${countText(slack.failed)} failed${told}`
        : "not configured",
    },
  ];
}
