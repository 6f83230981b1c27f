/** The summary for machines: `replay --json`. [pure] */
import { replayEvent } from "../events.ts";
import { type Contender, timeToBan } from "./contender.ts";
import { difference } from "./difference.ts";
import type { SessionStatus } from "./session.ts";

/** Times in epoch milliseconds, spans in seconds. */
export function jsonSummary(contenders: readonly Contender[], status: SessionStatus, seconds: number): object {
  const [first, second] = contenders;
  const told = first && second ? difference(first, second) : undefined;
  const banned = (list: readonly (readonly [string, number])[]) => list.map(([source, bans]) => ({ source, bans }));
  return {
    lines: status.records,
    seconds: Number(seconds.toFixed(3)),
    notCounted: {
      failures: status.failures,
      late: status.late,
      unconfirmed: status.unconfirmed,
      oversized: status.oversized,
    },
    configurations: contenders.map((contender) => oneConfiguration(contender)),
    ...(told && {
      difference: { onlyFirst: banned(told.onlyFirst), onlySecond: banned(told.onlySecond), both: told.both },
    }),
  };
}

function oneConfiguration(contender: Contender): object {
  const median = contender.medianTimeToBan();
  return {
    name: contender.name,
    profile: contender.config.detection.profile,
    bans: contender.bans.length,
    sources: contender.bansBySource().map(([source, bans]) => ({ source, bans })),
    alerts: contender.alerts.length,
    dropped: contender.dropped,
    firstBanAt: contender.bans[0]?.since ?? null,
    medianTimeToBanSeconds: median === null ? null : median / 1000,
    decisions: [
      ...contender.bans.map((ban) => {
        const took = timeToBan(ban);
        const timeToBanSeconds = took === null ? null : took / 1000;
        return { ...replayEvent({ kind: "ban", at: ban.since, ban }), timeToBanSeconds };
      }),
      ...contender.alerts.flatMap(({ at, alert }) => replayEvent({ kind: "alert", at, alert }) ?? []),
    ].sort((a, b) => (a.ts ?? 0) - (b.ts ?? 0)),
  };
}
