/** The key figures on top of the page: each says what it is compared with. [pure] */
import type { SystemStatus } from "../status.ts";
import { bytesText, countText, NOTHING, percentFigure, rateFigure, signed, windowText } from "./format.ts";
import { type Spark, spark } from "./geometry.ts";
import type { Part } from "./model.ts";

export interface Kpi {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly unit: string;
  readonly note: readonly Part[];
  readonly spark: Spark | null;
}

export function kpis(status: SystemStatus): readonly Kpi[] {
  return [
    requests(status),
    errors(status),
    sources(status),
    bans(status),
    dropped(status),
    cpu(status),
    memory(status),
  ];
}

function requests({ engine }: SystemStatus): Kpi {
  const { site, history } = engine;
  const recent = history.slice(-60).map((point) => point.rate);
  return {
    id: "requests",
    label: "Requests",
    value: rateFigure(site.rate),
    unit: "req/s",
    note: [
      { text: `z ${signed(site.zScore)}`, tone: site.anomaly ? "bad" : "strong" },
      { text: ` · baseline ${site.baseline.mean.toFixed(1)} ± ${site.baseline.stddev.toFixed(1)}` },
    ],
    spark: spark(recent, Math.max(...recent) * 1.2),
  };
}

function errors({ engine }: SystemStatus): Kpi {
  const { site } = engine;
  const none = site.requests === 0;
  return {
    id: "errors",
    label: "Errors 4xx/5xx",
    value: none ? NOTHING : percentFigure(site.errors / site.requests),
    unit: none ? "" : "%",
    note: [{ text: `${rateFigure(site.errorRate)}/s · baseline ${rateFigure(site.baseline.errorRate)}/s` }],
    spark: null,
  };
}

function sources({ engine }: SystemStatus): Kpi {
  const near = engine.sources.aboveHalfTrigger;
  return {
    id: "sources",
    label: `Sources, ${windowText(engine.windowMs)}`,
    value: countText(engine.sources.active),
    unit: "",
    note:
      near === 0
        ? [{ text: "none above half its trigger" }]
        : [
            { text: `${countText(near)} above half`, tone: "warn" },
            { text: ` ${near === 1 ? "its" : "their"} trigger` },
          ],
    spark: null,
  };
}

function bans({ engine }: SystemStatus): Kpi {
  const permanent = engine.bans.filter(({ ban }) => ban.until === "permanent").length;
  return {
    id: "bans",
    label: "Active bans",
    value: countText(engine.bans.length),
    unit: "",
    note: [{ text: `${countText(permanent)} permanent · ${countText(engine.counters.bans)} in all` }],
    spark: null,
  };
}

function dropped({ firewall }: SystemStatus): Kpi {
  return {
    id: "dropped",
    label: "Dropped at firewall",
    value: countText(firewall.droppedPackets),
    unit: firewall.droppedPackets === 1 ? "packet" : "packets",
    note: [{ text: `${bytesText(firewall.droppedBytes)} discarded` }],
    spark: null,
  };
}

function cpu({ host, hostHistory }: SystemStatus): Kpi {
  const past = hostHistory.map((point) => point.cpu);
  return {
    id: "cpu",
    label: "CPU",
    value: percentFigure(host.cpu),
    unit: "%",
    note: [
      { text: `load ${host.load1.toFixed(2)}/${host.cpus} · own ` },
      { text: `${percentFigure(host.processCpu)} %`, tone: "strong" },
    ],
    // A tenth is the least upper edge: below it the noise of an idle machine would look like work.
    spark: spark(past, Math.max(0.1, ...past)),
  };
}

function memory({ host, hostHistory }: SystemStatus): Kpi {
  return {
    id: "memory",
    label: "Memory",
    value: percentFigure(host.memoryUsedBytes / host.memoryTotalBytes),
    unit: "%",
    note: [
      { text: `of ${bytesText(host.memoryTotalBytes)} · detector ` },
      { text: bytesText(host.processMemoryBytes), tone: "strong" },
    ],
    spark: spark(
      hostHistory.map((point) => point.memory),
      1,
    ),
  };
}
