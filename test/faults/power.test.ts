/**
 * Power fails at random moments: of what daemon and web server wrote only that is left which had reached the disk, and
 * the kernel's rules are gone. POWER_LOSSES=100 for the long form.
 */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { appendFileSync, closeSync, fsyncSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { must, until } from "../e2e/process.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";
import { Daemon } from "./daemon.ts";
import { Disk, whyNoDisks } from "./disk.ts";

const LOSSES = Number(process.env.POWER_LOSSES ?? 4);
/** Hosts that suffer at the same time: most of it is waiting. */
const TOGETHER = 4;
const why = whyNoNamespaces("iptables", "ip6tables", "ipset") || whyNoDisks();

/** How the kernel writes by itself: as it usually does, and hardly ever, so that only what was asked for is there. */
const KERNELS = ["defaults", "commit=600,noauto_da_alloc"] as const;

/** One host: a firewall, a disk with log, state and audit log on it, the daemon. */
class Host {
  private constructor(
    readonly space: Namespace,
    readonly daemon: Daemon,
    readonly disk: Disk,
  ) {}

  /** As it was installed: log and configuration are on the disk, nothing of ours. */
  static async install(kernel: string): Promise<Host> {
    const space = await Namespace.create();
    const daemon = new Daemon(space);
    const disk = await Disk.create(daemon.dir, kernel);
    writeFileSync(daemon.logPath, "");
    daemon.configure();
    daemon.write(["198.51.100.1", "198.51.100.2"]);
    await must(["sync", "--file-system", daemon.dir]);
    return new Host(space, daemon, disk);
  }

  /**
   * The daemon is stopped in the middle of what it does, and the disk as it is then is all that is left. Returns who was
   * banned as far as anybody could know by then, from the kernel's rules or the audit log; and the log as it was written.
   */
  async losePower(): Promise<{ banned: string[]; log: string }> {
    process.kill(this.daemon.process.pid, "SIGSTOP");
    await this.disk.freeze();
    const unbanned = new Set(this.told("UNBAN"));
    const banned = [...new Set([...this.told("BAN"), ...(await this.daemon.kernel())])].filter(
      (source) => !unbanned.has(source),
    );
    const log = readFileSync(this.daemon.logPath, "utf8");
    await this.daemon.kill();
    await this.disk.replug();
    for (const tool of ["iptables", "ip6tables"] as const)
      for (const what of ["-F", "-X"]) await this.space.run(tool, "-t", "raw", what);
    await this.space.run("ipset", "destroy");
    // A line that was torn is nobody's; what the web server writes next must not be glued to it.
    if (!readFileSync(this.daemon.logPath, "utf8").endsWith("\n")) appendFileSync(this.daemon.logPath, "\n");
    return { banned, log };
  }

  /** Of whom the audit log tells this. A line that the disk did not take in full tells nothing. */
  told(action: "BAN" | "UNBAN"): string[] {
    const lines = readFileSync(`${this.daemon.auditPath}.jsonl`, "utf8").split("\n").filter(Boolean);
    const whole = lines.filter((line) => line.endsWith("}"));
    expect(lines.length - whole.length).toBeLessThanOrEqual(1);
    const events = whole.map((line) => JSON.parse(line) as { action: string; ip: string });
    return events.filter((event) => event.action === action).map(({ ip }) => ip);
  }

  /** How many lines the state file says were learned, and how many stand before the place it would go on from. */
  learned(log: string): { records: number; before: number } {
    const database = new Database(this.daemon.statePath);
    const row = database.query<{ places: string; engine: string }, []>("SELECT places, engine FROM checkpoint").get()!;
    database.close();
    const place = (JSON.parse(row.places) as { position: { offset: number }; refill: number }[]).at(-1)!;
    const engine = JSON.parse(row.engine) as { counters: { records: number } } | null;
    return {
      records: engine?.counters.records ?? 0,
      before: linesOf(log.slice(0, place.position.offset)) + place.refill,
    };
  }

  /** It starts as after any stop: knows every ban, puts it in force, and counts `lines` lines and what comes. */
  async comeBack(banned: readonly string[], lines: number): Promise<void> {
    const { daemon } = this;
    await daemon.start();
    const ledger = new Set((await daemon.bans()).map(({ ban }) => ban.source as string));
    expect(banned.filter((source) => !ledger.has(source))).toEqual([]);
    await until("the kernel to hold them", async () => {
      const kernel = new Set(await daemon.kernel());
      return banned.every((source) => kernel.has(source));
    });
    const { health } = await daemon.status();
    expect(health.find(({ name }) => name === "state")).toMatchObject({ level: "ok" });
    expect(readdirSync(dirname(daemon.statePath)).filter((name) => /corrupt|newer/.test(name))).toEqual([]);
    await daemon.caughtUp(lines);
    // What is asked while it warms up is what it learns from.
    await until("the warm-up to be over", async () => (await daemon.status()).engine.state === "armed");
    daemon.write(new Array<string>(150).fill("203.0.114.1"), "/login");
    await daemon.caughtUp(lines + 150);
    await until("somebody new to be banned", async () => (await daemon.kernel()).includes("203.0.114.1"));
    for (const action of ["BAN", "UNBAN"] as const) {
      const told = this.told(action);
      expect(told.filter((source, i) => told.indexOf(source) !== i)).toEqual([]);
      if (action === "BAN") expect(banned.filter((source) => !told.includes(source))).toEqual([]);
    }
  }

  async destroy(): Promise<void> {
    if (this.daemon.process.running) await this.daemon.kill();
    await this.disk.destroy();
    await this.daemon.destroy();
    await this.space.destroy();
  }
}

/** Whole lines. */
function linesOf(text: string): number {
  return text.match(/^\{.*\}$/gm)?.length ?? 0;
}

async function onHost(kernel: string, suffer: (host: Host) => Promise<void>): Promise<void> {
  const host = await Host.install(kernel);
  try {
    await suffer(host);
  } finally {
    await host.destroy();
  }
}

/** Visitors, floods, and a person who bans and unbans, for some seconds; `syncs`: what others write may be on the disk. */
async function load({ daemon }: Host, seconds: number, syncs: boolean): Promise<void> {
  const files = syncs ? [daemon.logPath, daemon.auditPath, `${daemon.auditPath}.jsonl`] : [];
  const open = files.map((path) => openSync(path, "r"));
  const end = performance.now() + seconds * 1000;
  for (let turn = 0; performance.now() < end; turn++) {
    daemon.write(
      [`198.51.100.${turn % 20}`, ...new Array<string>(80).fill(`203.0.113.${(turn >> 1) % 256}`)],
      "/login",
    );
    if (turn % 5 === 0) await daemon.control.ban({ source: `192.0.2.${turn % 250}`, by: "ada", duration: "1h" });
    if (turn % 10 === 9)
      await daemon.control.unban({ source: `192.0.2.${(turn - 4) % 250}`, by: "ada", forget: false });
    for (const file of open) if (Math.random() < 0.2) fsyncSync(file);
    await Bun.sleep(Math.random() * 50);
  }
  for (const file of open) closeSync(file);
}

describe.skipIf(why !== "")("a loss of power", () => {
  async function underLoad(n: number): Promise<string> {
    let seen = "";
    await onHost(KERNELS[n % 2]!, async (host) => {
      const { daemon } = host;
      await daemon.start();
      await Bun.sleep(2200);
      await load(host, 0.5 + Math.random() * 4, n % 4 < 2);
      const { banned, log } = await host.losePower();
      const left = linesOf(readFileSync(daemon.logPath, "utf8"));
      const { records, before } = host.learned(log);
      expect(records).toBe(before);
      expect(banned.length).toBeGreaterThan(4);
      // What was learned from stays learned, also where the log itself has lost it.
      await host.comeBack(banned, Math.max(left, records));
      seen = `${banned.length} bans; of ${linesOf(log)} lines ${left} were on the disk, ${records} had been learned from`;
    });
    return seen;
  }

  test(
    `${LOSSES} times under load: no ban is lost, none told twice, every line counted once`,
    async () => {
      for (let n = 0; n < LOSSES; n += TOGETHER) {
        const some = Array.from({ length: Math.min(TOGETHER, LOSSES - n) }, (_, i) => underLoad(n + i));
        // Each host is taken down before the first failure is told.
        await Promise.allSettled(some);
        console.log((await Promise.all(some)).join("\n"));
      }
    },
    60_000 + LOSSES * 10_000,
  );

  test("a moment after somebody said to watch only: it only watches", async () => {
    await onHost(KERNELS[1], async (host) => {
      await host.daemon.start();
      expect((await host.daemon.command("disarm")).code).toBe(0);
      await host.losePower();
      await host.daemon.start();
      expect((await host.daemon.status()).engine.state).toBe("watch-only");
    });
  }, 30_000);

  test("a moment after the first ban of a first start", async () => {
    await onHost(KERNELS[1], async (host) => {
      await host.daemon.start();
      await host.daemon.control.ban({ source: "192.0.2.1", by: "ada", duration: "1h" });
      const { banned } = await host.losePower();
      expect(banned).toEqual(["192.0.2.1"]);
      await host.comeBack(banned, 2);
    });
  }, 30_000);
});
