/**
 * From times and values to SVG paths. Curves live in a viewBox of 1000 × 100 that is stretched to any size (strokes
 * do not scale); y grows downwards. [pure]
 */
import type { EpochMs } from "../accesslog/record.ts";
import type { HistoryPoint } from "../status.ts";
import type { Zone } from "./zone.ts";

/** Most points drawn in one curve: about one for four pixels of a wide screen. */
export const MAX_POINTS = 200;
/** One point for two pixels of a spark line. */
const SPARK_POINTS = 33;
export const WIDTH = 1000;
export const HEIGHT = 100;
/** How long a single point is drawn. */
const DASH = 8;
/** A history shorter than this is drawn at the right end of a minute, not stretched over the whole width. */
const SHORTEST_MS = 60_000;

/** A label on an axis, placed in percent of the plot. `minor` ones are left out on a narrow screen. */
export interface Tick {
  readonly at: string;
  readonly text: string;
  readonly anchor: "start" | "middle" | "end";
  readonly minor: boolean;
}

/** Maps times and values to the stretched viewBox. */
export interface Frame {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly top: number;
}

/** At most `most` items; each stands for a run of them and is the busiest of its run, so no excursion is lost. */
export function thin<P extends { readonly rate: number }>(points: readonly P[], most: number): readonly P[] {
  if (points.length <= most) return points;
  const kept: P[] = [];
  for (let i = 0; i < most; i++) {
    const end = Math.floor(((i + 1) * points.length) / most);
    let busiest = points[Math.floor((i * points.length) / most)]!;
    for (let j = Math.floor((i * points.length) / most); j < end; j++) {
      if (points[j]!.rate > busiest.rate) busiest = points[j]!;
    }
    // The newest point is what the words beside the chart say, so it is drawn as it is.
    kept.push(i === most - 1 ? points.at(-1)! : busiest);
  }
  return kept;
}

export interface Scale {
  readonly top: number;
  readonly step: number;
}

/** The least "round" upper edge at or above `max` with four or five even steps: 0, 10, 20 … 50. Never zero. */
export function niceScale(max: number): Scale {
  const wanted = Number.isFinite(max) && max > 0 ? max : 1;
  const power = 10 ** Math.floor(Math.log10(wanted / 5));
  for (const factor of [1, 2, 2.5, 5, 10, 20]) {
    const step = factor * power;
    const count = Math.ceil(round(wanted / step, 6));
    if (count <= 5) return { top: round(step * count, 9), step: round(step, 9) };
  }
  return { top: wanted, step: wanted / 5 };
}

export function frameOf(points: readonly Moment[], top: number): Frame {
  const to = points.at(-1)!.at;
  return { from: Math.min(points[0]!.at, to - SHORTEST_MS), to, top };
}

/** A thousandth of the width is finer than a pixel. */
export function x(at: EpochMs, frame: Frame): number {
  return Math.round(WIDTH * share(at - frame.from, frame.to - frame.from));
}

export function y(value: number, frame: Frame): number {
  return round(HEIGHT * (1 - share(value, frame.top)));
}

/** `value` of `whole`, kept inside 0–1; a value that is no number counts as 0. */
function share(value: number, whole: number): number {
  return whole > 0 && value > 0 ? Math.min(1, value / whole) : 0;
}

export function round(n: number, digits = 1): number {
  return Number(n.toFixed(digits));
}

export function percent(n: number, whole: number): string {
  return `${round((100 * n) / whole, 2)}%`;
}

/** Half a day before midnight is in the day before, also when clocks change. */
const HALF_DAY_MS = 43_200_000;

type Corner = readonly [x: number, y: number];

/** A moment of a chart. */
type Moment = Pick<HistoryPoint, "at">;

/** Runs of points no further apart than `gapMs`: between two runs nobody looked, so nothing is drawn there. */
export function runsOf<P extends Moment>(points: readonly P[], gapMs: number): readonly (readonly P[])[] {
  const runs: P[][] = [];
  let before = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    if (point.at - before > gapMs) runs.push([]);
    runs.at(-1)!.push(point);
    before = point.at;
  }
  return runs;
}

/** A line through every point; a single point becomes a short dash, because a dot would be invisible. */
export function curve<P extends Moment>(points: readonly P[], value: (p: P) => number, frame: Frame): string {
  const corners = points.map((p): Corner => [x(p.at, frame), y(value(p), frame)]);
  return polyline(corners.length === 1 ? [[leftEnd(points, frame), corners[0]![1]], corners[0]!] : corners);
}

/** A staircase: a value holds until the point where it changes. */
export function steps<P extends Moment>(points: readonly P[], value: (p: P) => number, frame: Frame): string {
  return polyline(stairs(points, value, frame));
}

/** Mean ± 3 standard deviations, closed: along the upper edge and back along the lower one. */
export function bandPath(points: readonly Pick<HistoryPoint, "at" | "mean" | "stddev">[], frame: Frame): string {
  const upper = stairs(points, (p) => p.mean + 3 * p.stddev, frame);
  const lower = stairs(points, (p) => p.mean - 3 * p.stddev, frame);
  return `${polyline([...upper, ...lower.reverse()])}Z`;
}

function stairs<P extends Moment>(points: readonly P[], value: (p: P) => number, frame: Frame): Corner[] {
  let level = y(value(points[0]!), frame);
  const corners: Corner[] = [[leftEnd(points, frame), level]];
  for (const point of points) {
    const next = y(value(point), frame);
    if (next !== level) corners.push([x(point.at, frame), level], [x(point.at, frame), next]);
    level = next;
  }
  return [...corners, [rightEnd(points, frame), level]];
}

/** Where the curves of a run begin. */
export function leftEnd(points: readonly Moment[], frame: Frame): number {
  const first = x(points[0]!.at, frame);
  return points.length === 1 ? Math.max(0, first - DASH) : first;
}

/** Where they end. */
export function rightEnd(points: readonly Moment[], frame: Frame): number {
  return x(points.at(-1)!.at, frame);
}

/**
 * One absolute start and then relative steps: steps repeat where positions do not, so the curves of a poll pack to
 * half. Each step leads from one rounded position to the next; nothing drifts.
 */
function polyline(corners: readonly Corner[]): string {
  let [atX, atY] = corners[0]!;
  let path = `M${atX} ${atY}`;
  for (const [nextX, nextY] of corners.slice(1)) {
    const [dx, dy] = [round(nextX - atX), round(nextY - atY)];
    path += dy === 0 ? `h${dx}` : dx === 0 ? `v${dy}` : `l${dx} ${dy}`;
    [atX, atY] = [nextX, nextY];
  }
  return path;
}

export function valueTicks({ top, step }: Scale): Tick[] {
  // As many decimals as the step itself has: 2.5, 5.0, 7.5.
  const digits = Math.min(4, String(step).split(".")[1]?.length ?? 0);
  return Array.from({ length: Math.round(top / step) + 1 }, (_, i) => ({
    at: percent(top - i * step, top),
    text: (i * step).toFixed(digits),
    anchor: "end",
    minor: false,
  }));
}

/** Seven times at even distances; with seconds when the whole chart spans only a few minutes. */
export function timeTicks(frame: Frame, zone: Zone): Tick[] {
  const span = frame.to - frame.from;
  const word = (at: EpochMs) => (span < 600_000 ? zone.stamp(at).text : zone.minute(at));
  return Array.from({ length: 7 }, (_, i) => ({
    at: percent(i, 6),
    text: word(frame.from + (span * i) / 6),
    anchor: i === 0 ? "start" : i === 6 ? "end" : "middle",
    minor: i % 2 === 1,
  }));
}

/** The midnights of the page's zone, every `days` days back from the last one. */
export function dayTicks(frame: Frame, zone: Zone, days: number): Tick[] {
  const ticks: Tick[] = [];
  let midnight = zone.midnight(frame.to);
  for (let i = 0; midnight >= frame.from; midnight = zone.midnight(midnight - HALF_DAY_MS), i++) {
    if (i % days !== 0) continue;
    const at = (100 * (midnight - frame.from)) / (frame.to - frame.from);
    const anchor = at < 4 ? "start" : at > 96 ? "end" : "middle";
    ticks.unshift({ at: percent(at, 100), text: zone.date(midnight), anchor, minor: (i / days) % 2 === 1 });
  }
  return ticks;
}

export interface Spark {
  readonly line: string;
  readonly area: string;
}

/** A curve of 64 × 26 without axes. `top` is the value at the upper edge. Null for fewer than two values. */
export function spark(values: readonly number[], top: number): Spark | null {
  const kept = thin(
    values.map((rate) => ({ rate })),
    SPARK_POINTS,
  );
  if (kept.length < 2) return null;
  const step = 64 / (kept.length - 1);
  const line = polyline(kept.map(({ rate }, i) => [round(i * step), round(25 - 24 * share(rate, top))]));
  return { line, area: `${line}V26H0Z` };
}
