/**
 * The compiled binary on a server under attack: real nginx, real kernel rules, real addresses, in a closed
 * internet of network namespaces. Each group starts a detector of its own; an innocent user clicks through it all.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import type { SystemStatus } from "../../src/status.ts";
import { type Audited, BINARY, type Detector, type Settings } from "./detector.ts";
import { attacker, bot, missingForLab, TARGET } from "./internet.ts";
import { type Client, Lab } from "./lab.ts";
import { must, until } from "./process.ts";

const missing = missingForLab() ?? (existsSync(BINARY) ? null : "needs dist/anomaly-detector: npm run build");
const one = attacker(1);
const two = attacker(2);
const three = attacker(3);
const lab = new Lab(3);
let innocent: Client;

setDefaultTimeout(60_000);

/** [2026-04-25T12:00:00Z] BAN 203.0.113.10 | z-score 5.50 > 3.00 | 5.50 req/s | 0.70 ± 0.50 | 10m */
const BAN_LINE =
  /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\] BAN (\S+) \| [^|]*(?:z-score|mean)[^|]* \| \d+\.\d\d req\/s \| \d+\.\d\d ± \d+\.\d\d \| (\S+)$/;
const UNBAN_LINE = /^\[\S+Z\] UNBAN (\S+) \| [^|]+ \| [^|]+ \| [^|]+ \| (\S+)$/;

/** A detector that has learned enough to ban. */
async function armed(settings: Settings = {}): Promise<Detector> {
  const detector = await lab.detector(settings);
  const isArmed = async () => (await status(detector)).engine.state === "armed";
  try {
    await until("the warm-up to end", isArmed, { timeoutMs: 30_000, everyMs: 200 });
  } catch (error) {
    await detector.stop();
    throw error;
  }
  return detector;
}

async function status(detector: Detector): Promise<SystemStatus> {
  return JSON.parse((await detector.command("status", "--json")).stdout) as SystemStatus;
}

/** 100 requests a second for the front page, until it is stopped. */
function flood(host: string, address: string = TARGET.v4): Client {
  return lab.load(host, { host: address, everyMs: 10, seconds: 30 });
}

/** Log times of a source's requests, in milliseconds, from `since` on. */
async function requestTimes(source: string, since: number): Promise<number[]> {
  const times = (await lab.site.lines(source)).map((line) => Math.round(Number(line.msec) * 1000));
  return times.filter((at) => at >= since);
}

/** When the kernel was first seen to hold the source, polled without a pause. */
async function ruleSeenAt(source: string): Promise<number> {
  await until(`a rule for ${source}`, async () => (await lab.firewall()).includes(source), { everyMs: 1 });
  return Date.now();
}

/** Can the host open a TCP connection to this port of the target? */
async function connects(host: string, port: number): Promise<boolean> {
  const script = `exec 3<>/dev/tcp/${TARGET.v4}/${port}`;
  return (
    await must(lab.internet.on(host, ["bash", "-c", `timeout 2 bash -c '${script}' 2>&1 && echo open || true`]))
  ).includes("open");
}

describe.skipIf(missing !== null)(`the appliance${missing ? ` (${missing})` : ""}`, () => {
  beforeAll(async () => {
    await lab.start();
    const target = (argv: string[]) => must(lab.internet.on("target", argv));
    // A rule of the administrator's own, and every table touched once, so that "as before" means something.
    await target(["iptables", "-A", "INPUT", "-s", "192.0.2.99", "-j", "DROP"]);
    for (const table of ["raw", "filter"])
      for (const program of ["iptables", "ip6tables"]) await target([program, "-t", table, "-S"]);
    const sshd = `require("node:net").createServer((s) => s.end("SSH-2.0-lab\\r\\n")).listen(22, "0.0.0.0")`;
    lab.background("target", [process.execPath, "-e", sshd]);
    // A desktop client at its first sync: a folder each 100 ms, proven by answers that only a login gets.
    const paths = Array.from({ length: 500 }, (_, n) => `/remote.php/dav/files/user/folder-${n}/`);
    innocent = lab.load("user", { method: "PROPFIND", paths, everyMs: 100, seconds: 1_200, timeoutMs: 3_000 });
  }, 60_000);
  afterAll(() => lab.stop(), 60_000);

  describe.each(["ipset", "iptables"])("a flood from one source, backend %s", (backend) => {
    let detector: Detector;
    let before: string;
    let kept: Client;
    let ban: Audited;
    let detectorStart: number;

    beforeAll(async () => {
      before = await lab.firewall();
      detectorStart = Date.now();
      detector = await armed({ firewall: { backend } });
      kept = lab.load(one.name, { everyMs: 50, seconds: 60, keepAlive: true, timeoutMs: 1_500 });
      await until("an open connection", () => kept.answers().length > 2);
    });
    afterAll(() => detector?.stop());

    test("is dropped within a second of the line that crossed the threshold", async () => {
      const attack = flood(one.name);
      const seen = await ruleSeenAt(one.v4);
      ban = await detector.waitFor("BAN", one.v4);
      const crossed = Number(ban.evidence?.at);
      expect(seen - crossed).toBeLessThanOrEqual(1_000);
      expect(ban.result).toBe("done");
      // The flood goes on for a while: nothing of it arrives any more.
      await Bun.sleep(2_500);
      await attack.stop();
      const times = await requestTimes(one.v4, detectorStart);
      expect(times).toContain(crossed);
      expect(times.filter((at) => at > crossed + 1_000)).toEqual([]);
      // The evidence is what stands in the log: the same lines, counted here.
      const { requests, windowMs } = ban.evidence as { requests: number; windowMs: number };
      const inWindow = times.filter((at) => at <= crossed && at > crossed - windowMs).length;
      // Lines of the very millisecond may have been written after the one that decided.
      const ties = times.filter((at) => at === crossed).length;
      expect(inWindow - requests).toBeGreaterThanOrEqual(0);
      expect(inWindow - requests).toBeLessThan(ties);
    });

    test("its new connections time out and its open one is cut", async () => {
      expect(await lab.site.status(one.name)).toBe(0);
      const answers = await kept.finish();
      expect(answers.at(-1)?.error).toBe("timeout");
      const last = answers.findLast((a) => a.status === 200)!;
      expect(last.at).toBeLessThanOrEqual(Number(ban.evidence?.at) + 1_000);
    });

    test("SSH stays open for it, the site for everybody else", async () => {
      expect((await detector.audited("UNBAN", one.v4)).length).toBe(0);
      expect(await connects(one.name, 22)).toBe(true);
      expect(await lab.site.status(two.name)).toBe(200);
    });

    test("the audit line has the contract's five fields", async () => {
      const line = (await detector.auditLines()).find((l) => l.includes(`BAN ${one.v4} `));
      expect(line).toMatch(BAN_LINE);
      expect(BAN_LINE.exec(line!)?.slice(1)).toEqual([one.v4, "10s"]);
    });

    test("Slack is told condition, rate, baseline and duration", async () => {
      const { rate, condition } = ban;
      const test = /z-score|mean/.exec(condition)![0];
      const post = await lab.waitForSlack([one.v4, test, `${rate!.toFixed(2)} req/s`, "±", "10s"]);
      expect(post.at - Date.parse(ban.ts)).toBeLessThanOrEqual(10_000);
    });

    test("after its time it gets through again, and that is audited and told", async () => {
      const unban = await detector.waitFor("UNBAN", one.v4);
      expect(Date.parse(unban.ts) - Date.parse(ban.ts)).toBeGreaterThanOrEqual(9_000);
      await until("an answer", async () => (await lab.site.status(one.name)) === 200, { timeoutMs: 3_000 });
      expect(await lab.firewall()).not.toContain(one.v4);
      const line = (await detector.auditLines()).find((l) => l.includes(`UNBAN ${one.v4} `));
      expect(line).toMatch(UNBAN_LINE);
      await lab.waitForSlack([one.v4, "nban"]);
    });

    test("a second offence gets the second duration", async () => {
      const attack = flood(one.name);
      const second = await detector.waitFor("BAN", one.v4, 2);
      await attack.stop();
      expect(second.durationSeconds).toBe(20);
      expect(second.banCount).toBe(2);
    });

    test("SIGTERM ends it within five seconds, and the firewall is as it was before", async () => {
      expect(await lab.firewall()).toContain(one.v4);
      const asked = Date.now();
      expect(await detector.stop()).toBe(0);
      expect(Date.now() - asked).toBeLessThanOrEqual(5_000);
      expect(await lab.firewall()).toBe(before);
    });
  });

  describe("other floods", () => {
    let detector: Detector;
    let before: string;
    beforeAll(async () => {
      before = await lab.firewall();
      detector = await armed({ allowlist: ["198.18.1.2/32"], bans: { durations: ["30s"] } });
    });
    afterAll(async () => {
      await detector?.stop();
      expect(await lab.firewall()).toBe(before);
    });

    test("an IPv6 source is banned with its whole /64", async () => {
      const attack = flood(one.name, TARGET.v6);
      const seen = await ruleSeenAt(one.v6Source);
      const ban = await detector.waitFor("BAN", one.v6Source);
      expect(seen - Number(ban.evidence?.at)).toBeLessThanOrEqual(1_000);
      expect(await lab.site.status(one.name, "/", TARGET.v6)).toBe(0);
      expect(await lab.site.status("user", "/", TARGET.v6)).toBe(200);
      expect(await lab.site.status(one.name, "/", TARGET.v4)).toBe(200);
      await attack.stop();
    });

    test("an allow-listed source is never banned", async () => {
      const attack = flood(two.name);
      // The counter says that a verdict on it fell, and what came of it.
      await until("a verdict on it", async () => (await status(detector)).engine.counters.allowlisted > 0);
      await Bun.sleep(2_000);
      const answers = await attack.stop();
      expect(answers.length).toBeGreaterThan(150);
      expect(answers.filter((a) => a.status !== 200)).toEqual([]);
      expect(await detector.audited("BAN", two.v4)).toEqual([]);
      expect(await lab.firewall()).not.toContain(two.v4);
    });
  });

  describe("a flood from everywhere", () => {
    let detector: Detector;
    beforeAll(async () => {
      detector = await armed({ baseline: { warm_up: "10s", recalculate_every: "30s" } });
    });
    afterAll(() => detector?.stop());

    test("a flood spread over 400 slow sources is told, and nobody is banned for it", async () => {
      const from = Array.from({ length: 400 }, (_, n) => bot(n));
      const attack = lab.load("bots", { from, paths: ["/"], everyMs: 6, seconds: 25 });
      const alert = await detector.waitFor("ALERT", "global", 1, 30_000);
      expect(alert.condition).toContain("global anomaly");
      await lab.waitForSlack(["lobal anomaly"]);
      const answers = await attack.finish();
      expect(answers.filter((a) => a.status !== 200)).toEqual([]);
      expect(await detector.audited("BAN")).toEqual([]);
    });
  });

  describe("the administrator", () => {
    let detector: Detector;
    beforeAll(async () => {
      detector = await armed();
    });
    afterAll(() => detector?.stop());

    test("sees the state as JSON", async () => {
      const state = await status(detector);
      expect(state.engine.state).toBe("armed");
      expect(state.log.path).toBe(lab.site.logPath);
      expect(state.log.lines).toBeGreaterThan(20);
      expect(state.firewall.backend).toBe("ipset");
    });

    test("bans a source by hand; list, kernel, page and audit log agree", async () => {
      expect((await detector.command("ban", three.v4)).code).toBe(0);
      await until("the ban to be in force", async () => (await lab.site.status(three.name)) === 0);
      expect((await detector.command("bans", "--json")).stdout).toContain(three.v4);
      expect(await lab.firewall()).toContain(three.v4);
      const page = await must(lab.internet.on("target", ["curl", "-s", `http://${detector.dashboard}/`]));
      expect(page).toContain(three.v4);
      expect((await detector.waitFor("BAN", three.v4)).condition).toContain("manual");
    });

    test("unbans it again", async () => {
      expect((await detector.command("unban", three.v4)).code).toBe(0);
      await until("the ban to end", async () => (await lab.site.status(three.name)) === 200);
      await detector.waitFor("UNBAN", three.v4);
      expect((await detector.command("bans", "--json")).stdout).not.toContain(three.v4);
    });

    test.each(["127.0.0.1", "0.0.0.0/0", TARGET.v4, "198.18.1.1; reboot", ""])("cannot ban %p", async (address) => {
      const before = await lab.firewall();
      expect((await detector.command("ban", address)).code).not.toBe(0);
      expect(await lab.firewall()).toBe(before);
    });

    test("a broken configuration at SIGHUP changes nothing and is told", async () => {
      detector.configure({ detection: { z_scoer: 3 } });
      const told = detector.output.length;
      detector.signal("SIGHUP");
      await until("the complaint", () => detector.output.slice(told).includes("z_scoer"));
      expect((await status(detector)).engine.state).toBe("armed");
    });

    test("a good one is applied: who is allow-listed now is free now", async () => {
      expect((await detector.command("ban", two.v4)).code).toBe(0);
      await until("the ban to be in force", async () => (await lab.site.status(two.name)) === 0);
      detector.configure({ allowlist: ["198.18.1.2"] });
      detector.signal("SIGHUP");
      await detector.waitFor("UNBAN", two.v4);
      await until("the ban to end", async () => (await lab.site.status(two.name)) === 200);
      expect((await detector.command("ban", two.v4)).code).not.toBe(0);
    });
  });

  test("through all of it the innocent user had not one failure", async () => {
    const answers = await innocent.stop();
    expect(answers.filter((a) => a.status !== 207)).toEqual([]);
    const span = (answers.at(-1)!.at - answers[0]!.at) / 1000;
    expect(answers.length).toBeGreaterThan(span * 8);
  });
});
