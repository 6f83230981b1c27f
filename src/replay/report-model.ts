/** A replay as the data of its report: arithmetic, rounding and wording; the view only places it. [pure] */
import { counted, printable, spanText, timeText } from "../cli/terminal.ts";
import {
  bandPath,
  curve,
  type Frame,
  HEIGHT,
  leftEnd,
  niceScale,
  percent,
  steps,
  valueTicks,
  x,
} from "../dashboard/geometry.ts";
import type { Ban, GlobalVerdict } from "../decision.ts";
import { triggerRate } from "../detection/verdict.ts";
import { banLengthText, baselineText, causeText, ordinal, trafficRows } from "../wording.ts";
import { type Contender, timeToBan } from "./contender.ts";
import { type Banned, difference } from "./difference.ts";
import { evidenceRows, figures } from "./text.ts";
import type { Learned, Timeline, TimelinePoint } from "./timeline.ts";

/** One replay, or two over the same lines. */
export interface ReportInput {
  readonly contenders: readonly [Contender, ...Contender[]];
  readonly timeline: Timeline;
  readonly files: readonly string[];
  readonly version: string;
}

/** The whole report, ready to be placed. */
export interface ReportModel {
  readonly title: string;
  readonly subtitle: string;
  readonly version: string;
  /** One plain sentence that says what came of it. */
  readonly verdict: string;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  readonly plots: readonly Plot[];
  readonly contenders: readonly ContenderModel[];
  readonly difference: DifferenceModel | null;
}

/** One labelled place on an axis. */
export interface AxisTick {
  readonly at: string;
  readonly text: string;
  readonly anchor: "start" | "middle" | "end";
  /** Left out on a narrow screen. */
  readonly minor: boolean;
}

/** SVG attribute values in a viewBox of 1000 × 100; marks in percent of the width. */
export interface Plot {
  readonly title: string;
  readonly summary: string;
  readonly average: string;
  readonly area: string;
  readonly peak: string | null;
  readonly band: string;
  readonly mean: string;
  readonly trigger: string;
  readonly x: readonly AxisTick[];
  readonly y: readonly AxisTick[];
  readonly surges: readonly { readonly x: number; readonly width: number }[];
  readonly lanes: readonly Lane[];
}

/** The bans of one configuration as ticks under the plot. */
export interface Lane {
  readonly name: string;
  readonly ticks: readonly {
    readonly x: string;
    readonly title: string;
    readonly tone: "first" | "again" | "permanent";
  }[];
}

/** What one configuration would have done. */
export interface ContenderModel {
  readonly name: string;
  readonly cells: readonly string[];
  readonly bans: readonly BanRow[];
  /** Bans that are not listed, because there are too many. */
  readonly unlisted: number;
  readonly alerts: readonly { readonly time: string; readonly text: string }[];
}

/** One ban as the report lists it. */
export interface BanRow {
  readonly time: string;
  readonly iso: string;
  readonly source: string;
  readonly offence: string;
  readonly duration: string;
  readonly took: string;
  readonly why: string;
  readonly evidence: readonly (readonly [name: string, text: string])[];
}

/** What both did, and what only one of them did. */
export interface DifferenceModel {
  readonly both: string;
  readonly only: readonly { readonly name: string; readonly sources: readonly string[]; readonly more: number }[];
}

/** The heads of ContenderModel.cells. */
export const CELL_HEADS = ["bans", "sources", "alerts", "requests dropped", "first ban", "median time to ban"] as const;

/** Rows, ticks and names that a page can bear; the rest is counted. */
const MOST_ROWS = 500;
const MOST_ALERTS = 200;
const MOST_TICKS = 1000;
const MOST_NAMES = 200;

/** The model of one report; every list in it has a bound. */
export function reportModel({ contenders, timeline, files, version }: ReportInput): ReportModel {
  const [first, second] = contenders;
  const points = timeline.points(before(first));
  const span = timeline.span;
  const names = files.length > 3 ? `${files.slice(0, 2).join(", ")} and ${files.length - 2} more` : files.join(", ");
  return {
    title: printable(names, 120),
    subtitle:
      span === null
        ? "an empty log"
        : `${timeText(span.from)} to ${timeText(span.to)}, ${spanText(span.to - span.from)}`,
    version,
    verdict: verdictOf(first, points.length > 0),
    facts: facts(first, timeline, points),
    plots: points.length === 0 ? [] : plots(contenders, timeline, points),
    contenders: contenders.map(contenderModel),
    difference: second === undefined ? null : differenceModel(first, second),
  };
}

/** What the first requests are compared with: the floors. */
function before({ config: { baseline, detection } }: Contender): Learned {
  const { mean, stddev } = baseline.floor;
  const thresholds = { zScore: detection.z_score, rateMultiple: detection.rate_multiple };
  return { mean, stddev, trigger: triggerRate({ mean, stddev }, thresholds) };
}

function verdictOf(first: Contender, hasLog: boolean): string {
  if (!hasLog) return "There was nothing to replay.";
  const sources = first.bansBySource().length;
  const alerts = first.anomalies.length;
  const told = alerts === 0 ? "no alert for the whole site" : `${counted(alerts, "alert")} for the whole site`;
  if (first.bans.length === 0) return `Nobody would have been banned; ${told}.`;
  return `${counted(sources, "source")} would have been banned, ${counted(first.bans.length, "time")} in all, with ${first.dropped.toLocaleString("en")} requests dropped; ${told}.`;
}

function facts(first: Contender, timeline: Timeline, points: readonly TimelinePoint[]) {
  const requests = first.engine.counters().records;
  const peak = points.reduce((most, point) => Math.max(most, point.peak), 0);
  const { baseline } = first;
  const median = first.medianTimeToBan();
  return [
    { name: "requests", value: requests.toLocaleString("en") },
    { name: timeline.widthMs < 60_000 ? "busiest moment" : "busiest minute", value: `${peak.toFixed(1)} req/s` },
    { name: "site norm at the end", value: baseline === null ? "not learned" : baselineText(baseline.site) },
    { name: "norm for one source", value: baseline === null ? "not learned" : baselineText(baseline.sources) },
    { name: "median time to ban", value: median === null ? "–" : spanText(median) },
    { name: "profile", value: first.config.detection.profile },
  ];
}

/** The whole, and, where a peak presses the rest flat, the same cut off not far above the trigger. */
function plots(contenders: ReportInput["contenders"], timeline: Timeline, points: readonly TimelinePoint[]): Plot[] {
  const peak = Math.max(...points.map((point) => point.peak));
  const trigger = Math.max(...points.map((point) => point.trigger));
  const whose = contenders.length === 1 ? "" : `, with the baseline of ${printable(contenders[0].name, 60)}`;
  const whole = plot(`Requests per second${whose}`, contenders, timeline, points, Math.max(peak, trigger * 1.15));
  if (peak <= trigger * 4) return [whole];
  const cut = plot(
    `The same, cut off at ${niceScale(trigger * 1.5).top} req/s`,
    contenders,
    timeline,
    points,
    trigger * 1.5,
  );
  return [whole, { ...cut, lanes: [] }];
}

function plot(
  title: string,
  contenders: ReportInput["contenders"],
  timeline: Timeline,
  all: readonly TimelinePoint[],
  most: number,
): Plot {
  const scale = niceScale(most);
  const history = all.map((point) => ({ ...point, errorRate: 0, from: "rolling" as const }));
  const from = timeline.span!.from;
  const frame: Frame = { from, to: Math.max(all.at(-1)!.at, from + 60_000), top: scale.top };
  const average = curve(history, (point) => point.rate, frame);
  const busiest = history.map((point) => ({ ...point, rate: point.peak }));
  const last = all.at(-1)!;
  return {
    title,
    summary:
      `Highest ${Math.max(...all.map((point) => point.peak)).toFixed(1)} requests per second; at the end ` +
      `${last.rate.toFixed(1)}, baseline ${baselineText(last)}, trigger ${last.trigger.toFixed(1)}.`,
    average,
    area: `${average}V${HEIGHT}H${leftEnd(history, frame)}Z`,
    peak: timeline.widthMs < 60_000 ? null : curve(busiest, (point) => point.rate, frame),
    band: bandPath(history, frame),
    mean: steps(history, (point) => point.mean, frame),
    trigger: steps(history, (point) => point.trigger, frame),
    x: timeAxis(frame),
    y: valueTicks(scale),
    surges: contenders[0].anomalies.flatMap(({ since, until }) => {
      const left = x(since, frame);
      return [{ x: left, width: Math.max(1, x(until ?? frame.to, frame) - left) }];
    }),
    lanes: contenders.map((contender) => lane(contender, frame)),
  };
}

function lane({ name, bans }: Contender, frame: Frame): Lane {
  // Ticks that would lie on one another are one; it names the first and how many.
  const groups = new Map<string, Ban[]>();
  for (const ban of bans) {
    const at = percent(Math.round((2000 * (ban.since - frame.from)) / (frame.to - frame.from)), 2000);
    const group = groups.get(at);
    if (group === undefined) groups.set(at, [ban]);
    else group.push(ban);
  }
  const ticks = [...groups].slice(0, MOST_TICKS).map(([at, group]) => {
    const [ban] = group as [Ban, ...Ban[]];
    const more = group.length > 1 ? `, and ${group.length - 1} more` : "";
    const tone = group.some(({ until }) => until === "permanent")
      ? "permanent"
      : group.some(({ banCount }) => banCount > 1)
        ? "again"
        : "first";
    return { x: at, tone, title: `${timeText(ban.since)} ${ban.source} for ${banLengthText(ban)}${more}` } as const;
  });
  return { name: printable(name, 60), ticks };
}

function contenderModel(contender: Contender): ContenderModel {
  const { bans, sources, alerts, dropped, firstBan, medianTimeToBan } = figures(contender);
  return {
    name: printable(contender.name, 60),
    cells: [bans, sources, alerts, dropped, firstBan, medianTimeToBan],
    bans: contender.bans.slice(0, MOST_ROWS).map(banRow),
    unlisted: Math.max(0, contender.bans.length - MOST_ROWS),
    alerts: contender.anomalies.slice(0, MOST_ALERTS).map(({ since, until, verdict }) => ({
      time: timeText(since),
      text: `${until === null ? "global anomaly, to the end of the log" : `global anomaly for ${spanText(until - since)}`}; when it was told: ${printable(trafficWords(verdict), 400)}`,
    })),
  };
}

function trafficWords(verdict: GlobalVerdict): string {
  return trafficRows(verdict, 2)
    .map(([name, text]) => `${name} ${text}`)
    .join("; ");
}

function banRow(ban: Ban): BanRow {
  const took = timeToBan(ban);
  return {
    time: timeText(ban.since).replace("Z", ""),
    iso: new Date(ban.since).toISOString(),
    source: ban.source,
    offence: ordinal(ban.banCount),
    duration: banLengthText(ban),
    took: took === null ? "–" : spanText(took),
    why: printable(causeText(ban), 300),
    evidence:
      ban.cause.scope === "source"
        ? evidenceRows(ban, ban.cause).map(([name, text]) => [name, printable(text, 400)] as const)
        : [],
  };
}

function differenceModel(first: Contender, second: Contender): DifferenceModel {
  const told = difference(first, second);
  const only = (name: string, banned: readonly Banned[]) => ({
    name: printable(name, 60),
    sources: banned.slice(0, MOST_NAMES).map(([source, bans]) => (bans === 1 ? source : `${source} ×${bans}`)),
    more: Math.max(0, banned.length - MOST_NAMES),
  });
  return {
    both: counted(told.both, "source"),
    only: [only(first.name, told.onlyFirst), only(second.name, told.onlySecond)],
  };
}

const HOUR = 3_600_000;

/** Seven times in UTC, as precise as the span asks for. */
function timeAxis({ from, to }: Frame): AxisTick[] {
  const span = to - from;
  const cut = span < 10 * 60_000 ? [11, 19] : span < 36 * HOUR ? [11, 16] : span < 20 * 24 * HOUR ? [5, 16] : [0, 10];
  return Array.from({ length: 7 }, (_, i) => ({
    at: percent(i, 6),
    text: timeText(from + (span * i) / 6).slice(cut[0], cut[1]),
    anchor: i === 0 ? "start" : i === 6 ? "end" : "middle",
    minor: i % 3 !== 0,
  }));
}
