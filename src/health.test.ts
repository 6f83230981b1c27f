import { describe, expect, test } from "bun:test";
import { START } from "../test/records.ts";
import { type HealthInput, healthChecks } from "./health.ts";

/** Everything well, ten minutes after the start. */
const WELL: HealthInput = {
  now: START + 600_000,
  startedAt: START,
  log: {
    path: "/var/log/nginx/hng-access.log",
    open: true,
    lines: 1000,
    bytes: 200_000,
    rotations: 0,
    truncations: 0,
    oversized: 0,
    failures: {},
    unreadBytes: 0,
    newestAt: START + 599_000,
  },
  firewall: {
    backend: "ipset",
    hooks: ["raw/PREROUTING"],
    bans: 6,
    failing: new Map(),
    proof: "holds",
    reconcileError: null,
  },
  slack: { state: "ok", queued: 0, lastError: null, lastSentAt: START },
  audit: { path: "/var/log/anomaly-detector/audit.log", dropped: 0, lastError: null },
  state: { lastError: null, setAside: null },
};

/** The one check of this name, with parts of the input changed. */
function check<K extends "log" | "firewall" | "slack" | "audit" | "state">(
  name: K,
  over: Partial<HealthInput[K]>,
  now = WELL.now,
) {
  const found = healthChecks({ ...WELL, now, [name]: { ...WELL[name], ...over } }).find((c) => c.name === name)!;
  if (found.level !== "ok") expect(found.detail).toBeTruthy();
  return found;
}

test("all well: five checks, no detail needed", () => {
  expect(healthChecks(WELL)).toEqual([
    { name: "log", level: "ok", short: "live" },
    { name: "firewall", level: "ok", short: "ipset, 6 bans" },
    { name: "slack", level: "ok", short: "delivered" },
    { name: "audit", level: "ok", short: "written" },
    { name: "state", level: "ok", short: "saved" },
  ]);
});

describe("state", () => {
  test("a database that cannot be written is a warning with the cause", () => {
    const lastError = "write /var/lib/anomaly-detector/state.db: database or disk is full (the disk is full)";
    expect(check("state", { lastError })).toMatchObject({
      level: "warn",
      short: "cannot be written",
      detail: lastError,
    });
  });

  test("one that was moved aside is told until the next start", () => {
    const setAside = { path: "/var/lib/anomaly-detector/state.db.corrupt-20260105T080000000Z", why: "not a database" };
    const { level, short, detail } = check("state", { setAside });
    expect([level, short]).toEqual(["warn", "begun anew"]);
    expect(detail).toContain(setAside.path);
  });
});

describe("log", () => {
  test.each([
    ["a fresh line", { newestAt: WELL.now - 9999 }, "live"],
    ["a line ten seconds old", { newestAt: WELL.now - 10_000 }, "last line 10 s ago"],
    ["a line five minutes old", { newestAt: WELL.now - 300_000 }, "last line 5 min ago"],
    ["a line of yesterday", { newestAt: WELL.now - 86_400_000 }, "last line 1 d ago"],
    ["a line of the future", { newestAt: WELL.now + 5000 }, "live"],
    ["no line", { newestAt: null }, "no line yet"],
    ["a few bad lines", { failures: { "not-json": 10 }, lines: 12 }, "live"],
    ["bad lines, but fewer than half", { failures: { "not-json": 300, "no-status": 200 } }, "live"],
    ["a few megabytes behind", { unreadBytes: 4 * 1024 * 1024 }, "live"],
  ])("%s is well", (_, over, short) => {
    expect(check("log", over)).toMatchObject({ level: "ok", short });
  });

  test("a log that does not exist is waited for, then missed", () => {
    expect(check("log", { open: false }, START + 30_000)).toMatchObject({ level: "warn", short: "waiting for it" });
    expect(check("log", { open: false }, START + 30_001).level).toBe("bad");
    expect(check("log", { open: false }).detail).toContain("/var/log/nginx/hng-access.log");
  });

  test("what cannot be read is bad, whatever else is", () => {
    expect(check("log", { open: false, lastError: "open: EACCES" })).toMatchObject({
      level: "bad",
      detail: "open: EACCES",
    });
  });

  test("mostly bad lines: not our format", () => {
    expect(check("log", { failures: { "not-json": 301, "no-status": 200 } })).toMatchObject({
      level: "bad",
      short: "not our format",
    });
  });

  test("more than four megabytes behind is a lag", () => {
    expect(check("log", { unreadBytes: 5_000_000 })).toMatchObject({ level: "warn", short: "5.0 MB behind" });
  });
});

describe("firewall", () => {
  test.each([
    ["one ban", { bans: 1 }, "ok", "ipset, 1 ban"],
    ["no ban", { bans: 0 }, "ok", "ipset, 0 bans"],
    ["commands that fail", { failing: new Map([["203.0.113.9", "ban 203.0.113.9: no"]]) }, "bad", "1 refused"],
    ["bans that did not block, moved", { proof: "moved" as const }, "bad", "did not block"],
    ["bans that do not block, nowhere to move", { proof: "exhausted" as const }, "bad", "does not block"],
    ["rules that cannot be looked at", { reconcileError: "list: exited 1" }, "bad", "cannot be checked"],
  ] as const)("%s", (_, over, level, short) => {
    expect(check("firewall", over)).toMatchObject({ level, short });
  });

  test("says what was refused and where bans are enforced now", () => {
    const failing = new Map([["203.0.113.9", "ban 203.0.113.9: exited 3"]]);
    expect(check("firewall", { failing }).detail).toContain("ban 203.0.113.9: exited 3");
    expect(check("firewall", { proof: "moved", hooks: ["filter/DOCKER-USER"] }).detail).toContain("filter/DOCKER-USER");
    expect(check("firewall", { reconcileError: "list: exited 1" }).detail).toBe("list: exited 1");
  });
});

describe("slack", () => {
  test.each([
    ["not configured", { state: "off" as const }, "ok", "not set up"],
    ["nothing to say so far", { lastSentAt: null }, "ok", "nothing sent yet"],
    ["some on their way", { queued: 3 }, "ok", "3 queued"],
    ["no answer", { state: "retrying" as const, queued: 4 }, "warn", "4 waiting"],
    ["unusable", { state: "unusable" as const, lastError: "/etc/hook does not exist" }, "warn", "webhook unusable"],
    ["revoked", { state: "gone" as const, lastError: "404 no_service" }, "warn", "webhook revoked"],
  ] as const)("%s", (_, over, level, short) => {
    expect(check("slack", over)).toMatchObject({ level, short });
  });
});

describe("audit", () => {
  test.each([
    ["off", { path: "" }, "ok", "off"],
    ["unwritable", { lastError: "ENOSPC" }, "warn", "cannot be written"],
    ["lost lines", { dropped: 7 }, "warn", "7 lost"],
  ] as const)("%s", (_, over, level, short) => {
    expect(check("audit", over)).toMatchObject({ level, short });
  });
});
