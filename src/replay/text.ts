/** What a replay prints. [pure] */
import { columns, counted, printable, spanText, timeText } from "../cli/terminal.ts";
import type { Ban, SourceVerdict } from "../decision.ts";
import {
  adaptationText,
  alertText,
  banLengthText,
  baselineText,
  causeText,
  countedMs,
  failureBarText,
  ordinal,
  pathNoteText,
  trafficRows,
} from "../wording.ts";
import { type Contender, type ReplayDecision, timeToBan } from "./contender.ts";
import type { Banned, Difference } from "./difference.ts";
import type { SessionStatus } from "./session.ts";

/** One line for a ban or an alert; null for what is no line of its own. */
export function decisionLine(decision: ReplayDecision): string | null {
  const line = (action: string, who: string, length: string, offence: string, why: string) =>
    printable(
      [timeText(decision.at), action, who.padEnd(20), length.padEnd(9), offence.padEnd(4), why].join("  "),
      600,
    );
  switch (decision.kind) {
    case "ban": {
      const { ban } = decision;
      return line("BAN  ", ban.source, banLengthText(ban), ordinal(ban.banCount), causeText(ban));
    }
    case "alert":
      if (decision.alert.type === "global-anomaly" && decision.alert.state === "resolved") return null;
      return line("ALERT", "global", "-", "-", alertText(decision.alert));
    case "unban":
      return null;
    default:
      return decision satisfies never;
  }
}

/** What a global anomaly is made of, indented, for --list. */
export function crowdLines({ alert }: Extract<ReplayDecision, { kind: "alert" }>): string[] {
  if (alert.type !== "global-anomaly" || alert.state === "resolved") return [];
  return columns(trafficRows(alert.verdict).map(([name, text]) => [`      ${name}`, printable(text, 300)]));
}

/** What led to a ban, indented, for --list. */
export function evidenceLines(ban: Ban): string[] {
  if (ban.cause.scope !== "source") return [];
  return columns(evidenceRows(ban, ban.cause).map(([name, text]) => [`      ${name}`, printable(text, 300)]));
}

/** Name and words of each piece of evidence; the words hold attacker text. */
export function evidenceRows(ban: Ban, cause: SourceVerdict): (readonly [string, string])[] {
  const { requests, errors, rate, comparedRate, topPaths, statuses, userAgent } = cause;
  const span = spanText(countedMs(cause));
  const weighted = comparedRate.toFixed(2) === rate.toFixed(2) ? "" : `, compared as ${comparedRate.toFixed(2)}`;
  const asked = cause.stream === "failures" ? "" : `: ${rate.toFixed(2)} req/s${weighted}`;
  const took = timeToBan(ban);
  return [
    ["requests", `${requests} with ${counted(errors, "error")} in ${span}${asked}`],
    normRow(cause),
    ...adaptationRows(cause),
    ...(took === null ? [] : [["took", `${spanText(took)} from the first request of this visit`] as const]),
    ...counts(
      "paths",
      topPaths.map((asked) => [`${asked.path}${pathNoteText(asked)}`, asked.count]),
    ),
    ...counts(
      "answers",
      statuses.map(({ status, count }) => [status, count]),
    ),
    ...(userAgent === undefined ? [] : [["as", userAgent] as const]),
  ];
}

/** What it was held against; a bar on failures is a count, not a learned norm. */
function normRow(cause: SourceVerdict) {
  const { baseline, triggerRate, tightenedBy, trusted } = cause;
  const more = `${tightenedBy ? `, tightened by ${tightenedBy}` : ""}${trusted ? ", trusted source" : ""}`;
  const bar = failureBarText(cause);
  if (bar !== null) return ["failures", `${bar}${more}`] as const;
  return [
    "norm",
    `${baselineText(baseline)} (${baseline.from}), trigger ${triggerRate.toFixed(2)} req/s${more}`,
  ] as const;
}

function adaptationRows(cause: SourceVerdict): (readonly [string, string])[] {
  const text = adaptationText(cause);
  return text === null ? [] : [["adaptive", text]];
}

function counts(name: string, items: readonly (readonly [string | number, number])[]): (readonly [string, string])[] {
  return items.length === 0 ? [] : [[name, items.map(([what, count]) => `${what} ×${count}`).join(", ")]];
}

/** The table of two configurations, and who only one of them banned. */
export function comparisonLines(contenders: readonly [Contender, Contender], told: Difference, all: boolean): string[] {
  const [first, second] = contenders;
  const head = ["", "bans", "sources", "alerts", "dropped", "first", "median time to ban"];
  const rows = contenders.map((contender) => {
    const { bans, sources, alerts, dropped, firstBan, medianTimeToBan } = figures(contender);
    return [printable(contender.name, 40), bans, sources, alerts, dropped, firstBan, medianTimeToBan];
  });
  const width = (i: number) => Math.max(...[head, ...rows].map((row) => row[i]!.length));
  const table = [head, ...rows].map((row) =>
    row.map((cell, i) => (i === 0 ? `  ${cell}`.padEnd(width(0) + 2) : cell.padStart(width(i)))).join("  "),
  );
  return [...table, ...onlyLines(first.name, told.onlyFirst, all), ...onlyLines(second.name, told.onlySecond, all)];
}

const FEW = 5;

function onlyLines(name: string, banned: readonly Banned[], all: boolean): string[] {
  if (banned.length === 0) return [`  only ${printable(name, 40)} (0)`];
  const words = banned.map(([source, bans]) => (bans === 1 ? source : `${source} ×${bans}`));
  if (all) return [`  only ${printable(name, 40)} (${banned.length})`, ...words.map((word) => `    ${word}`)];
  const more = words.length > FEW ? ", …" : "";
  return [`  only ${printable(name, 40)} (${banned.length})   ${words.slice(0, FEW).join(", ")}${more}`];
}

/** The figures of one contender as words. */
export function figures(contender: Contender) {
  const median = contender.medianTimeToBan();
  const [first] = contender.bans;
  return {
    bans: String(contender.bans.length),
    sources: String(contender.bansBySource().length),
    alerts: String(contender.alerts.length),
    dropped: String(contender.dropped),
    firstBan: first === undefined ? "-" : timeText(first.since),
    medianTimeToBan: median === null ? "-" : spanText(median),
  };
}

/** The last words, for people: what was read, what it came to, what could not be counted. */
export function summaryLines(contender: Contender, status: SessionStatus, seconds: number): string[] {
  const { records } = status;
  const bad = Object.values(status.failures).reduce((sum, count) => sum + count, status.oversized);
  if (records === 0 && bad === 0) return ["the log is empty: there was nothing to replay"];
  if (isForeign(status)) return [`none of ${counted(bad, "line")} is an access record${reasons(status)}`];
  const speed = `${counted(records, "line")} in ${seconds.toFixed(1)} s (${Math.round(records / Math.max(seconds, 1e-3) / 1000)} k lines/s)`;
  const { bans, alerts, dropped } = contender;
  const sources = contender.bansBySource();
  const median = contender.medianTimeToBan();
  const found = [
    `${counted(bans.length, "ban")} of ${counted(sources.length, "source")}`,
    counted(alerts.length, "alert"),
    `${counted(dropped, "request")} would have been dropped`,
    ...(median === null ? [] : [`median time to ban ${spanText(median)}`]),
  ];
  const again = sources.filter(([, count]) => count > 1).slice(0, FEW);
  return [
    `${speed}: ${found.join(", ")}${notCounted(status)}`,
    ...(again.length > 0
      ? [`most often banned: ${again.map(([source, count]) => `${source} ×${count}`).join(", ")}`]
      : []),
  ];
}

/** Lines, but not one that could be read: the wrong file, or field names that log.fields does not know. */
export function isForeign({ records, failures, oversized }: SessionStatus): boolean {
  return records === 0 && (oversized > 0 || Object.keys(failures).length > 0);
}

function reasons({ failures, failureSample }: SessionStatus): string {
  const kinds = Object.entries(failures).map(([kind, count]) => `${count} ${kind}`);
  const sample = failureSample === undefined ? "" : `; the last: ${printable(failureSample, 120)}`;
  return `${kinds.length > 0 ? ` (${kinds.join(", ")})` : ""}${sample}`;
}

function notCounted(status: SessionStatus): string {
  const notes = [
    ...Object.entries(status.failures).map(([kind, count]) => `${count} ${kind}`),
    ...(status.late > 0 ? [`${status.late} out of order by more than a window`] : []),
    ...(status.unconfirmed > 0 ? [`${status.unconfirmed} dated far ahead`] : []),
    ...(status.oversized > 0 ? [`${status.oversized} too long`] : []),
  ];
  return notes.length > 0 ? `; not counted: ${notes.join(", ")}` : "";
}
