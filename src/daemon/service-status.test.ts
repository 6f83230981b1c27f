import { expect, test } from "bun:test";
import { FakeControlTarget } from "../control/fake.ts";
import type { SystemStatus } from "../status.ts";
import { serviceStatusLine } from "./service-status.ts";

const base = new FakeControlTarget({ now: () => 1_800_000_000_000 }).status();
const WELL: SystemStatus = { ...base, health: [{ name: "log", level: "ok", short: "0.2 s behind" }] };

function withEngine(part: Partial<SystemStatus["engine"]>): SystemStatus {
  return { ...WELL, engine: { ...WELL.engine, ...part } };
}

test("while it learns, how far it is", () => {
  const line = serviceStatusLine(withEngine({ state: "learning", warmUp: { learnedMs: 149_999, neededMs: 300_000 } }));
  expect(line).toMatch(/^learning, 49 %: \d+\.\d req\/s, \d+ bans? in force, \d+ lines? read$/);
});

test("no warm-up is no division by zero, and learning is never more than all", () => {
  expect(serviceStatusLine(withEngine({ state: "learning", warmUp: { learnedMs: 5, neededMs: 0 } }))).toStartWith(
    "learning, 100 %",
  );
  expect(serviceStatusLine(withEngine({ state: "learning", warmUp: { learnedMs: 9, neededMs: 3 } }))).toStartWith(
    "learning, 100 %",
  );
});

test("one of a kind is not plural", () => {
  const ban: SystemStatus["engine"]["bans"][number] = {
    ban: {
      source: "203.0.113.9" as never,
      banCount: 1,
      since: 0,
      until: "permanent",
      cause: { scope: "adopted", at: 0 },
    },
    enforcement: "in-force",
    leakedRequests: 0,
  };
  const one = { ...withEngine({ state: "armed", bans: [ban] }), log: { ...WELL.log, lines: 1 } };
  expect(serviceStatusLine(one)).toMatch(/: \d+\.\d req\/s, 1 ban in force, 1 line read$/);
});

test("what is ill comes first, and only what is bad", () => {
  const health: SystemStatus["health"] = [
    { name: "log", level: "bad", short: "cannot be read" },
    { name: "slack", level: "warn", short: "retrying" },
    { name: "firewall", level: "bad", short: "2 of 3" },
  ];
  expect(serviceStatusLine({ ...WELL, health })).toBe("log: cannot be read; firewall: 2 of 3");
});
