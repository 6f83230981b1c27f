import { describe, expect, test } from "bun:test";
import {
  AT,
  alertDecision,
  ban,
  banDecision,
  baselineDecision,
  globalAlert,
  globalVerdict,
  source,
  sourceVerdict,
  unbanDecision,
} from "../test/outcomes.ts";
import { replayEvent } from "./events.ts";

describe("replayEvent", () => {
  test("a ban: seconds of the log's time, its length in seconds, its evidence", () => {
    expect(replayEvent(banDecision({ banCount: 2 }))).toEqual({
      ts: AT / 1000,
      action: "BAN",
      ip: "203.0.113.10",
      duration: 600,
      condition: "z-score 5.50 > 3.00",
      banCount: 2,
      evidence: sourceVerdict(),
    });
  });

  test("a permanent ban lasts -1; one by hand has no evidence; a prefix is an address range", () => {
    const event = replayEvent(
      banDecision({
        source: source("2001:db8:1:2::/64"),
        until: "permanent",
        cause: { scope: "manual", at: AT, by: "alice" },
      }),
    );
    expect(event).toEqual({
      ts: AT / 1000,
      action: "BAN",
      ip: "2001:db8:1:2::/64",
      duration: -1,
      condition: "manual by alice",
      banCount: 1,
    });
  });

  test("an unban", () => {
    expect(replayEvent(unbanDecision())).toEqual({
      ts: AT / 1000 + 600,
      action: "UNBAN",
      ip: "203.0.113.10",
      condition: "expired after 10m",
    });
  });

  test.each(["firing", "still-firing"] as const)("a global anomaly that is %s", (state) => {
    const event = replayEvent(globalAlert(state));
    expect(event).toMatchObject({ action: "ALERT", type: "global-anomaly", evidence: globalVerdict() });
    expect(event?.condition).toContain(state);
  });

  test("the breaker and a ban that does not block are alerts without evidence", () => {
    const open = alertDecision({ type: "circuit-breaker", state: "open", bansInMinute: 101, limit: 100 });
    const leak = alertDecision({ type: "ban-ineffective", ban: ban(), requests: 3, sinceBanMs: 5000 });
    expect([open, leak].map(replayEvent)).toEqual([
      { ts: AT / 1000, action: "ALERT", condition: expect.any(String), type: "circuit-breaker" },
      { ts: AT / 1000, action: "ALERT", condition: expect.any(String), type: "ban-ineffective" },
    ]);
  });

  test("an anomaly that ended and a recalculated baseline are no events", () => {
    expect([globalAlert("resolved"), baselineDecision()].map(replayEvent)).toEqual([null, null]);
  });
});
