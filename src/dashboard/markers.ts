/** What was done, as marks on the time axis of the chart. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Alert, Outcome } from "../decision.ts";
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
/** Arrows of one kind nearer than this would lie on each other: one stands for all of them. */
const ARROW_ROOM = 0.6;

interface Event {
  readonly kind: Marker["kind"];
  readonly at: EpochMs;
  readonly subject: string;
}

interface Placed extends Event {
  /** Percent of the plot's width. */
  readonly left: number;
}

/** The events inside the frame. Alerts, then the newest bans, get words as long as there is room. */
export function markersOf(outcomes: readonly Outcome[], frame: Frame): readonly Marker[] {
  const placed = outcomes
    .flatMap((outcome) => eventOf(outcome) ?? [])
    .filter(({ at }) => at >= frame.from && at <= frame.to)
    .map((event): Placed => ({ ...event, left: (100 * (event.at - frame.from)) / (frame.to - frame.from) }));
  const labels = labelSides(placed);
  return apart(placed, labels).map((event) => {
    const side = labels.get(event);
    return {
      kind: event.kind,
      x: `${round(event.left, 2)}%`,
      label: side ? { text: event.kind.toUpperCase(), more: event.subject, side } : null,
    };
  });
}

function labelSides(events: readonly Placed[]): ReadonlyMap<Placed, "left" | "right"> {
  const taken: (readonly [from: number, to: number])[] = [];
  const sides = new Map<Placed, "left" | "right">();
  const newestFirst = events.toReversed();
  for (const event of [...newestFirst.filter(is("alert")), ...newestFirst.filter(is("ban"))]) {
    const side = event.left > 100 - LABEL_ROOM ? "left" : "right";
    const from = side === "left" ? event.left - LABEL_ROOM : event.left;
    const to = from + LABEL_ROOM;
    if (taken.some((room) => from < room[1] && to > room[0])) continue;
    taken.push([from, to]);
    sides.set(event, side);
  }
  return sides;
}

function is(kind: Marker["kind"]): (event: Placed) => boolean {
  return (event) => event.kind === kind;
}

/** All labelled events, and of the others as many as can be told apart. */
function apart(events: readonly Placed[], labels: ReadonlyMap<Placed, unknown>): readonly Placed[] {
  const last: Partial<Record<Marker["kind"], number>> = {};
  return events.filter((event) => {
    if (labels.has(event)) return true;
    const before = last[event.kind];
    if (before !== undefined && Math.abs(event.left - before) < ARROW_ROOM) return false;
    last[event.kind] = event.left;
    return true;
  });
}

/** Null for what is no event of its own: a repeated alert, a new baseline, an attempt that failed. */
function eventOf({ decision, result }: Outcome): Event | null {
  if (result === "failed") return null;
  const { at } = decision;
  switch (decision.kind) {
    case "ban":
    case "unban":
      return { kind: decision.kind, at, subject: visibleText(decision.ban.source, 45) };
    case "alert": {
      const subject = alertSubject(decision.alert);
      return subject === null ? null : { kind: "alert", at, subject };
    }
    case "baseline":
    case "mode":
    case "permit":
      return null;
    default:
      return decision satisfies never;
  }
}

function alertSubject(alert: Alert): string | null {
  switch (alert.type) {
    case "global-anomaly":
      return alert.state === "firing" ? "global" : null;
    case "circuit-breaker":
      return alert.state === "open" ? "breaker open" : null;
    case "ban-ineffective":
      return "ineffective";
    case "firewall-mended":
      return "firewall mended";
    case "log-lag":
      return alert.state === "behind" ? "log behind" : null;
    default:
      return alert satisfies never;
  }
}
