/** What a person must know first: is it working, and is something going on? [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { GlobalVerdict } from "../decision.ts";
import type { BanStatus, HealthCheck, SystemStatus } from "../status.ts";
import { spanText, trafficRows } from "../wording.ts";
import { countText, plural, rateFigure, visibleText, windowText } from "./format.ts";

export type Tone = "ok" | "info" | "warn" | "bad" | "mute";

/** The state beside the host name: a word, a shape and a colour, so that none has to speak alone. */
export interface Pill {
  readonly tone: Tone;
  readonly shape: "dot" | "ring" | "bars" | "triangle";
  readonly text: string;
}

/** One line under the header, only when something needs a person. `more` says what goes on working. */
export interface Banner {
  readonly id: string;
  readonly tone: "info" | "warn" | "bad";
  readonly lead: string;
  readonly more: string;
}

/** The plain sentence of the detector panel. */
export interface Sentence {
  readonly tone: Tone;
  readonly lead: string;
  readonly rest: string;
}

export interface Condition {
  readonly pill: Pill;
  readonly banners: readonly Banner[];
  readonly sentence: Sentence;
}

interface Finding extends Banner {
  /** Null when the finding does not change what the detector does. */
  readonly pill: Pill | null;
}

/** Everything that is not as it should be, gravest first; the gravest names the state. */
export function conditionOf(status: SystemStatus): Condition {
  const findings = [
    blind(status),
    notBlocking(status),
    ineffective(status),
    paused(status),
    surge(status),
    learning(status),
    watchOnly(status),
    ...ailing(status),
  ].filter((finding) => finding !== null);
  const gravest = findings.find((finding) => finding.pill !== null);
  return {
    pill: gravest?.pill ?? { tone: "ok", shape: "dot", text: "Armed" },
    banners: findings.map(({ id, tone, lead, more }) => ({ id, tone, lead, more })),
    sentence: sentenceOf(status, gravest),
  };
}

function blind({ engine, log, health }: SystemStatus): Finding | null {
  const check = healthOf(health, "log");
  if (log.open && check?.level !== "bad") return null;
  return {
    id: "blind",
    tone: "bad",
    pill: { tone: "bad", shape: "triangle", text: "Log unreadable" },
    lead: "The access log cannot be read.",
    more: join(
      check?.detail ?? `${visibleText(log.path)} is not open.`,
      `New anomalies go unseen; ${plural(engine.bans.length, "ban")} ${engine.bans.length === 1 ? "stays" : "stay"} in force.`,
    ),
  };
}

function notBlocking({ engine, health }: SystemStatus): Finding | null {
  const check = healthOf(health, "firewall");
  const failed = engine.bans.filter((ban) => ban.enforcement === "failed").length;
  if (check?.level !== "bad" && failed === 0) return null;
  return {
    id: "not-blocking",
    tone: "bad",
    pill: { tone: "bad", shape: "triangle", text: "Not blocking" },
    lead: failed > 0 ? `The firewall refused ${plural(failed, "ban")}.` : "The firewall does not enforce bans.",
    more: join(check?.detail, "Bans that wait are tried again; detection, Slack and audit go on."),
  };
}

/** A ban whose last leak is older than this blocks again, as far as anybody can see. */
const LEAKING_MS = 60_000;

/** Whether requests of a banned source come through at this moment, not only at some time since its ban. */
export function isLeaking({ lastLeakAt }: BanStatus, at: EpochMs): boolean {
  return lastLeakAt !== undefined && at - lastLeakAt < LEAKING_MS;
}

function ineffective({ engine }: SystemStatus): Finding | null {
  const leaking = engine.bans.filter((ban) => isLeaking(ban, engine.at));
  const worst = leaking.reduce<BanStatus | null>((a, b) => (a && a.leakedRequests >= b.leakedRequests ? a : b), null);
  if (worst === null) return null;
  return {
    id: "ineffective",
    tone: "bad",
    pill: { tone: "bad", shape: "triangle", text: "Not blocking" },
    lead: `${leaking.length === 1 ? "One ban does" : `${countText(leaking.length)} bans do`} not block.`,
    more: `${plural(worst.leakedRequests, "request")} of ${visibleText(worst.ban.source)} reached the site after its ban: its traffic passes by the firewall hook in use.`,
  };
}

function paused({ engine }: SystemStatus): Finding | null {
  if (engine.state !== "paused" && !engine.breaker.open) return null;
  const { bansInMinute, limit } = engine.breaker;
  return {
    id: "paused",
    tone: "warn",
    pill: { tone: "warn", shape: "bars", text: "Paused" },
    lead: `Banning is paused: ${plural(bansInMinute, "ban")} in a minute, limit ${countText(limit)}.`,
    more: `So many at once may be a mistake. Bans in force stay and end on time; ${plural(engine.counters.bansWithheld, "ban")} withheld since the start.`,
  };
}

function surge({ engine }: SystemStatus): Finding | null {
  const { anomaly } = engine.site;
  if (anomaly === null) return null;
  const { rate, multiple } = engine.site;
  return {
    id: "surge",
    tone: "bad",
    pill: { tone: "bad", shape: "triangle", text: "Surge" },
    lead: `${rateFigure(rate)} req/s, ${multiple.toFixed(1)} × the norm, for ${spanText(engine.at - anomaly.since)}.`,
    more: `${plural(engine.sources.active, "source")}; those above their own trigger are banned, ${surgeBans(anomaly.verdict)}.${surgeTraffic(anomaly.verdict)}`,
  };
}

function surgeBans({ bansParticipants }: GlobalVerdict): string {
  return bansParticipants ? "and those that do nothing but what surges" : "nobody is blocked for the surge";
}

/** What it is made of, as far as one line holds it: " Most: paths /a ×400, networks 203.0.113.0/24 ×31." */
function surgeTraffic(verdict: GlobalVerdict): string {
  const rows = trafficRows(verdict, 1).filter(([name]) => name !== "answers" && name !== "sources");
  return rows.length === 0
    ? ""
    : ` Most: ${rows.map(([name, text]) => `${name} ${visibleText(text, 80)}`).join(", ")}.`;
}

function learning({ engine }: SystemStatus): Finding | null {
  if (engine.state !== "learning") return null;
  const { learnedMs, neededMs } = engine.warmUp;
  return {
    id: "learning",
    tone: "info",
    pill: { tone: "info", shape: "ring", text: "Learning" },
    lead: `Learning what is normal: ${spanText(learnedMs)} of ${spanText(neededMs)}.`,
    more: `Bans start after ${spanText(Math.max(0, neededMs - learnedMs))} more of log. Until then only the fixed ceiling bans.`,
  };
}

function watchOnly({ engine, firewall }: SystemStatus): Finding | null {
  const dryRun = firewall.backend === "dry-run";
  if (engine.state !== "watch-only" && !dryRun) return null;
  return {
    id: "watch-only",
    tone: "info",
    pill: { tone: "info", shape: "dot", text: dryRun ? "Dry run" : "Watch only" },
    lead: "Nothing is blocked in this mode.",
    more: dryRun
      ? "The firewall backend is dry-run: bans are decided, told and recorded, but no rule is made."
      : `${plural(engine.counters.bansWithheld, "ban")} would have been made since the start.`,
  };
}

const AILING = {
  log: "The access log is ailing.",
  firewall: "The firewall is ailing.",
  slack: "Slack is not being told.",
  audit: "The audit log is not being written.",
  state: "State is not being saved.",
} as const;

/** Parts that are ill without changing what the detector does, in the order they were checked. */
function ailing({ health, log }: SystemStatus): Finding[] {
  return health.flatMap((check) => {
    const told = check.level === "bad" && (check.name === "log" || check.name === "firewall");
    if (check.level === "ok" || told || (check.name === "log" && !log.open)) return [];
    const lead =
      check.level === "bad" ? AILING[check.name] : `${HEALTH_NAMES[check.name]}: ${visibleText(check.short)}.`;
    return [{ id: `ailing-${check.name}`, tone: "warn", pill: null, lead, more: visibleText(check.detail ?? "", 300) }];
  });
}

export const HEALTH_NAMES = {
  log: "Log tail",
  firewall: "Firewall",
  slack: "Slack",
  audit: "Audit log",
  state: "State",
} as const satisfies Record<HealthCheck["name"], string>;

function healthOf(health: SystemStatus["health"], name: HealthCheck["name"]): HealthCheck | undefined {
  return health.find((check) => check.name === name);
}

function sentenceOf(status: SystemStatus, gravest: Finding | undefined): Sentence {
  const rest = trafficText(status);
  if (gravest) return { tone: gravest.pill!.tone, lead: `${gravest.pill!.text}.`, rest };
  const { site } = status.engine;
  if (site.requests === 0) return { tone: "mute", lead: "Quiet.", rest };
  return site.rate > site.triggerRate ? { tone: "warn", lead: "High.", rest } : { tone: "ok", lead: "Normal.", rest };
}

function trafficText({ engine }: SystemStatus): string {
  const { site, sources } = engine;
  if (site.requests === 0) return `No request in the last ${windowText(engine.windowMs)}.`;
  const near = sources.aboveHalfTrigger;
  const closeness = `${plural(near, "source")} near ${near === 1 ? "its" : "their"} trigger`;
  return `${bandText(site)}; ${near === 0 ? "no source near its trigger" : closeness}.`;
}

function bandText({ rate, triggerRate, baseline, anomaly }: SystemStatus["engine"]["site"]): string {
  if (rate > triggerRate) return anomaly ? "Above the trigger" : "Above the trigger; it alerts if this lasts";
  // The floor is no learned band: the words must not claim one.
  if (baseline.from === "floor") return "Below the trigger of the floor values";
  if (rate > baseline.mean + 3 * baseline.stddev) return "Above the learned band";
  if (rate < baseline.mean - 3 * baseline.stddev) return "Below the learned band";
  return "Inside the learned band";
}

function join(detail: string | undefined, rest: string): string {
  return detail ? `${visibleText(detail, 300)} ${rest}` : rest;
}
