/**
 * SystemStatus to DashboardModel: all arithmetic, rounding and wording of the page. What leaves here is ready to
 * print; a view only places it. Times are epoch milliseconds on the way in, words on the way out. [pure]
 */
import type { SystemStatus } from "../status.ts";
import { spanText } from "../wording.ts";
import { type AuditPanel, auditPanel } from "./audit-panel.ts";
import { type BansPanel, bansPanel } from "./bans-panel.ts";
import { type BaselineChart, baselineChart, type HourChart, hourChart, type RateChart, rateChart } from "./chart.ts";
import { type Banner, conditionOf, type Pill } from "./condition.ts";
import { type DetectorPanel, detectorPanel } from "./detector-panel.ts";
import { plural } from "./format.ts";
import { type HealthPanel, healthPanel } from "./health-panel.ts";
import { type Kpi, kpis } from "./kpis.ts";
import type { Past } from "./past.ts";
import { LIVE, queryOf, RANGES } from "./range.ts";
import { type SourcesPanel, sourcesPanel } from "./sources-panel.ts";
import { createZone, type Stamp, type Zone } from "./zone.ts";

export type { AuditPanel, AuditRow } from "./audit-panel.ts";
export type { BanRow, BansPanel } from "./bans-panel.ts";
export type { BaselineChart, HourChart, RateChart } from "./chart.ts";
export type { Banner, Pill, Sentence, Tone } from "./condition.ts";
export type { DetectorPanel } from "./detector-panel.ts";
export type { Spark, Tick } from "./geometry.ts";
export type { Check, HealthPanel } from "./health-panel.ts";
export type { Kpi } from "./kpis.ts";
export type { Marker } from "./markers.ts";
export type { SourceRow, SourcesPanel } from "./sources-panel.ts";
export type { Stamp } from "./zone.ts";

/** A piece of a line of words; `tone` gives it weight or colour, never meaning of its own. */
export interface Part {
  readonly text: string;
  readonly tone?: "strong" | "ok" | "warn" | "bad";
}

/** A panel without rows says what its emptiness means. */
export interface Empty {
  readonly lead: string;
  readonly rest: string;
}

export interface DashboardModel {
  readonly hostname: string;
  readonly version: string;
  readonly uptime: string;
  readonly updated: Stamp;
  readonly pill: Pill;
  readonly banners: readonly Banner[];
  readonly banCount: number;
  /** For screen readers: changes only when the state or the number of bans does. */
  readonly announcement: string;
  readonly kpis: readonly Kpi[];
  readonly rate: RatePanel;
  readonly detector: DetectorPanel;
  readonly sources: SourcesPanel;
  readonly bans: BansPanel;
  readonly baseline: { readonly meta: string; readonly chart: BaselineChart | null; readonly empty: Empty };
  readonly hours: HourChart;
  readonly audit: AuditPanel;
  readonly health: HealthPanel;
  readonly footer: readonly string[];
}

export interface RatePanel {
  readonly ranges: readonly { readonly text: string; readonly href: string; readonly isCurrent: boolean }[];
  /** What to ask the past with ("?range=24h"); null for the last half hour, which comes with each poll. */
  readonly pastQuery: string | null;
  /** Set while less is known than the range holds. */
  readonly meta: string;
  readonly chart: RateChart | null;
  readonly empty: Empty;
}

/** The server's own. */
export const localZone = createZone();

/** The whole page as data, with the last half hour in its chart, or a `past` that was chosen. */
export function dashboardModel(status: SystemStatus, zone: Zone = localZone, past: Past | null = null): DashboardModel {
  const { engine } = status;
  const condition = conditionOf(status);
  const bans = engine.bans.length;
  return {
    hostname: status.hostname,
    version: status.version,
    uptime: spanText(status.at - status.startedAt),
    updated: zone.stamp(status.at),
    pill: condition.pill,
    banners: condition.banners,
    banCount: bans,
    announcement: `${condition.pill.text}. ${bans === 0 ? "No active bans" : plural(bans, "active ban")}.`,
    kpis: kpis(status),
    rate: ratePanel(status, zone, past),
    detector: detectorPanel(status, condition.sentence),
    sources: sourcesPanel(status, zone),
    bans: bansPanel(status, zone),
    baseline: {
      meta: "learned mean and standard deviation",
      chart: baselineChart(engine.history, zone),
      empty: { lead: "Nothing learned yet", rest: "The first baseline follows the first recalculation." },
    },
    hours: hourChart(engine.hours, engine.site.baseline.from === "hour" ? engine.site.baseline.hour : undefined),
    audit: auditPanel(status, zone),
    health: healthPanel(status, zone),
    footer: [
      `anomaly-detector ${status.version}`,
      `${engine.profile} profile`,
      `times in ${zone.name}, hour slots in UTC`,
    ],
  };
}

function ratePanel({ engine, outcomes }: SystemStatus, zone: Zone, past: Past | null): RatePanel {
  const current = past?.range ?? LIVE;
  const ranges = RANGES.map((range) => ({
    text: range.text,
    href: `/${queryOf(range)}#rate`,
    isCurrent: range === current,
  }));
  if (past !== null) {
    const empty = { lead: "Nothing of that time yet", rest: "A minute of log makes the first point." };
    const meta = past.begins === null ? "" : `since ${zone.dayMinute(past.begins).text}`;
    return { ranges, pastQuery: queryOf(current), meta, chart: past.chart, empty };
  }
  const empty = { lead: "No history yet", rest: "The curve begins with the first seconds of log." };
  const chart = rateChart(engine.history, outcomes, zone);
  return { ranges, pastQuery: null, meta: historyText(engine.history), chart, empty };
}

/** How much there is of the last half hour, while it is less. */
function historyText(history: SystemStatus["engine"]["history"]): string {
  const [first, last] = [history[0], history.at(-1)];
  const span = first && last ? last.at - first.at : 0;
  // Whole minutes, once there are some: the seconds would only flicker.
  const shown = span < 120_000 ? span : Math.round(span / 60_000) * 60_000;
  return span > 0 && shown < LIVE.spanMs ? `last ${spanText(shown)}` : "";
}
