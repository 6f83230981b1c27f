/** How numbers and causes read in words: one wording for audit, Slack, dashboard and command line. [pure] */
import { formatDuration } from "./config/duration.ts";
import type {
  Adaptation,
  Alert,
  Ban,
  BaselineSnapshot,
  Decision,
  Evidence,
  GlobalVerdict,
  PathCount,
  Permit,
  SiteLearning,
  SourceNorm,
  SourceVerdict,
} from "./decision.ts";

/** "2026-04-25T12:00:00Z": UTC, whole seconds, the fraction dropped. */
export function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, -5)}Z`;
}

/** "5.50 req/s" */
export function rateText(rate: number): string {
  return `${rate.toFixed(2)} req/s`;
}

/** "0.70 ± 0.50"; rates of a few a day get as many digits as they need: "0.0001 ± 0.0001". */
export function baselineText({ mean, stddev }: Pick<BaselineSnapshot, "mean" | "stddev">): string {
  const digits = Math.min(6, Math.max(2, Math.ceil(-Math.log10(Math.max(mean, 1e-6)))));
  return `${mean.toFixed(digits)} ± ${stddev.toFixed(digits)}`;
}

/** "hour 14, 1800 samples", "rolling, 900 samples", "floor, 12 samples" */
export function baselineSourceText(baseline: BaselineSnapshot): string {
  const from = baseline.from === "hour" ? `hour ${baseline.hour}` : baseline.from;
  return `${from}, ${baseline.samples} samples`;
}

/** As many digits as it takes to keep two numbers apart, up to four more than the least. */
export function digitsApart(a: number, b: number, least: number): number {
  let digits = least;
  while (digits < least + 4 && a.toFixed(digits) === b.toFixed(digits)) digits++;
  return digits;
}

/** "5.50 > 3.00", with as many more digits as it takes to keep the two apart: never "3.00 > 3.00". */
function overText(value: number, limit: number, leastDigits: number, unit = ""): string {
  const digits = digitsApart(value, limit, leastDigits);
  return `${value.toFixed(digits)}${unit} > ${limit.toFixed(digits)}`;
}

/** The tests that fired, each against its threshold: "z-score 5.50 > 3.00, rate 6.1 x mean > 5.0 x". */
export function conditionText(evidence: Evidence): string {
  const parts = evidence.reasons.map((reason) => {
    switch (reason) {
      case "z-score":
        return `z-score ${overText(evidence.zScore, evidence.thresholds.zScore, 2)}`;
      case "rate-multiple":
        return `rate ${overText(evidence.multiple, evidence.thresholds.rateMultiple, 1, " x mean")} x`;
      case "ceiling":
        return `rate ${evidence.comparedRate.toFixed(2)} > ceiling ${evidence.triggerRate.toFixed(2)} req/s`;
      case "ramp":
        return rampText(evidence);
      case "participant":
        return participantText(evidence);
      default:
        return reason satisfies never;
    }
  });
  const compared = evidence.comparedRate.toFixed(2);
  if (evidence.stream === "failures") parts.push(`${failuresText(evidence)} in ${formatDuration(evidence.windowMs)}`);
  else if (compared !== evidence.rate.toFixed(2)) parts.push(`weighted ${compared} req/s`);
  if (evidence.tightenedBy) parts.push(`tightened by ${evidence.tightenedBy}`);
  if (evidence.trusted) parts.push("trusted source");
  return parts.join(", ");
}

/** " (preview, counts 0.12)": what a path was taken for, and what one such request counted where it is not 1. */
export function pathNoteText({ kind, cost }: Pick<PathCount, "kind" | "cost">): string {
  const words = [kind === "page" ? undefined : kind, cost === undefined || cost === 1 ? undefined : countsText(cost)];
  const told = words.filter((word) => word !== undefined);
  return told.length === 0 ? "" : ` (${told.join(", ")})`;
}

/** Costs are rounded to 1/1024, which two digits do not show. */
function countsText(cost: number): string {
  return `counts ${Number(cost.toPrecision(2))}`;
}

/**
 * What of the adaptive profile had a part in a verdict, as far as it is worth a word: "held against busy sources, at the
 * cap, 60 % of the norm is enough, 3 people behind the address, 4 errors blamed on it, not blamed: 429, 503". Null where
 * nothing is, and for the contract. It holds no text of the source.
 */
export function adaptationText(verdict: SourceVerdict): string | null {
  const { adaptation, errors, statuses } = verdict;
  if (adaptation === undefined) return null;
  const { norm, people, blamed, notBlamed, site } = adaptation;
  const spared = statuses.filter(({ status }) => status >= 500 || notBlamed.includes(status));
  const words = [
    ...(norm === undefined ? [] : [normText(norm)]),
    ...(people > 1 ? [`${people} people behind the address`] : []),
    ...(errors > 0 && blamed !== undefined ? [`${blamed} ${blamed === 1 ? "error" : "errors"} blamed on it`] : []),
    ...(spared.length > 0 ? [`not blamed: ${spared.map(({ status }) => status).join(", ")}`] : []),
    ...(verdict.tightenedBy === "error-surge" ? [`the site has ${site.errorRate.toFixed(2)} errors a second`] : []),
    ...(site.waitsSince === undefined ? [] : [`the site's baseline waits since ${timeText(site.waitsSince)}`]),
    ...(isAgainstSite(verdict, adaptation) ? guardTexts(site) : []),
    ...(site.forgetsBanned ? [] : ["what it asked for stays learned"]),
  ];
  return words.length === 0 ? null : words.join(", ");
}

/** Did what the site has learned decide? */
function isAgainstSite({ tightenedBy }: SourceVerdict, { norm }: Adaptation): boolean {
  return norm?.of === "site" || tightenedBy === "error-surge";
}

function normText({ of, isCapped, share }: SourceNorm): string {
  const against = of === "site" ? "the site" : "busy sources";
  const enough = share === 1 ? "" : `, ${Math.round(share * 100)} % of the norm is enough`;
  return `held against ${against}${isCapped ? ", at the cap" : ""}${enough}`;
}

/** What the spike guard made of the site's seconds. */
function guardTexts({ guarded, spikes, grown }: SiteLearning): string[] {
  return [
    ...(guarded === 0 ? [] : [`${guarded} s above the spike guard so far (${spikes})`]),
    ...(grown === 0 ? [] : [`${grown} s of them lately by many sources`]),
  ];
}

/** "ramp: 12, 31 and 84 times one page in 5m each", "ramp: 12, 31 and 84 times one of 40 things in 5m each" */
function rampText({
  ramp,
  rampPaths = 1,
  windowMs,
}: Evidence & Pick<Partial<SourceVerdict>, "ramp" | "rampPaths">): string {
  if (ramp === undefined) return "ramp";
  const [before, then, now] = ramp;
  const of = rampPaths <= 1 ? "one page" : `one of ${rampPaths} things`;
  return `ramp: ${before}, ${then} and ${now} times ${of} in ${formatDuration(windowMs)} each`;
}

/** "participant of a global anomaly: 5 looks at what surges and nothing else, as 412 sources do" */
function participantText({ surge }: Evidence & Pick<Partial<SourceVerdict>, "surge">): string {
  const crowd =
    surge === undefined
      ? ""
      : `: ${surge.looks} looks at what surges and at nothing else, one of ${surge.crowd} sources`;
  return `participant of a global anomaly${crowd}`;
}

/** Requests are counted over ten minutes at most: what is measured over longer is failures alone. */
const MOST_COUNTED_MS = 600_000;

/** The span over which the requests and errors of a verdict were counted. */
export function countedMs({ windowMs }: Pick<Evidence, "windowMs">): number {
  return Math.min(windowMs, MOST_COUNTED_MS);
}

/**
 * What decided, for failures: "8 in 3d, bar 7.5"; null where it was a rate. The bar stands in the evidence as a norm per
 * second like any other, which says nothing to people where failures are few.
 */
export function failureBarText(evidence: Evidence): string | null {
  const { stream, comparedRate, triggerRate, windowMs } = evidence;
  if (stream !== "failures") return null;
  const [count, bar] = [comparedRate, triggerRate].map((perSecond) => (perSecond * windowMs) / 1000) as [
    number,
    number,
  ];
  const digits = digitsApart(count, bar, 1);
  const text = (failures: number) => String(Number(failures.toFixed(digits)));
  return `${text(count)} in ${formatDuration(windowMs)}, bar ${text(bar)}`;
}

/** "13 failures": what the failure stream counted inside its window. */
function failuresText({ comparedRate, windowMs }: Evidence): string {
  return `${Math.round(comparedRate * (windowMs / 1000))} failures`;
}

/** Why a ban exists, in a few words. */
export function causeText(ban: Ban): string {
  switch (ban.cause.scope) {
    case "source":
      return conditionText(ban.cause);
    case "manual":
      return ban.cause.note ? `manual by ${ban.cause.by}: ${ban.cause.note}` : `manual by ${ban.cause.by}`;
    case "adopted":
      return "found in the firewall at start";
    default:
      return ban.cause satisfies never;
  }
}

/** The few words that bans of one kind share, without their numbers: "z-score and rate-multiple", "manual". */
export function causeKindText(ban: Ban): string {
  if (ban.cause.scope !== "source") return ban.cause.scope;
  const tests = ban.cause.reasons.join(" and ");
  return ban.cause.stream === "failures" ? `${tests} of failures` : tests;
}

/** Why a ban ended, and the how-manieth it was: "expired, 1st offence", "manual by alice, 2nd offence". */
export function unbanText(unban: Extract<Decision, { kind: "unban" }>): string {
  const by = unban.by === undefined ? "" : ` by ${unban.by}`;
  return `${unban.why}${by}, ${ordinal(unban.ban.banCount)} offence`;
}

/** Who armed or disarmed, and what became of the bans: "by alice, 3 bans in force". */
export function modeText({ mode, by, bans }: Extract<Decision, { kind: "mode" }>): string {
  return `by ${by}, ${bans} ${bans === 1 ? "ban" : "bans"} ${mode === "enforce" ? "in force" : "out of the firewall"}`;
}

/** Who gave a permit and why, or how it ended: "by alice: office", "by bob", "expired". */
export function permitText({ change, permit, by }: Extract<Decision, { kind: "permit" }>): string {
  if (change === "expired") return `allowed by ${permit.by} until now`;
  if (change === "taken-back") return `taken back by ${by}`;
  return permit.note ? `by ${permit.by}: ${permit.note}` : `by ${permit.by}`;
}

/** How long a ban or a permit lasts as a whole, in milliseconds. */
export function banLengthMs({ since, until }: Pick<Ban | Permit, "since" | "until">): number | "permanent" {
  return until === "permanent" ? "permanent" : until - since;
}

/** "10m", "2h", "permanent"; a length of a second or more is rounded to seconds. */
export function lengthText(length: number | "permanent"): string {
  if (length === "permanent") return length;
  return formatDuration(length < 1000 ? length : Math.round(length / 1000) * 1000);
}

/** "10m", "2h", "permanent": the whole length of a ban or a permit. */
export function banLengthText(ban: Pick<Ban | Permit, "since" | "until">): string {
  return lengthText(banLengthMs(ban));
}

/** "1st", "2nd", "3rd", "4th", "11th" */
export function ordinal(n: number): string {
  const tail = n % 100 >= 11 && n % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${tail}`;
}

/** "3 bans put back, 1 foreign entry removed, chain or hook restored in 2 tables" */
function mendedText({ added, removed, hooks }: Extract<Alert, { type: "firewall-mended" }>): string {
  const counted = (count: number, one: string, many: string) =>
    count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
  return [
    ...counted(added, "ban put back", "bans put back"),
    ...counted(removed, "foreign entry removed", "foreign entries removed"),
    ...counted(hooks, "table's chain or hook restored", "tables' chain or hook restored"),
  ].join(", ");
}

/** What a global anomaly is made of, most first: name and words of each list. The words hold attacker text. */
export function trafficRows(verdict: GlobalVerdict, most = 5): (readonly [name: string, text: string])[] {
  const row = (name: string, items: readonly (readonly [what: string | number, count: number])[]) => {
    const words = items.slice(0, most).map(([what, count]) => `${what} ×${count}`);
    return words.length === 0 ? [] : [[name, words.join(", ")] as const];
  };
  return [
    ...row(
      "paths",
      verdict.topPaths.map(({ path, count }) => [path || "(empty)", count]),
    ),
    ...row(
      "answers",
      verdict.statuses.map(({ status, count }) => [status, count]),
    ),
    ...row(
      "sources",
      verdict.topSources.map(({ source, count }) => [source, count]),
    ),
    ...row(
      "networks",
      (verdict.topNetworks ?? []).map(({ network, count }) => [network, count]),
    ),
    ...row(
      "agents",
      (verdict.topAgents ?? []).map(({ agent, count }) => [agent || "(none)", count]),
    ),
  ];
}

/** Whom a global anomaly may get banned. */
export function bannedForText({ bansParticipants }: GlobalVerdict): string {
  return bansParticipants ? "sources that do nothing else are banned" : "nobody is banned for it";
}

/** One plain line for an alert. */
export function alertText(alert: Alert): string {
  switch (alert.type) {
    case "global-anomaly":
      return alert.state === "resolved"
        ? `global anomaly resolved after ${lengthText(Math.max(0, alert.verdict.at - alert.since))}`
        : `global anomaly ${alert.state}: ${conditionText(alert.verdict)}, ${alert.verdict.sources} sources, ${bannedForText(alert.verdict)}`;
    case "circuit-breaker":
      return alert.state === "open"
        ? `circuit breaker open${whoseText(alert)}: ${alert.bansInMinute} bans in a minute, limit ${alert.limit}; ${whomText(alert)} are not banned until it closes`
        : `circuit breaker closed${whoseText(alert)}: ${whomText(alert)} are banned again`;
    case "ban-ineffective":
      return `ban ineffective: ${alert.requests} requests of ${alert.ban.source} reached the log after its ban`;
    case "firewall-mended":
      return `firewall mended: ${mendedText(alert)}`;
    case "log-lag":
      return alert.state === "behind"
        ? `the log grows faster than it is read: ${(alert.unreadBytes / 1e6).toFixed(1)} MB unread, ${lengthText(alert.behindMs)} behind`
        : "the log is read in time again";
    default:
      return alert satisfies never;
  }
}

type BreakerAlert = Extract<Alert, { type: "circuit-breaker" }>;

function whoseText({ of }: BreakerAlert): string {
  return of === "participants" ? " for participants" : "";
}

function whomText({ of }: BreakerAlert): string {
  return of === "participants" ? "participants of the global anomaly" : "single sources";
}

/** The two greatest units of a span, whole seconds begun and not rounded: "12 d 4 h", "3 h 5 min", "40 s". Never negative. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([n]) => n > 0)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(" ");
}
