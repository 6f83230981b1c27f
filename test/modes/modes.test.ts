/** Watching and acting, for real: the daemon in a network namespace of its own, its kernel looked at from beside it. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { SystemStatus } from "../../src/status.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";

setDefaultTimeout(30_000);

const SOURCE = "203.0.113.9";
const ROOT = new URL("../..", import.meta.url).pathname;
const skip = whyNoNamespaces("iptables", "ipset") !== "";

describe.skipIf(skip)("watching and acting", () => {
  let space: Namespace;
  let directory: string;
  let daemon: Bun.Subprocess | null = null;

  beforeAll(async () => {
    space = await Namespace.create();
  });
  afterAll(() => space?.destroy());
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "anomaly-detector-modes-"));
    writeFileSync(join(directory, "access.log"), "");
  });
  afterEach(async () => {
    await stop();
    for (const argv of [
      ["iptables", "-t", "raw", "-F"],
      ["ip6tables", "-t", "raw", "-F"],
      ["ipset", "flush"],
    ] as [string, ...string[]][])
      await space.run(...argv);
    rmSync(directory, { recursive: true });
  });

  function configure(detection: Record<string, string>): void {
    const at = (name: string) => join(directory, name);
    const config = {
      log: { path: at("access.log") },
      detection,
      firewall: { snapshot_dir: at("snapshots") },
      audit: { path: at("audit.log") },
      state: { path: at("state.db") },
      dashboard: { enabled: false },
      control: { socket: at("control.sock") },
    };
    writeFileSync(at("config.yaml"), stringify(config));
  }

  async function start(): Promise<void> {
    const argv = [...space.enter, process.execPath, "src/main.ts", "run", "--config", join(directory, "config.yaml")];
    daemon = Bun.spawn(argv, { cwd: ROOT, stdout: "ignore", stderr: "ignore" });
    await until(async () => (await command("status")).code === 0);
  }

  async function stop(): Promise<void> {
    daemon?.kill("SIGTERM");
    await daemon?.exited;
    daemon = null;
  }

  async function command(...words: string[]): Promise<{ code: number; out: string; err: string }> {
    const argv = [process.execPath, "src/main.ts", ...words, "--socket", join(directory, "control.sock")];
    const child = Bun.spawn(argv, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { code, out: out.trim(), err: err.trim() };
  }

  async function state(): Promise<string> {
    return (JSON.parse((await command("status", "--json")).out) as SystemStatus).engine.state;
  }

  /** Does a rule drop it, and is the set behind it filled? */
  async function isDropped(): Promise<boolean> {
    const rules = await space.run("iptables", "-t", "raw", "-S");
    const sets = await space.run("ipset", "save");
    return /-j DROP/.test(rules) && sets.includes(SOURCE);
  }

  async function until(holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (!(await holds())) {
      if (Date.now() > deadline) throw new Error(`did not come true: ${holds}`);
      await Bun.sleep(50);
    }
  }

  const audited = () => readFileSync(join(directory, "audit.log"), "utf8").trim().split("\n");

  test("watch-only bans nobody and says so; arm puts it in force; disarm takes it out", async () => {
    configure({ mode: "watch-only" });
    await start();
    expect((await command("ban", SOURCE)).out).toContain("would be banned (dry-run)");
    expect([await state(), await isDropped()]).toEqual(["watch-only", false]);
    expect((await command("arm")).out).toBe("armed: 1 ban put in force (undo: anomaly-detector disarm)");
    await until(isDropped);
    expect(await state()).toBe("learning");
    expect((await command("explain", SOURCE)).out).toMatch(
      /banned, 1st offence[\s\S]*rule +\w+ from raw\/PREROUTING, in force/,
    );
    expect((await command("disarm")).out).toContain("1 ban taken out of the firewall");
    expect([await state(), await isDropped()]).toEqual(["watch-only", false]);
    const lines = audited().filter((line) => line.includes(` BAN ${SOURCE} `));
    expect(lines.map((line) => line.includes("(dry-run)"))).toEqual([true, false]);
    const said = audited().filter((line) => / (?:DIS)?ARM - /.test(line));
    expect(said.map((line) => line.slice(line.indexOf("]") + 2))).toEqual([
      expect.stringMatching(/^ARM - \| by \S.*, 1 ban in force \| - \| - \| -$/),
      expect.stringMatching(/^DISARM - \| by \S.*, 1 ban out of the firewall \| - \| - \| -$/),
    ]);
  });

  test("a reload takes the mode of the file; a disarm stands over a reload that says nothing new, and a restart", async () => {
    configure({ mode: "enforce" });
    await start();
    await command("ban", SOURCE, "--for", "1h");
    expect(await isDropped()).toBe(true);
    await command("disarm");
    daemon!.kill("SIGHUP");
    await Bun.sleep(500);
    expect([await state(), await isDropped()]).toEqual(["watch-only", false]);
    await stop();
    await start();
    expect([await state(), await isDropped()]).toEqual(["watch-only", false]);
    configure({ mode: "watch-only" });
    daemon!.kill("SIGHUP");
    await Bun.sleep(500);
    configure({ mode: "enforce" });
    daemon!.kill("SIGHUP");
    await until(async () => (await state()) === "learning");
    await command("ban", "203.0.113.10");
    expect(await space.run("ipset", "save")).toContain("203.0.113.10");
  });

  test("arm_after watches first and then acts by itself, counted from the very first start", async () => {
    configure({ mode: "enforce", arm_after: "3s" });
    await start();
    await command("ban", SOURCE);
    expect((await command("status")).out).toMatch(/^watch-only, arms in \d s/);
    expect(await isDropped()).toBe(false);
    await until(isDropped);
    await stop();
    await start();
    expect(await state()).toBe("learning");
  });

  test("who starts to watch only does not go on dropping what an armed run banned", async () => {
    configure({ mode: "enforce" });
    await start();
    await command("ban", SOURCE, "--for", "permanent");
    await stop();
    expect(await isDropped()).toBe(true);
    configure({ mode: "watch-only" });
    await start();
    expect(await isDropped()).toBe(false);
  });
});
