/** Sample decisions and outcomes for tests, and fast-check arbitraries for every kind of outcome. */
import fc from "fast-check";
import type {
  Adaptation,
  Alert,
  Ban,
  BaselineSnapshot,
  Decision,
  Evidence,
  GlobalVerdict,
  Outcome,
  Permit,
  SourceVerdict,
} from "../src/decision.ts";
import { parseSource, type Source } from "../src/net/cidr.ts";

/** The moment of the contract's example line, plus a fraction that must be dropped. */
export const AT = Date.UTC(2026, 3, 25, 12, 0, 0, 789);
const MINUTE = 60_000;

/** Of the property tests; set FC_SEED to look elsewhere. */
export const SEED = Number(process.env.FC_SEED ?? 20260425);

export const source = (text: string): Source => parseSource(text)!;

/** The n-th of 65,536 different sources. */
export const sourceNumber = (n: number): Source => source(`198.18.${n >> 8}.${n & 255}`);

export const baseline = (over: Partial<BaselineSnapshot> = {}): BaselineSnapshot => ({
  at: AT,
  mean: 0.7,
  stddev: 0.5,
  errorRate: 0.05,
  samples: 1800,
  from: "rolling",
  ...over,
});

export const evidence = (over: Partial<Evidence> = {}): Evidence => ({
  at: AT,
  profile: "contract",
  stream: "requests",
  windowMs: MINUTE,
  requests: 330,
  errors: 12,
  rate: 5.5,
  comparedRate: 5.5,
  baseline: baseline(),
  zScore: 5.5,
  multiple: 4.2,
  thresholds: { zScore: 3, rateMultiple: 5 },
  triggerRate: 2.2,
  reasons: ["z-score"],
  trusted: false,
  topPaths: [{ path: "/login", count: 300 }],
  statuses: [{ status: 401, count: 300 }],
  ...over,
});

export const sourceVerdict = (over: Partial<SourceVerdict> = {}): SourceVerdict => ({
  ...evidence(over),
  scope: "source",
  source: source("203.0.113.10"),
  ...over,
});

export const globalVerdict = (over: Partial<GlobalVerdict> = {}): GlobalVerdict => ({
  ...evidence(over),
  scope: "global",
  sources: 120,
  topSources: [{ source: source("203.0.113.10"), count: 40 }],
  topNetworks: [{ network: source("203.0.113.0/24"), count: 210 }],
  topAgents: [{ agent: "python-httpx/0.27.2", count: 300 }],
  bansParticipants: false,
  ...over,
});

export const ban = (over: Partial<Ban> = {}): Ban => ({
  source: source("203.0.113.10"),
  banCount: 1,
  since: AT,
  until: AT + 10 * MINUTE,
  cause: sourceVerdict(),
  ...over,
});

export const banDecision = (over: Partial<Ban> = {}): Decision => ({ kind: "ban", at: AT, ban: ban(over) });

export const unbanDecision = (over: Partial<Ban> = {}): Decision => ({
  kind: "unban",
  at: AT + 10 * MINUTE,
  ban: ban(over),
  why: "expired",
});

export const alertDecision = (alert: Alert): Decision => ({ kind: "alert", at: AT, alert });

export const globalAlert = (
  state: "firing" | "still-firing" | "resolved",
  verdict: Partial<GlobalVerdict> = {},
): Decision => alertDecision({ type: "global-anomaly", state, since: AT, verdict: globalVerdict(verdict) });

export const baselineDecision = (): Decision => ({
  kind: "baseline",
  at: AT,
  site: baseline({ mean: 11.8, stddev: 2.6, from: "hour", hour: 14 }),
  sources: baseline({ mean: 1.1, stddev: 1.37, samples: 400 }),
});

export const modeDecision = (mode: "enforce" | "watch-only", by = "alice", bans = 3): Decision => ({
  kind: "mode",
  at: AT,
  mode,
  by,
  bans,
});

export const permit = (over: Partial<Permit> = {}): Permit => ({
  source: source("198.51.100.0/24"),
  since: AT,
  until: AT + 120 * MINUTE,
  by: "alice",
  ...over,
});

export const permitDecision = (
  change: "given" | "taken-back" | "expired",
  over: Partial<Permit> = {},
  by?: string,
): Decision => ({ kind: "permit", at: AT, change, permit: permit(over), by });

export const outcome = (decision: Decision, over: Partial<Outcome> = {}): Outcome => ({
  decision,
  result: "done",
  at: decision.at + 12,
  ...over,
});

/** Text as an attacker would write it: any code unit, and the strings that Slack, a terminal or our own format act on. */
export const hostileText = fc.oneof(
  { arbitrary: fc.string({ unit: "binary", maxLength: 300 }), weight: 2 },
  { arbitrary: fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((n) => String.fromCharCode(n)) }), weight: 2 },
  fc
    .array(
      fc.constantFrom(
        ..." | |\\n \n \r \x1b[31m \u202e \u2028 \u2066 \ud800 \udc00 ` ``` < > & &amp; <!channel> <!here> <@U123> <#C1> *bold* _it_ ~no~ :boom: http://evil.example/ <http://a|b> mailto:a@b \\x7c - ] [x]".split(
          " ",
        ),
        " ",
        "",
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join("")),
  fc.integer({ min: 1, max: 40_000 }).map((n) => "A<".repeat(n)),
);

const number = fc.double({ min: 0, max: 1e7, noNaN: true });
const anyAt = fc.integer({ min: Date.UTC(2001, 0), max: Date.UTC(2100, 0) });
const anySource = fc
  .oneof(fc.ipV4(), fc.ipV6(), fc.constant("2001:db8:1:2::/64"))
  .map(parseSource)
  .filter((found) => found !== null);

const anyBaseline: fc.Arbitrary<BaselineSnapshot> = fc.record({
  at: anyAt,
  mean: number,
  stddev: number,
  errorRate: number,
  samples: fc.nat(),
  from: fc.constantFrom("floor", "rolling", "hour"),
  hour: fc.integer({ min: 0, max: 23 }),
});

const anyEvidence: fc.Arbitrary<Evidence> = fc.record({
  at: anyAt,
  profile: fc.constantFrom("adaptive", "contract"),
  stream: fc.constantFrom("requests", "failures"),
  windowMs: fc.integer({ min: 5000, max: 600_000 }),
  requests: fc.nat(),
  errors: fc.nat(),
  rate: number,
  comparedRate: number,
  baseline: anyBaseline,
  zScore: number,
  multiple: number,
  thresholds: fc.record({ zScore: number, rateMultiple: number }),
  triggerRate: number,
  reasons: fc.subarray(["z-score", "rate-multiple", "ceiling", "participant"] as const, { minLength: 1 }),
  tightenedBy: fc.constantFrom("error-surge", undefined),
  trusted: fc.boolean(),
  topPaths: fc.array(
    fc.record({
      path: hostileText,
      count: fc.nat(),
      kind: fc.constantFrom("page", "asset", undefined),
      cost: fc.option(number, { nil: undefined }),
    }),
    { maxLength: 5 },
  ),
  statuses: fc.array(fc.record({ status: fc.integer({ min: 100, max: 599 }), count: fc.nat() }), { maxLength: 5 }),
  userAgent: fc.option(hostileText, { nil: undefined }),
});

const anyAdaptation: fc.Arbitrary<Adaptation> = fc.record({
  norm: fc.option(
    fc.record({
      of: fc.constantFrom("busy-sources", "site"),
      isCapped: fc.boolean(),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { nil: undefined },
  ),
  people: fc.integer({ min: 1, max: 255 }),
  blamed: fc.option(fc.nat(), { nil: undefined }),
  notBlamed: fc.uniqueArray(fc.integer({ min: 400, max: 499 }), { maxLength: 100 }),
  site: fc.record({
    errorRate: number,
    guarded: fc.nat(),
    spikes: fc.constantFrom("capped", "left-out"),
    grown: fc.nat(),
    waitsSince: fc.option(anyAt, { nil: undefined }),
    forgetsBanned: fc.boolean(),
  }),
});

const anySourceVerdict: fc.Arbitrary<SourceVerdict> = fc
  .tuple(anyEvidence, anySource, fc.option(anyAdaptation, { nil: undefined }))
  .map(([found, from, adaptation]) => ({ ...found, scope: "source" as const, source: from, adaptation }));

const anyGlobalVerdict: fc.Arbitrary<GlobalVerdict> = fc
  .tuple(
    anyEvidence,
    fc.record({
      sources: fc.nat(),
      topSources: fc.array(fc.record({ source: anySource, count: fc.nat() }), { maxLength: 5 }),
      topNetworks: fc.array(fc.record({ network: anySource, count: fc.nat() }), { maxLength: 5 }),
      topAgents: fc.array(fc.record({ agent: hostileText, count: fc.nat() }), { maxLength: 5 }),
      bansParticipants: fc.boolean(),
    }),
  )
  .map(([found, crowd]) => ({ ...found, scope: "global" as const, ...crowd }));

const anyBan: fc.Arbitrary<Ban> = fc
  .record({
    source: anySource,
    banCount: fc.integer({ min: 1, max: 1000 }),
    since: anyAt,
    length: fc.option(fc.integer({ min: 1, max: 10 ** 9 }), { nil: "permanent" as const }),
    cause: fc.oneof(
      anySourceVerdict,
      fc.record({ scope: fc.constant("manual" as const), at: anyAt, by: hostileText, note: hostileText }),
      fc.record({ scope: fc.constant("adopted" as const), at: anyAt }),
    ),
  })
  .map(({ length, ...rest }) => ({ ...rest, until: length === "permanent" ? length : rest.since + length }));

const anyAlert: fc.Arbitrary<Alert> = fc.oneof(
  fc.record({
    type: fc.constant("global-anomaly" as const),
    state: fc.constantFrom("firing" as const, "still-firing" as const, "resolved" as const),
    since: anyAt,
    verdict: anyGlobalVerdict,
  }),
  fc.record({
    type: fc.constant("circuit-breaker" as const),
    state: fc.constantFrom("open" as const, "closed" as const),
    of: fc.constantFrom("participants" as const, undefined),
    bansInMinute: fc.nat(),
    limit: fc.nat(),
  }),
  fc.record({
    type: fc.constant("ban-ineffective" as const),
    ban: anyBan,
    requests: fc.nat(),
    sinceBanMs: fc.nat(),
  }),
  fc.record({
    type: fc.constant("firewall-mended" as const),
    added: fc.nat(),
    removed: fc.nat(),
    hooks: fc.nat({ max: 6 }),
  }),
  fc.record({
    type: fc.constant("log-lag" as const),
    state: fc.constantFrom("behind" as const, "caught-up" as const),
    unreadBytes: fc.nat(),
    behindMs: fc.nat(),
  }),
);

const anyDecision: fc.Arbitrary<Decision> = fc.oneof(
  fc.record({ kind: fc.constant("ban" as const), at: anyAt, ban: anyBan }),
  fc.record({
    kind: fc.constant("unban" as const),
    at: anyAt,
    ban: anyBan,
    why: fc.constantFrom("expired" as const, "manual" as const, "allowlisted" as const),
    by: hostileText,
  }),
  fc.record({ kind: fc.constant("alert" as const), at: anyAt, alert: anyAlert }),
  fc.record({ kind: fc.constant("baseline" as const), at: anyAt, site: anyBaseline, sources: anyBaseline }),
  fc.record({
    kind: fc.constant("mode" as const),
    at: anyAt,
    mode: fc.constantFrom("enforce" as const, "watch-only" as const),
    by: hostileText,
    bans: fc.nat(),
  }),
  fc.record({
    kind: fc.constant("permit" as const),
    at: anyAt,
    change: fc.constantFrom("given" as const, "taken-back" as const, "expired" as const),
    permit: fc.record({
      source: fc.constant(source("198.51.100.0/24")),
      since: anyAt,
      until: fc.constant("permanent" as const),
      by: hostileText,
      note: hostileText,
    }),
    by: hostileText,
  }),
);

/** Any outcome of any decision, with hostile text wherever text can stand. */
export const anyOutcome: fc.Arbitrary<Outcome> = fc.record({
  decision: anyDecision,
  result: fc.constantFrom("done", "dry-run", "failed"),
  at: anyAt,
  detail: fc.option(hostileText, { nil: undefined }),
});
