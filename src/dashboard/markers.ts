/** What was done, as marks on the time axis of the chart. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Outcome } from "../decision.ts";
import { visibleText } from "./format.ts";
import { type Frame, round, x } from "./geometry.ts";

export interface Marker {
  readonly kind: "ban" | "unban" | "alert";
  readonly x: string;
  /** Only the newest events have room for words; the others are arrows at the foot of the plot. */
  readonly label: { readonly text: string; readonly more: string; readonly side: "left" | "right" } | null;
}

/** A time at which the whole site was anomalous, in units of the stretched viewBox. */
export interface Surge {
  readonly x: number;
  readonly width: number;
}

/** From the first alert of an anomaly to its end, or to the right edge while it fires. */
export function surgeSpans(outcomes: readonly Outcome[], frame: Frame): readonly Surge[] {
  const ends = new Map<EpochMs, EpochMs>();
  for (const { decision } of outcomes) {
    if (decision.kind !== "alert" || decision.alert.type !== "global-anomaly") continue;
    ends.set(decision.alert.since, decision.alert.state === "resolved" ? decision.at : frame.to);
  }
  return [...ends].flatMap(([since, end]) => {
    const left = x(since, frame);
    const width = round(x(end, frame) - left);
    return width > 0 ? [{ x: left, width }] : [];
  });
}

/** Room a label takes, in percent of the plot's width. */
const LABEL_ROOM = 17;

export function markersOf(outcomes: readonly Outcome[], frame: Frame): Marker[] {
  const events = outcomes
    .flatMap((outcome) => eventOf(outcome))
    .filter(({ at }) => at >= frame.from && at <= frame.to)
    .map((event) => ({ ...event, left: (100 * (event.at - frame.from)) / (frame.to - frame.from) }));
  const taken: [number, number][] = [];
  const labels = new Map<(typeof events)[number], "left" | "right">();
  // Alerts first, then the newest bans: they get words as long as there is room.
  for (const event of [...events].reverse().sort((a, b) => rank(a.kind) - rank(b.kind))) {
    if (event.kind === "unban") break;
    const side = event.left > 100 - LABEL_ROOM ? "left" : "right";
    const room: [number, number] =
      side === "left" ? [event.left - LABEL_ROOM, event.left] : [event.left, event.left + LABEL_ROOM];
    if (taken.some(([from, to]) => room[0] < to && room[1] > from)) continue;
    taken.push(room);
    labels.set(event, side);
  }
  return events.map((event) => {
    const side = labels.get(event);
    return {
      kind: event.kind,
      x: `${round(event.left, 2)}%`,
      label: side ? { text: event.kind.toUpperCase(), more: event.subject, side } : null,
    };
  });
}

function rank(kind: Marker["kind"]): number {
  return kind === "alert" ? 0 : kind === "ban" ? 1 : 2;
}

function eventOf({ decision }: Outcome): { kind: Marker["kind"]; at: EpochMs; subject: string }[] {
  switch (decision.kind) {
    case "ban":
    case "unban":
      return [{ kind: decision.kind, at: decision.at, subject: visibleText(decision.ban.source, 45) }];
    case "alert":
      if (decision.alert.type === "circuit-breaker") {
        return decision.alert.state === "open" ? [{ kind: "alert", at: decision.at, subject: "circuit breaker" }] : [];
      }
      if (decision.alert.type === "ban-ineffective")
        return [{ kind: "alert", at: decision.at, subject: "ineffective" }];
      return decision.alert.state === "firing" ? [{ kind: "alert", at: decision.at, subject: "global" }] : [];
    case "baseline":
      return [];
    default:
      return decision satisfies never;
  }
}
