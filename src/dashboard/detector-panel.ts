/** What the detector compares with at this moment. [pure] */
import type { BaselineSnapshot } from "../decision.ts";
import type { SystemStatus } from "../status.ts";
import { hourName } from "./chart.ts";
import type { Sentence } from "./condition.ts";
import { countdownText, countText, plural } from "./format.ts";
import { type Check, healthStrip } from "./health-panel.ts";
import type { Part } from "./model.ts";

export interface DetectorPanel {
  readonly sentence: Sentence;
  readonly facts: readonly { readonly name: string; readonly value: readonly Part[] }[];
  readonly checks: readonly Check[];
}

export function detectorPanel(status: SystemStatus, sentence: Sentence): DetectorPanel {
  const { site, sources, nextRecalculationAt, at } = status.engine;
  return {
    sentence,
    facts: [
      { name: "Baseline", value: originParts(site.baseline) },
      {
        name: "Mean, σ",
        value: [
          { text: site.baseline.mean.toFixed(2), tone: "strong" },
          { text: ` ± ${site.baseline.stddev.toFixed(2)} req/s · next in ${countdownText(nextRecalculationAt - at)}` },
        ],
      },
      {
        name: "Global trigger",
        value: [
          { text: "above " },
          { text: site.triggerRate.toFixed(1), tone: "strong" },
          { text: ` req/s (z > ${site.thresholds.zScore} or ${site.thresholds.rateMultiple} × mean)` },
        ],
      },
      {
        name: "Per-source trigger",
        value: [
          { text: "above " },
          { text: sources.triggerRate.toFixed(1), tone: "strong" },
          { text: " req/s · " },
          { text: sources.tightenedTriggerRate.toFixed(1), tone: "strong" },
          { text: " when errors surge" },
        ],
      },
    ],
    checks: healthStrip(status),
  };
}

function originParts(baseline: BaselineSnapshot): readonly Part[] {
  const samples = { text: `, ${plural(baseline.samples, "sample")}` };
  switch (baseline.from) {
    case "hour":
      return [{ text: "hour slot " }, { text: `${hourName(baseline.hour ?? 0)} UTC`, tone: "strong" }, samples];
    case "rolling":
      return [{ text: "rolling", tone: "strong" }, samples];
    case "floor":
      return [
        { text: "floor", tone: "strong" },
        { text: `: least values, ${countText(baseline.samples)} samples so far` },
      ];
    default:
      return baseline.from satisfies never;
  }
}
