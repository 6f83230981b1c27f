/** One configuration in a replay: its engine, and what it would have done. [pure] */
import type { AccessRecord, EpochMs } from "../accesslog/record.ts";
import type { Config } from "../config/schema.ts";
import type { Alert, Ban, BaselineSnapshot, Decision, GlobalVerdict } from "../decision.ts";
import { Engine } from "../engine.ts";
import type { Source } from "../net/cidr.ts";

/** What a replay tells: everything but the recalculated baselines; nobody arms, disarms or permits in it. */
export type ReplayDecision = Exclude<Decision, { kind: "baseline" | "mode" | "permit" }>;

/** An alert and its log time. */
export interface TimedAlert {
  readonly at: EpochMs;
  readonly alert: Alert;
}

/** Collects what its engine decides, in the order of the log. */
export class Contender {
  readonly engine: Engine;
  /** In order of time. */
  readonly bans: Ban[] = [];
  readonly alerts: TimedAlert[] = [];
  /** From `since` to the end of each global anomaly, or to the end of the log. */
  readonly anomalies: { readonly since: EpochMs; until: EpochMs | null; readonly verdict: GlobalVerdict }[] = [];
  /** As last recalculated. */
  baseline: { readonly site: BaselineSnapshot; readonly sources: BaselineSnapshot } | null = null;

  #listener: (decision: ReplayDecision) => void = () => {};

  constructor(
    readonly name: string,
    readonly config: Config,
    openLoop: boolean,
  ) {
    this.engine = new Engine(config, { openLoop });
  }

  /** `listener` sees each decision as it is made. */
  listen(listener: (decision: ReplayDecision) => void): void {
    this.#listener = listener;
  }

  observe(record: AccessRecord): void {
    this.engine.observe(record, this.take);
  }

  readonly take = (decision: Decision): void => {
    if (decision.kind !== "baseline" && decision.kind !== "mode" && decision.kind !== "permit")
      this.#listener(decision);
    switch (decision.kind) {
      case "ban":
        this.bans.push(decision.ban);
        break;
      case "alert":
        this.#alert(decision.at, decision.alert);
        break;
      case "mode":
      case "permit":
        break;
      case "baseline":
        this.baseline = decision;
        break;
      case "unban":
        break;
      default:
        decision satisfies never;
    }
  };

  /** Requests of banned sources: the firewall would have dropped them. */
  get dropped(): number {
    return this.engine.counters().banned;
  }

  /** How often each source was banned, the most often first. */
  bansBySource(): [Source, number][] {
    const counts = new Map<Source, number>();
    for (const { source } of this.bans) counts.set(source, (counts.get(source) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1]);
  }

  /** Median of timeToBan over all bans that have one; null without. */
  medianTimeToBan(): number | null {
    const times = this.bans.flatMap((ban) => timeToBan(ban) ?? []).sort((a, b) => a - b);
    return times[times.length >> 1] ?? null;
  }

  #alert(at: EpochMs, alert: Alert): void {
    if (alert.type !== "global-anomaly") this.alerts.push({ at, alert });
    else if (alert.state === "resolved") {
      const open = this.anomalies.at(-1);
      if (open !== undefined) open.until = at;
    } else {
      this.alerts.push({ at, alert });
      if (alert.state === "firing") this.anomalies.push({ since: alert.since, until: null, verdict: alert.verdict });
    }
  }
}

/** From the first request of the source's visit to its ban, in milliseconds; null for a ban that no verdict led to. */
export function timeToBan({ cause, since }: Ban): number | null {
  return cause.scope === "source" && cause.firstAt !== undefined ? since - cause.firstAt : null;
}
