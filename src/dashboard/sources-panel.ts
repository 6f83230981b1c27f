/** The busiest sources, each against its own trigger. [pure] */
import type { SourceStatus, SystemStatus } from "../status.ts";
import { countText, NOTHING, percentFigure, signed, visibleText, windowText } from "./format.ts";
import type { Empty } from "./model.ts";
import type { Zone } from "./zone.ts";

const ROWS = 10;
/** The bar ends at one and a half times the trigger, so the trigger's mark stands at two thirds. */
const BAR_END = 1.5;

export interface SourcesPanel {
  readonly meta: string;
  readonly rows: readonly SourceRow[];
  readonly empty: Empty;
}

export interface SourceRow {
  /** Stable over polls, so that a row keeps its place in the document. */
  readonly id: string;
  readonly source: string;
  readonly rate: string;
  readonly bar: { readonly width: number; readonly tone: "plain" | "warn" | "bad"; readonly label: string };
  readonly errors: { readonly text: string; readonly high: boolean };
  readonly zScore: { readonly text: string; readonly high: boolean };
  readonly path: string;
  readonly state: { readonly text: string; readonly tone: "mute" | "warn" | "info" | "bad"; readonly title: string };
}

export function sourcesPanel({ engine, log }: SystemStatus, zone: Zone): SourcesPanel {
  const { top, active } = engine.sources;
  const rows = top.slice(0, ROWS).map(rowOf);
  const shown = active > rows.length ? `${rows.length} of ${countText(active)} · ` : "";
  return {
    meta: `${shown}${windowText(engine.windowMs)} window, bar ends at ${BAR_END} × trigger`,
    rows,
    empty: emptyOf(log, engine.windowMs, zone),
  };
}

function rowOf(source: SourceStatus): SourceRow {
  const ofTrigger = source.triggerRate > 0 ? source.comparedRate / source.triggerRate : 0;
  const errorShare = source.requests > 0 ? source.errors / source.requests : 0;
  return {
    id: rowId("s", source.source),
    source: source.source,
    rate: source.rate.toFixed(2),
    bar: {
      width: Number((100 * Math.min(1, Math.max(0, ofTrigger) / BAR_END)).toFixed(1)),
      tone: ofTrigger > 1 ? "bad" : ofTrigger > 0.5 ? "warn" : "plain",
      label: `${percentFigure(ofTrigger)} percent of trigger`,
    },
    errors: { text: `${(100 * errorShare).toFixed(0)} %`, high: errorShare >= 0.25 && source.errors >= 5 },
    zScore: { text: signed(source.zScore), high: ofTrigger > 0.5 },
    path: source.topPath === null ? NOTHING : visibleText(source.topPath, 120) || "(empty request line)",
    state: stateOf(source),
  };
}

function stateOf(source: SourceStatus): SourceRow["state"] {
  const notes = [
    `compared ${source.comparedRate.toFixed(2)} with trigger ${source.triggerRate.toFixed(2)} req/s`,
    ...(source.tightened ? ["tightened by an error surge"] : []),
    ...(source.trusted ? ["has proved an account"] : []),
  ].join(", ");
  switch (source.state) {
    case "normal":
      return { text: source.trusted ? "trusted" : "normal", tone: "mute", title: notes };
    case "watching":
      return { text: source.tightened ? "tightened" : "watching", tone: "warn", title: notes };
    case "allowed":
      return { text: "allowed", tone: "info", title: notes };
    case "banned":
      return { text: "banned", tone: "bad", title: notes };
    default:
      return source.state satisfies never;
  }
}

function emptyOf(log: SystemStatus["log"], windowMs: number, zone: Zone): Empty {
  const path = visibleText(log.path);
  if (!log.open) return { lead: "No log to read", rest: `${path} is not open.` };
  if (log.newestAt === null)
    return { lead: "No traffic yet", rest: `${path} is open; it has had no readable line so far.` };
  return {
    lead: "Nobody here right now",
    rest: `No request in the last ${windowText(windowMs)}; the newest line is of ${zone.day(log.newestAt).text}.`,
  };
}

/** An id for the DOM out of an address: "s-2001-db8--1". Distinct sources get distinct ids. */
export function rowId(prefix: string, source: string): string {
  return `${prefix}-${source.replace(/[^0-9a-f]/gi, (c) => (c === "." ? "_" : c === "/" ? "--p" : "-"))}`;
}
