/** What the host runs out of: disk for the audit log, the log itself, file descriptors, memory, time to read. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { dirname, join } from "node:path";
import type { Decision } from "../../src/decision.ts";
import { Engine } from "../../src/engine.ts";
import { Background, must, run, until } from "../e2e/process.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";
import { config, record, START } from "../records.ts";
import { Daemon } from "./daemon.ts";

const why = whyNoNamespaces("iptables", "ipset", "mount", "umount", "prlimit");

describe.skipIf(why !== "")("the daemon", () => {
  let space: Namespace;
  let daemon: Daemon;
  let attackers = 0;

  beforeEach(async () => {
    space = await Namespace.create();
    daemon = new Daemon(space);
    attackers = 0;
  });
  afterEach(async () => {
    await daemon.destroy();
    await space.destroy();
  });

  const health = async (name: string) => (await daemon.status()).health.find((check) => check.name === name)!;

  async function warm(): Promise<void> {
    await daemon.start();
    daemon.write(["198.51.100.1"]);
    await Bun.sleep(2200);
  }

  /** Floods of new sources; resolves to how long it took until the kernel dropped them all. */
  async function bansWithin(count = 1): Promise<number> {
    const sources = Array.from({ length: count }, () => `203.0.${113 + (++attackers >> 8)}.${attackers & 255}`);
    const begun = performance.now();
    for (const source of sources) daemon.write(new Array<string>(150).fill(source), "/login");
    await until("the bans", async () => {
      const held = new Set(await daemon.kernel());
      return sources.every((source) => held.has(source));
    });
    return Math.round(performance.now() - begun);
  }

  test("a full disk under the audit log: bans go on, health says so, every line is there afterwards", async () => {
    const disk = join(daemon.dir, "audit");
    mkdirSync(disk);
    await must(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]);
    try {
      const path = join(disk, "audit.log");
      daemon.configure({ audit: { path } });
      await warm();
      await bansWithin(3);
      await run(["dd", "if=/dev/zero", `of=${disk}/filler`, "bs=4k"]);
      const tookMs = await bansWithin(40);
      await until("health to say so", async () => /disk is full/.test((await health("audit")).detail ?? ""));
      const more = await bansWithin(40);
      rmSync(`${disk}/filler`);
      const banned = () =>
        existsSync(path)
          ? readFileSync(path, "utf8")
              .split("\n")
              .filter((line) => / BAN /.test(line))
          : [];
      await until("every line to be in the audit log", () => banned().length === attackers);
      await until("health to be well", async () => (await health("audit")).level === "ok");
      // Whole lines, each once, in both files.
      expect(new Set(banned().map((line) => line.split(" ")[2])).size).toBe(attackers);
      for (const line of readFileSync(`${path}.jsonl`, "utf8").split("\n").filter(Boolean)) JSON.parse(line);
      console.log(`audit disk full: 40 bans in ${tookMs} ms and ${more} ms`);
      await daemon.kill();
    } finally {
      await run(["umount", "-l", disk]);
    }
  }, 30_000);

  test("the log deleted, its directory too, and back much later: read from its beginning, who attacks is banned", async () => {
    const away = join(daemon.dir, "nginx", "access.log");
    daemon.configure({ log: { path: away } });
    mkdirSync(dirname(away));
    const lines = (source: string, count: number) => {
      const at = (Date.now() / 1000).toFixed(3);
      const line = `{"source_ip":"${source}","msec":"${at}","method":"GET","path":"/login","status":200,"response_size":10}\n`;
      appendFileSync(away, line.repeat(count));
    };
    lines("198.51.100.1", 3);
    await daemon.start();
    await Bun.sleep(2200);
    rmSync(dirname(away), { recursive: true });
    await until("health to say so", async () => /no such file/.test((await health("log")).detail ?? ""));
    expect((await health("log")).level).toBe("bad");
    // Meanwhile a person can still ban.
    expect(await daemon.control.ban({ source: "203.0.113.99", by: "ada" })).toMatchObject({
      value: { result: "banned" },
    });
    await Bun.sleep(3000);
    mkdirSync(dirname(away));
    lines("203.0.113.1", 150);
    await until("the ban", async () => (await daemon.kernel()).includes("203.0.113.1"));
    expect((await daemon.status()).engine.counters.records).toBe(153);
    expect((await health("log")).level).toBe("ok");
  }, 30_000);

  test("connections that take every file descriptor: bans are made at once all the same, no line is lost", async () => {
    daemon.under = ["prlimit", "--nofile=64:64", "--"];
    daemon.configure({ dashboard: { enabled: true, listen: "127.0.0.1:8080" } });
    await warm();
    await bansWithin();
    // Who is thrown out comes again: to the control socket, and to the dashboard.
    let isOver = false;
    const sockets = new Set<Socket>();
    const hold = () => {
      if (isOver) return;
      const socket = connect(daemon.socketPath);
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket) && setTimeout(hold, 20));
    };
    for (let i = 0; i < 60; i++) hold();
    const script = join(import.meta.dir, "http-attack.ts");
    const dripping = new Background([...space.enter, process.execPath, script, "8080", "drip", "60", "30000"]);
    const seen: number[] = [];
    for (let n = 0; n < 5; n++) {
      await Bun.sleep(700);
      seen.push(await bansWithin());
    }
    isOver = true;
    for (const socket of sockets) socket.destroy();
    await dripping.stop();
    expect(Math.max(...seen)).toBeLessThan(1000);
    const shortages = daemon.process.stdout.match(/no file descriptors left/g)?.length ?? 0;
    expect(shortages).toBeGreaterThan(0);
    await until("the control socket to be back", async () => (await daemon.control.status()).kind === "answer");
    await daemon.caughtUp();
    await until("health to be well", async () => (await daemon.status()).health.every(({ level }) => level === "ok"));
    expect(daemon.audited("BAN")).toHaveLength(6);
    const page = async () => (await run([...space.enter, "curl", "-sf", "http://127.0.0.1:8080/"])).code === 0;
    await until("the page to be back", page);
    console.log(`64 descriptors, 120 connections: bans in ${seen.join(", ")} ms; ${shortages} times all were closed`);
  }, 40_000);

  test("a log that grows faster than it is read: measured, shown, told once, over when it is over", async () => {
    await warm();
    const { pid } = daemon.process;
    // It gets a tenth of the time, as on a host that has no more to give.
    let isSlow = true;
    const slowness = (async () => {
      while (isSlow) {
        process.kill(pid, "SIGSTOP");
        await Bun.sleep(270);
        process.kill(pid, "SIGCONT");
        await Bun.sleep(30);
      }
    })();
    const alerts = () =>
      daemon
        .audited("ALERT")
        .map(
          ({ evidence }) =>
            evidence as unknown as { type: string; state: string; unreadBytes: number; behindMs: number },
        )
        .filter(({ type }) => type === "log-lag");
    let written = 0;
    try {
      const calm = Array.from({ length: 100_000 }, (_, i) => `198.18.${(i >> 8) & 255}.${i & 255}`);
      const unread = async () => (await daemon.status()).log.unreadBytes;
      await until(
        "the lag to be told",
        async () => {
          if ((await unread()) < 60e6 && written < 4_000_000) {
            daemon.write(calm, "/");
            written += calm.length;
          }
          return alerts().length > 0;
        },
        { timeoutMs: 30_000, everyMs: 100 },
      );
      const log = await health("log");
      expect(log.level).toBe("warn");
      expect(log.short).toMatch(/MB behind$/);
      expect(log.detail).toContain("grows faster than it is read");
    } finally {
      isSlow = false;
      await slowness;
    }
    await until("its end to be told", () => alerts().length === 2, { timeoutMs: 30_000 });
    expect(alerts().map(({ state }) => state)).toEqual(["behind", "caught-up"]);
    expect(alerts()[0]!.unreadBytes).toBeGreaterThan(4e6);
    await daemon.caughtUp();
    expect((await health("log")).level).toBe("ok");
    truncateSync(daemon.logPath, 0);
  }, 90_000);

  test("a log that is rotated while nobody can read it loses nothing", async () => {
    await warm();
    process.kill(daemon.process.pid, "SIGSTOP");
    daemon.write(new Array<string>(50).fill("198.51.100.1"));
    for (let n = 0; n < 3; n++) {
      renameSync(daemon.logPath, `${daemon.logPath}.${3 - n}`);
      daemon.write(new Array<string>(50).fill(`198.51.100.${n}`));
    }
    process.kill(daemon.process.pid, "SIGCONT");
    await daemon.caughtUp();
  }, 30_000);
});

test("300,000 sources in a table of 10,000: the quiet ones are shed and counted, who attacks is banned all the same", () => {
  const engine = new Engine(config({ detection: { max_sources: 10_000 }, baseline: { warm_up: "1s" } }));
  const bans: Decision[] = [];
  const emit = (decision: Decision) => void (decision.kind === "ban" && bans.push(decision));
  let most = 0;
  for (let i = 0; i < 300_000; i++) {
    // 5,000 newcomers a second; one of them comes again and again.
    const at = START + Math.floor(i / 5);
    engine.observe(record({ at, source: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` }), emit);
    if (i % 200 === 0) engine.observe(record({ at, source: "203.0.113.66" }), emit);
    if (i % 10_000 === 0) most = Math.max(most, engine.status().sources.active);
  }
  const { counters } = engine.status();
  expect(most).toBeLessThanOrEqual(10_000);
  expect(counters.records).toBe(301_500);
  expect(counters.sourcesShed).toBeGreaterThan(280_000);
  expect(bans.map((decision) => decision.kind === "ban" && (decision.ban.source as string))).toContain("203.0.113.66");
}, 30_000);
