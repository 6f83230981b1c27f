/** The wall clock jumps under the running daemon (and under nginx, which dates the log); the kernel's timers do not. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, closeSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must, until } from "../e2e/process.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";
import { Daemon } from "./daemon.ts";

const why = whyNoNamespaces("iptables", "ipset", "cc");
const HOUR = 3600;

describe.skipIf(why !== "")("wall clock", () => {
  let space: Namespace;
  let dir: string;
  let daemon: Daemon;
  let offsetSeconds = 0;
  let attackers = 0;

  beforeEach(async () => {
    space = await Namespace.create();
    dir = mkdtempSync(join(tmpdir(), "anomaly-detector-clock-"));
    await must([
      "cc",
      "-shared",
      "-fPIC",
      "-O1",
      "-o",
      join(dir, "clock.so"),
      join(import.meta.dir, "clock.c"),
      "-ldl",
    ]);
    jump(0);
    attackers = 0;
    daemon = new Daemon(space, { bans: { durations: ["4h"] }, firewall: { flush_on_exit: false } });
  });
  afterEach(async () => {
    await daemon.destroy();
    await space.destroy();
    rmSync(dir, { recursive: true, force: true });
  });

  /** In place: the daemon has the file mapped. */
  function jump(seconds: number): void {
    offsetSeconds = seconds;
    const fd = openSync(join(dir, "offset"), "a+");
    closeSync(fd);
    const file = openSync(join(dir, "offset"), "r+");
    writeSync(file, new Uint8Array(new BigInt64Array([BigInt(seconds)]).buffer), 0, 8, 0);
    closeSync(file);
  }

  const start = (zone = "UTC") =>
    daemon.start({ LD_PRELOAD: join(dir, "clock.so"), CLOCK_OFFSET: join(dir, "offset"), TZ: zone });
  const now = () => Date.now() + offsetSeconds * 1000;
  const write = (sources: readonly string[], path = "/") => daemon.write(sources, path, now());

  /** Somebody new floods; how long until the kernel drops him, in milliseconds. */
  async function bansWithin(timeoutMs = 8000): Promise<number> {
    const source = `203.0.113.${++attackers}`;
    const begun = performance.now();
    await until(
      `the ban of ${source}`,
      async () => {
        write(new Array<string>(40).fill(source), "/login");
        return (await daemon.kernel()).includes(source);
      },
      { timeoutMs, everyMs: 50 },
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)} ${JSON.stringify((await daemon.status()).engine.counters)}`);
    });
    return Math.round(performance.now() - begun);
  }

  /** Kernel and ledger agree about who is banned, and until when. */
  async function agrees(): Promise<void> {
    await until(
      "kernel and ledger to agree",
      async () => {
        const bans = await daemon.bans();
        // Its own time: ahead of the wall clock for a while after a step back.
        const { at } = await daemon.status();
        const save = await space.run("ipset", "save");
        return (
          bans.length === attackers &&
          bans.every(({ ban }) => {
            const left = new RegExp(`^add \\S+ ${ban.source.replaceAll(".", "\\.")} timeout (\\d+)`, "m").exec(
              save,
            )?.[1];
            return left !== undefined && Math.abs(Number(left) * 1000 - ((ban.until as number) - at)) < 10_000;
          })
        );
      },
      { timeoutMs: 5000 },
    );
  }

  test("an hour forward and back, an hour back, a kill: who attacks is banned at once, nobody's ban is lost", async () => {
    // Whatever the zone and its summer time, everything is in UTC.
    await start("America/St_Johns");
    write(["198.51.100.1"]);
    await Bun.sleep(2200);
    const seen = [`before: ${await bansWithin()} ms`];
    const jumps = [
      ["an hour forward", HOUR],
      ["back again", 0],
      ["an hour back", -HOUR],
      ["right again", 0],
    ] as const;
    for (const [what, seconds] of jumps) {
      jump(seconds);
      await Bun.sleep(300);
      seen.push(`${what}: ${await bansWithin()} ms`);
      await agrees();
    }
    await daemon.kill();
    await start();
    expect((await daemon.bans()).length).toBe(attackers);
    seen.push(`after a kill: ${await bansWithin()} ms`);
    console.log(`from the attack to the ban:\n${seen.join("\n")}`);
    expect(daemon.audited("UNBAN")).toEqual([]);
    for (const { ts } of daemon.audited("BAN"))
      expect(Math.abs(Date.parse(ts) - Date.now())).toBeLessThan(1.1 * HOUR * 1000);
    expect(Number(daemon.audited("BAN")[0]!.ts.slice(11, 13))).toBe(
      new Date(daemon.audited("BAN")[0]!.ts).getUTCHours(),
    );
  }, 60_000);

  test.each([
    ["the hour that comes twice", Date.UTC(2026, 9, 25, 1), "+02:00", "+01:00"],
    ["the hour that never comes", Date.UTC(2027, 2, 28, 1), "+01:00", "+02:00"],
  ])(
    "%s, in a log that says the time as the clock on the wall does: nothing is early, late or lost",
    async (_, at, before, after) => {
      // Berlin, some seconds before its clocks are changed.
      jump(Math.round((at - Date.now()) / 1000) - 9);
      await start("Europe/Berlin");
      let lines = 0;
      /** As nginx's $time_iso8601 has it, in whole seconds of local time. */
      const local = (source: string, count: number) => {
        const zone = now() < at ? before : after;
        const shown = new Date(now() + Number(zone.slice(1, 3)) * HOUR * 1000).toISOString().slice(0, 19);
        const line = `{"source_ip":"${source}","timestamp":"${shown}${zone}","method":"GET","path":"/login","status":200,"response_size":10}\n`;
        appendFileSync(daemon.logPath, line.repeat(count));
        lines += count;
      };
      const bansBy = async (source: string) => {
        local(source, 700);
        await until(`the ban of ${source}`, async () => (await daemon.kernel()).includes(source));
        attackers++;
      };
      local("198.51.100.1", 1);
      await Bun.sleep(2200);
      await bansBy("203.0.113.1");
      await until("the clocks to be changed", () => now() > at + 1000, { timeoutMs: 15_000 });
      await bansBy("203.0.113.2");
      await agrees();
      await daemon.caughtUp(lines);
      const { counters, site } = (await daemon.status()).engine;
      expect([counters.late, counters.future]).toEqual([0, 0]);
      // The window reaches back over the change.
      expect(site.requests).toBeGreaterThan(0);
      expect((await daemon.status()).health.find(({ name }) => name === "log")).toMatchObject({ level: "ok" });
      expect(daemon.audited("UNBAN")).toEqual([]);
      for (const { ts } of daemon.audited("BAN")) expect(Math.abs(Date.parse(ts) - at)).toBeLessThan(60_000);
    },
    40_000,
  );

  test("the log gone for a day: it says so, ends bans on time, and bans who attacks as soon as the log is back", async () => {
    await start();
    write(["198.51.100.1"]);
    await Bun.sleep(2200);
    await bansWithin();
    renameSync(daemon.logPath, `${daemon.logPath}.gone`);
    const log = async () => (await daemon.status()).health.find(({ name }) => name === "log")!;
    await until("health to say so", async () => /no such file/.test((await log()).detail ?? ""));
    jump(24 * HOUR);
    await until("the end of a ban of four hours", () => daemon.audited("UNBAN").length === 1);
    expect(await daemon.bans()).toEqual([]);
    expect((await log()).level).toBe("bad");
    write(["198.51.100.1"]);
    await bansWithin();
    expect((await daemon.bans()).map(({ ban }) => ban.source as string)).toEqual(["203.0.113.2"]);
    await daemon.caughtUp();
    expect((await log()).level).toBe("ok");
  }, 40_000);

  test("set back while it was down: it goes on where it was, says so, and bans", async () => {
    jump(HOUR);
    await start();
    write(["198.51.100.1"]);
    await Bun.sleep(2200);
    await bansWithin();
    expect(await daemon.stop()).toBe(0);
    jump(0);
    await start();
    await Bun.sleep(500);
    await bansWithin();
    await agrees();
    const log = (await daemon.status()).health.find(({ name }) => name === "log")!;
    expect(log).toMatchObject({ level: "warn", short: expect.stringMatching(/^clock (59 min|1 h)/) });
  }, 60_000);
});
