import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  AT,
  alertDecision,
  anyOutcome,
  ban,
  banDecision,
  baselineDecision,
  globalAlert,
  modeDecision,
  outcome,
  permitDecision,
  SEED,
  sourceNumber,
  sourceVerdict,
  unbanDecision,
} from "../../test/outcomes.ts";
import type { Outcome } from "../decision.ts";
import { createPolicy, DEFAULT_POLICY } from "./policy.ts";
import { addTallies, type Tally, tallyOf } from "./tally.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const banned = (n = 0, over: Partial<Outcome> = {}) => outcome(banDecision({ source: sourceNumber(n) }), over);
const unbanned = (n = 0, over: Partial<Outcome> = {}) => outcome(unbanDecision({ source: sourceNumber(n) }), over);
const failure = { result: "failed", detail: "ban: ip6tables exited 3" } as const;
const breaker = (state: "open" | "closed", of?: "participants") =>
  outcome(alertDecision({ type: "circuit-breaker", state, bansInMinute: 101, limit: 100, of }));
const leak = (n = 0) =>
  outcome(
    alertDecision({ type: "ban-ineffective", ban: ban({ source: sourceNumber(n) }), requests: 9, sinceBanMs: 5 }),
  );
const firing = outcome(globalAlert("firing"));
const stillFiring = outcome(globalAlert("still-firing"));
const resolved = outcome(globalAlert("resolved"));

type Step = readonly [seconds: number, outcome: Outcome, telling: string];

const mended = outcome(alertDecision({ type: "firewall-mended", added: 3, removed: 0, hooks: 1 }));
const lag = (state: "behind" | "caught-up") =>
  outcome(alertDecision({ type: "log-lag", state, unreadBytes: 9e6, behindMs: 12_000 }));

const stories: [name: string, steps: readonly Step[]][] = [
  [
    "a ban and its unban are told",
    [
      [0, banned(), "now first"],
      [600, unbanned(), "now first"],
    ],
  ],
  [
    "a firewall that is flushed again and again is told every ten minutes",
    [
      [0, mended, "now first"],
      [30, mended, "never suppressed"],
      [599, mended, "never suppressed"],
      [600, mended, "now repeat-due"],
      [630, mended, "never suppressed"],
    ],
  ],
  [
    "a lag is told when it begins and when it ends; one that comes back at once is not",
    [
      [0, lag("behind"), "now first"],
      [60, lag("caught-up"), "now resolved"],
      [70, lag("behind"), "never suppressed"],
      [80, lag("caught-up"), "never suppressed"],
    ],
  ],
  ["a dry-run ban is told", [[0, banned(0, { result: "dry-run" }), "now first"]]],
  ["a baseline is never told", [[0, outcome(baselineDecision()), "never suppressed"]]],
  [
    "three within 60 s are told, the fourth is folded, whatever its kind",
    [
      [0, banned(1), "now first"],
      [10, unbanned(2), "now first"],
      [20, banned(3), "now first"],
      [59.999, banned(4), "digest suppressed"],
      [60, banned(5), "now first"],
      [60, banned(6), "digest suppressed"],
      [70, banned(7), "now first"],
    ],
  ],
  [
    "a failing firewall is told once per source until it works",
    [
      [0, banned(1, failure), "now failed"],
      [30, banned(1, failure), "never suppressed"],
      [60, banned(1, failure), "never suppressed"],
      [90, banned(2, failure), "now failed"],
      [120, banned(1), "now resolved"],
      [700, unbanned(1, failure), "now failed"],
      [730, unbanned(1, failure), "never suppressed"],
      [760, unbanned(1), "now resolved"],
      [900, banned(1, failure), "now failed"],
    ],
  ],
  [
    "a global anomaly: when it begins, each 10 min, once when over",
    [
      [0, firing, "now first"],
      [1, firing, "never suppressed"],
      [300, stillFiring, "never suppressed"],
      [599.999, stillFiring, "never suppressed"],
      [600, stillFiring, "now repeat-due"],
      [601, resolved, "now resolved"],
      [602, resolved, "never suppressed"],
    ],
  ],
  [
    "an anomaly that comes and goes is told at most every 10 min, and only told ones end",
    [
      [0, firing, "now first"],
      [60, resolved, "now resolved"],
      [120, firing, "never suppressed"],
      [180, resolved, "never suppressed"],
      [600, firing, "now first"],
    ],
  ],
  [
    "an anomaly that began before a restart still ends",
    [
      [0, resolved, "now resolved"],
      [1, resolved, "never suppressed"],
    ],
  ],
  [
    "an end told after a restart does not delay the next beginning",
    [
      [0, resolved, "now resolved"],
      [1, firing, "now first"],
    ],
  ],
  [
    "the circuit breaker, beside a global anomaly",
    [
      [0, firing, "now first"],
      [1, breaker("open"), "now first"],
      [2, breaker("open"), "never suppressed"],
      [61, breaker("closed"), "now resolved"],
      [62, breaker("open"), "never suppressed"],
      [700, breaker("open"), "now first"],
    ],
  ],
  [
    "the breaker of participants, beside that of single sources",
    [
      [0, breaker("open"), "now first"],
      [1, breaker("open", "participants"), "now first"],
      [2, breaker("closed", "participants"), "now resolved"],
      [3, breaker("open"), "never suppressed"],
      [4, breaker("closed"), "now resolved"],
    ],
  ],
  [
    "permits given and taken back, each time; not their end, which was told with them",
    [
      [0, outcome(permitDecision("given")), "now first"],
      [1, outcome(permitDecision("taken-back", {}, "bob")), "now first"],
      [2, outcome(permitDecision("expired")), "never suppressed"],
    ],
  ],
  [
    "arming and disarming, each time",
    [
      [0, outcome(modeDecision("watch-only")), "now first"],
      [1, outcome(modeDecision("enforce")), "now first"],
      [2, outcome(modeDecision("watch-only")), "now first"],
    ],
  ],
  [
    "a ban that does not block: per source, each 10 min",
    [
      [0, leak(1), "now first"],
      [1, leak(1), "never suppressed"],
      [2, leak(2), "now first"],
      [599, leak(1), "never suppressed"],
      [600, leak(1), "now repeat-due"],
    ],
  ],
  [
    "a clock that is set back by a day holds nothing up",
    [
      [86_400, firing, "now first"],
      [0, stillFiring, "now repeat-due"],
      [1, banned(1), "now first"],
    ],
  ],
];

describe("createPolicy", () => {
  test.each(stories)("%s", (_, steps) => {
    const policy = createPolicy();
    for (const [seconds, given, expected] of steps) {
      const { when, reason } = policy.decide(given, AT + seconds * SECOND);
      expect(`${seconds} s: ${when} ${reason}`).toBe(`${seconds} s: ${expected}`);
    }
  });

  test("1,000 bans in a second: three messages and one digest, every source counted", () => {
    const policy = createPolicy();
    const now = Array.from({ length: 1000 }, (_, n) => policy.decide(banned(n), AT + n).when).filter(
      (w) => w === "now",
    );
    expect(now).toHaveLength(3);
    expect(policy.due(AT + 4999)).toEqual([]);
    const [due, ...others] = policy.due(AT + 5003);
    expect(others).toEqual([]);
    expect(due).toMatchObject({
      kind: "digest",
      digest: {
        tally: { bans: 997 },
        sourceCount: 997,
        sources: [3, 4, 5, 6, 7].map(sourceNumber),
        topCause: { kind: "z-score", count: 997 },
      },
    });
    expect(policy.due(AT + 10 * MINUTE)).toEqual([]);
  });

  test("a storm that lasts 10 min: three at once and one digest a minute", () => {
    const policy = createPolicy();
    let told = 0;
    let digests = 0;
    let counted = 0;
    for (let second = 0; second < 600; second++) {
      const at = AT + second * SECOND;
      for (let n = 0; n < 20; n++) told += policy.decide(banned(second * 20 + n), at).when === "now" ? 1 : 0;
      for (const due of policy.due(at)) {
        digests++;
        if (due.kind === "digest") counted += due.digest.tally.bans ?? 0;
      }
    }
    for (const due of policy.drain()) if (due.kind === "digest") counted += due.digest.tally.bans ?? 0;
    expect(told).toBe(30);
    expect(digests).toBe(10);
    expect(counted + told).toBe(12_000);
  });

  test("850 global alerts in 30 min: one firing, a repeat each 10 min, one resolved", () => {
    const policy = createPolicy();
    const tellings = Array.from({ length: 850 }, (_, i) => policy.decide(i ? stillFiring : firing, AT + i * 2100));
    tellings.push(policy.decide(resolved, AT + 850 * 2100));
    const reasons = tellings.filter(({ when }) => when === "now").map(({ reason }) => reason);
    expect(reasons).toEqual(["first", "repeat-due", "repeat-due", "resolved"]);
  });

  test("an anomaly held back is told as soon as it may be, if it still lasts", () => {
    const policy = createPolicy();
    policy.decide(firing, AT);
    policy.decide(resolved, AT + MINUTE);
    policy.decide(firing, AT + 2 * MINUTE);
    expect(policy.due(AT + 10 * MINUTE - 1)).toEqual([]);
    expect(policy.due(AT + 10 * MINUTE)).toEqual([{ kind: "outcome", outcome: firing, reason: "first" }]);
    expect(policy.due(AT + 11 * MINUTE)).toEqual([]);
    expect(policy.decide(resolved, AT + 12 * MINUTE)).toEqual({ when: "now", reason: "resolved" });
    policy.decide(firing, AT + 13 * MINUTE);
    policy.decide(resolved, AT + 14 * MINUTE);
    expect(policy.due(AT + 60 * MINUTE)).toEqual([]);
  });

  test("a digest names the most frequent cause and the busiest source", () => {
    const policy = createPolicy({ ...DEFAULT_POLICY, stormLimit: 0 });
    const byRate = sourceVerdict({ source: sourceNumber(9), reasons: ["rate-multiple"], rate: 99 });
    policy.decide(banned(1), AT);
    policy.decide(banned(2), AT);
    policy.decide(outcome(banDecision({ source: sourceNumber(9), cause: byRate })), AT);
    policy.decide(banned(3, failure), AT);
    policy.decide(unbanned(1), AT);
    policy.decide(leak(4), AT);
    const [due] = policy.drain();
    expect(due).toMatchObject({
      kind: "digest",
      digest: {
        from: AT,
        to: AT + 10 * MINUTE,
        tally: { bans: 3, failed: 1, unbans: 1, alerts: 1 },
        sourceCount: 5,
        topCause: { kind: "z-score", count: 3 },
        busiest: { source: sourceNumber(9), rate: 99 },
      },
    });
  });

  test("whatever comes: told, folded and suppressed add up, and at most three go at once in any minute", () => {
    const steps = fc.array(fc.record({ outcome: anyOutcome, afterMs: fc.nat({ max: 20_000 }) }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (given) => {
        const policy = createPolicy();
        const atOnce: number[] = [];
        let now = AT;
        let expected: Tally = {};
        let seen: Tally = {};
        for (const { outcome: next, afterMs } of given) {
          now += afterMs;
          const telling = policy.decide(next, now);
          const { decision } = next;
          const isAlone = decision.kind === "alert" && decision.alert.type !== "ban-ineffective";
          const isStorm = !isAlone && decision.kind !== "mode" && decision.kind !== "permit";
          if (telling.when === "now" && isStorm) atOnce.push(now);
          if (telling.when === "digest") expected = addTallies(expected, tallyOf(next));
          for (const due of policy.due(now)) if (due.kind === "digest") seen = addTallies(seen, due.digest.tally);
        }
        for (const due of policy.drain()) if (due.kind === "digest") seen = addTallies(seen, due.digest.tally);
        expect(seen).toEqual(expected);
        for (let i = 3; i < atOnce.length; i++) expect(atOnce[i]! - atOnce[i - 3]!).toBeGreaterThanOrEqual(MINUTE);
      }),
      { seed: SEED, numRuns: 100 },
    );
  });
});
