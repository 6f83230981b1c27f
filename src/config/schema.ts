/**
 * Every key of the configuration file: its type, bounds, default and one sentence of meaning. The shipped
 * config/anomaly-detector.yaml, the JSON Schema for editors and the reference page are generated from this.
 */
import { z } from "zod";
import { CAN_BE_OFF, TUNING_NAMES, tunedNumber } from "../detection/tuning.ts";
import { parseSource, type Source } from "../net/cidr.ts";
import { parseIp } from "../net/ip.ts";
import { parseDuration } from "./duration.ts";
import { nearest } from "./nearest.ts";

/** The spelling of a duration for the JSON Schema; the bounds are checked in the transform. */
const DURATION_PATTERN = "^(?=\\d)(\\d+d)?(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?$";

/** A duration in the file is text with a unit; in the program it is milliseconds. */
function duration(least: string, most: string) {
  return z
    .string({ error: (issue) => notText(issue.input, least, most) })
    .meta({ title: `duration, ${least} to ${most}`, pattern: DURATION_PATTERN })
    .transform((text, context) => readDuration(text, least, most, context));
}

function readDuration(text: string, least: string, most: string, context: z.RefinementCtx): number {
  const ms = parseDuration(text.trim());
  if (ms === null) {
    const mend = /^\d+$/.test(text.trim())
      ? withoutUnit(text.trim(), least, most)
      : `"${text}" is not a duration (10s, 10m, 2h30m)`;
    context.addIssue({ code: "custom", message: mend });
    return z.NEVER;
  }
  if (ms < parseDuration(least)! || ms > parseDuration(most)!) {
    context.addIssue({ code: "custom", message: `${text.trim()} is outside ${least} to ${most}` });
    return z.NEVER;
  }
  return ms;
}

function notText(input: unknown, least: string, most: string): string {
  if (typeof input === "number") return withoutUnit(String(input), least, most);
  // Left to the words for a key without a value.
  return input === null ? "Invalid input" : "must be a duration (10s, 10m, 2h30m)";
}

/** A bare number is most often meant in seconds; offer the unit that is allowed here. */
function withoutUnit(digits: string, least: string, most: string): string {
  const fits = (unit: string) => {
    const ms = parseDuration(digits + unit);
    return ms !== null && ms >= parseDuration(least)! && ms <= parseDuration(most)!;
  };
  const unit = ["s", "ms", "d", "h", "m"].find(fits);
  return unit ? `${digits} has no unit (write ${digits}${unit})` : `${digits} is not a duration (10s, 10m, 2h30m)`;
}

const banDuration = z
  .string({ error: (issue) => notText(issue.input, "1s", "3650d") })
  .meta({ title: "duration, 1s to 3650d, or permanent", pattern: `^permanent$|${DURATION_PATTERN}` })
  .transform((text, context): number | "permanent" => {
    if (text.trim() === "permanent") return "permanent";
    if (parseDuration(text.trim()) === null && !/^\d+$/.test(text.trim())) {
      context.addIssue({ code: "custom", message: `"${text}" is not a duration (10m, 2h30m, permanent)` });
      return z.NEVER;
    }
    return readDuration(text, "1s", "3650d", context);
  });

/** An address or CIDR, but not everybody; `refusal` says what everybody would mean. */
function source(refusal: string) {
  return z
    .string({ error: "must be an address or CIDR (203.0.113.9, 2001:db8::/32)" })
    .meta({ title: "address or CIDR" })
    .transform((text, context): Source => {
      const parsed = parseSource(text.trim());
      if (parsed !== null && !parsed.endsWith("/0")) return parsed;
      const message =
        parsed === null
          ? `"${text}" is not an address or CIDR (write 203.0.113.9 or 2001:db8::/32)`
          : `${parsed} ${refusal}`;
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    });
}

/** host:port or [v6]:port. */
const listen = z
  .string({ error: "must be an address and a port (127.0.0.1:8080)" })
  .meta({ title: "address:port" })
  .refine((text) => parseListen(text) !== null, {
    error: (issue) => `"${String(issue.input)}" is not an address to listen on (write 127.0.0.1:8080 or [::1]:8080)`,
  });

/** Splits "127.0.0.1:8080", "[::1]:8080" or "localhost:8080"; null when it is none of these. */
export function parseListen(text: string): { hostname: string; port: number } | null {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s/]+)):(\d{1,5})$/.exec(text);
  if (!match) return null;
  const port = Number(match[3]);
  if (match[1] !== undefined && parseIp(match[1]) === null) return null;
  return port <= 65535 ? { hostname: match[1] ?? match[2]!, port } : null;
}

const positive = z.number().positive();
const count = z.int().positive();
const hook = z.enum(["raw/PREROUTING", "filter/INPUT", "filter/DOCKER-USER"]);
/** A field name in the log, or several to try; `example` shows in the shipped file. */
function fieldNames(example: string) {
  return z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(20)], {
      error: 'must be a field name or a list of names (client_ip or ["client_ip", "remote_addr"])',
    })
    .meta({ title: "name, or list of names", examples: [example] })
    .transform((v) => (Array.isArray(v) ? v : [v]));
}

/** Methods that a row of detection.classes may name. */
const METHODS = [
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PROPPATCH"],
  ...["REPORT", "SEARCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"],
] as const;

/** A pattern of paths as an operator writes it. Every bound is there so that no path takes long to match. */
const pathPattern = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => text.startsWith("/"), { error: (issue) => `${JSON.stringify(issue.input)} must begin with /` })
  .refine((text) => !/[?#]/.test(text), { error: "must not hold ? or #: the query does not count" })
  .meta({ title: "path with * and **" });

const classRow = z.strictObject({
  path: pathPattern.describe(
    "Path as logged, without the query; * is anything within a segment, ** anything at all. Upper and lower case differ.",
  ),
  methods: z
    .array(z.enum(METHODS))
    .min(1)
    .max(METHODS.length)
    .optional()
    .describe("Only these methods; by default all."),
  class: z
    .enum(["page", "asset", "preview", "probe", "login", "dav"])
    .describe("What such a request is (docs/detection.md). proof is never given: it must be earned."),
});

/** Of the 4xx those that come of slowness, size, throttling and impatience (408, 413, 429, 499), and WebDAV's conflicts. */
const NOT_BLAMED = [408, 409, 413, 423, 429, 499];

const clientStatus = z
  .int()
  .refine((status) => status >= 400 && status <= 499, {
    error: ({ input }) =>
      Number(input) >= 500
        ? `${input} is never blamed on the client: leave it out`
        : `${input} is no status that blames the client (name some of 400 to 499)`,
  })
  .meta({ minimum: 400, maximum: 499 });

const notBlamed = z
  .array(clientStatus)
  .max(100)
  .superRefine((statuses, context) => {
    for (const [i, status] of statuses.entries())
      if (statuses.indexOf(status) < i)
        context.addIssue({ code: "custom", path: [i], message: `${status} stands twice: leave one out` });
  });

function readNumbers(values: Readonly<Record<string, unknown>>, context: z.RefinementCtx): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const [name, value] of Object.entries(values)) {
    const message = numberProblem(name, value);
    if (message !== null) context.addIssue({ code: "custom", path: [name], message });
    else numbers[name] = value as number;
  }
  return numbers;
}

/** The built-in numbers stand for traffic: what is a hundred times off stands for none. */
function numberProblem(name: string, value: unknown): string | null {
  const builtIn = tunedNumber(name);
  if (builtIn === undefined) {
    const meant = nearest(name, TUNING_NAMES);
    return `no number of this name: ${meant === null ? "docs/detection.md lists them" : `did you mean "${meant}"?`}`;
  }
  if (typeof value !== "number") return "must be a number";
  const least = CAN_BE_OFF.has(name) ? 0 : builtIn / 100;
  const most = name.endsWith("Share") ? 1 : builtIn * 100;
  return value >= least && value <= most ? null : `${value} is outside ${least} to ${most}`;
}

/** A section: unknown keys are errors, an absent section means its defaults. */
function section<T extends z.ZodRawShape>(shape: T, meaning: string) {
  return z
    .strictObject(shape)
    .prefault({} as never)
    .describe(meaning);
}

/** Every section of the configuration. An empty object is valid and means all defaults. */
export const configSchema = z.strictObject({
  log: section(
    {
      path: z
        .string()
        .min(1)
        .default("/var/log/nginx/hng-access.log")
        .describe("Nginx's JSON access log. It need not exist yet."),
      start: z.enum(["end", "beginning"]).default("end").describe("Where to begin in a log seen for the first time."),
      poll: duration("5ms", "10s").prefault("50ms").describe("Longest wait before new lines are read."),
      max_line_bytes: z
        .int()
        .min(1024)
        .max(1_048_576)
        .default(65_536)
        .describe("Longer lines are skipped and counted."),
      future_tolerance: duration("1s", "1h")
        .prefault("60s")
        .describe("A line dated further ahead than this is refused and counted."),
      fields: section(
        {
          source_ip: fieldNames("client_ip")
            .optional()
            .describe("Name(s) of the client address field, besides the known aliases."),
          timestamp: fieldNames("time")
            .optional()
            .describe("Name(s) of the time field: ISO 8601 or epoch seconds with milliseconds ($msec)."),
          method: fieldNames("verb").optional().describe("Name(s) of the request method field."),
          path: fieldNames("uri")
            .optional()
            .describe("Name(s) of the request target field; a whole request line works too."),
          status: fieldNames("code").optional().describe("Name(s) of the answer status field."),
          response_size: fieldNames("bytes_out").optional().describe("Name(s) of the answer size field, in bytes."),
          user_agent: fieldNames("ua").optional().describe("Name(s) of the user agent field."),
          host: fieldNames("vhost").optional().describe("Name(s) of the host field."),
          request_time: fieldNames("duration").optional().describe("Name(s) of the request time field, in seconds."),
          peer: fieldNames("peer_addr").optional().describe("Name(s) of the TCP peer field ($realip_remote_addr)."),
        },
        "Field names in the log, where they differ from the contract's and the known aliases.",
      ),
    },
    "The access log that is read.",
  ),
  detection: section(
    {
      mode: z
        .enum(["enforce", "watch-only"])
        .default("enforce")
        .describe("watch-only decides and tells without banning anyone."),
      arm_after: duration("0s", "90d")
        .prefault("0s")
        .describe("With mode enforce: only watch for this long after the very first start, then begin to ban."),
      profile: z
        .enum(["adaptive", "contract"])
        .default("adaptive")
        .describe("adaptive compares sources with this site's busy sources; contract is the plain rule."),
      window: duration("5s", "10m").prefault("60s").describe("Length of the sliding windows, global and per source."),
      z_score: positive.default(3).describe("A rate this many standard deviations above the mean is an anomaly."),
      rate_multiple: positive.default(5).describe("A rate this many times the mean is an anomaly."),
      source_norm: z
        .enum(["busy-sources", "site"])
        .default("busy-sources")
        .describe("What one source is compared with: this site's busy sources, or the whole site's rate (adaptive)."),
      ceiling: positive.default(5).describe("Requests per second over a window that ban a source even during warm-up."),
      max_sources: z
        .int()
        .min(1000)
        .max(5_000_000)
        .default(200_000)
        .describe("Most sources tracked at once; the quietest are shed and counted."),
      classes: z
        .array(classRow)
        .max(200)
        .prefault([])
        .describe(
          "Classes for paths of applications that are not known, before the built-in ones: rows like {path: /api/mini/*, class: preview}; the first that matches counts (adaptive).",
        )
        .meta({ title: "list of rows" }),
      tuning: z
        .record(z.string(), z.unknown())
        .transform(readNumbers)
        .prefault({})
        .describe(
          "Numbers of the adaptive profile by their name in docs/detection.md, like {sustainedShare: 0.8}, in place of the built-in ones.",
        )
        .meta({ title: "name: number, …", examples: [{ sustainedShare: 0.8, "cost.asset": 0.2 }] }),
      error_surge: section(
        {
          multiple: positive.default(3).describe("A source's error rate this many times the baseline's is a surge."),
          tighten: z
            .number()
            .gt(0)
            .max(1)
            .default(0.5)
            .describe("Both thresholds are multiplied by this during a surge."),
          floor: positive
            .default(0.1)
            .describe("Lowest baseline error rate, per second, that a source is compared with."),
        },
        "Errors far above normal tighten a source's thresholds.",
      ),
      failures: section(
        {
          enabled: z
            .boolean()
            .default(true)
            .describe("Also compare each source's failures (logins, probing) with their own baseline (adaptive)."),
          per_minute: positive.default(8).describe("Failures in a minute that are an anomaly."),
          per_10_minutes: positive.default(48).describe("Failures in ten minutes that are an anomaly."),
          per_3_days: positive
            .default(8)
            .describe("Failed logins and exploit attempts in three days that are an anomaly, however slow."),
          not_blamed: notBlamed
            .default(NOT_BLAMED)
            .describe(
              "4xx answers that are not the client's fault: no failure, and no error that tightens (adaptive). 5xx never are.",
            ),
        },
        "The stream of failed logins and probed paths.",
      ),
      trust: section(
        {
          duration: duration("0s", "30d")
            .prefault("24h")
            .describe("How long a proven login gives a source head-room; 0s turns trust off."),
          weight: z.number().gt(0).max(1).default(0.2).describe("What a trusted source's ordinary request counts."),
          failures: z.number().min(1).default(3).describe("A trusted source's failure limits are multiplied by this."),
        },
        "Head-room for sources that proved an account (adaptive).",
      ),
      global: section(
        {
          persistence: duration("0s", "10m")
            .prefault("10s")
            .describe("A site-wide anomaly must last this long before it alerts (adaptive)."),
          min_sources: count
            .default(10)
            .describe(
              "Fewest sources that make a site-wide anomaly, which must be one without the busiest, too, unless this is 1 (adaptive).",
            ),
          repeat_every: duration("10s", "1d")
            .prefault("10m")
            .describe("Least time between two alerts about one anomaly."),
          ban_participants: z
            .boolean()
            .default(false)
            .describe(
              "While it lasts, also ban sources that ask again and again for what surges and nothing else (adaptive).",
            ),
        },
        "The alert for the whole site. It bans nobody unless told to.",
      ),
    },
    "What is an anomaly.",
  ),
  baseline: section(
    {
      history: duration("1m", "24h").prefault("30m").describe("How far back the rolling baseline looks."),
      recalculate_every: duration("1s", "1h").prefault("60s").describe("How often the baseline is recalculated."),
      warm_up: duration("0s", "24h")
        .prefault("5m")
        .describe("Log time to learn from before the first ban; the ceiling guards meanwhile."),
      hour_slot_samples: count.default(300).describe("Seconds the current hour's slot needs before it is preferred."),
      spike_guard: z
        .number()
        .min(1)
        .default(10)
        .describe("A second above this many times the mean is kept out of the baseline (adaptive: see spikes)."),
      spikes: z
        .enum(["capped", "left-out"])
        .default("capped")
        .describe("What becomes of such a second: capped counts as this much, left-out not at all (adaptive)."),
      growth: section(
        {
          sources: count.default(10).describe("Fewest sources inside the window; growth by fewer is never believed."),
          after: duration("10s", "24h").prefault("10m").describe("How long it must last."),
        },
        "When seconds above the spike guard are honest growth, and learned as they are.",
      ),
      forget_banned: z
        .boolean()
        .default(true)
        .describe("When a source is banned, what it asked for in the last window is not learned (adaptive)."),
      floor: section(
        {
          mean: positive.default(1).describe("Lowest mean, requests per second."),
          stddev: positive.default(0.5).describe("Lowest standard deviation, requests per second."),
        },
        "The quietest site is judged as if it were this busy.",
      ),
      source_cap: section(
        {
          mean: positive
            .default(3)
            .describe("Highest mean of the busy-source baseline, so that it cannot be poisoned upwards."),
          stddev: positive.default(1.5).describe("Highest standard deviation of the busy-source baseline."),
        },
        "Limits of what the busy-source baseline may learn (adaptive).",
      ),
    },
    "What normal is learned from.",
  ),
  bans: section(
    {
      durations: z
        .array(banDuration)
        .min(1)
        .max(20)
        .prefault(["10m", "30m", "2h", "permanent"])
        .describe("Duration of the first, second, … ban of a source; the last one repeats."),
      decay: duration("1h", "3650d")
        .prefault("30d")
        .describe("A source's offences are forgotten after this long without a new one."),
      ipv6_prefix: z.int().min(32).max(128).default(64).describe("IPv6 sources are counted and banned by this prefix."),
      max_active: z
        .int()
        .min(100)
        .max(1_000_000)
        .default(65_536)
        .describe("Most bans in force at once; further ones are refused and counted."),
      circuit_breaker: section(
        {
          bans_per_minute: count
            .default(100)
            .describe("More bans than this in a minute stop the banning of single sources and raise an alert."),
          participants_per_minute: count
            .default(2000)
            .describe(
              "The same for participants of a global anomaly, who come by the hundred (detection.global.ban_participants).",
            ),
        },
        "Guard against banning half the world by mistake.",
      ),
    },
    "How long, how often and how many.",
  ),
  allowlist: z
    .array(source("would allow everybody; to ban nobody, set detection.mode to watch-only"))
    .max(10_000)
    .prefault([])
    .describe(
      "Addresses and CIDRs that are never banned. Loopback, this host, its gateway, Docker bridges and live SSH peers always are.",
    ),
  firewall: section(
    {
      backend: z
        .enum(["auto", "ipset", "iptables", "dry-run"])
        .default("auto")
        .describe("auto takes ipset where it works, else plain iptables rules."),
      hooks: z
        .array(hook)
        .min(1)
        .prefault(["raw/PREROUTING"])
        .describe("Chains our own chain is jumped to from. raw/PREROUTING also covers Docker's published ports."),
      spare_ports: z
        .array(z.int().min(1).max(65_535))
        .max(15)
        .optional()
        .describe("TCP ports a ban never cuts; by default sshd's own port, or 22.")
        .meta({ examples: [[22]] }),
      timeout: duration("100ms", "1m")
        .prefault("5s")
        .describe("A firewall command that takes longer is killed and retried."),
      proof_grace: duration("500ms", "1m")
        .prefault("2s")
        .describe(
          "Requests of a banned source that begin later than this after the ban prove that the ban does not hold.",
        ),
      reconcile_every: duration("1s", "1h")
        .prefault("30s")
        .describe("How often the kernel's rules are compared with the bans and mended."),
      snapshot_dir: z
        .string()
        .default("/var/lib/anomaly-detector/snapshots")
        .describe("Where a snapshot of the rules is written at each BAN and UNBAN; empty for none."),
      snapshots_kept: count.max(100_000).default(200).describe("Oldest snapshots beyond this many are removed."),
      flush_on_exit: z
        .boolean()
        .default(false)
        .describe("Remove all our rules on a clean stop. By default bans stay in the kernel and end on time."),
    },
    "What enforces a ban.",
  ),
  slack: section(
    {
      webhook_file: z
        .string()
        .optional()
        .describe(
          "File that holds the webhook URL. Also read: $CREDENTIALS_DIRECTORY/slack_webhook and $ANOMALY_DETECTOR_SLACK_WEBHOOK.",
        )
        .meta({ examples: ["/etc/anomaly-detector/slack-webhook"] }),
      timeout: duration("1s", "1m").prefault("10s").describe("How long to wait for Slack's answer."),
      queue: z
        .int()
        .min(10)
        .max(100_000)
        .default(1000)
        .describe("Most messages waiting; older ones are folded into a digest."),
    },
    "Who is told.",
  ),
  audit: section(
    {
      path: z
        .string()
        .default("/var/log/anomaly-detector/audit.log")
        .describe("Audit log; the same events stand as JSON lines in PATH.jsonl. Empty for none."),
    },
    "The record of what was done.",
  ),
  state: section(
    {
      path: z.string().min(1).default("/var/lib/anomaly-detector/state.db").describe("What survives a restart."),
    },
    "Memory between runs.",
  ),
  dashboard: section(
    {
      enabled: z.boolean().default(true).describe("Serve the dashboard and the JSON API."),
      listen: listen
        .default("127.0.0.1:8080")
        .describe("Address and port. Any other than loopback needs password_file, and TLS in front of it."),
      password_file: z
        .string()
        .min(1)
        .optional()
        .describe(
          "File whose only line is the hash of the login's password (anomaly-detector password --file FILE). Without it there is no login.",
        )
        .meta({ examples: ["/etc/anomaly-detector/dashboard.hash"] }),
      allowed_hosts: z
        .array(z.string().min(1))
        .default([])
        .describe("Host names, besides loopback's and the listening address, that a browser may use for it."),
      trusted_proxies: z
        .array(source("would let everybody say who they are; name the proxy alone"))
        .max(100)
        .prefault([])
        .describe(
          "Addresses and CIDRs of proxies, besides loopback, whose X-Forwarded-For and X-Forwarded-Proto are believed.",
        ),
    },
    "The page and the API.",
  ),
  control: section(
    {
      socket: z
        .string()
        .min(1)
        // Longer names do not fit the kernel's address of a unix socket (unix(7): 108 bytes with the final NUL).
        .max(107)
        .default("/run/anomaly-detector/control.sock")
        .describe("Unix socket that status, bans, ban, unban, allow and the others speak to."),
    },
    "The command line's way in.",
  ),
  logging: section(
    {
      level: z
        .enum(["debug", "info", "warn", "error"])
        .default("info")
        .describe("Least severity that is logged to standard output."),
      requests: z.boolean().default(false).describe("Log every request that is read. Only for finding a fault."),
    },
    "The detector's own log.",
  ),
});

/** The configuration in force: durations in milliseconds, addresses canonical, every key present. */
export type Config = z.output<typeof configSchema>;
