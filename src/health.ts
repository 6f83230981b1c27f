/** Whether each part of the system is well, in words with the mend. [pure] */
import { LAG_BYTES } from "./lag.ts";
import type { HealthCheck, LogStatus } from "./status.ts";
import { spanText } from "./wording.ts";

/** What the parts say of themselves, at `now`. */
export interface HealthInput {
  readonly now: number;
  readonly startedAt: number;
  readonly log: LogStatus & {
    readonly lastError?: string | null | undefined;
    /** It has been growing faster than it is read. */
    readonly isBehind?: boolean;
    /** How far the times we show are ahead of the wall clock, which was set back. */
    readonly aheadMs?: number;
  };
  readonly firewall: {
    readonly backend: string;
    readonly hooks: readonly string[];
    readonly bans: number;
    readonly failing: ReadonlyMap<string, string>;
    readonly proof: "holds" | "moved" | "exhausted";
    readonly reconcileError: string | null;
  };
  readonly slack: {
    readonly state: "ok" | "retrying" | "gone" | "unusable" | "off";
    readonly queued: number;
    readonly lastError: string | null;
    readonly lastSentAt: number | null;
  };
  readonly audit: { readonly path: string; readonly dropped: number; readonly lastError: string | null };
  readonly state: {
    readonly lastError: string | null;
    readonly setAside: { readonly path: string; readonly why: string } | null;
  };
}

/** Steps back below this are what NTP does, and are soon made up for. */
const AHEAD_MS = 60_000;
/** A newest line younger than this is the present. */
const LIVE_MS = 10_000;
/** A log that stays absent this long after the start is no race with nginx any more. */
const PATIENCE_MS = 30_000;

/** One check a part, always the same ones in the same order. */
export function healthChecks(input: HealthInput): HealthCheck[] {
  return [logHealth(input), firewallHealth(input), slackHealth(input), auditHealth(input), stateHealth(input)];
}

function logHealth({ now, startedAt, log }: HealthInput): HealthCheck {
  const name = "log";
  if (log.lastError) return { name, level: "bad", short: "cannot be read", detail: log.lastError };
  if (!log.open) {
    const level = now - startedAt > PATIENCE_MS ? "bad" : "warn";
    return {
      name,
      level,
      short: "waiting for it",
      detail: `${log.path} does not exist yet; check log.path and that nginx writes its JSON log there`,
    };
  }
  const failures = Object.values(log.failures).reduce((sum, count) => sum + count, 0);
  if (failures > 10 && failures > log.lines / 2) {
    return {
      name,
      level: "bad",
      short: "not our format",
      detail: `${failures} of ${log.lines} lines cannot be read; check nginx's log_format (nginx/ has one that fits)`,
    };
  }
  const ageMs = log.newestAt === null ? null : Math.max(0, now - log.newestAt);
  if (log.unreadBytes > LAG_BYTES || log.isBehind) {
    return {
      name,
      level: "warn",
      short: `${(log.unreadBytes / 1e6).toFixed(1)} MB behind`,
      detail: `the log grows faster than it is read${ageMs === null ? "" : `; the newest line read is ${spanText(ageMs)} old`}`,
    };
  }
  const aheadMs = log.aheadMs ?? 0;
  if (aheadMs > AHEAD_MS) {
    return {
      name,
      level: "warn",
      short: `clock ${spanText(aheadMs)} ahead`,
      detail: `the host's clock was set back; the times shown here are ${spanText(aheadMs)} ahead of it, and give a tenth of the time back until they agree`,
    };
  }
  return {
    name,
    level: "ok",
    short: ageMs === null ? "no line yet" : ageMs < LIVE_MS ? "live" : `last line ${spanText(ageMs)} ago`,
  };
}

function firewallHealth({ firewall }: HealthInput): HealthCheck {
  const name = "firewall";
  const short = `${firewall.backend}, ${firewall.bans} ${firewall.bans === 1 ? "ban" : "bans"}`;
  const [source, cause] = [...firewall.failing][0] ?? [];
  if (source !== undefined) {
    return {
      name,
      level: "bad",
      short: `${firewall.failing.size} refused`,
      detail: `${cause ?? source}; it is tried again every few seconds`,
    };
  }
  if (firewall.proof === "exhausted") {
    return {
      name,
      level: "bad",
      short: "does not block",
      detail:
        "banned sources still get through and no other hook or backend is left; is the traffic coming through a load balancer or CDN?",
    };
  }
  if (firewall.reconcileError !== null)
    return { name, level: "bad", short: "cannot be checked", detail: firewall.reconcileError };
  if (firewall.proof === "moved") {
    return {
      name,
      level: "bad",
      short: "did not block",
      detail: `a banned source got through; now enforced at ${firewall.hooks.join(", ")}`,
    };
  }
  return { name, level: "ok", short };
}

function slackHealth({ slack }: HealthInput): HealthCheck {
  const name = "slack";
  switch (slack.state) {
    case "off":
      return { name, level: "ok", short: "not set up" };
    case "gone":
      return {
        name,
        level: "warn",
        short: "webhook revoked",
        detail: `${slack.lastError ?? "Slack refuses the webhook"}; put a new URL into slack.webhook_file and reload`,
      };
    case "unusable":
      return {
        name,
        level: "warn",
        short: "webhook unusable",
        detail: `${slack.lastError ?? "the webhook cannot be read"}; then reload. Messages wait`,
      };
    case "retrying":
      return {
        name,
        level: "warn",
        short: `${slack.queued} waiting`,
        detail: `${slack.lastError ?? "no answer"}; it is tried again`,
      };
    case "ok":
      return {
        name,
        level: "ok",
        short:
          slack.queued > 0 ? `${slack.queued} queued` : slack.lastSentAt === null ? "nothing sent yet" : "delivered",
      };
    default:
      return slack.state satisfies never;
  }
}

function auditHealth({ audit }: HealthInput): HealthCheck {
  const name = "audit";
  if (audit.path === "") return { name, level: "ok", short: "off" };
  if (audit.lastError !== null) return { name, level: "warn", short: "cannot be written", detail: audit.lastError };
  return audit.dropped > 0
    ? { name, level: "warn", short: `${audit.dropped} lost`, detail: "the audit log could not be written for a while" }
    : { name, level: "ok", short: "written" };
}

/** A database that was moved aside is a warning until the next start: somebody should look at it. */
function stateHealth({ state }: HealthInput): HealthCheck {
  const name = "state";
  if (state.lastError !== null) return { name, level: "warn", short: "cannot be written", detail: state.lastError };
  return state.setAside === null
    ? { name, level: "ok", short: "saved" }
    : {
        name,
        level: "warn",
        short: "begun anew",
        detail: `${state.setAside.why}; the old file is ${state.setAside.path}`,
      };
}
