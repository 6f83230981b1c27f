/** Who is banned: why, which offence, how long still, and what the firewall has dropped. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Ban, SourceVerdict } from "../decision.ts";
import type { BanStatus, SystemStatus } from "../status.ts";
import {
  adaptationText,
  banLengthText,
  baselineSourceText,
  baselineText,
  causeText,
  countedMs,
  failureBarText,
  ordinal,
  pathNoteText,
  rateText,
  spanText,
} from "../wording.ts";
import { isLeaking } from "./condition.ts";
import { countdownText, countText, NOTHING, plural, visibleText, windowText } from "./format.ts";
import type { Empty } from "./model.ts";
import { rowId } from "./sources-panel.ts";
import type { Zone } from "./zone.ts";

/** Rows on the page; a storm of thousands must not make the page heavy. */
const ROWS = 10;
/** Offences drawn as squares; the default durations have four steps. */
const PIPS = 4;

export interface BansPanel {
  readonly meta: string;
  readonly rows: readonly BanRow[];
  /** Says how many more there are and where to see them; "" when all are shown. */
  readonly rest: string;
  readonly empty: Empty;
}

export interface BanRow {
  readonly id: string;
  readonly source: string;
  readonly why: string;
  /** The evidence, one line each. */
  readonly details: readonly string[];
  readonly offence: { readonly filled: number; readonly of: number; readonly label: string };
  readonly dropped: string;
  readonly left: {
    readonly text: string;
    readonly permanent: boolean;
    /** 0–58 units of what is left of the ban's length. */
    readonly bar: number;
    readonly title: string;
  };
  /** Set when the ban is not simply in force. */
  readonly trouble: { readonly text: string; readonly tone: "info" | "bad" } | null;
}

export function bansPanel(status: SystemStatus, zone: Zone): BansPanel {
  const bans = [...status.engine.bans].sort(byUrgency(status.engine.at));
  const permanent = bans.filter(({ ban }) => ban.until === "permanent").length;
  const hidden = bans.length - Math.min(ROWS, bans.length);
  return {
    meta: bans.length === 0 ? "" : `${countText(bans.length - permanent)} expire, ${countText(permanent)} permanent`,
    rows: bans.slice(0, ROWS).map((ban) => rowOf(ban, status, zone)),
    rest: hidden > 0 ? `${countText(hidden)} more: run anomaly-detector bans` : "",
    empty: emptyOf(status),
  };
}

/** Bans that do not hold first, then the newest; permanent ones last, for nothing about them changes. */
function byUrgency(at: EpochMs): (a: BanStatus, b: BanStatus) => number {
  const rank = (s: BanStatus) => (troubleOf(s, at)?.tone === "bad" ? 0 : s.ban.until === "permanent" ? 2 : 1);
  return (a, b) => rank(a) - rank(b) || b.ban.since - a.ban.since;
}

function rowOf(status: BanStatus, { engine, firewall }: SystemStatus, zone: Zone): BanRow {
  const { ban } = status;
  const packets = firewall.droppedBySource[ban.source];
  return {
    id: rowId("b", ban.source),
    source: ban.source,
    why: visibleText(causeText(ban)),
    details: detailsOf(status, engine.at, zone),
    offence: { filled: Math.min(ban.banCount, PIPS), of: PIPS, label: `${ordinal(ban.banCount)} offence` },
    dropped: packets === undefined ? NOTHING : countText(packets),
    left: leftOf(ban, engine.at, zone),
    trouble: troubleOf(status, engine.at),
  };
}

function leftOf(ban: Ban, at: number, zone: Zone): BanRow["left"] {
  if (ban.until === "permanent") {
    return { text: "permanent", permanent: true, bar: 0, title: `since ${zone.day(ban.since).text}` };
  }
  const share = (ban.until - at) / Math.max(1, ban.until - ban.since);
  return {
    text: countdownText(ban.until - at),
    permanent: false,
    bar: Number((58 * Math.min(1, Math.max(0, share))).toFixed(1)),
    title: `until ${zone.day(ban.until).text}`,
  };
}

function troubleOf(status: BanStatus, at: EpochMs): BanRow["trouble"] {
  const { enforcement, leakedRequests } = status;
  if (enforcement === "failed") return { text: "not in force", tone: "bad" };
  if (isLeaking(status, at)) return { text: `${countText(leakedRequests)} got through`, tone: "bad" };
  if (enforcement === "pending") return { text: "pending", tone: "info" };
  return enforcement === "dry-run" ? { text: "dry run", tone: "info" } : null;
}

function detailsOf({ ban, leakedRequests, lastLeakAt }: BanStatus, at: EpochMs, zone: Zone): readonly string[] {
  const when = `${ordinal(ban.banCount)} offence, banned ${zone.day(ban.since).text}, ${banLengthText(ban)}`;
  const leaks =
    lastLeakAt === undefined
      ? []
      : [`${plural(leakedRequests, "request")} got through, the last ${spanText(at - lastLeakAt)} ago`];
  return [when, ...leaks, ...(ban.cause.scope === "source" ? evidenceLines(ban.cause) : [])];
}

function evidenceLines(evidence: SourceVerdict): readonly string[] {
  const { baseline, topPaths, statuses, userAgent } = evidence;
  const adapted = adaptationText(evidence);
  const bar = failureBarText(evidence);
  const paths = topPaths
    .slice(0, 3)
    .map((asked) => `${visibleText(asked.path, 80) || "(empty)"}${pathNoteText(asked)} × ${countText(asked.count)}`);
  const answers = statuses.map(({ status, count }) => `${status} × ${countText(count)}`);
  return [
    `${rateText(evidence.rate)}: ${plural(evidence.requests, "request")}, ${plural(evidence.errors, "error")} in ${windowText(countedMs(evidence))}`,
    bar === null
      ? `compared ${rateText(evidence.comparedRate)} with ${baselineText(baseline)} (${baselineSourceText(baseline)}), trigger ${rateText(evidence.triggerRate)}`
      : `failures ${bar}`,
    ...(adapted === null ? [] : [adapted]),
    ...(paths.length > 0 ? [`asked ${paths.join(", ")}`] : []),
    ...(answers.length > 0 ? [`answered ${answers.join(", ")}`] : []),
    ...(userAgent ? [`agent ${visibleText(userAgent, 120)}`] : []),
  ];
}

function emptyOf({ engine, outcomes, at, startedAt }: SystemStatus): Empty {
  const last = outcomes.findLast(({ decision }) => decision.kind === "unban")?.decision;
  if (last?.kind === "unban") {
    return { lead: "No active bans", rest: `The last one, ${last.ban.source}, ended ${spanText(at - last.at)} ago.` };
  }
  const nobody = engine.counters.bans === 0 ? "Nobody has been banned" : "Every ban has ended";
  return { lead: "No active bans", rest: `${nobody} since the start ${spanText(at - startedAt)} ago.` };
}
