import { describe, expect, test } from "bun:test";
import { AT, ban, baseline, evidence, globalAlert, source, sourceVerdict } from "../test/outcomes.ts";
import type { Adaptation, Ban, Decision, Evidence, SiteLearning, SourceNorm, SourceVerdict } from "./decision.ts";
import {
  adaptationText,
  alertText,
  banLengthText,
  baselineSourceText,
  baselineText,
  causeKindText,
  causeText,
  conditionText,
  countedMs,
  failureBarText,
  lengthText,
  ordinal,
  pathNoteText,
  rateText,
  timeText,
  unbanText,
} from "./wording.ts";

const NORM: SourceNorm = { of: "busy-sources", isCapped: false, share: 1 };
const LEARNING: SiteLearning = { errorRate: 0, guarded: 0, spikes: "capped", grown: 0, forgetsBanned: true };

describe("conditionText", () => {
  const rows: [name: string, over: Partial<Evidence>, text: string][] = [
    ["the z-score", {}, "z-score 5.50 > 3.00"],
    ["the rate multiple", { reasons: ["rate-multiple"], multiple: 6.14 }, "rate 6.1 x mean > 5.0 x"],
    ["both", { reasons: ["z-score", "rate-multiple"], multiple: 9 }, "z-score 5.50 > 3.00, rate 9.0 x mean > 5.0 x"],
    [
      "the ceiling",
      { reasons: ["ceiling"], rate: 25, comparedRate: 25, triggerRate: 20 },
      "rate 25.00 > ceiling 20.00 req/s",
    ],
    ["a z-score a hair above", { zScore: 3.0004 }, "z-score 3.0004 > 3.0000"],
    ["a multiple a hair above", { reasons: ["rate-multiple"], multiple: 5.03 }, "rate 5.03 x mean > 5.00 x"],
    [
      "thresholds halved",
      { thresholds: { zScore: 1.5, rateMultiple: 2.5 }, tightenedBy: "error-surge" },
      "z-score 5.50 > 1.50, tightened by error-surge",
    ],
    ["weighted requests", { rate: 9.25 }, "z-score 5.50 > 3.00, weighted 5.50 req/s"],
    [
      "failures",
      { stream: "failures", comparedRate: 0.25, windowMs: 600_000 },
      "z-score 5.50 > 3.00, 150 failures in 10m",
    ],
    ["a trusted source", { trusted: true }, "z-score 5.50 > 3.00, trusted source"],
  ];
  test.each(rows)("%s", (_, over, text) => {
    expect(conditionText(evidence(over))).toBe(text);
  });
});

describe("adaptationText", () => {
  const rows: [name: string, over: Partial<SourceVerdict>, adapted: Partial<Adaptation>, text: string | null][] = [
    ["of a rate", { errors: 0 }, {}, "held against busy sources"],
    [
      "of a rate over ten minutes",
      { errors: 0 },
      { norm: { ...NORM, share: 0.6 } },
      "held against busy sources, 60 % of the norm is enough",
    ],
    ["at the cap", { errors: 0 }, { norm: { ...NORM, isCapped: true } }, "held against busy sources, at the cap"],
    ["of an office", { stream: "failures", errors: 0 }, { norm: undefined, people: 3 }, "3 people behind the address"],
    ["of failures: nothing out of the ordinary", { stream: "failures", errors: 0 }, { norm: undefined }, null],
    ["of errors", { stream: "failures", errors: 12 }, { norm: undefined, blamed: 1 }, "1 error blamed on it"],
    ["of errors in another window", { stream: "failures", errors: 12 }, { norm: undefined, blamed: undefined }, null],
    [
      "of answers that are not its fault",
      { stream: "failures", errors: 12, statuses: [404, 429, 200, 503].map((status) => ({ status, count: 3 })) },
      { norm: undefined, blamed: 3 },
      "3 errors blamed on it, not blamed: 429, 503",
    ],
    [
      "of a surge of errors",
      { errors: 12, tightenedBy: "error-surge" },
      { blamed: 12, site: { ...LEARNING, errorRate: 0.04, guarded: 7 } },
      "held against busy sources, 12 errors blamed on it, the site has 0.04 errors a second, 7 s above the spike guard so far (capped)",
    ],
    [
      "of a site that the rate is not held against",
      { errors: 0 },
      { site: { ...LEARNING, guarded: 7, grown: 5 } },
      "held against busy sources",
    ],
    [
      "of the site",
      { errors: 0 },
      { norm: { ...NORM, of: "site" }, site: { ...LEARNING, guarded: 7, grown: 5, spikes: "left-out" } },
      "held against the site, 7 s above the spike guard so far (left-out), 5 s of them lately by many sources",
    ],
    [
      "of a baseline that waits, and forgets nothing",
      { stream: "failures", errors: 0 },
      { norm: undefined, site: { ...LEARNING, waitsSince: AT, forgetsBanned: false } },
      "the site's baseline waits since 2026-04-25T12:00:00Z, what it asked for stays learned",
    ],
  ];
  test.each(rows)("%s", (_, over, adapted, text) => {
    const adaptation: Adaptation = {
      norm: NORM,
      people: 1,
      blamed: 0,
      notBlamed: [429],
      site: LEARNING,
      ...adapted,
    };
    expect(adaptationText(sourceVerdict({ ...over, adaptation }))).toBe(text);
  });

  test("of the contract, or of an older version's ban", () => expect(adaptationText(sourceVerdict())).toBeNull());
});

test.each([
  [{}, ""],
  [{ kind: "page", cost: 1 }, ""],
  [{ kind: "page", cost: 0.4501953125 }, " (counts 0.45)"],
  [{ kind: "asset", cost: 0.099609375 }, " (asset, counts 0.1)"],
  [{ kind: "login", cost: 2 }, " (login, counts 2)"],
  [{ kind: "login" }, " (login)"],
])("the note of a path %j is %j", (asked, text) => {
  expect(pathNoteText(asked)).toBe(text);
});

describe("bans", () => {
  const manual = { scope: "manual", at: AT, by: "alice", note: "scanner" } as const;
  const rows: [cause: Ban["cause"], text: string, kind: string][] = [
    [
      sourceVerdict({ reasons: ["z-score", "rate-multiple"], multiple: 6.1 }),
      "z-score 5.50 > 3.00, rate 6.1 x mean > 5.0 x",
      "z-score and rate-multiple",
    ],
    [
      sourceVerdict({ reasons: ["participant"], surge: { since: AT, looks: 5, crowd: 412 } }),
      "participant of a global anomaly: 5 looks at what surges and at nothing else, one of 412 sources",
      "participant",
    ],
    [
      sourceVerdict({ reasons: ["ramp"], ramp: [22, 44, 91], windowMs: 300_000 }),
      "ramp: 22, 44 and 91 times one page in 5m each",
      "ramp",
    ],
    [
      sourceVerdict({ reasons: ["ramp"], ramp: [22, 44, 91], rampPaths: 1, windowMs: 300_000 }),
      "ramp: 22, 44 and 91 times one page in 5m each",
      "ramp",
    ],
    [
      sourceVerdict({ reasons: ["ramp"], ramp: [22, 44, 91], rampPaths: 40, windowMs: 300_000 }),
      "ramp: 22, 44 and 91 times one of 40 things in 5m each",
      "ramp",
    ],
    [sourceVerdict({ stream: "failures" }), "z-score 5.50 > 3.00, 330 failures in 1m", "z-score of failures"],
    [manual, "manual by alice: scanner", "manual"],
    [{ scope: "manual", at: AT, by: "alice" }, "manual by alice", "manual"],
    [{ scope: "adopted", at: AT }, "found in the firewall at start", "adopted"],
  ];
  test.each(rows)("cause %#", (cause, text, kind) => {
    expect([causeText(ban({ cause })), causeKindText(ban({ cause }))]).toEqual([text, kind]);
  });

  test.each([
    [AT + 600_000, "10m"],
    [AT + 599_877, "10m"],
    [AT + 7_200_000, "2h"],
    ["permanent", "permanent"],
  ] as const)("until %p it is %p long", (until, text) => {
    expect(banLengthText(ban({ until }))).toBe(text);
  });

  test.each([
    [{ why: "expired" }, "expired, 3rd offence"],
    [{ why: "manual", by: "alice" }, "manual by alice, 3rd offence"],
    [{ why: "allowlisted" }, "allowlisted, 3rd offence"],
  ] as const)("unban %p", (over, text) => {
    expect(unbanText({ kind: "unban", at: AT, ban: ban({ banCount: 3 }), ...over })).toBe(text);
  });
});

describe("alertText", () => {
  const alertOf = (decision: Decision) => (decision.kind === "alert" ? decision.alert : null)!;
  const breaker = { type: "circuit-breaker", bansInMinute: 101, limit: 100 } as const;
  test.each([
    [
      alertOf(globalAlert("firing")),
      "global anomaly firing: z-score 5.50 > 3.00, 120 sources, nobody is banned for it",
    ],
    [
      alertOf(globalAlert("still-firing")),
      "global anomaly still-firing: z-score 5.50 > 3.00, 120 sources, nobody is banned for it",
    ],
    [alertOf(globalAlert("resolved", { at: AT + 95_499 })), "global anomaly resolved after 1m35s"],
    [
      { ...breaker, state: "open" as const },
      "circuit breaker open: 101 bans in a minute, limit 100; single sources are not banned until it closes",
    ],
    [{ ...breaker, state: "closed" as const }, "circuit breaker closed: single sources are banned again"],
    [
      { ...breaker, state: "open" as const, of: "participants" as const },
      "circuit breaker open for participants: 101 bans in a minute, limit 100; participants of the global anomaly are not banned until it closes",
    ],
    [
      alertOf(globalAlert("firing", { bansParticipants: true })),
      "global anomaly firing: z-score 5.50 > 3.00, 120 sources, sources that do nothing else are banned",
    ],
    [
      { type: "ban-ineffective" as const, ban: ban({ source: source("2001:db8::/64") }), requests: 7, sinceBanMs: 1 },
      "ban ineffective: 7 requests of 2001:db8::/64 reached the log after its ban",
    ],
    [
      { type: "firewall-mended" as const, added: 3, removed: 1, hooks: 2 },
      "firewall mended: 3 bans put back, 1 foreign entry removed, 2 tables' chain or hook restored",
    ],
    [
      { type: "firewall-mended" as const, added: 1, removed: 0, hooks: 1 },
      "firewall mended: 1 ban put back, 1 table's chain or hook restored",
    ],
    [
      { type: "log-lag" as const, state: "behind" as const, unreadBytes: 12_340_000, behindMs: 40_400 },
      "the log grows faster than it is read: 12.3 MB unread, 40s behind",
    ],
    [
      { type: "log-lag" as const, state: "caught-up" as const, unreadBytes: 0, behindMs: 0 },
      "the log is read in time again",
    ],
  ])("%#", (alert, text) => {
    expect(alertText(alert)).toBe(text);
  });
});

test("numbers, lengths and times", () => {
  expect(rateText(5.5)).toBe("5.50 req/s");
  expect(baselineText({ mean: 11.8, stddev: 2.6 })).toBe("11.80 ± 2.60");
  expect(baselineSourceText(baseline({ from: "hour", hour: 0 }))).toBe("hour 0, 1800 samples");
  expect(baselineSourceText(baseline({ from: "floor", samples: 12 }))).toBe("floor, 12 samples");
  expect(timeText(AT)).toBe("2026-04-25T12:00:00Z");
  expect([0, 250, 999, 1499, 90_000].map(lengthText)).toEqual(["0s", "250ms", "999ms", "1s", "1m30s"]);
  expect([1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111].map(ordinal)).toEqual([
    "1st",
    "2nd",
    "3rd",
    "4th",
    "11th",
    "12th",
    "13th",
    "21st",
    "22nd",
    "101st",
    "111th",
  ]);
});

describe("failures are told as counts", () => {
  const DAYS = 3 * 86_400_000;
  test.each<[Partial<SourceVerdict>, string | null]>([
    [{ stream: "failures", windowMs: DAYS, comparedRate: 8 / 259_200, triggerRate: 7.5 / 259_200 }, "8 in 3d, bar 7.5"],
    [{ stream: "failures", windowMs: 60_000, comparedRate: 0.15, triggerRate: 8 / 60 }, "9 in 1m, bar 8"],
    [
      { stream: "failures", windowMs: DAYS, comparedRate: 8.03 / 259_200, triggerRate: 8 / 259_200 },
      "8.03 in 3d, bar 8",
    ],
    [{}, null],
  ])("%#", (over, text) => {
    expect(failureBarText(sourceVerdict(over))).toBe(text);
  });

  test("the requests beside them are those of ten minutes at most", () => {
    expect([60_000, 600_000, DAYS].map((windowMs) => countedMs({ windowMs }))).toEqual([60_000, 600_000, 600_000]);
  });
});
