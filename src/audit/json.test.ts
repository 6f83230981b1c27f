import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  anyOutcome,
  banDecision,
  baselineDecision,
  globalAlert,
  outcome,
  SEED,
  sourceVerdict,
  unbanDecision,
} from "../../test/outcomes.ts";
import type { Decision, Outcome } from "../decision.ts";
import { auditEvent } from "./event.ts";
import { auditJson } from "./json.ts";

const read = (decision: Decision, over: Partial<Outcome> = {}) =>
  JSON.parse(auditJson(auditEvent(outcome(decision, over))));

describe("auditJson", () => {
  test("a ban carries its figures and its evidence", () => {
    const record = read(banDecision({ banCount: 2 }), { result: "failed", detail: "no such table" });
    expect(record).toMatchObject({
      ts: "2026-04-25T12:00:00.789Z",
      action: "BAN",
      ip: "203.0.113.10",
      condition: "z-score 5.50 > 3.00 (FAILED: no such table)",
      rate: 5.5,
      baseline: { mean: 0.7, stddev: 0.5, from: "rolling", samples: 1800 },
      durationSeconds: 600,
      banCount: 2,
      result: "failed",
      detail: "no such table",
      evidence: { scope: "source", requests: 330, topPaths: [{ path: "/login", count: 300 }] },
    });
  });

  test("values that do not exist are null, a permanent ban is permanent", () => {
    expect(read(unbanDecision({ until: "permanent" }))).toMatchObject({
      rate: null,
      baseline: null,
      durationSeconds: "permanent",
      evidence: { why: "expired", by: null, until: "permanent" },
    });
    expect(read(baselineDecision())).toMatchObject({
      ip: null,
      baseline: { from: "hour", hour: 14 },
      evidence: { sources: { mean: 1.1 } },
    });
    expect(read(globalAlert("firing"))).toMatchObject({
      ip: "global",
      durationSeconds: null,
      evidence: { state: "firing" },
    });
  });

  test("a path of 60,000 characters is cut", () => {
    const cause = sourceVerdict({ topPaths: [{ path: "/".repeat(60_000), count: 1 }] });
    expect(read(banDecision({ cause })).evidence.topPaths[0].path).toBe(`${"/".repeat(1024)}…`);
  });

  test("whatever the outcome, it is one printable line of JSON", () => {
    fc.assert(
      fc.property(anyOutcome, (given) => {
        const line = auditJson(auditEvent(given));
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(JSON.parse(line).condition).toBe(auditEvent(given).condition);
        expect(line.length).toBeLessThan(100_000);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});
