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
  hostileText,
  modeDecision,
  outcome,
  permitDecision,
  SEED,
  source,
  sourceVerdict,
  unbanDecision,
} from "../../test/outcomes.ts";
import type { Outcome } from "../decision.ts";
import { auditEvent } from "./event.ts";
import { auditFields, auditLine, formatAuditLine, parseAuditLine } from "./line.ts";

const failed = { result: "failed", detail: "ban 203.0.113.10: ip6tables exited 3: no such table" } as const;

const lines: [name: string, Outcome, line: string][] = [
  [
    "a ban, as in the contract",
    outcome(banDecision()),
    "[2026-04-25T12:00:00Z] BAN 203.0.113.10 | z-score 5.50 > 3.00 | 5.50 req/s | 0.70 ± 0.50 | 10m",
  ],
  [
    "armed by a person",
    outcome(modeDecision("enforce")),
    "[2026-04-25T12:00:00Z] ARM - | by alice, 3 bans in force | - | - | -",
  ],
  [
    "allowed by a person, with a note",
    outcome(permitDecision("given", { note: "load | test" })),
    "[2026-04-25T12:00:00Z] ALLOW 198.51.100.0/24 | by alice: load \\x7c test | - | - | 2h",
  ],
  [
    "taken back",
    outcome(permitDecision("taken-back", { until: "permanent" }, "bob")),
    "[2026-04-25T12:00:00Z] DISALLOW 198.51.100.0/24 | taken back by bob | - | - | permanent",
  ],
  [
    "over",
    outcome(permitDecision("expired")),
    "[2026-04-25T12:00:00Z] DISALLOW 198.51.100.0/24 | allowed by alice until now | - | - | 2h",
  ],
  [
    "disarmed by one whose name deceives",
    outcome(modeDecision("watch-only", "eve | x\n[2026", 1)),
    "[2026-04-25T12:00:00Z] DISARM - | by eve \\x7c x\\x0a[2026, 1 ban out of the firewall | - | - | -",
  ],
  [
    "a permanent ban of an IPv6 prefix by both tests, tightened",
    outcome(
      banDecision({
        source: source("2001:db8:1:2::/64"),
        until: "permanent",
        cause: sourceVerdict({ reasons: ["z-score", "rate-multiple"], multiple: 6.14, tightenedBy: "error-surge" }),
      }),
    ),
    "[2026-04-25T12:00:00Z] BAN 2001:db8:1:2::/64 | z-score 5.50 > 3.00, rate 6.1 x mean > 5.0 x, tightened by error-surge | 5.50 req/s | 0.70 ± 0.50 | permanent",
  ],
  [
    "a ban barely above its threshold keeps the numbers apart",
    outcome(banDecision({ cause: sourceVerdict({ zScore: 3.0004 }) })),
    "[2026-04-25T12:00:00Z] BAN 203.0.113.10 | z-score 3.0004 > 3.0000 | 5.50 req/s | 0.70 ± 0.50 | 10m",
  ],
  [
    "a ban by a weighted rate says which rate was compared",
    outcome(banDecision({ cause: sourceVerdict({ rate: 9.25 }) })),
    "[2026-04-25T12:00:00Z] BAN 203.0.113.10 | z-score 5.50 > 3.00, weighted 5.50 req/s | 9.25 req/s | 0.70 ± 0.50 | 10m",
  ],
  [
    "a ban the firewall refused",
    outcome(banDecision(), failed),
    "[2026-04-25T12:00:00Z] BAN 203.0.113.10 | z-score 5.50 > 3.00 (FAILED: ban 203.0.113.10: ip6tables exited 3: no such table) | 5.50 req/s | 0.70 ± 0.50 | 10m",
  ],
  [
    "a ban in dry-run",
    outcome(banDecision(), { result: "dry-run" }),
    "[2026-04-25T12:00:00Z] BAN 203.0.113.10 | z-score 5.50 > 3.00 (dry-run) | 5.50 req/s | 0.70 ± 0.50 | 10m",
  ],
  [
    "a manual ban, with a note that tries to be another line",
    outcome(
      banDecision({
        cause: { scope: "manual", at: AT, by: "alice", note: "x | y\n[2026-01-01T00:00:00Z] UNBAN \\ \x1b[2J\u202e" },
      }),
    ),
    "[2026-04-25T12:00:00Z] BAN 203.0.113.10 | manual by alice: x \\x7c y\\x0a[2026-01-01T00:00:00Z] UNBAN \\\\ \\x1b[2J\\u202e | - | - | 10m",
  ],
  [
    "a ban found in the kernel",
    outcome(banDecision({ cause: { scope: "adopted", at: AT }, until: AT + 123_456 })),
    "[2026-04-25T12:00:00Z] BAN 203.0.113.10 | found in the firewall at start | - | - | 2m3s",
  ],
  [
    "an unban at the end of the time",
    outcome(unbanDecision()),
    "[2026-04-25T12:10:00Z] UNBAN 203.0.113.10 | expired, 1st offence | - | - | 10m",
  ],
  [
    "an unban by hand",
    outcome({ kind: "unban", at: AT, ban: ban({ banCount: 4, until: "permanent" }), why: "manual", by: "alice" }),
    "[2026-04-25T12:00:00Z] UNBAN 203.0.113.10 | manual by alice, 4th offence | - | - | permanent",
  ],
  [
    "a baseline",
    outcome(baselineDecision()),
    "[2026-04-25T12:00:00Z] BASELINE - | hour 14, 1800 samples | - | 11.80 ± 2.60 | -",
  ],
  [
    "a global anomaly begins",
    outcome(globalAlert("firing")),
    "[2026-04-25T12:00:00Z] ALERT global | global anomaly firing: z-score 5.50 > 3.00, 120 sources, nobody is banned for it | 5.50 req/s | 0.70 ± 0.50 | -",
  ],
  [
    "a global anomaly ends",
    outcome(globalAlert("resolved", { at: AT + 90_400, rate: 1 })),
    "[2026-04-25T12:00:00Z] ALERT global | global anomaly resolved after 1m30s | 1.00 req/s | 0.70 ± 0.50 | 1m30s",
  ],
  [
    "the circuit breaker opens",
    outcome(alertDecision({ type: "circuit-breaker", state: "open", bansInMinute: 101, limit: 100 })),
    "[2026-04-25T12:00:00Z] ALERT global | circuit breaker open: 101 bans in a minute, limit 100; single sources are not banned until it closes | - | - | -",
  ],
  [
    "a ban that does not block",
    outcome(alertDecision({ type: "ban-ineffective", ban: ban(), requests: 7, sinceBanMs: 4000 })),
    "[2026-04-25T12:00:00Z] ALERT 203.0.113.10 | ban ineffective: 7 requests of 203.0.113.10 reached the log after its ban | - | - | 10m",
  ],
];

describe("auditLine", () => {
  test.each(lines)("%s", (_, given, line) => {
    expect(auditLine(given)).toBe(line);
    expect(parseAuditLine(line)).toEqual({
      ...auditFields(auditEvent(given)),
      at: Math.floor(given.decision.at / 1000) * 1000,
    });
  });

  test("whatever the outcome, it is one printable line of five fields that parses back", () => {
    fc.assert(
      fc.property(anyOutcome, (given) => {
        const line = auditLine(given);
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(line.split("|")).toHaveLength(5);
        expect(line.length).toBeLessThan(10_000);
        const fields = auditFields(auditEvent(given));
        expect(parseAuditLine(line)).toEqual({ ...fields, at: Math.floor(fields.at / 1000) * 1000 });
      }),
      { seed: SEED, numRuns: 400 },
    );
  });

  test("a long failure detail is cut, and still says FAILED", () => {
    const line = auditLine(outcome(banDecision(), { result: "failed", detail: "x".repeat(100_000) }));
    expect(line.length).toBeLessThan(1200);
    expect(line).toMatch(/\(FAILED: x{500}…\) \| 5\.50 req\/s \| /);
  });
});

describe("formatAuditLine and parseAuditLine", () => {
  const some = (text: string) => text || "-";

  test("give any text back", () => {
    fc.assert(
      fc.property(
        hostileText,
        hostileText,
        hostileText,
        hostileText,
        hostileText,
        (ip, condition, rate, base, length) => {
          const fields = {
            at: AT - 789,
            action: "ALERT",
            ip,
            condition,
            rate,
            baseline: base,
            duration: length,
          } as const;
          const expected = { ...fields, ip: some(ip), condition: some(condition), rate: some(rate) };
          const line = formatAuditLine(fields);
          expect(line.split(" | ")).toHaveLength(5);
          expect(parseAuditLine(line)).toEqual({ ...expected, baseline: some(base), duration: some(length) });
        },
      ),
      { seed: SEED, numRuns: 400 },
    );
  });

  test.each(["\u00a0", "a b", "\u3000\u2003", "\u2028", "\ufeff", "|", " | "])(
    "an address field of %j is one word",
    (ip) => {
      const fields = { at: 0, action: "BAN", ip, condition: "a", rate: "b", baseline: "c", duration: "d" } as const;
      expect(formatAuditLine(fields)).toMatch(/^\[1970-01-01T00:00:00Z\] BAN \S+ \| a \| b \| c \| d$/);
      expect(parseAuditLine(formatAuditLine(fields))).toEqual(fields);
    },
  );

  test.each([
    ["", "nothing"],
    ["[2026-04-25T12:00:00Z] BAN 203.0.113.10 | a | b | c", "four fields"],
    ["[2026-04-25T12:00:00Z] BAN 203.0.113.10 | a | b | c | d | e", "six fields"],
    ["[2026-04-25T12:00:00Z] DROP 203.0.113.10 | a | b | c | d", "an action of somebody else"],
    ["[yesterday] BAN 203.0.113.10 | a | b | c | d", "no time"],
    ["2026-04-25T12:00:00Z BAN 203.0.113.10 | a | b | c | d", "no brackets"],
    ["[2026-04-25T12:00:00Z] BAN | a | b | c | d", "no address"],
  ])("%p is refused: %s", (line) => {
    expect(parseAuditLine(line)).toBeNull();
  });
});
