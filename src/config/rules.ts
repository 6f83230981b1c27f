/** What no single key can tell: values that are each possible but do not go together. [pure] */
import { parseRange } from "../net/cidr.ts";
import { formatDuration } from "./duration.ts";
import type { KeyPath } from "./problem.ts";
import { type Config, parseListen } from "./schema.ts";

/** Keys that are valid each but not together. */
export interface Violation {
  readonly severity: "error" | "warning";
  /** The keys in question, the likeliest culprit first. */
  readonly paths: readonly KeyPath[];
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Every rule that `config` breaks. */
export function violations(config: Config): Violation[] {
  return [
    ...baselineRules(config),
    ...banRules(config),
    ...classRules(config),
    ...rangeRules(config),
    ...dashboardRules(config),
  ];
}

function baselineRules({ baseline, detection }: Config): Violation[] {
  const found: Violation[] = [];
  const history = formatDuration(baseline.history);
  if (baseline.recalculate_every > baseline.history) {
    found.push({
      severity: "error",
      paths: [
        ["baseline", "recalculate_every"],
        ["baseline", "history"],
      ],
      message: `${formatDuration(baseline.recalculate_every)} is longer than baseline.history (${history})`,
      hint: "seconds would be forgotten before they were learned from",
    });
  }
  if (detection.window > baseline.history) {
    found.push({
      severity: "error",
      paths: [
        ["detection", "window"],
        ["baseline", "history"],
      ],
      message: `${formatDuration(detection.window)} is longer than baseline.history (${history})`,
      hint: "make the history at least as long as the window",
    });
  }
  if (baseline.source_cap.mean < baseline.floor.mean) {
    found.push({
      severity: "warning",
      paths: [
        ["baseline", "source_cap", "mean"],
        ["baseline", "floor", "mean"],
      ],
      message: `${baseline.source_cap.mean} is below baseline.floor.mean (${baseline.floor.mean}): nothing is left to learn`,
    });
  }
  return found;
}

function banRules({ bans, detection }: Config): Violation[] {
  const found: Violation[] = [];
  const permanentAt = bans.durations.indexOf("permanent");
  if (permanentAt >= 0 && permanentAt < bans.durations.length - 1) {
    found.push({
      severity: "warning",
      paths: [
        ["bans", "durations", permanentAt + 1],
        ["bans", "durations"],
      ],
      message: "stands after permanent, so no ban will ever have this duration",
    });
  }
  bans.durations.forEach((length, i) => {
    const before = bans.durations[i - 1];
    if (typeof length === "number" && typeof before === "number" && length < before) {
      found.push({
        severity: "warning",
        paths: [
          ["bans", "durations", i],
          ["bans", "durations"],
        ],
        message: `${formatDuration(length)} is shorter than the ban before it (${formatDuration(before)})`,
      });
    }
  });
  if (detection.failures.per_10_minutes > detection.failures.per_minute * 10) {
    found.push({
      severity: "warning",
      paths: [
        ["detection", "failures", "per_10_minutes"],
        ["detection", "failures", "per_minute"],
      ],
      message: `${detection.failures.per_10_minutes} in ten minutes is never reached before ${detection.failures.per_minute} in one`,
    });
  }
  return found;
}

function classRules({ detection }: Config): Violation[] {
  return detection.classes.flatMap((row, i): Violation[] => {
    const warn = (key: string, message: string, hint: string): Violation[] => [
      { severity: "warning", paths: [["detection", "classes", i, key]], message, hint },
    ];
    if (/^\/\*\*+$/.test(row.path) && row.class !== "page")
      return warn("path", `${row.path} is every path, login forms and WebDAV too`, "name the paths of one application");
    if (row.class === "login" && row.methods !== undefined && !row.methods.includes("POST"))
      return warn("methods", "without POST no attempt is counted", "passwords are sent by POST");
    return [];
  });
}

function rangeRules({ allowlist, dashboard }: Config): Violation[] {
  return [
    ...largeRanges(["allowlist"], allowlist, "nobody in it will ever be banned"),
    ...largeRanges(["dashboard", "trusted_proxies"], dashboard.trusted_proxies, "anybody in it may say who they are"),
  ];
}

function largeRanges(path: KeyPath, sources: readonly string[], hint: string): Violation[] {
  return sources.flatMap((source, i) => {
    const range = parseRange(source)!;
    if (range.prefix >= (range.v6 ? 16 : 8)) return [];
    const message = `${source} is a large part of the whole Internet`;
    return [{ severity: "warning" as const, paths: [[...path, i]], message, hint }];
  });
}

function dashboardRules({ dashboard }: Config): Violation[] {
  const at = parseListen(dashboard.listen);
  if (!dashboard.enabled || at === null || isLoopback(at.hostname)) return [];
  const paths = [
    ["dashboard", "listen"],
    ["dashboard", "password_file"],
  ];
  const tunnel = `ssh -L ${at.port}:127.0.0.1:${at.port} HOST`;
  if (dashboard.password_file !== undefined) {
    return [
      {
        severity: "warning",
        paths,
        message: `${dashboard.listen} is plain http: whoever is on the way to it can read the password`,
        hint: `put TLS in front of it, or listen on 127.0.0.1:${at.port} and use ${tunnel}`,
      },
    ];
  }
  return [
    {
      severity: "error",
      paths,
      message: `${dashboard.listen} can be reached from outside, and there is no login without dashboard.password_file`,
      hint: `make one (anomaly-detector password --file FILE), or listen on 127.0.0.1:${at.port} and reach it with ${tunnel}`,
    },
  ];
}

/** localhost, 127.0.0.0/8 or ::1. Other names may resolve to anything. */
function isLoopback(hostname: string): boolean {
  if (hostname.toLowerCase() === "localhost") return true;
  const range = parseRange(hostname);
  if (range === null) return false;
  return range.v6 ? range.groups.every((group, i) => group === (i === 7 ? 1 : 0)) : range.groups[0]! >> 8 === 127;
}
