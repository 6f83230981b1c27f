/** SystemStatus values for tests and screenshots: a normal evening, and everything that can be otherwise. */
import type { Adaptation, BaselineSnapshot, Evidence, GlobalVerdict, Outcome, SourceVerdict } from "../decision.ts";
import { parseSource, type Source } from "../net/cidr.ts";
import type { BanStatus, EngineStatus, HistoryPoint, HistorySpan, SourceStatus, SystemStatus } from "../status.ts";

/** Friday, 20 November 2026, 18:28:04 UTC. */
export const NOW = Date.UTC(2026, 10, 20, 18, 28, 4);
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** An address for a test; throws when it is none. */
function sourceAt(text: string): Source {
  const source = parseSource(text);
  if (source === null) throw new Error(`not a source: ${text}`);
  return source;
}

const siteBaseline: BaselineSnapshot = {
  at: NOW - 18 * SECOND,
  mean: 11.8,
  stddev: 2.6,
  errorRate: 0.22,
  samples: 1800,
  from: "hour",
  hour: 18,
};

const busyBaseline: BaselineSnapshot = {
  at: NOW - 18 * SECOND,
  mean: 1.1,
  stddev: 1.37,
  errorRate: 0.1,
  samples: 412,
  from: "rolling",
};

function evidence(part: Partial<Evidence>): Evidence {
  return {
    at: NOW - 5 * MINUTE,
    profile: "adaptive",
    stream: "requests",
    windowMs: MINUTE,
    requests: 411,
    errors: 380,
    rate: 6.85,
    comparedRate: 6.85,
    baseline: busyBaseline,
    zScore: 4.2,
    multiple: 6.2,
    thresholds: { zScore: 3, rateMultiple: 5 },
    triggerRate: 5.2,
    reasons: ["z-score"],
    trusted: false,
    topPaths: [
      { path: "/index.php/login", count: 380, kind: "login", cost: 2 },
      { path: "/", count: 31, kind: "page", cost: 1 },
    ],
    statuses: [
      { status: 401, count: 380 },
      { status: 200, count: 31 },
    ],
    userAgent: "python-requests/2.31",
    ...part,
  };
}

function sourceVerdict(source: string, part: Partial<Evidence> = {}): SourceVerdict {
  return { ...evidence(part), scope: "source", source: sourceAt(source), adaptation };
}

const adaptation: Adaptation = {
  norm: { of: "busy-sources", isCapped: false, share: 1 },
  people: 3,
  blamed: 378,
  notBlamed: [408, 409, 413, 423, 429, 499],
  site: { errorRate: 0.06, guarded: 4, spikes: "capped", grown: 0, forgetsBanned: true },
};

export function globalVerdict(part: Partial<Evidence> = {}): GlobalVerdict {
  const measured = { rate: 43.9, comparedRate: 43.9, zScore: 12.3, multiple: 3.7, requests: 2634, errors: 60 };
  return {
    ...evidence({ ...measured, baseline: siteBaseline, triggerRate: 19.6, ...part }),
    scope: "global",
    sources: 212,
    topSources: [{ source: sourceAt("198.51.100.23"), count: 258 }],
    topNetworks: [{ network: sourceAt("198.51.100.0/24"), count: 301 }],
    topAgents: [{ agent: "python-requests/2.31", count: 377 }],
  };
}

interface BanShape {
  readonly banCount: number;
  readonly sinceMs: number;
  readonly lengthMs: number | "permanent";
  readonly cause?: Partial<Evidence> | { readonly by: string; readonly note?: string };
  readonly enforcement?: BanStatus["enforcement"];
  readonly leakedRequests?: number;
  /** How long ago the last of them came; now unless given. */
  readonly leakedAgoMs?: number;
}

export function banStatus(address: string, shape: BanShape): BanStatus {
  const since = NOW - shape.sinceMs;
  const cause = shape.cause ?? {};
  return {
    ban: {
      source: sourceAt(address),
      banCount: shape.banCount,
      since,
      until: shape.lengthMs === "permanent" ? "permanent" : since + shape.lengthMs,
      cause: "by" in cause ? { scope: "manual", at: since, ...cause } : sourceVerdict(address, { at: since, ...cause }),
    },
    enforcement: shape.enforcement ?? "in-force",
    leakedRequests: shape.leakedRequests ?? 0,
    lastLeakAt: shape.leakedRequests ? NOW - (shape.leakedAgoMs ?? 0) : undefined,
  };
}

const bans: readonly BanStatus[] = [
  banStatus("2001:db8:66:1::/64", { banCount: 1, sinceMs: 12 * SECOND, lengthMs: 10 * MINUTE }),
  banStatus("203.0.113.112", {
    banCount: 1,
    sinceMs: 5 * MINUTE + 53 * SECOND,
    lengthMs: 10 * MINUTE,
    cause: {
      rate: 3.9,
      comparedRate: 3.9,
      zScore: 2.04,
      multiple: 3.5,
      thresholds: { zScore: 1.5, rateMultiple: 2.5 },
      reasons: ["z-score", "rate-multiple"],
      tightenedBy: "error-surge",
    },
  }),
  banStatus("203.0.113.47", {
    banCount: 2,
    sinceMs: 16 * MINUTE + 24 * SECOND,
    lengthMs: 30 * MINUTE,
    cause: { rate: 29.82, comparedRate: 29.82, zScore: 20.96, multiple: 27.1, reasons: ["z-score", "rate-multiple"] },
  }),
  banStatus("198.51.100.201", {
    banCount: 3,
    sinceMs: 28 * MINUTE + 48 * SECOND,
    lengthMs: 2 * HOUR,
    cause: { rate: 7.04, comparedRate: 7.04, multiple: 6.4, reasons: ["rate-multiple"] },
  }),
  banStatus("203.0.113.8", { banCount: 4, sinceMs: 2 * DAY, lengthMs: "permanent" }),
  banStatus("192.0.2.250", {
    banCount: 1,
    sinceMs: 9 * DAY,
    lengthMs: "permanent",
    cause: { by: "admin", note: "scanner" },
  }),
];

type SourceShape = Partial<SourceStatus> & { readonly requests: number };

export function sourceStatus(address: string, shape: SourceShape): SourceStatus {
  const rate = shape.requests / 60;
  return {
    source: sourceAt(address),
    errors: 0,
    rate,
    comparedRate: rate,
    triggerRate: 5.2,
    zScore: (rate - busyBaseline.mean) / busyBaseline.stddev,
    tightened: false,
    trusted: false,
    state: "normal",
    topPath: "/",
    ...shape,
  };
}

const topSources: readonly SourceStatus[] = [
  sourceStatus("198.51.100.23", {
    requests: 259,
    errors: 98,
    state: "watching",
    topPath: "/login?redirect_url=/apps/files",
  }),
  sourceStatus("2001:db8:4a:9f00::/64", { requests: 130, topPath: "/remote.php/dav/files/mara/Photos/" }),
  sourceStatus("192.0.2.144", { requests: 114, errors: 1, topPath: "/ocs/v2.php/apps/notifications/api/v2" }),
  sourceStatus("198.51.100.77", { requests: 67, topPath: "/remote.php/dav/calendars/jo/personal/", trusted: true }),
  sourceStatus("192.0.2.10", { requests: 57, state: "allowed", topPath: "/apps/files/" }),
  sourceStatus("2001:db8:11:2::/64", { requests: 37, errors: 1, topPath: "/index.php/core/preview?fileId=4711" }),
  sourceStatus("198.51.100.140", { requests: 31, topPath: "/apps/photos/" }),
  sourceStatus("192.0.2.61", { requests: 24, topPath: "/status.php" }),
  sourceStatus("203.0.113.201", { requests: 18, errors: 2, topPath: "/.well-known/carddav" }),
  sourceStatus("198.51.100.9", { requests: 11, topPath: "/index.php/login/v2/poll" }),
];

/** Chance that a test can repeat (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Half an hour in steps of 5 s: a quiet hum, one attack at 18:11:40 and one crowd at 18:18. */
export function makeHistory(points = 360, stepMs = 5 * SECOND): readonly HistoryPoint[] {
  const random = createRandom(7);
  let drift = 0;
  return Array.from({ length: points }, (_, i) => {
    const at = NOW - (points - 1 - i) * stepMs;
    drift = 0.85 * drift + (random() - 0.5) * 3;
    const ago = (NOW - at) / SECOND;
    const attack = Math.max(0, 29 - Math.abs(ago - 985) * 1.6);
    const crowd = ago > 500 && ago < 640 ? 19 * Math.sin((Math.PI * (640 - ago)) / 140) : 0;
    const minute = Math.floor((points - 1 - i) / 12);
    const mean = 11.8 - 0.02 * minute - 0.15 * Math.sin(minute);
    const stddev = 2.6 - 0.15 * (1 - Math.cos(minute));
    return {
      at,
      rate: Math.max(0, 11.5 + drift + attack + crowd),
      errorRate: 0.25,
      mean,
      stddev,
      trigger: mean + 3 * stddev,
      from: "hour",
    };
  });
}

/**
 * The past as the store gives it: days with quiet nights and noise, now and then a spike, and the service down for
 * one tenth of each range. A service of `ageMs` knows nothing older.
 */
export function makeSpans(from: number, to: number, stepMs: number, ageMs = Number.POSITIVE_INFINITY): HistorySpan[] {
  const random = createRandom(11);
  const spans: HistorySpan[] = [];
  const down = [from + 0.62 * (to - from), from + 0.72 * (to - from)] as const;
  for (let end = (Math.floor(from / stepMs) + 1) * stepMs; end < to + stepMs; end += stepMs) {
    const at = Math.min(end, to);
    const daily = 1.2 + 9.4 * Math.max(0, Math.sin((((at / HOUR) % 24) - 5) * (Math.PI / 19)));
    const rate = daily * (0.8 + 0.4 * random());
    const peak = rate * (1.3 + random()) + (random() < 0.02 ? 30 * random() : 0);
    const [mean, stddev] = [daily * (0.97 + 0.06 * random()), 0.5 + daily * 0.18];
    if ((at > down[0] && at <= down[1]) || at < to - ageMs) continue;
    spans.push({ at, rate, errorRate: rate / 50, peak, mean, stddev, trigger: Math.max(2.5, mean + 3 * stddev) });
  }
  return spans;
}

/** A day with a quiet night, a working morning and a busy evening; two hours are not learned yet. */
function makeHours(): readonly (BaselineSnapshot | null)[] {
  return Array.from({ length: 24 }, (_, hour) => {
    if (hour === 2 || hour === 3) return null;
    if (hour === 18) return siteBaseline;
    const mean = 1.2 + 9.4 * Math.max(0, Math.sin(((hour - 5) * Math.PI) / 19));
    return { ...siteBaseline, hour, mean, stddev: 0.5 + mean * 0.18, samples: 1800 };
  });
}

function ban(address: string): BanStatus["ban"] {
  const found = bans.find((status) => status.ban.source === address);
  if (!found) throw new Error(`no ban of ${address}`);
  return found.ban;
}

const outcomes: readonly Outcome[] = [
  done({
    kind: "unban",
    at: NOW - 19 * MINUTE - 23 * SECOND,
    why: "expired",
    ban: banStatus("198.51.100.9", { banCount: 1, sinceMs: 30 * MINUTE, lengthMs: 10 * MINUTE }).ban,
  }),
  ...["198.51.100.201", "203.0.113.47", "203.0.113.112", "2001:db8:66:1::/64"].map((address) =>
    done({ kind: "ban", at: ban(address).since, ban: ban(address) }),
  ),
  done(globalAlert("firing", NOW - 10 * MINUTE - 20 * SECOND, NOW - 10 * MINUTE - 31 * SECOND)),
  done(globalAlert("resolved", NOW - 8 * MINUTE - 20 * SECOND, NOW - 10 * MINUTE - 31 * SECOND)),
  done({ kind: "baseline", at: NOW - 18 * SECOND, site: siteBaseline, sources: busyBaseline }),
].sort((a, b) => a.at - b.at);

function done(decision: Outcome["decision"]): Outcome {
  return { decision, result: "done", at: decision.at };
}

function globalAlert(state: "firing" | "resolved", at: number, since: number): Outcome["decision"] {
  const verdict = globalVerdict({ at, rate: 25.1, comparedRate: 25.1, zScore: 5.1, multiple: 2.1, requests: 1506 });
  return { kind: "alert", at, alert: { type: "global-anomaly", state, since, verdict } };
}

const engine: EngineStatus = {
  at: NOW,
  state: "armed",
  warmUp: { learnedMs: 5 * MINUTE, neededMs: 5 * MINUTE },
  profile: "adaptive",
  windowMs: MINUTE,
  site: {
    requests: 792,
    errors: 17,
    rate: 13.2,
    errorRate: 0.28,
    zScore: 0.54,
    multiple: 1.12,
    triggerRate: 19.6,
    baseline: siteBaseline,
    thresholds: { zScore: 3, rateMultiple: 5 },
    anomaly: null,
  },
  sources: {
    active: 38,
    aboveHalfTrigger: 1,
    baseline: busyBaseline,
    triggerRate: 5.2,
    tightenedTriggerRate: 3.2,
    top: topSources,
  },
  bans,
  breaker: { open: false, bansInMinute: 1, limit: 100 },
  nextRecalculationAt: NOW + 42 * SECOND,
  hours: makeHours(),
  history: makeHistory(),
  counters: {
    records: 1_204_511,
    late: 12,
    future: 0,
    banned: 214,
    allowlisted: 5120,
    sourcesShed: 0,
    bans: 11,
    unbans: 5,
    bansWithheld: 0,
  },
};

/** An ordinary evening: armed, six bans, ten sources, one of them near its trigger. */
export const normal: SystemStatus = {
  version: "0.1.0",
  hostname: "cloud.example.org",
  at: NOW,
  startedAt: NOW - 12 * DAY - 4 * HOUR - 9 * MINUTE,
  engine,
  log: {
    path: "/var/log/nginx/hng-access.log",
    open: true,
    lines: 1_209_857,
    bytes: 290_365_680,
    rotations: 12,
    truncations: 0,
    oversized: 1,
    failures: { "not-json": 3, "bad-status": 0 },
    failureSample: '{"source_ip":"198.51.100.7","status":"-"',
    unreadBytes: 0,
    newestAt: NOW - 200,
  },
  host: {
    cpu: 0.031,
    processCpu: 0.006,
    cpus: 2,
    load1: 0.18,
    memoryTotalBytes: 1_998_000_000,
    memoryUsedBytes: 979_000_000,
    processMemoryBytes: 58_200_000,
  },
  hostHistory: Array.from({ length: 60 }, (_, i) => ({
    at: NOW - (59 - i) * 5 * SECOND,
    cpu: 0.03 + 0.02 * Math.abs(Math.sin(i * 1.7)) + (i % 17 === 5 ? 0.03 : 0),
    memory: 0.488 + 0.004 * Math.sin(i / 5),
  })),
  firewall: {
    backend: "ipset",
    hooks: ["raw/PREROUTING"],
    entries: 6,
    droppedPackets: 254_260,
    droppedBytes: 15_300_000,
    mended: 0,
    droppedBySource: {
      "203.0.113.47": 38_100,
      "203.0.113.112": 1204,
      "198.51.100.201": 2940,
      "2001:db8:66:1::/64": 16,
      "203.0.113.8": 212_000,
      "192.0.2.250": 0,
    },
  },
  slack: { configured: true, queued: 0, sent: 34, failed: 0, lastSentAt: NOW - 12 * SECOND },
  auditPath: "/var/log/anomaly-detector/audit.log",
  health: [
    { name: "log", level: "ok", short: "0.2 s behind" },
    { name: "firewall", level: "ok", short: "ipset, 6 of 6" },
    { name: "slack", level: "ok", short: "18:27, 0 queued" },
    { name: "audit", level: "ok", short: "written" },
    { name: "state", level: "ok", short: "saved 9 s ago" },
  ],
  allowlistRanges: 4,
  outcomes,
};

/** The same evening with some of the engine's values replaced. */
export function withEngine(part: Partial<EngineStatus>, status: SystemStatus = normal): SystemStatus {
  return { ...status, engine: { ...status.engine, ...part } };
}

/** Two minutes after the first start. */
export const learning: SystemStatus = {
  ...withEngine({
    state: "learning",
    warmUp: { learnedMs: 2 * MINUTE, neededMs: 5 * MINUTE },
    bans: [],
    history: makeHistory(24),
    hours: Array.from({ length: 24 }, () => null),
    counters: { ...engine.counters, bans: 0, unbans: 0 },
    site: {
      ...engine.site,
      baseline: { ...siteBaseline, from: "floor", hour: undefined, mean: 1, stddev: 0.5, samples: 120 },
    },
  }),
  startedAt: NOW - 2 * MINUTE,
  outcomes: [],
};

/** The whole site is far above its normal. */
export const surge: SystemStatus = withEngine({
  site: {
    ...engine.site,
    requests: 2634,
    rate: 43.9,
    zScore: 12.3,
    multiple: 3.7,
    anomaly: { since: NOW - 72 * SECOND, verdict: globalVerdict() },
  },
  sources: { ...engine.sources, active: 212, aboveHalfTrigger: 3 },
});

/** The firewall refuses two of the bans. */
export const notBlocking: SystemStatus = {
  ...withEngine({
    bans: bans.map((status, i) => (i < 2 ? { ...status, enforcement: "failed" } : status)),
  }),
  health: normal.health.map((check) =>
    check.name === "firewall"
      ? {
          ...check,
          level: "bad",
          short: "4 of 6",
          detail: "ban 203.0.113.112: ipset exited 1: Operation not permitted (is the service granted CAP_NET_ADMIN?)",
        }
      : check,
  ),
};

/** Started a moment ago on an empty log. */
export const empty: SystemStatus = {
  ...normal,
  startedAt: NOW - 3 * SECOND,
  engine: {
    ...engine,
    state: "learning",
    warmUp: { learnedMs: 0, neededMs: 5 * MINUTE },
    site: {
      ...engine.site,
      requests: 0,
      errors: 0,
      rate: 0,
      errorRate: 0,
      zScore: -2,
      multiple: 0,
      triggerRate: 2.5,
      baseline: { at: NOW, mean: 1, stddev: 0.5, errorRate: 0, samples: 0, from: "floor" },
    },
    sources: { ...engine.sources, active: 0, aboveHalfTrigger: 0, top: [] },
    bans: [],
    hours: Array.from({ length: 24 }, () => null),
    history: [],
    counters: { ...engine.counters, records: 0, late: 0, banned: 0, allowlisted: 0, bans: 0, unbans: 0 },
  },
  log: {
    ...normal.log,
    lines: 0,
    bytes: 0,
    rotations: 0,
    oversized: 0,
    failures: {},
    failureSample: undefined,
    newestAt: null,
  },
  hostHistory: [],
  firewall: { ...normal.firewall, entries: 0, droppedPackets: 0, droppedBytes: 0, droppedBySource: {} },
  outcomes: [],
};

/** What an attacker writes where we print it. Each sets `window.owned` if it ever runs. */
export const PAYLOADS = [
  "<script>window.owned=1</script>",
  "<img src=x onerror=window.owned=1>",
  '"><svg onload=window.owned=1>',
  "'-alert(1)-'\u202e\u0000",
  "</title></bdi></td></main><iframe src=//evil.example>",
] as const;

/** Every field that anyone outside can write, with payloads in it. */
export const hostile: SystemStatus = {
  ...normal,
  hostname: PAYLOADS[4],
  engine: {
    ...engine,
    sources: {
      ...engine.sources,
      // A broken brand must not be an exploit: the address column is escaped like all others.
      top: topSources.map((source, i) => ({
        ...source,
        topPath: PAYLOADS[i % PAYLOADS.length]!,
        source: (i === 3 ? PAYLOADS[0] : source.source) as Source,
      })),
    },
    bans: [
      banStatus("203.0.113.66", {
        banCount: 1,
        sinceMs: MINUTE,
        lengthMs: 10 * MINUTE,
        cause: {
          topPaths: PAYLOADS.map((path, i) => ({ path, count: 9 - i })),
          userAgent: PAYLOADS[1],
        },
      }),
      banStatus("203.0.113.67", {
        banCount: 9,
        sinceMs: MINUTE,
        lengthMs: "permanent",
        cause: { by: PAYLOADS[2], note: PAYLOADS[0] },
      }),
    ],
  },
  log: { ...normal.log, path: PAYLOADS[0], failures: { [PAYLOADS[1]]: 3 }, failureSample: PAYLOADS.join(" ") },
  auditPath: PAYLOADS[2],
  health: [{ name: "slack", level: "warn", short: PAYLOADS[0], detail: PAYLOADS[1] }],
  outcomes: [
    ...outcomes,
    {
      decision: { kind: "unban", at: NOW, why: "manual", by: PAYLOADS[0], ban: ban("203.0.113.47") },
      result: "failed",
      at: NOW,
      detail: PAYLOADS[1],
    },
  ],
};

/** A storm: a thousand bans, each with its own evidence, and an audit tail full of them. */
export const storm: SystemStatus = (() => {
  const random = createRandom(11);
  const address = () => Array.from({ length: 4 }, (_, i) => (i === 0 ? 203 : Math.floor(random() * 256))).join(".");
  const many = Array.from({ length: 1000 }, (_, i) =>
    banStatus(address(), {
      banCount: 1 + (i % 3),
      sinceMs: i * 400,
      lengthMs: 30 * MINUTE,
      cause: {
        rate: 5 + random() * 30,
        zScore: 3 + random() * 9,
        topPaths: [
          { path: `/index.php/s/${Math.floor(random() * 1e9).toString(36)}`, count: Math.floor(random() * 900) },
        ],
        userAgent: `Mozilla/5.0 (X11; Linux x86_64; rv:${Math.floor(random() * 130)}.0)`,
      },
    }),
  );
  const told = many.slice(0, 50).map(({ ban: one }) => done({ kind: "ban", at: one.since, ban: one }));
  return {
    ...withEngine({ state: "paused", bans: many, breaker: { open: true, bansInMinute: 150, limit: 100 } }),
    outcomes: told.reverse(),
  };
})();

/** The longest of everything: addresses written in full, paths and agents without a break, a ban that leaks. */
export const wide: SystemStatus = (() => {
  const whole = "2001:db8:1234:5678:9abc:def0:1234:5678";
  const endless = `/${"remote.php/dav/files/".repeat(40)}${"x".repeat(400)}`;
  const shape = { banCount: 3, sinceMs: DAY, lengthMs: "permanent" } as const;
  const evidence = {
    topPaths: [{ path: endless, count: 9 }],
    userAgent: "x".repeat(500),
    tightenedBy: "error-surge",
  } as const;
  const banned = [
    banStatus(whole, { ...shape, leakedRequests: 38_112, cause: evidence }),
    banStatus("2001:db8:1234:5679:9abc:def0:1234:5678", { ...shape, enforcement: "failed", cause: evidence }),
    banStatus("255.255.255.0/24", {
      ...shape,
      banCount: 12,
      lengthMs: 14 * DAY,
      cause: { by: "x".repeat(80), note: endless },
    }),
  ];
  return {
    ...withEngine({
      bans: banned,
      sources: {
        ...engine.sources,
        top: [
          sourceStatus(whole, {
            requests: 60_000,
            errors: 60_000,
            topPath: endless,
            tightened: true,
            state: "watching",
          }),
        ],
      },
    }),
    hostname: "a-name-that-nobody-would-give-a-host.of-a-department.cloud.example.org",
    auditPath: `/var/log/${"deep/".repeat(30)}audit.log`,
    firewall: { ...normal.firewall, droppedBySource: { [whole]: 254_000_000 } },
    outcomes: banned.map(({ ban: one }) => done({ kind: "ban", at: one.since, ban: one })),
  };
})();
