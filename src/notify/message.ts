/** Outcomes and digests in the reader's words, laid out for Slack. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Alert, Ban, Decision, Evidence, GlobalVerdict, Outcome } from "../decision.ts";
import {
  alertText,
  banLengthText,
  bannedForText,
  baselineSourceText,
  baselineText,
  causeText,
  conditionText,
  countedMs,
  failureBarText,
  lengthText,
  ordinal,
  rateText,
  timeText,
  unbanText,
} from "../wording.ts";
import type { Fact } from "./blocks.ts";
import type { Digest } from "./digest.ts";
import { defuse } from "./escape.ts";
import { type Crowd, compose } from "./layout.ts";
import type { Message } from "./notifier.ts";
import { type Tally, tallyText } from "./tally.ts";
import type { TellReason } from "./telling.ts";

type BanDecision = Extract<Decision, { kind: "ban" }>;
type UnbanDecision = Extract<Decision, { kind: "unban" }>;

const DRY_RUN = "Dry-run or watch-only: nothing was changed in the firewall.";

/** What Slack is told about one outcome; null for what is never told. `hostname` names the watched host. */
export function outcomeMessage(outcome: Outcome, reason: TellReason, hostname: string): Message | null {
  const { decision } = outcome;
  switch (decision.kind) {
    case "ban":
      return banMessage(decision, outcome, reason, hostname);
    case "unban":
      return unbanMessage(decision, outcome, reason, hostname);
    case "alert":
      return alertMessage(decision.alert, decision.at, hostname);
    case "baseline":
      return null;
    case "mode":
      return modeMessage(decision, hostname);
    case "permit":
      return permitMessage(decision, hostname);
    default:
      return decision satisfies never;
  }
}

function banMessage({ at, ban }: BanDecision, outcome: Outcome, reason: TellReason, hostname: string): Message {
  const length = ban.until === "permanent" ? "permanently" : `for ${banLengthText(ban)}`;
  const title = {
    done: `Banned ${ban.source} ${length}`,
    "dry-run": `Would ban ${ban.source} ${length} (dry-run)`,
    failed: `NOT banned: ${ban.source}`,
  }[outcome.result];
  const note = {
    done: reason === "resolved" ? "The ban is in force now; earlier tries had failed." : "",
    "dry-run": DRY_RUN,
    failed: `The firewall command failed, so nothing is blocked: ${detailOf(outcome)} It is tried again.`,
  }[outcome.result];
  const evidence = ban.cause.scope === "source" ? ban.cause : null;
  return compose(
    title,
    note,
    at,
    hostname,
    [
      condition(ban),
      ...measurements(evidence),
      { label: "Ban duration", value: durationText(ban) },
      { label: "Offence", value: ordinal(ban.banCount) },
    ],
    evidence,
  );
}

function unbanMessage(
  { at, ban, why, by }: UnbanDecision,
  outcome: Outcome,
  reason: TellReason,
  hostname: string,
): Message {
  const title = {
    done: `Unbanned ${ban.source}`,
    "dry-run": `Would unban ${ban.source} (dry-run)`,
    failed: `NOT unbanned: ${ban.source}`,
  }[outcome.result];
  const note = {
    done: reason === "resolved" ? "The ban is lifted now; earlier tries had failed." : "",
    "dry-run": DRY_RUN,
    failed: `The firewall command failed, so the source may still be shut out: ${detailOf(outcome)} It is tried again.`,
  }[outcome.result];
  const unban = { kind: "unban", at, ban, why, ...(by === undefined ? {} : { by }) } as const;
  return compose(title, note, at, hostname, [
    { label: "Why", value: unbanText(unban), untrusted: by !== undefined },
    { ...condition(ban), label: "Was banned for" },
    ...measurements(ban.cause.scope === "source" ? ban.cause : null, " at the ban"),
    { label: "Ban duration", value: banLengthText(ban) },
  ]);
}

function alertMessage(alert: Alert, at: EpochMs, hostname: string): Message {
  switch (alert.type) {
    case "global-anomaly": {
      const { verdict, since, state } = alert;
      const title = {
        firing: "Global anomaly",
        "still-firing": "Global anomaly continues",
        resolved: `Global anomaly is over after ${lengthText(Math.max(0, verdict.at - since))}`,
      }[state];
      return compose(
        title,
        sentence(bannedForText(verdict)),
        at,
        hostname,
        [
          { label: state === "resolved" ? "Last condition" : "Condition", value: conditionText(verdict) },
          ...measurements(verdict),
          { label: "Sources", value: String(verdict.sources) },
          { label: "Since", value: timeText(since) },
        ],
        verdict,
        crowd(verdict),
      );
    }
    case "circuit-breaker":
      return compose(breakerTitle(alert), sentence(alertText(alert)), at, hostname, [
        { label: "Bans in the last minute", value: String(alert.bansInMinute) },
        { label: "Limit", value: String(alert.limit) },
      ]);
    case "ban-ineffective": {
      const { ban, requests, sinceBanMs } = alert;
      const note = `${requests} of its requests reached the log in the ${lengthText(sinceBanMs)} since the ban: the firewall does not stop this traffic. Run: anomaly-detector check --host`;
      return compose(`Ban does not work: ${ban.source}`, note, at, hostname, [
        condition(ban),
        ...measurements(ban.cause.scope === "source" ? ban.cause : null, " at the ban"),
        { label: "Ban duration", value: durationText(ban) },
        { label: "Offence", value: ordinal(ban.banCount) },
      ]);
    }
    case "firewall-mended":
      return compose(
        "Firewall mended",
        "It did not hold what is banned: something else changed its rules or sets (a flush, a restart of docker or firewalld). Further times are in the audit log.",
        at,
        hostname,
        [
          { label: "Bans put back", value: String(alert.added) },
          { label: "Foreign entries removed", value: String(alert.removed) },
          { label: "Tables restored", value: String(alert.hooks) },
        ],
      );
    case "log-lag":
      return compose(
        alert.state === "behind" ? "The log is not read in time" : "The log is read in time again",
        alert.state === "behind" ? "It grows faster than it can be read, so bans come late." : "",
        at,
        hostname,
        [
          { label: "Unread", value: `${(alert.unreadBytes / 1e6).toFixed(1)} MB` },
          { label: "Behind", value: lengthText(alert.behindMs) },
        ],
      );
    default:
      return alert satisfies never;
  }
}

function breakerTitle({ state, of }: Extract<Alert, { type: "circuit-breaker" }>): string {
  const what = of === "participants" ? "banning participants" : "banning";
  return state === "open" ? `Circuit breaker open: ${what} is paused` : `Circuit breaker closed: ${what} goes on`;
}

/** Where a global anomaly comes from, and as what; the agents are attacker text. */
function crowd({ topSources, topNetworks = [], topAgents = [] }: GlobalVerdict): Crowd {
  return {
    sources: topSources.map(({ source, count }) => `${count} × ${source}`),
    networks: topNetworks.map(({ network, count }) => `${count} × ${network}`),
    agents: topAgents.map(({ agent, count }) => `${count} × ${defuse(agent) || "(none)"}`),
  };
}

function modeMessage({ at, mode, by, bans }: Extract<Decision, { kind: "mode" }>, hostname: string): Message {
  const isArmed = mode === "enforce";
  return compose(
    isArmed ? "Armed: bans are in force" : "Disarmed: watching only",
    isArmed ? "" : "Nothing is banned until it is armed again. Bans are still decided, told and recorded.",
    at,
    hostname,
    [
      { label: "By", value: by, untrusted: true },
      { label: isArmed ? "Bans" : "Bans taken out", value: String(bans) },
    ],
  );
}

function permitMessage({ at, change, permit, by }: Extract<Decision, { kind: "permit" }>, hostname: string): Message {
  const isGiven = change === "given";
  const { source, until, note } = permit;
  return compose(
    isGiven ? `Allowed: ${source} is exempt from bans` : `No longer allowed: ${source}`,
    isGiven && until !== "permanent" ? `Until ${timeText(until)}.` : "",
    at,
    hostname,
    [
      { label: "By", value: by ?? permit.by, untrusted: true },
      ...(note ? [{ label: "Note", value: note, untrusted: true }] : []),
    ],
  );
}

/** A storm in one message: every outcome counted, the first few sources named. */
export function digestMessage(digest: Digest, hostname: string): Message {
  const { sources, sourceCount, topCause, busiest } = digest;
  const more = sourceCount - sources.length;
  const rows: Fact[] = [
    { label: "Counts", value: tallyText(digest.tally) },
    { label: "Different sources", value: String(sourceCount) },
  ];
  if (topCause) rows.push({ label: "Most frequent condition", value: `${topCause.kind} (${topCause.count})` });
  if (busiest) rows.push({ label: "Highest rate", value: `${rateText(busiest.rate)} by ${busiest.source}` });
  rows.push({ label: "From", value: timeText(digest.from) });
  const named = `${sources.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  const note = `${named || "No single source"}. Every one of them stands in the audit log.`;
  return compose(`Digest: ${tallyText(digest.tally)}`, note, digest.to, hostname, rows);
}

/** Stands for messages that could not wait any longer for Slack. `from` and `to` are when they were queued. */
export function foldedMessage(tally: Tally, messages: number, from: EpochMs, to: EpochMs, hostname: string): Message {
  const note = `${messages} older messages could not be delivered in time and are told together here. The audit log has them all.`;
  return compose(`Digest: ${tallyText(tally)}`, note, to, hostname, [
    { label: "Counts", value: tallyText(tally) },
    { label: "From", value: timeText(from) },
  ]);
}

/** A message for somebody who just set up the webhook. */
export function testMessage(at: EpochMs, hostname: string): Message {
  return compose("Test message", "anomaly-detector can reach this channel.", at, hostname, []);
}

function condition(ban: Ban): Fact {
  return { label: "Condition", value: causeText(ban), untrusted: ban.cause.scope === "manual" };
}

function measurements(evidence: Evidence | null, when = ""): Fact[] {
  if (evidence === null) return [];
  const { requests, errors, baseline } = evidence;
  const counts = `${requests} requests, ${errors} of them errors, in ${lengthText(countedMs(evidence))}`;
  const bar = failureBarText(evidence);
  const norm = `${baselineText(baseline)} req/s (${baselineSourceText(baseline)})`;
  return [
    { label: when ? `Rate${when}` : "Current rate", value: `${rateText(evidence.rate)} (${counts})` },
    { label: "Baseline", value: bar === null ? norm : `failures ${bar}` },
  ];
}

function durationText(ban: Ban): string {
  return ban.until === "permanent" ? "permanent" : `${banLengthText(ban)}, until ${timeText(ban.until)}`;
}

/** The failure detail as a sentence of its own. */
function detailOf(outcome: Outcome): string {
  return sentence((outcome.detail ?? "no detail").slice(0, 300));
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`;
}
