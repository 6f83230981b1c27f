/**
 * Charts as ready SVG attribute values. Each has two layers: curves in a stretched viewBox (geometry.ts), and
 * labels and markers placed in percent so that text never stretches. [pure]
 */
import type { EpochMs } from "../accesslog/record.ts";
import type { BaselineSnapshot, Outcome } from "../decision.ts";
import type { HistoryPoint, HistorySpan } from "../status.ts";
import { spanText } from "../wording.ts";
import {
  bandPath,
  curve,
  dayTicks,
  type Frame,
  frameOf,
  HEIGHT,
  leftEnd,
  MAX_POINTS,
  niceScale,
  percent,
  rightEnd,
  runsOf,
  type Scale,
  steps,
  type Tick,
  thin,
  timeTicks,
  valueTicks,
  WIDTH,
  y,
} from "./geometry.ts";
import { type Marker, markersOf, type Surge, surgeSpans } from "./markers.ts";
import type { Range } from "./range.ts";
import type { Zone } from "./zone.ts";

export interface RateChart {
  readonly observed: string;
  /** The busiest minute of each point; "" where a point is shorter than that. */
  readonly peak: string;
  readonly area: string;
  /** Everything above the trigger, and everything below it: clip paths for the red and the plain part. */
  readonly above: string;
  readonly below: string;
  readonly band: string;
  readonly mean: string;
  readonly trigger: string;
  /** Null over days: the trigger rises and falls with the hours, so no one figure is it. */
  readonly triggerLabel: { readonly y: string; readonly text: string } | null;
  /** Times at which the whole site was anomalous. */
  readonly surges: readonly Surge[];
  readonly markers: readonly Marker[];
  readonly y: readonly Tick[];
  readonly x: readonly Tick[];
  readonly summary: string;
}

export interface BaselineChart {
  readonly mean: string;
  readonly stddev: string;
  readonly y: readonly Tick[];
  readonly x: readonly Tick[];
  readonly summary: string;
}

export interface HourChart {
  readonly bars: readonly HourBar[];
  readonly y: readonly Tick[];
  readonly x: readonly Tick[];
  readonly summary: string;
}

export interface HourBar {
  readonly state: "learned" | "current" | "empty";
  /** From the floor up to the mean; an empty hour has a stub, so that it is seen to be missing. */
  readonly bar: string;
  /** From the mean up by one standard deviation. */
  readonly deviation: string;
  readonly title: string;
}

/** Points of the last half hour further apart than this have a time between them that nobody looked at. */
const LIVE_GAP_MS = 90_000;

/** The observed rate against what was learned, with what was done about it. Null while there is no history. */
export function rateChart(
  history: readonly HistoryPoint[],
  outcomes: readonly Outcome[],
  zone: Zone,
): RateChart | null {
  const points = thin(history, MAX_POINTS);
  const last = points.at(-1);
  if (!last) return null;
  const scale = rateScale(points, (p) => p.rate);
  const frame = frameOf(points, scale.top);
  const peak = points.reduce((a, b) => (b.rate > a.rate ? b : a));
  return {
    ...rateCurves(runsOf(points, LIVE_GAP_MS), (p) => p.rate, frame),
    peak: "",
    triggerLabel: { y: percent(y(last.trigger, frame), HEIGHT), text: `trigger ${last.trigger.toFixed(1)}` },
    surges: surgeSpans(outcomes, frame),
    markers: markersOf(outcomes, frame),
    y: valueTicks(scale),
    x: timeTicks(frame, zone),
    summary:
      `Observed ${last.rate.toFixed(1)}, baseline ${last.mean.toFixed(1)} ± ${last.stddev.toFixed(1)}, ` +
      `trigger ${last.trigger.toFixed(1)} requests per second. ` +
      `Highest ${peak.rate.toFixed(1)} at ${zone.stamp(peak.at).text}.`,
  };
}

/** The same over days: the mean of each span, and its busiest minute, which is what may be above the trigger. */
export function pastChart(
  spans: readonly HistorySpan[],
  { range, to }: { readonly range: Range; readonly to: EpochMs },
  outcomes: readonly Outcome[],
  zone: Zone,
): RateChart | null {
  const last = spans.at(-1);
  if (!last) return null;
  const scale = rateScale(spans, (p) => p.peak);
  const frame: Frame = { from: to - range.spanMs, to, top: scale.top };
  const runs = runsOf(spans, 1.5 * range.stepMs);
  const busiest = spans.reduce((a, b) => (b.peak > a.peak ? b : a));
  return {
    ...rateCurves(runs, (p) => p.peak, frame),
    peak: joined(runs, (run) => curve(run, (p) => p.peak, frame)),
    triggerLabel: null,
    surges: surgeSpans(outcomes, frame),
    markers: markersOf(outcomes, frame),
    y: valueTicks(scale),
    x: range.tickDays === null ? timeTicks(frame, zone) : dayTicks(frame, zone, range.tickDays),
    summary:
      `The last ${range.text}: mean ${meanOf(spans).toFixed(1)} requests per second, ` +
      `busiest minute ${busiest.peak.toFixed(1)} around ${zone.dayMinute(busiest.at - range.stepMs / 2).text}; ` +
      `trigger now ${last.trigger.toFixed(1)}.${gapText(runs, range)}`,
  };
}

type Curved = Pick<HistoryPoint, "at" | "rate" | "mean" | "stddev" | "trigger">;
type Runs<P> = readonly (readonly P[])[];

function rateScale<P extends Curved>(points: readonly P[], upper: (p: P) => number): Scale {
  return niceScale(points.reduce((most, p) => Math.max(most, upper(p), p.trigger * 1.15, p.mean), 0));
}

/** `upper` is the edge of the area, which turns red above the trigger. */
function rateCurves<P extends Curved>(
  runs: Runs<P>,
  upper: (p: P) => number,
  frame: Frame,
): Pick<RateChart, "observed" | "area" | "above" | "below" | "band" | "mean" | "trigger"> {
  const start = (run: readonly P[]) => leftEnd(run, frame);
  const trigger = (run: readonly P[]) => steps(run, (p) => p.trigger, frame);
  return {
    observed: joined(runs, (run) => curve(run, (p) => p.rate, frame)),
    area: joined(runs, (run) => `${curve(run, upper, frame)}L${rightEnd(run, frame)} ${HEIGHT}H${start(run)}Z`),
    above: joined(runs, (run) => `${trigger(run)}V0H${start(run)}Z`),
    below: joined(runs, (run) => `${trigger(run)}V${HEIGHT}H${start(run)}Z`),
    band: joined(runs, (run) => bandPath(run, frame)),
    mean: joined(runs, (run) => steps(run, (p) => p.mean, frame)),
    trigger: joined(runs, trigger),
  };
}

function joined<P>(runs: Runs<P>, draw: (run: readonly P[]) => string): string {
  return runs.map(draw).join("");
}

function meanOf(spans: readonly HistorySpan[]): number {
  return spans.reduce((sum, { rate }) => sum + rate, 0) / spans.length;
}

function gapText(runs: Runs<HistorySpan>, { stepMs }: Range): string {
  const lengths = runs.slice(1).map((run, i) => run[0]!.at - stepMs - runs[i]!.at(-1)!.at);
  if (lengths.length === 0) return "";
  const whole = spanText(lengths.reduce((a, b) => a + b));
  return ` ${lengths.length === 1 ? "One gap" : `${lengths.length} gaps`} without any log, ${whole} in all.`;
}

/** Mean and standard deviation as steps: each recalculation is one. Null while there is no history. */
export function baselineChart(history: readonly HistoryPoint[], zone: Zone): BaselineChart | null {
  const points = thin(history, MAX_POINTS);
  const last = points.at(-1);
  if (!last) return null;
  const scale = niceScale(Math.max(...points.map((p) => Math.max(p.mean, p.stddev))));
  const frame = frameOf(points, scale.top);
  const runs = runsOf(points, LIVE_GAP_MS);
  const means = points.map((p) => p.mean);
  return {
    mean: joined(runs, (run) => steps(run, (p) => p.mean, frame)),
    stddev: joined(runs, (run) => steps(run, (p) => p.stddev, frame)),
    y: valueTicks(scale),
    x: timeTicks(frame, zone),
    summary:
      `Mean now ${last.mean.toFixed(2)}, between ${Math.min(...means).toFixed(2)} and ` +
      `${Math.max(...means).toFixed(2)} since ${zone.minute(points[0]!.at)}; ` +
      `standard deviation now ${last.stddev.toFixed(2)} requests per second.`,
  };
}

/** What each hour of the day (UTC) looks like; `current` is the slot now in use, if one is. */
export function hourChart(hours: readonly (BaselineSnapshot | null)[], current: number | undefined): HourChart {
  const learned = hours.flatMap((slot, hour) => (slot ? [{ slot, hour }] : []));
  const scale = niceScale(Math.max(0, ...learned.map(({ slot }) => slot.mean + slot.stddev)));
  const frame = { from: 0, to: 1, top: scale.top };
  const pitch = WIDTH / Math.max(1, hours.length);
  return {
    bars: hours.map((slot, hour) => hourBar(slot, hour, { frame, pitch, current })),
    y: valueTicks(scale),
    x: [0, 6, 12, 18].map((hour) => ({
      at: percent(hour * pitch + pitch / 2, WIDTH),
      text: hourName(hour),
      anchor: "middle",
      minor: false,
    })),
    summary: hourSummary(learned),
  };
}

interface HourScale {
  readonly frame: Frame;
  /** Width of one hour; the bar takes three fifths of it. */
  readonly pitch: number;
  readonly current: number | undefined;
}

function hourBar(slot: BaselineSnapshot | null, hour: number, { frame, pitch, current }: HourScale): HourBar {
  const left = Math.round((hour + 0.2) * pitch);
  const width = Math.round(0.6 * pitch);
  const column = (top: number) => `M${left} ${HEIGHT}V${top}h${width}V${HEIGHT}Z`;
  const name = hourName(hour);
  if (slot === null)
    return { state: "empty", bar: column(HEIGHT - 2), deviation: "", title: `${name}: not learned yet` };
  const top = y(slot.mean, frame);
  return {
    state: hour === current ? "current" : "learned",
    bar: column(top),
    deviation: `M${left + width / 2} ${top}V${y(slot.mean + slot.stddev, frame)}`,
    title: `${name}: ${slot.mean.toFixed(2)} ± ${slot.stddev.toFixed(2)} req/s, ${slot.samples} samples`,
  };
}

function hourSummary(learned: readonly { readonly slot: BaselineSnapshot; readonly hour: number }[]): string {
  if (learned.length === 0) return "No hour of the day has been learned yet.";
  const sorted = [...learned].sort((a, b) => a.slot.mean - b.slot.mean);
  const word = ({ slot, hour }: (typeof learned)[number]) => `${hourName(hour)} with ${slot.mean.toFixed(2)}`;
  return `${learned.length} of 24 hours learned. Quietest ${word(sorted[0]!)}, busiest ${word(sorted.at(-1)!)} requests per second.`;
}

export function hourName(hour: number): string {
  return `${String(hour).padStart(2, "0")}:00`;
}
