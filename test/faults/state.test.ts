/** Fault × moment for the state file: whatever happens to it, who attacks is banned, health says so, and it recovers. */
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { must, run, until } from "../e2e/process.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";
import { Daemon } from "./daemon.ts";

const why = whyNoNamespaces("iptables", "ipset", "mount", "umount");

interface Fault {
  readonly what: string;
  readonly break: (disk: string, path: string) => unknown;
  /** Absent where it mends itself. */
  readonly mend?: (disk: string, path: string) => unknown;
  /** What health says meanwhile; null where nothing is worth a word. */
  readonly says: RegExp | null;
}

const withDatabase = (path: string, use: (database: Database) => void) => {
  mkdirSync(dirname(path), { recursive: true });
  const database = new Database(path);
  use(database);
  database.close();
};
let holder: Database | null = null;

const AT_START: Fault[] = [
  {
    what: "not a database",
    break: (_, path) => {
      for (const part of ["-wal", "-shm"]) rmSync(path + part, { force: true });
      writeFileSync(path, "x".repeat(20_000));
    },
    says: /state\.db\.corrupt-/,
  },
  {
    what: "cut off in the middle",
    break: (_, path) => {
      withDatabase(path, (database) => database.run("PRAGMA wal_checkpoint(TRUNCATE)"));
      for (const part of ["-wal", "-shm"]) rmSync(path + part, { force: true });
      truncateSync(path, 9000);
    },
    says: /state\.db\.corrupt-/,
  },
  {
    what: "written by a newer version",
    break: (_, path) => withDatabase(path, (database) => database.run("PRAGMA user_version = 99")),
    says: /newer than this program/,
  },
  {
    what: "directory deleted",
    break: (_, path) => rmSync(dirname(path), { recursive: true }),
    says: null,
  },
];

const FULL: Fault = {
  what: "disk full",
  break: async (disk) => {
    await run(["dd", "if=/dev/zero", `of=${disk}/filler`, "bs=64k"]);
    await run(["dd", "if=/dev/zero", `of=${disk}/filler2`, "bs=512"]);
  },
  mend: (disk) => {
    rmSync(`${disk}/filler`);
    rmSync(`${disk}/filler2`, { force: true });
  },
  says: /disk is full|disk I\/O error|no space left/i,
};

const READ_ONLY: Fault = {
  what: "read-only file system",
  break: (disk) => must(["mount", "-o", "remount,ro", disk]),
  mend: (disk) => must(["mount", "-o", "remount,rw", disk]),
  says: /readonly|read-only/i,
};

const RUNNING: Fault[] = [
  FULL,
  {
    what: "deleted",
    break: (_, path) => rmSync(dirname(path), { recursive: true }),
    says: null,
  },
  {
    what: "held by another process",
    break: (_, path) => {
      holder = new Database(path);
      holder.run("BEGIN IMMEDIATE");
    },
    mend: () => {
      holder?.run("COMMIT");
      holder?.close();
      holder = null;
    },
    says: /second detector/,
  },
];

describe.skipIf(why !== "")("state file", () => {
  const seen: string[] = [];
  let space: Namespace;
  let disk: string;
  let daemon: Daemon;

  beforeEach(async () => {
    space = await Namespace.create();
    disk = mkdtempSync(join(tmpdir(), "anomaly-detector-disk-"));
    await must(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]);
    daemon = new Daemon(space, { firewall: { flush_on_exit: false } }, join(disk, "state/state.db"));
  });
  afterEach(async () => {
    holder?.close();
    holder = null;
    await daemon.destroy();
    await run(["umount", disk]);
    rmSync(disk, { recursive: true, force: true });
    await space.destroy();
  });
  afterAll(() => console.log(["fault | moment | health | ban ms | recovered ms", ...seen].join("\n")));

  const health = async () => (await daemon.status()).health.find(({ name }) => name === "state")!;
  const sources = async () => (await daemon.bans()).map(({ ban }) => ban.source as string).sort();

  /** A flood of a new source; how long until the kernel drops it. */
  async function bansWithin(source: string): Promise<number> {
    const begun = performance.now();
    daemon.write(new Array<string>(700).fill(source), "/login");
    await until(`the ban of ${source}`, async () => (await daemon.kernel()).includes(source), { everyMs: 5 });
    return Math.round(performance.now() - begun);
  }

  /** It began to learn, and knows one ban. */
  async function warm(): Promise<void> {
    await daemon.start();
    daemon.write(["198.51.100.1"]);
    await Bun.sleep(2200);
    await bansWithin("203.0.113.1");
    await Bun.sleep(1200);
  }

  async function says(fault: Fault): Promise<string> {
    if (fault.says === null) return "ok";
    const pattern = fault.says;
    await until(`health to say ${pattern}`, async () => pattern.test((await health()).detail ?? ""), {
      timeoutMs: 15_000,
    });
    return (await health()).short;
  }

  async function recovers(fault: Fault): Promise<number> {
    await fault.mend?.(disk, daemon.statePath);
    const begun = performance.now();
    const isWell = async () => (await health()).level === "ok" && existsSync(daemon.statePath);
    await until("health to be well again", isWell, { timeoutMs: 20_000 });
    return Math.round(performance.now() - begun);
  }

  for (const fault of AT_START) {
    test(`${fault.what}, at the start`, async () => {
      await warm();
      await daemon.kill();
      await fault.break(disk, daemon.statePath);
      await daemon.start();
      const short = await says(fault);
      // The kernel remembers for us.
      expect(await sources()).toEqual(["203.0.113.1"]);
      const tookMs = await bansWithin("203.0.113.2");
      await Bun.sleep(1500);
      await daemon.kill();
      await daemon.start();
      expect(await sources()).toEqual(["203.0.113.1", "203.0.113.2"]);
      expect((await health()).level).toBe("ok");
      seen.push(`${fault.what} | start | ${short} | ${tookMs} | –`);
    }, 40_000);
  }

  for (const fault of RUNNING) {
    test(`${fault.what}, while it runs`, async () => {
      await warm();
      await fault.break(disk, daemon.statePath);
      const tookMs = await bansWithin("203.0.113.2");
      const short = await says(fault);
      const mended = await recovers(fault);
      await Bun.sleep(1500);
      await daemon.kill();
      await daemon.start();
      expect(await sources()).toEqual(["203.0.113.1", "203.0.113.2"]);
      await daemon.caughtUp();
      seen.push(`${fault.what} | running | ${short} | ${tookMs} | ${mended}`);
    }, 60_000);
  }

  test(`${READ_ONLY.what}, at a restart`, async () => {
    await warm();
    await daemon.kill();
    await READ_ONLY.break(disk, daemon.statePath);
    await daemon.start();
    const short = await says(READ_ONLY);
    expect(await sources()).toEqual(["203.0.113.1"]);
    const tookMs = await bansWithin("203.0.113.2");
    const mended = await recovers(READ_ONLY);
    await Bun.sleep(1500);
    await daemon.kill();
    await daemon.start();
    expect(await sources()).toEqual(["203.0.113.1", "203.0.113.2"]);
    seen.push(`${READ_ONLY.what} | restart | ${short} | ${tookMs} | ${mended}`);
  }, 60_000);

  for (const fault of [FULL, READ_ONLY]) {
    test(`${fault.what}, at the start, with nothing there yet`, async () => {
      mkdirSync(dirname(daemon.statePath), { recursive: true });
      await fault.break(disk, daemon.statePath);
      await daemon.start();
      daemon.write(["198.51.100.1"]);
      await Bun.sleep(2200);
      const short = await says(fault);
      const tookMs = await bansWithin("203.0.113.1");
      const mended = await recovers(fault);
      await Bun.sleep(1500);
      await daemon.kill();
      await daemon.start();
      expect(await sources()).toEqual(["203.0.113.1"]);
      await daemon.caughtUp();
      seen.push(`${fault.what} | first start | ${short} | ${tookMs} | ${mended}`);
    }, 60_000);
  }
});
