/** The commands that speak to a daemon, over a real control socket, with their words and exit codes. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandIo } from "../cli/command.ts";
import { dispatch } from "../cli/dispatch.ts";
import { ManualClock } from "../clock.ts";
import { FakeControlTarget } from "../control/fake.ts";
import type { BanReply, UnbanReply } from "../control/protocol.ts";
import { type ControlServer, createControlServer } from "../control/server.ts";

const clock = new ManualClock(Date.UTC(2026, 3, 25, 12));
let directory: string;
let socket: string;
let target: FakeControlTarget;
let server: ControlServer;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-commands-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

beforeEach(async () => {
  await server?.stop();
  socket = join(directory, "control.sock");
  target = new FakeControlTarget(clock, { "127.0.0.1": "127.0.0.1 is protected: loopback\x1b[2J" });
  server = createControlServer(target, socket, clock);
  await server.start();
});
afterAll(() => server.stop());

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(words: string, options: { width?: number; env?: Record<string, string> } = {}): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const io: CommandIo = {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
    env: { USER: "ada", ...options.env },
    color: false,
    width: options.width ?? null,
    clock,
  };
  const argv = words.split(" ").map((word) => word.replaceAll("_", " "));
  const code = await dispatch([...argv, "--socket", socket], io);
  return { code, out: out.join("\n"), err: err.join("\n") };
}

describe("status", () => {
  test("begins with the line everybody wants", async () => {
    await run("ban 203.0.113.9 --for permanent");
    await run("ban 203.0.113.10");
    const { code, out, err } = await run("status");
    expect([code, err]).toEqual([0, ""]);
    expect(out.split("\n")).toEqual([
      "armed   up 12 d 4 h   13.2 req/s, norm 11.8 ± 2.6   2 bans (1 permanent)   log 0.2 s behind",
      "  site      alert above 19.60 req/s, z-score 0.54 of 3.00 (rolling, 1800 samples)",
      "  sources   38 active, a ban falls above 5.21 req/s",
      "  firewall  ipset from raw/PREROUTING, 2 entries, 38112 packets dropped",
      "  log       /var/log/nginx/hng-access.log, 1234 lines read",
      "warn  slack  no webhook is configured",
    ]);
  });

  test("says how far learning is, what fires, and shows no attacker's escape", async () => {
    const plain = target.status();
    const evidence = { sources: 812 } as never;
    target.status = () => ({
      ...plain,
      log: { ...plain.log, path: "/var/log/\x1b]0;x\x07" },
      engine: {
        ...plain.engine,
        state: "learning",
        warmUp: { learnedMs: 192_000, neededMs: 300_000 },
        breaker: { open: true, bansInMinute: 101, limit: 100 },
        site: { ...plain.engine.site, anomaly: { since: plain.at - 90_000, verdict: evidence } },
      },
    });
    const { out } = await run("status");
    expect(out).toStartWith("learning 3 min 12 s of 5 min   up 12 d 4 h");
    expect(out).toContain("global anomaly firing for 1 min 30 s, from 812 sources; nobody is banned for it");
    expect(out).toContain("circuit breaker open: 101 bans in a minute, limit 100");
    expect(out).toContain("/var/log/\\x1b]0;x\\x07");
  });

  test("says whom a global anomaly gets banned, and counts one of a kind as one", async () => {
    const plain = target.status();
    const anomaly = { since: plain.at - 1000, verdict: { sources: 1, bansParticipants: true } as never };
    target.status = () => ({
      ...plain,
      engine: { ...plain.engine, site: { ...plain.engine.site, anomaly } },
      firewall: { ...plain.firewall, entries: 1, droppedPackets: 1 },
    });
    const { out } = await run("status");
    expect(out).toContain("from 1 source; sources that do nothing else are banned");
    expect(out).toContain("1 entry, 1 packet dropped");
  });

  test("says when it will arm by itself", async () => {
    const plain = target.status();
    target.status = () => ({
      ...plain,
      armsAt: plain.at + 5_400_000,
      engine: { ...plain.engine, state: "watch-only" },
    });
    expect((await run("status")).out).toStartWith("watch-only, arms in 1 h 30 min   up 12 d 4 h");
  });

  test("--json is the SystemStatus itself", async () => {
    const { out } = await run("status --json");
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(target.status())));
  });
});

describe("bans", () => {
  test("none", async () => expect(await run("bans")).toEqual({ code: 0, out: "no bans", err: "" }));

  test("one line each, newest first, attacker text harmless", async () => {
    await run("ban 203.0.113.9 --for 2h --note scans\x1b[31m");
    await clock.advance(60_000);
    await run("ban 2001:db8:66::/48 --for permanent");
    const { out } = await run("bans");
    expect(out.split("\n")).toEqual([
      "SOURCE            OFFENCE  SINCE                 LEFT        STATE     DROPPED  LEAKED  WHY",
      "2001:db8:66::/48  1st      2026-04-25 12:01:00Z  permanent   in force  -        0       manual by ada (command line)",
      "203.0.113.9       1st      2026-04-25 12:00:00Z  1 h 59 min  in force  38112    0       manual by ada (command line): scans\\x1b[31m",
    ]);
    const narrow = (await run("bans", { width: 60 })).out.split("\n");
    expect(narrow.every((line) => line.length <= 60)).toBe(true);
  });

  test("--json is a list", async () => {
    await run("ban 203.0.113.9");
    const list = JSON.parse((await run("bans --json")).out);
    expect(list).toMatchObject([
      { ban: { source: "203.0.113.9", banCount: 1 }, enforcement: "in-force", droppedPackets: 38112 },
    ]);
    await run("unban 203.0.113.9");
    expect((await run("bans --json")).out).toBe("[]");
  });
});

describe("ban", () => {
  test("says how long, and again that it is so already", async () => {
    expect(await run("ban 203.0.113.77 --for 2h30m")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^203\.0\.113\.77 banned for 2h30m, until 2026-04-25 14:3\d:00Z \(1st offence\)$/),
    });
    expect(await run("ban 203.0.113.77")).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^203\.0\.113\.77 is already banned until .* \(2 h 30 min left\): manual by ada/),
    });
  });

  test("names the person behind sudo", async () => {
    await run("ban 203.0.113.78 --note why_not", { env: { USER: "root", SUDO_USER: "grace" } });
    expect(target.requests).toEqual([
      { source: "203.0.113.78" as never, until: "default", by: "grace (command line)", note: "why not" },
    ]);
  });

  test("of a protected address is refused, with why", async () => {
    expect(await run("ban 127.0.0.1")).toEqual({
      code: 1,
      out: "",
      err: "not banned: 127.0.0.1 is protected: loopback\\x1b[2J",
    });
    const { code, out } = await run("ban 127.0.0.1 --json");
    expect([code, JSON.parse(out).result]).toEqual([1, "refused"]);
  });

  test("that the firewall refused is a problem, not a success", async () => {
    target.ban = async (): Promise<BanReply> => ({ result: "failed", detail: "ipset exited 1" });
    const { code, out, err } = await run("ban 203.0.113.9");
    expect({ code, out, err }).toEqual({
      code: 1,
      out: "",
      err: "ban 203.0.113.9 is decided but not in force: ipset exited 1",
    });
  });

  test.each([
    ["ban 10.0.0.0/8", "10.0.0.0/8 is too wide: IPv4 ranges are /16 or smaller"],
    ["ban example.org", '"example.org" is not an address or CIDR (203.0.113.9, 2001:db8:66::/48)'],
    ["ban 203.0.113.9 --for 60", "--for must be a duration from 1s to 3650d (10m, 2h30m) or permanent"],
  ])("%p is a usage error that never reaches the daemon", async (words, said) => {
    expect(await run(words)).toEqual({ code: 2, out: "", err: `anomaly-detector ban: ${said}` });
    expect(target.requests).toEqual([]);
  });
});

describe("unban", () => {
  test("of a banned source, then of one that is not", async () => {
    await run("ban 203.0.113.9");
    expect(await run("unban 203.0.113.9")).toEqual({ code: 0, out: "203.0.113.9 unbanned", err: "" });
    expect(await run("unban 203.0.113.9")).toEqual({
      code: 5,
      out: "",
      err: "203.0.113.9 is not banned (anomaly-detector bans lists who is)",
    });
  });

  test("of an address inside a banned prefix names the ban that stands", async () => {
    await run("ban 2001:db8:66:1::/64");
    const { code, err } = await run("unban 2001:db8:66:1::5");
    expect(code).toBe(5);
    expect(err).toEndWith("the ban of 2001:db8:66:1::/64 covers it: anomaly-detector unban 2001:db8:66:1::/64");
  });

  test("--forget is worth it without a ban, too", async () => {
    await run("ban 203.0.113.9");
    expect((await run("unban 203.0.113.9 --forget")).out).toBe("203.0.113.9 unbanned, its offences are forgotten");
    expect(await run("unban 203.0.113.9 --forget")).toMatchObject({ code: 0 });
  });

  test("whose rule would not go is a problem", async () => {
    target.unban = async (): Promise<UnbanReply> => ({ result: "failed", detail: "ipset exited 1" });
    expect(await run("unban 203.0.113.9")).toMatchObject({
      code: 1,
      err: expect.stringContaining("its rule still stands"),
    });
  });
});

describe("explain", () => {
  test("of a banned source, of a protected one, of a stranger", async () => {
    await run("ban 203.0.113.9 --for 2h --note scans\x1b[31m");
    const banned = await run("explain 203.0.113.9");
    expect(banned.code).toBe(0);
    expect(banned.out).toStartWith("203.0.113.9   banned, 1st offence, 2 h left\n  why ");
    expect(banned.out).toContain("38112 packets dropped");
    expect(banned.out).not.toContain("\x1b");
    expect((await run("explain 127.0.0.1")).out).toContain("allow list  127.0.0.1 is protected: loopback\\x1b[2J");
    expect((await run("explain 198.51.100.1")).out).toStartWith("198.51.100.1   not banned\n");
  });

  test("--json is the daemon's answer", async () =>
    expect(JSON.parse((await run("explain 198.51.100.1 --json")).out)).toMatchObject({
      source: "198.51.100.1",
      ban: null,
    }));

  test("what is no address never reaches the daemon", async () =>
    expect(await run("explain example.org")).toEqual({
      code: 2,
      out: "",
      err: 'anomaly-detector explain: "example.org" is not an address or CIDR (203.0.113.9, 2001:db8:66::/48)',
    }));
});

describe("allow, disallow and allowlist", () => {
  test("say until when, who, and what else is never banned", async () => {
    const allowed = await run("allow 198.51.100.0/24 --for 8h --note load_test");
    expect(allowed).toMatchObject({ code: 0, err: "" });
    expect(allowed.out).toMatch(
      /^198\.51\.100\.0\/24 is exempt from bans until 2026-04-25 20:\d\d:\d\dZ \(undo: anomaly-detector disallow 198/,
    );
    expect((await run("allow 2001:db8::9")).out).toStartWith("2001:db8::9 is exempt from bans (undo");
    const list = (await run("allowlist")).out.replaceAll(/, 2026\S+ \S+Z$/gm, "");
    expect(list.split("\n").map((line) => line.trimEnd())).toEqual([
      "RANGE            LEFT      WHY",
      "198.51.100.0/24  8 h       load test, by ada (command line)",
      "2001:db8::9      for good  by ada (command line)",
      "127.0.0.1        for good  127.0.0.1 is protected: loopback\\x1b[2J",
    ]);
    expect((await run("disallow 198.51.100.0/24")).out).toBe("198.51.100.0/24 may be banned again");
    expect(JSON.parse((await run("allowlist --json")).out).permits).toHaveLength(1);
  });

  test("allow names the bans that it ends, and counts those that it does not name", async () => {
    for (let i = 1; i <= 7; i++) await run(`ban 198.51.100.${i}`);
    const { out } = await run("allow 198.51.100.0/24");
    expect(out).toContain(
      "; unbanned 198.51.100.1, 198.51.100.2, 198.51.100.3, 198.51.100.4, 198.51.100.5 and 2 more (",
    );
  });

  test("of what nobody allowed, and of what is no address", async () => {
    const none = "nobody has allowed 198.51.100.7 (anomaly-detector allowlist lists who is)";
    expect(await run("disallow 198.51.100.7")).toEqual({ code: 5, out: "", err: none });
    expect((await run("disallow 127.0.0.1")).err).toContain("127.0.0.1 is never banned: 127.0.0.1 is protected");
    expect(await run("allow 0.0.0.0/0")).toMatchObject({ code: 2, err: expect.stringContaining("too wide") });
    expect(await run("allow 198.51.100.7 --for 10")).toMatchObject({ code: 2, err: expect.stringContaining("--for") });
    expect(target.requests.filter((request) => "until" in request)).toEqual([]);
  });
});

describe("arm and disarm", () => {
  test("say what they did to the bans, and that it is so already", async () => {
    await run("ban 203.0.113.9");
    expect(await run("disarm")).toEqual({
      code: 0,
      out: "disarmed: 1 ban taken out of the firewall; it goes on watching (undo: anomaly-detector arm)",
      err: "",
    });
    expect((await run("disarm")).out).toBe("it only watches already, with 1 ban that would be");
    expect((await run("arm")).out).toBe("armed: 1 ban put in force (undo: anomaly-detector disarm)");
    expect((await run("arm")).out).toBe("it is armed already, with 1 ban");
    expect(target.requests.slice(1)).toEqual(
      ["watch-only", "watch-only", "enforce", "enforce"].map((mode) => ({ mode, by: "ada (command line)" })) as never,
    );
  });

  test("--json is the daemon's reply", async () =>
    expect(JSON.parse((await run("disarm --json")).out)).toEqual({ result: "changed", mode: "watch-only", bans: 0 }));

  test("a firewall that cannot be had is a problem", async () => {
    target.setMode = async () => ({ result: "failed", detail: "no firewall works here\x1b[2J" });
    expect(await run("arm")).toEqual({ code: 1, out: "", err: "not armed: no firewall works here\\x1b[2J" });
  });
});

describe("reconcile", () => {
  test("says what was mended, or that all is as it must be", async () => {
    expect(await run("reconcile")).toEqual({
      code: 0,
      out: "mended: 1 added, 2 removed, 0 with another end, 0 tables restored; 0 bans in force",
      err: "",
    });
    target.reconcile = async () => ({ result: "reconciled", added: 0, removed: 0, refreshed: 0, repaired: 0, bans: 1 });
    expect((await run("reconcile")).out).toBe("the firewall holds what it must: 1 ban");
    expect(JSON.parse((await run("reconcile --json")).out)).toMatchObject({ result: "reconciled", bans: 1 });
  });

  test("a firewall that cannot be looked at is a problem", async () => {
    target.reconcile = async () => ({ result: "failed", detail: "no permission\x1b[2J" });
    expect(await run("reconcile")).toEqual({ code: 1, out: "", err: "not compared: no permission\\x1b[2J" });
  });
});

describe("which socket", () => {
  test("comes from --config when --socket is not given", async () => {
    const config = join(directory, "c.yaml");
    writeFileSync(config, `control: { socket: ${socket} }\n`);
    const err: string[] = [];
    const out: string[] = [];
    const io: CommandIo = {
      out: (t) => out.push(t),
      err: (t) => err.push(t),
      env: {},
      color: false,
      width: null,
      clock,
    };
    expect(await dispatch(["bans", "--config", config], io)).toBe(0);
    expect([out, err]).toEqual([["no bans"], []]);
    writeFileSync(config, "control: { scoket: x }\n");
    expect(await dispatch(["bans", "--config", config], io)).toBe(2);
    expect(err.join("\n")).toContain('control: unknown key "scoket", did you mean "socket"?');
  });
});
