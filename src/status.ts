/**
 * The state of everything at one moment, as plain data. The dashboard, GET /api/v1/status and the `status`
 * command all read this one value. Rates are per second, times are epoch milliseconds.
 */
import type { EpochMs } from "./accesslog/record.ts";
import type { Ban, BaselineSnapshot, GlobalVerdict, Outcome } from "./decision.ts";
import type { Source } from "./net/cidr.ts";

/** learning: warm-up, only the ceiling bans. armed: bans. watch-only: decides, bans nobody. paused: the breaker is open. */
export type EngineState = "learning" | "armed" | "watch-only" | "paused";

/** How one source stands against its trigger. */
export interface SourceStatus {
  readonly source: Source;
  /** Raw requests and errors inside the window. */
  readonly requests: number;
  readonly errors: number;
  readonly rate: number;
  /** The rate that is compared with `triggerRate`; lower than `rate` when cheap requests weigh little. */
  readonly comparedRate: number;
  /** The compared rate at which a ban would fall. */
  readonly triggerRate: number;
  readonly zScore: number;
  readonly tightened: boolean;
  readonly trusted: boolean;
  readonly state: "normal" | "watching" | "allowed" | "banned";
  /** Most asked path inside the window, attacker text; null when not known. */
  readonly topPath: string | null;
}

/** One point of the history chart: a span of seconds ending at `at`. */
export interface HistoryPoint {
  readonly at: EpochMs;
  readonly rate: number;
  readonly errorRate: number;
  readonly mean: number;
  readonly stddev: number;
  /** Rate above which the global anomaly starts. */
  readonly trigger: number;
  readonly from: BaselineSnapshot["from"];
}

/** A longer stretch of the past, for charts over days; a stretch that nobody looked at has none. */
export interface HistorySpan {
  /** When it ended. */
  readonly at: EpochMs;
  /** Requests and errors per second over the minutes that somebody looked. */
  readonly rate: number;
  readonly errorRate: number;
  /** The rate of its busiest minute. */
  readonly peak: number;
  /** The means of the baseline and the trigger that were in force. */
  readonly mean: number;
  readonly stddev: number;
  readonly trigger: number;
}

/** What the core knows at `at`. */
export interface EngineStatus {
  readonly at: EpochMs;
  readonly state: EngineState;
  /** Log time learned from so far and needed before the first ban. */
  readonly warmUp: { readonly learnedMs: number; readonly neededMs: number };
  readonly profile: "adaptive" | "contract";
  readonly windowMs: number;
  readonly site: {
    readonly requests: number;
    readonly errors: number;
    readonly rate: number;
    readonly errorRate: number;
    readonly zScore: number;
    readonly multiple: number;
    readonly triggerRate: number;
    readonly baseline: BaselineSnapshot;
    readonly thresholds: { readonly zScore: number; readonly rateMultiple: number };
    /** The anomaly now firing, or null. */
    readonly anomaly: { readonly since: EpochMs; readonly verdict: GlobalVerdict } | null;
  };
  /** What single sources are compared with. */
  readonly sources: {
    readonly active: number;
    readonly aboveHalfTrigger: number;
    readonly baseline: BaselineSnapshot;
    readonly triggerRate: number;
    readonly tightenedTriggerRate: number;
    readonly top: readonly SourceStatus[];
  };
  readonly bans: readonly BanStatus[];
  readonly breaker: { readonly open: boolean; readonly bansInMinute: number; readonly limit: number };
  /** The next recalculation of the baseline. */
  readonly nextRecalculationAt: EpochMs;
  /** 24 slots by UTC hour: what each hour looks like; null while it has no samples. */
  readonly hours: readonly (BaselineSnapshot | null)[];
  /** Oldest first; one point per few seconds of the last half hour. Nobody looked where two are far apart. */
  readonly history: readonly HistoryPoint[];
  readonly counters: EngineCounters;
}

/** A ban and what the kernel has made of it. */
export interface BanStatus {
  readonly ban: Ban;
  /** pending: decided, not yet confirmed. failed: the firewall refused; it is retried. */
  readonly enforcement: "pending" | "in-force" | "dry-run" | "failed";
  /** Requests of this source that reached the log although it was banned and its grace was over. */
  readonly leakedRequests: number;
  /** Event time of the last of them; absent while there is none. */
  readonly lastLeakAt?: EpochMs | undefined;
}

/** What the engine was given and what it did, over restarts too. */
export interface EngineCounters {
  readonly records: number;
  /** Dated further back than the window: not counted. */
  readonly late: number;
  /** Dated too far ahead: refused. */
  readonly future: number;
  /** Lines of sources already banned: kept out of windows and baseline. */
  readonly banned: number;
  readonly allowlisted: number;
  /** Sources shed because the table was full. */
  readonly sourcesShed: number;
  readonly bans: number;
  readonly unbans: number;
  /** Bans not made because the breaker was open, bans were full, or mode is watch-only. */
  readonly bansWithheld: number;
}

/** A part of the system that can be ill. */
export interface HealthCheck {
  readonly name: "log" | "firewall" | "slack" | "audit" | "state";
  readonly level: "ok" | "warn" | "bad";
  /** Short, for a table cell: "0.2 s behind", "ipset, 6 of 6". */
  readonly short: string;
  /** One sentence with the mend, when not ok. */
  readonly detail?: string | undefined;
}

/** The log as it is read, counted since the start. */
export interface LogStatus {
  readonly path: string;
  readonly open: boolean;
  readonly lines: number;
  readonly bytes: number;
  readonly rotations: number;
  readonly truncations: number;
  /** Lines longer than the limit, skipped. */
  readonly oversized: number;
  /** Bad lines by kind. */
  readonly failures: Readonly<Record<string, number>>;
  /** The last bad line, cut to 200 characters. Attacker text. */
  readonly failureSample?: string | undefined;
  /** Bytes written but not yet read. */
  readonly unreadBytes: number;
  /** Event time of the newest line, or null. */
  readonly newestAt: EpochMs | null;
}

/** The machine at the last look. */
export interface HostStatus {
  /** Share of all CPUs in use, 0–1, and of this process (1 = one whole CPU). */
  readonly cpu: number;
  readonly processCpu: number;
  readonly cpus: number;
  readonly load1: number;
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number;
  readonly processMemoryBytes: number;
}

/** Everything that dashboard, API and command line show. */
export interface SystemStatus {
  readonly version: string;
  readonly hostname: string;
  readonly at: EpochMs;
  readonly startedAt: EpochMs;
  /** When it will begin to ban by itself (detection.arm_after); null when it bans already, or will not. */
  readonly armsAt?: EpochMs | null;
  readonly engine: EngineStatus;
  readonly log: LogStatus;
  readonly host: HostStatus;
  readonly hostHistory: readonly { readonly at: EpochMs; readonly cpu: number; readonly memory: number }[];
  readonly firewall: {
    readonly backend: string;
    readonly hooks: readonly string[];
    readonly entries: number;
    readonly droppedPackets: number;
    readonly droppedBytes: number;
    readonly droppedBySource: Readonly<Record<string, number>>;
    /** Bans put back, foreign entries taken out and tables restored by reconcile since the start. */
    readonly mended: number;
  };
  readonly slack: {
    readonly configured: boolean;
    readonly queued: number;
    readonly sent: number;
    readonly failed: number;
    readonly lastSentAt: EpochMs | null;
  };
  readonly auditPath: string;
  readonly health: readonly HealthCheck[];
  readonly allowlistRanges: number;
  /** Newest last, at most 50; of recalculated baselines only the newest. */
  readonly outcomes: readonly Outcome[];
}
