/** The traffic of the last days, for the chart and for machines. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Outcome } from "../decision.ts";
import type { HistorySpan, SystemStatus } from "../status.ts";
import { pastChart, type RateChart } from "./chart.ts";
import { LIVE, type Range } from "./range.ts";
import type { Zone } from "./zone.ts";

/** Drawn at most once a minute, whoever looks: nothing in it is finer than that. */
export interface Past {
  readonly range: Range;
  /** Null while there is nothing to draw. */
  readonly chart: RateChart | null;
  /** When what is known begins, if that is later than the range; else null. */
  readonly begins: EpochMs | null;
}

/** A stretch of the past up to `to`. */
export interface Stretch {
  readonly range: Range;
  readonly to: EpochMs;
  readonly spans: readonly HistorySpan[];
}

export function pastOf(stretch: Stretch, status: SystemStatus, zone: Zone): Past {
  const { range, to, spans } = stretch;
  const first = spans[0];
  const begins = first === undefined ? null : first.at - range.stepMs;
  return {
    range,
    chart: pastChart(spans, { range, to }, eventsOf(status), zone),
    begins: begins !== null && begins > to - range.spanMs + range.stepMs ? begins : null,
  };
}

/** The body of GET /api/v1/history. Times in epoch milliseconds, rates per second. */
export function historyBody({ range, to, spans }: Stretch): object {
  return { range: range.name, from: to - range.spanMs, to, stepMs: range.stepMs, points: spans };
}

/** The last half hour as such a stretch; a point is as long as a span, so its peak is its rate. */
export function liveStretch({ engine }: SystemStatus): Stretch {
  const spans = engine.history.map(
    ({ at, rate, errorRate, mean, stddev, trigger }): HistorySpan => ({
      ...{ at, rate, errorRate, peak: rate },
      ...{ mean, stddev, trigger },
    }),
  );
  return { range: LIVE, to: engine.history.at(-1)?.at ?? engine.at, spans };
}

/** What was done lately, and before that the bans that are still in force. */
function eventsOf({ outcomes, engine }: SystemStatus): readonly Outcome[] {
  const told = new Set(outcomes.map(({ decision }) => (decision.kind === "ban" ? decision.ban : null)));
  const older = engine.bans.flatMap(({ ban, enforcement }): Outcome[] => {
    if (told.has(ban) || enforcement === "failed") return [];
    return [{ decision: { kind: "ban", at: ban.since, ban }, result: "done", at: ban.since }];
  });
  return [...older, ...outcomes].sort((a, b) => a.decision.at - b.decision.at);
}
