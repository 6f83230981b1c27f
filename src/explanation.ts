/** What it would take to ban a source, or why it is banned, as plain data: GET /v1/explain and `explain`. */
import type { EpochMs } from "./accesslog/record.ts";
import type { Outcome, Stream } from "./decision.ts";
import type { Source } from "./net/cidr.ts";
import type { BanStatus, EngineState } from "./status.ts";

/** One test that a source is put to, and where it stands. Values are per second over the window. */
export interface TestReading {
  readonly stream: Stream;
  readonly windowMs: number;
  readonly value: number;
  /** It fires above this. */
  readonly trigger: number;
  /** What the trigger is made of: a baseline, a fixed bar, or the ceiling of the warm-up. */
  readonly by: "baseline" | "bar" | "ceiling";
  /** Where it is made of a baseline. */
  readonly mean?: number;
  readonly stddev?: number;
  readonly zScore?: number;
  readonly multiple?: number;
}

/** How the source's errors stand against what tightens its thresholds. */
export interface SurgeReading {
  /** Errors that count here, per second, over the baseline's (or its floor). */
  readonly ratio: number;
  readonly multiple: number;
  readonly isSurge: boolean;
  /** The compared request rate at which a ban would fall during a surge. */
  readonly tightenedTrigger: number;
}

/** A source with something inside a window, as the detector sees it now. */
export interface DetectorExplanation {
  /** When its visit began. */
  readonly firstAt: EpochMs;
  readonly requests: number;
  readonly errors: number;
  /** Raw and compared requests per second. */
  readonly rate: number;
  readonly comparedRate: number;
  readonly trusted: boolean;
  readonly topPath: string | null;
  /** The class that it was taken for; null in the contract profile. */
  readonly topKind: string | null;
  readonly thresholds: { readonly zScore: number; readonly rateMultiple: number };
  /** In the order in which they are asked. */
  readonly tests: readonly TestReading[];
  readonly surge: SurgeReading;
}

/** What the engine knows of one source. */
export interface Explanation {
  readonly at: EpochMs;
  readonly source: Source;
  readonly state: EngineState;
  readonly profile: "adaptive" | "contract";
  /** Why it is never banned; null when it may be. */
  readonly allowed: string | null;
  readonly ban: BanStatus | null;
  /** Bans so far that still count. */
  readonly offences: number;
  /** Null when it has asked for nothing lately, or is banned. */
  readonly now: DetectorExplanation | null;
}

/** What the daemon adds to it. */
export interface FullExplanation extends Explanation {
  readonly firewall: { readonly backend: string; readonly hooks: readonly string[] };
  /** Packets dropped for its ban, where the backend can tell. */
  readonly droppedPackets: number | null;
  /** What was done about it lately, oldest first. */
  readonly history: readonly Outcome[];
}
