/** Without root: two capabilities are enough to ban, unban and mend, and nothing else is ever started. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Glob } from "bun";
import { until } from "../e2e/process.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";
import { Daemon } from "./daemon.ts";

const why = whyNoNamespaces("iptables", "ipset", "setpriv");
const NOBODY = 65_534;
const CAP_NET_ADMIN = 1 << 12;
const CAP_NET_RAW = 1 << 13;

/** As systemd/anomaly-detector.service starts it. */
const AS_SERVICE = [
  "setpriv",
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  "--clear-groups",
  "--inh-caps=-all,+net_admin,+net_raw",
  "--ambient-caps=-all,+net_admin,+net_raw",
  "--bounding-set=-all,+net_admin,+net_raw",
  "--no-new-privs",
  "--",
];

describe.skipIf(why !== "")("a user of its own with CAP_NET_ADMIN and CAP_NET_RAW", () => {
  let space: Namespace;
  let daemon: Daemon;

  beforeEach(async () => {
    space = await Namespace.create();
    daemon = new Daemon(space);
    daemon.under = AS_SERVICE;
    for (const path of [daemon.dir, daemon.logPath, join(daemon.dir, "config.yaml")]) chownSync(path, NOBODY, NOBODY);
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

  test("bans, unbans, mends and cleans up", async () => {
    const before = await daemon.rules();
    await warm();
    const proc = readFileSync(`/proc/${daemon.process.pid}/status`, "utf8");
    expect(/^Uid:\t(\d+)/m.exec(proc)![1]).toBe(String(NOBODY));
    expect(Number.parseInt(/^CapEff:\t(\w+)/m.exec(proc)![1]!, 16)).toBe(CAP_NET_ADMIN | CAP_NET_RAW);
    expect(/^NoNewPrivs:\t(\d)/m.exec(proc)![1]).toBe("1");
    daemon.write(new Array<string>(700).fill("203.0.113.1"), "/login");
    await until("the ban", async () => (await daemon.kernel()).includes("203.0.113.1"));
    expect(await daemon.control.ban({ source: "2001:db8:66::/64", by: "ada", duration: "1h" })).toMatchObject({
      value: { result: "banned" },
    });
    await space.run("ipset", "flush");
    await until("reconcile", async () => (await daemon.kernel()).length === 2);
    await space.run("iptables", "-t", "raw", "-F");
    expect(await daemon.control.reconcile()).toMatchObject({ value: { result: "reconciled" } });
    expect(await space.run("iptables-save", "-t", "raw")).toContain("-j ANOMALY-DETECTOR");
    expect(await daemon.control.unban({ source: "203.0.113.1", by: "ada", forget: false })).toMatchObject({
      value: { result: "unbanned" },
    });
    expect(await daemon.kernel()).toEqual(["2001:db8:66::/64"]);
    expect((await health("firewall")).level).toBe("ok");
    expect(await daemon.stop()).toBe(0);
    expect(await daemon.rules()).toEqual(before);
  }, 30_000);

  test("a log it may not read: it says so with the mend, and reads every line as soon as it may", async () => {
    await warm();
    renameSync(daemon.logPath, `${daemon.logPath}.1`);
    writeFileSync(daemon.logPath, "");
    chmodSync(daemon.logPath, 0o600);
    daemon.write(new Array<string>(700).fill("203.0.113.1"), "/login");
    await until("health to say so", async () => /permission denied.*chmod/.test((await health("log")).detail ?? ""));
    expect((await health("log")).level).toBe("bad");
    expect(await daemon.bans()).toEqual([]);
    await Bun.sleep(1000);
    chmodSync(daemon.logPath, 0o644);
    await until("the ban", async () => (await daemon.kernel()).includes("203.0.113.1"));
    await daemon.caughtUp();
    expect((await health("log")).level).toBe("ok");
  }, 30_000);
});

describe("what may start a program", () => {
  const root = resolve(import.meta.dir, "../..");
  const files = [...new Glob("{src,views}/**/*.{ts,tsx}").scanSync(root)].filter((file) => !/\.test\.tsx?$/.test(file));
  const code = (file: string) =>
    readFileSync(join(root, file), "utf8")
      .replace(/\/\*[\s\S]*?\*\//g, "")
      .replace(/(^|\s)\/\/.*$/gm, "$1");
  const filesWith = (pattern: RegExp) => files.filter((file) => pattern.test(code(file))).sort();

  /** What it would be, how it looks, where it may stand, and an example that the pattern must find. */
  const table: readonly (readonly [what: string, pattern: RegExp, where: readonly string[], example: string])[] = [
    [
      "starts a process",
      /\bBun\.spawn|\bchild_process\b|\bexecFile|\bspawnSync\b|\bfork\(/,
      ["src/firewall/exec.ts"],
      "Bun.spawn([])",
    ],
    [
      "uses Bun's shell",
      /\bBun\.\$|\{[^}]*\$[^}]*\}\s*from\s*"bun"|(?:\bawait|\breturn|[=(,])\s*\$`/,
      [],
      "await $`rm -rf /`",
    ],
    ["names a shell", /["'`/](?:ba|da|z)?sh["'`]\s*,\s*["'`]-c|\bshell:\s*true/, [], 'exec(["/bin/sh", "-c", text])'],
    ["evaluates text", /\beval\(|\bnew Function\b|\bnode:vm\b/, [], "new Function(text)"],
    // A module of ours, by its place in the program: replay's second thread. The daemon has none.
    ["starts a thread", /\bWorker\(/, ["src/read-ahead.ts"], "new Worker(url)"],
    // systemd's datagram socket, which no API of the runtime reaches.
    ["calls into C", /\bdlopen\b|\bbun:ffi\b/, ["src/host/notify-socket.ts"], "dlopen(path, {})"],
    ["becomes somebody else", /\bset(?:e?uid|e?gid|groups)\(/, [], "process.setuid(0)"],
  ];

  test.each(table)("%s: only where it must", (_, pattern, where, example) => {
    expect(example).toMatch(pattern);
    expect(files.length).toBeGreaterThan(100);
    expect(filesWith(pattern)).toEqual([...where]);
  });
});
