/**
 * Charts as ready SVG attribute values. Each has two layers: curves in a stretched viewBox (geometry.ts), and
 * labels and markers placed in percent so that text never stretches. [pure]
 */
import type { BaselineSnapshot, Outcome } from "../decision.ts";
import type { HistoryPoint } from "../status.ts";
import {
  bandPath,
  curve,
  frameOf,
  HEIGHT,
  leftEnd,
  MAX_POINTS,
  niceScale,
  percent,
  round,
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
  readonly bars: readonly {
    readonly x: number;
    readonly y: number;
    readonly height: number;
    /** Top of the thin line: mean + one standard deviation. */
    readonly deviation: number;
    readonly state: "learned" | "current" | "empty";
    readonly title: string;
  }[];
  readonly barWidth: number;
  readonly y: readonly Tick[];
  readonly x: readonly Tick[];
  readonly summary: string;
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
  const pitch = WIDTH / Math.max(1, hours.length);
  const barWidth = Math.round(pitch * 0.62);
  const frame = { from: 0, to: 1, top: scale.top };
  return {
    barWidth,
    bars: hours.map((slot, hour) => {
      const top = slot ? y(slot.mean, frame) : HEIGHT;
      return {
        x: Math.round(hour * pitch + (pitch - barWidth) / 2),
        y: top,
        height: round(HEIGHT - top),
        deviation: slot ? y(slot.mean + slot.stddev, frame) : HEIGHT,
        state: slot === null ? "empty" : hour === current ? "current" : "learned",
        title: slot
          ? `${hourName(hour)}: ${slot.mean.toFixed(2)} ± ${slot.stddev.toFixed(2)} req/s, ${slot.samples} samples`
          : `${hourName(hour)}: not learned yet`,
      } as const;
    }),
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

function hourSummary(learned: readonly { readonly slot: BaselineSnapshot; readonly hour: number }[]): string {
  if (learned.length === 0) return "No hour of the day has been learned yet.";
  const sorted = [...learned].sort((a, b) => a.slot.mean - b.slot.mean);
  const word = ({ slot, hour }: (typeof learned)[number]) => `${hourName(hour)} with ${slot.mean.toFixed(2)}`;
  return `${learned.length} of 24 hours learned. Quietest ${word(sorted[0]!)}, busiest ${word(sorted.at(-1)!)} requests per second.`;
}

export function hourName(hour: number): string {
  return `${String(hour).padStart(2, "0")}:00`;
}
