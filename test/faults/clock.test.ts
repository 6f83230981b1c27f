/** The wall clock jumps under the running daemon (and under nginx, which dates the log); the kernel's timers do not. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
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
