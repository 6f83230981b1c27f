/** The words between the core and the world: what should happen (Decision) and what did (Outcome). */
import type { EpochMs } from "./accesslog/record.ts";
import type { Source } from "./net/cidr.ts";

/** Learned normal, as used for one comparison. Rates are per second. */
export interface BaselineSnapshot {
  readonly at: EpochMs;
  readonly mean: number;
  readonly stddev: number;
  /** Mean 4xx/5xx answers per second. */
  readonly errorRate: number;
  /** How many per-second (site) or per-source (sources) samples it was learned from. */
  readonly samples: number;
  readonly from: "floor" | "rolling" | "hour";
  /** 0–23, only when `from` is "hour": the UTC hour of the slot. */
  readonly hour?: number | undefined;
}

/**
 * Which test fired: the two of the contract, the fixed ceiling that guards the warm-up, a pace that multiplies
 * (adaptive), or (opt-in) taking part in a global anomaly and doing nothing else.
 */
export type Reason = "z-score" | "rate-multiple" | "ceiling" | "ramp" | "participant";

/** Which stream of a source was measured: all its requests by cost, or its failures by meaning. */
export type Stream = "requests" | "failures";

/** How often a path was asked for. Paths are attacker text: escape on the way out. */
export interface PathCount {
  readonly path: string;
  readonly count: number;
  /** The class that it was last taken for (adaptive). */
  readonly kind?: string | undefined;
  /** What the last such request counted towards the compared rate (adaptive). */
  readonly cost?: number | undefined;
}

/** Everything needed to explain a verdict without asking the detector again. */
export interface Evidence {
  readonly at: EpochMs;
  readonly profile: "adaptive" | "contract";
  readonly stream: Stream;
  /** Length of the window that was measured. */
  readonly windowMs: number;
  /** Raw counts inside that window. */
  readonly requests: number;
  readonly errors: number;
  /** Raw requests per second over the window: requests / window. */
  readonly rate: number;
  /** The rate that was compared (equals `rate` unless requests were weighted), per second. */
  readonly comparedRate: number;
  readonly baseline: BaselineSnapshot;
  readonly zScore: number;
  /** comparedRate / baseline.mean */
  readonly multiple: number;
  /** Thresholds in force for this comparison, tightening and trust included. */
  readonly thresholds: { readonly zScore: number; readonly rateMultiple: number };
  /** The compared rate at which the first of the tests fires, per second. */
  readonly triggerRate: number;
  readonly reasons: readonly Reason[];
  readonly tightenedBy?: "error-surge" | "failure-surge" | undefined;
  /** True when the source recently proved an account, which raised its thresholds. */
  readonly trusted: boolean;
  /** Most frequent first, at most 5. */
  readonly topPaths: readonly PathCount[];
  /** Most frequent first, at most 5. */
  readonly statuses: readonly { readonly status: number; readonly count: number }[];
  /** Last user agent seen (attacker text), at most 200 characters. */
  readonly userAgent?: string | undefined;
}

/** How the site's own baseline learns at a time. */
export interface SiteLearning {
  /** Errors per second that a source's are compared with. */
  readonly errorRate: number;
  /** Seconds above the spike guard so far, and what became of them. */
  readonly guarded: number;
  readonly spikes: "capped" | "left-out";
  /** Of them the ones that speak for honest growth: lately, and made by many sources. */
  readonly grown: number;
  /** Since when there is an anomaly of the site for which it waits. */
  readonly waitsSince?: EpochMs | undefined;
  /** Is what a banned source asked for taken back? */
  readonly forgetsBanned: boolean;
}

/** What a source's rate was compared with. */
export interface SourceNorm {
  readonly of: "busy-sources" | "site";
  /** Would it be higher without its cap? */
  readonly isCapped: boolean;
  /** The share of it that was enough: less than 1 over ten minutes. */
  readonly share: number;
}

/** What of the adaptive profile had a part in a verdict, besides what the evidence tells anyway. */
export interface Adaptation {
  /** Absent where something else decided: a bar of failures, the ceiling, a ramp, a surge of the site. */
  readonly norm?: SourceNorm | undefined;
  /** People behind the address who share what it asks for. */
  readonly people: number;
  /** Of the errors in the window those that were blamed on it, each failing path once; absent where that is not detection.window. */
  readonly blamed?: number | undefined;
  /** 4xx that never are; 5xx are not either. */
  readonly notBlamed: readonly number[];
  readonly site: SiteLearning;
}

/** One source is far outside the normal. */
export interface SourceVerdict extends Evidence {
  readonly scope: "source";
  readonly source: Source;
  /** When the visit that led here began: the first request with never ten quiet minutes since. */
  readonly firstAt?: EpochMs | undefined;
  /** Of a ramp: its requests in three spans of `windowMs` one after the other, the earliest first. */
  readonly ramp?: readonly [number, number, number] | undefined;
  /** For how many paths those were, about; absent, in what an older version saved, where it was one. */
  readonly rampPaths?: number | undefined;
  /** Of a participant of a global anomaly: how often it looked, and how many sources do nothing else either. */
  readonly surge?: { readonly since: EpochMs; readonly looks: number; readonly crowd: number } | undefined;
  /** Absent in the contract profile, and in what an older version saved. */
  readonly adaptation?: Adaptation | undefined;
}

/** The whole site is far outside its normal. */
export interface GlobalVerdict extends Evidence {
  readonly scope: "global";
  /** Distinct sources inside the window. */
  readonly sources: number;
  /** Busiest first, at most 5. */
  readonly topSources: readonly { readonly source: Source; readonly count: number }[];
  /** The /24s and /48s that most requests came from, at most 5. What an older version saved has none of the following. */
  readonly topNetworks?: readonly { readonly network: Source; readonly count: number }[];
  /** Most frequent user agents (attacker text), at most 5, each of at most 200 characters. */
  readonly topAgents?: readonly { readonly agent: string; readonly count: number }[];
  /** Are sources banned that take part in it and do nothing else? */
  readonly bansParticipants?: boolean;
}

/** A ban a person asked for. `by` and `note` are shown, never executed. */
export interface Manual {
  readonly scope: "manual";
  readonly at: EpochMs;
  readonly by: string;
  readonly note?: string | undefined;
}

/** A ban found in the kernel that nobody here remembers (a lost state file): kept until it ends. */
export interface Adopted {
  readonly scope: "adopted";
  readonly at: EpochMs;
}

/** A source that is to be dropped from `since` to `until`, and why. */
export interface Ban {
  readonly source: Source;
  /** Bans of this source so far, this one included. */
  readonly banCount: number;
  readonly since: EpochMs;
  readonly until: EpochMs | "permanent";
  readonly cause: SourceVerdict | Manual | Adopted;
}

/** Why a ban ended. allowlisted: its source may no longer be banned. */
export type UnbanWhy = "expired" | "manual" | "allowlisted";

/** A person's word that nobody in this range is banned, besides the configuration's. `by` and `note` are shown, never executed. */
export interface Permit {
  readonly source: Source;
  readonly since: EpochMs;
  readonly until: EpochMs | "permanent";
  readonly by: string;
  readonly note?: string | undefined;
}

/** Something people should know of, besides bans. */
export type Alert =
  /** The whole site is outside its normal. Nobody is blocked for it. */
  | {
      readonly type: "global-anomaly";
      readonly state: "firing" | "still-firing" | "resolved";
      readonly since: EpochMs;
      readonly verdict: GlobalVerdict;
    }
  /** More bans in a minute than the breaker allows: single sources are not banned until it closes. */
  | {
      readonly type: "circuit-breaker";
      readonly state: "open" | "closed";
      readonly bansInMinute: number;
      readonly limit: number;
      /** Whose: that of single sources, or that of participants of a global anomaly. */
      readonly of?: "participants" | undefined;
    }
  /** A banned source's requests still reach the log. */
  | { readonly type: "ban-ineffective"; readonly ban: Ban; readonly requests: number; readonly sinceBanMs: number }
  /** The kernel did not hold what the ledger says (a flush, another hand, a firewall restart); now it does again. */
  | {
      readonly type: "firewall-mended";
      /** Bans put back, and entries taken out that nobody here made. */
      readonly added: number;
      readonly removed: number;
      /** Tables in which our chain or the hook into it was not as it must be. */
      readonly hooks: number;
    }
  /** The log grows faster than it is read: every verdict comes late. */
  | {
      readonly type: "log-lag";
      readonly state: "behind" | "caught-up";
      readonly unreadBytes: number;
      /** Age of the newest line read. */
      readonly behindMs: number;
    };

/** What should happen: one kind an audit action. */
export type Decision =
  | { readonly kind: "ban"; readonly at: EpochMs; readonly ban: Ban }
  | { readonly kind: "unban"; readonly at: EpochMs; readonly ban: Ban; readonly why: UnbanWhy; readonly by?: string }
  | { readonly kind: "alert"; readonly at: EpochMs; readonly alert: Alert }
  | {
      readonly kind: "baseline";
      readonly at: EpochMs;
      readonly site: BaselineSnapshot;
      readonly sources: BaselineSnapshot;
    }
  /** It was armed or disarmed. `by`: a person, or what of the configuration; shown, never executed. */
  | {
      readonly kind: "mode";
      readonly at: EpochMs;
      readonly mode: "enforce" | "watch-only";
      readonly by: string;
      /** Bans that are in force from now on, or no longer in the firewall. */
      readonly bans: number;
    }
  /** A permit was given, taken back by a person, or is over. `by`: who took it back. */
  | {
      readonly kind: "permit";
      readonly at: EpochMs;
      readonly change: "given" | "taken-back" | "expired";
      readonly permit: Permit;
      readonly by?: string | undefined;
    };

/** What came of a decision. Audit, notifier and dashboard report outcomes, not intentions. */
export interface Outcome {
  readonly decision: Decision;
  readonly result: "done" | "dry-run" | "failed";
  /** When the effect was in force (or failed), wall clock. */
  readonly at: EpochMs;
  /** For a failure: operation, subject, cause and a hint, in one line. */
  readonly detail?: string | undefined;
}
