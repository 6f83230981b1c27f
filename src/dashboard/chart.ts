/**
 * Charts as ready SVG attribute values. Each has two layers: curves in a stretched viewBox (geometry.ts), and
 * labels and markers placed in percent so that text never stretches. [pure]
 */
import type { BaselineSnapshot, Outcome } from "../decision.ts";
import type { HistoryPoint } from "../status.ts";
import {
  bandPath,
  curve,
  type Frame,
  frameOf,
  HEIGHT,
  leftEnd,
  MAX_POINTS,
  niceScale,
  percent,
  steps,
  type Tick,
  thin,
  timeTicks,
  valueTicks,
  WIDTH,
  y,
} from "./geometry.ts";
import { type Marker, markersOf, type Surge, surgeSpans } from "./markers.ts";
import type { Zone } from "./zone.ts";

export interface RateChart {
  readonly observed: string;
  readonly area: string;
  /** Everything above the trigger, and everything below it: clip paths for the red and the plain part. */
  readonly above: string;
  readonly below: string;
  readonly band: string;
  readonly mean: string;
  readonly trigger: string;
  readonly triggerLabel: { readonly y: string; readonly text: string };
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

/** The observed rate against what was learned, with what was done about it. Null while there is no history. */
export function rateChart(
  history: readonly HistoryPoint[],
  outcomes: readonly Outcome[],
  zone: Zone,
): RateChart | null {
  const points = thin(history, MAX_POINTS);
  const last = points.at(-1);
  if (!last) return null;
  const scale = niceScale(Math.max(...points.map((p) => Math.max(p.rate, p.trigger * 1.15, p.mean))));
  const frame = frameOf(points, scale.top);
  const observed = curve(points, (p) => p.rate, frame);
  const trigger = steps(points, (p) => p.trigger, frame);
  const start = leftEnd(points, frame);
  const peak = points.reduce((a, b) => (b.rate > a.rate ? b : a));
  return {
    observed,
    area: `${observed}L${WIDTH} ${HEIGHT}H${start}Z`,
    above: `${trigger}V0H${start}Z`,
    below: `${trigger}V${HEIGHT}H${start}Z`,
    band: bandPath(points, frame),
    mean: steps(points, (p) => p.mean, frame),
    trigger,
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

/** Mean and standard deviation as steps: each recalculation is one. Null while there is no history. */
export function baselineChart(history: readonly HistoryPoint[], zone: Zone): BaselineChart | null {
  const points = thin(history, MAX_POINTS);
  const last = points.at(-1);
  if (!last) return null;
  const scale = niceScale(Math.max(...points.map((p) => Math.max(p.mean, p.stddev))));
  const frame = frameOf(points, scale.top);
  const means = points.map((p) => p.mean);
  return {
    mean: steps(points, (p) => p.mean, frame),
    stddev: steps(points, (p) => p.stddev, frame),
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
