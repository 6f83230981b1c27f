import type { Config } from "../config/schema.ts";
import type { Tuning } from "./tuning.ts";
import { scaled, type Thresholds, Trigger } from "./verdict.ts";

/** What follows from the settings alone, made once for them: all of it is needed for every request. */
export interface Bars {
  readonly isContract: boolean;
  readonly windowSeconds: number;
  readonly thresholds: Thresholds;
  readonly tightened: Thresholds;
  readonly trigger: Trigger;
  readonly tightenedTrigger: Trigger;
  readonly sustained: Trigger;
  readonly tightenedSustained: Trigger;
}

export function barsOf(settings: Config["detection"], { sustainedShare }: Tuning): Bars {
  const thresholds: Thresholds = { zScore: settings.z_score, rateMultiple: settings.rate_multiple };
  const tightened = scaled(thresholds, settings.error_surge.tighten);
  return {
    isContract: settings.profile === "contract",
    windowSeconds: settings.window / 1000,
    thresholds,
    tightened,
    trigger: new Trigger(thresholds),
    tightenedTrigger: new Trigger(tightened),
    sustained: new Trigger(thresholds, sustainedShare),
    tightenedSustained: new Trigger(tightened, sustainedShare),
  };
}
