/** Other hands in the packet filter: whatever they do to our rules and sets is mended, counted, audited and told. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../e2e/process.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";
import { config } from "../records.ts";
import { Daemon } from "./daemon.ts";
import { Slack } from "./slack.ts";

const why = whyNoNamespaces("iptables", "ip6tables", "iptables-save", "iptables-restore", "ipset", "nft");
const BANNED = ["203.0.113.1", "203.0.113.2", "2001:db8:66::/64"];
const CHAIN = "ANOMALY-DETECTOR";
const FOREIGN = "198.51.100.77";

/** What was mended, as the audit log has it; null where only a timeout differs. */
type Mended = { readonly added?: number; readonly removed?: number; readonly hooks?: number } | null;

interface Fault {
  readonly what: string;
  /** Commands in the namespace, one after the other. */
  readonly commands: readonly string[];
  readonly mended: Mended;
}

/** In `ipset`: the sets are there; the kernel's sets cannot be destroyed while a rule matches them. */
const FAULTS: readonly Fault[] = [
  { what: "the hook rule removed", commands: [`iptables -t raw -D PREROUTING 1`], mended: { hooks: 1 } },
  {
    what: "every rule of the table flushed (iptables -F), as docker and firewalld do",
    commands: ["iptables -t raw -F", "ip6tables -t raw -F"],
    mended: { hooks: 2 },
  },
  {
    what: "the chain deleted (-F, then -X)",
    commands: ["iptables -t raw -F", "iptables -t raw -X"],
    mended: { hooks: 1 },
  },
  {
    what: "every table gone (nft flush ruleset), as nftables' start and firewalld's reload do",
    commands: ["nft flush ruleset"],
    mended: { hooks: 2 },
  },
  { what: "our chain emptied", commands: [`iptables -t raw -F ${CHAIN}`], mended: { hooks: 1 } },
  {
    what: "a rule before ours in our chain",
    commands: [`iptables -t raw -I ${CHAIN} -j RETURN`],
    mended: { hooks: 1 },
  },
  { what: "ipset flush", commands: ["ipset flush"], mended: { added: 3 } },
  {
    what: "rules flushed and sets destroyed",
    commands: ["iptables -t raw -F", "ip6tables -t raw -F", "ipset destroy"],
    mended: { added: 3, hooks: 2 },
  },
  {
    what: "a foreign entry in our set",
    commands: [`ipset add anomaly-detector-v4 ${FOREIGN}`],
    mended: { removed: 1 },
  },
  { what: "an entry removed by hand", commands: [`ipset del anomaly-detector-v4 ${BANNED[0]}`], mended: { added: 1 } },
  {
    what: "an entry with another end",
    commands: [`ipset -exist add anomaly-detector-v4 ${BANNED[0]} timeout 20`],
    mended: null,
  },
  {
    what: "an entry that should be gone and one that is missing, at once",
    commands: [`ipset add anomaly-detector-v4 ${FOREIGN}`, `ipset del anomaly-detector-v4 ${BANNED[1]}`],
    mended: { added: 1, removed: 1 },
  },
];

/** The same by plain rules, for hosts without ipset; two hooks, so that one table can lose what the other holds. */
const PLAIN: readonly Fault[] = [
  { what: "one of two tables flushed", commands: ["iptables -t raw -F"], mended: { hooks: 1 } },
  {
    what: "our chain emptied in both",
    commands: [`iptables -t raw -F ${CHAIN}`, `iptables -F ${CHAIN}`],
    mended: { added: 2, hooks: 0 },
  },
  {
    what: "a foreign ban in our chain",
    commands: [`iptables -t raw -A ${CHAIN} -s ${FOREIGN} -j DROP`],
    mended: { removed: 1 },
  },
  {
    what: "a rule removed in one table",
    commands: [`iptables -t raw -D ${CHAIN} -s ${BANNED[0]} -j DROP`],
    mended: null,
  },
];

test("kernel and ledger are compared every 30 seconds, where nothing else is said", () => {
  expect(config().firewall.reconcile_every).toBe(30_000);
});

describe.skipIf(why !== "")("reconcile", () => {
  let space: Namespace;
  let daemon: Daemon;

  beforeEach(async () => {
    space = await Namespace.create();
  });
  afterEach(async () => {
    await daemon.destroy();
    await space.destroy();
  });

  /** Three bans in force, and the rules as they must be. */
  async function start(settings: ConstructorParameters<typeof Daemon>[1]): Promise<string> {
    daemon = new Daemon(space, settings);
    await daemon.start();
    for (const source of BANNED)
      expect((await daemon.control.ban({ source, by: "ada", duration: "1h" })).kind).toBe("answer");
    // The first look restores; from the second on what differs is somebody's doing.
    await daemon.control.reconcile();
    return rules();
  }

  /** All of the packet filter, without what counts; of a timeout only whether it is nearly over. */
  async function rules(): Promise<string> {
    const timeouts = / timeout (\d+)( packets \d+ bytes \d+)?$/;
    const lines = (await daemon.rules()).filter((line) => !line.startsWith("create"));
    return lines
      .map((line) =>
        line.replace(/\[\d+:\d+\]/, "").replace(timeouts, (_, left) => (Number(left) < 1000 ? " ending" : "")),
      )
      .sort()
      .join("\n");
  }

  const alerts = () =>
    daemon
      .audited("ALERT")
      .map(({ evidence }) => evidence as unknown as { type: string; added: number; removed: number; hooks: number })
      .filter(({ type }) => type === "firewall-mended");

  async function suffer(fault: Fault, good: string): Promise<number> {
    const before = alerts().length;
    const mendedBefore = (await daemon.status()).firewall.mended;
    for (const command of fault.commands) await space.run(...(command.split(" ") as [string, ...string[]]));
    const begun = performance.now();
    await until(`"${fault.what}" to be mended`, async () => (await rules()) === good, { timeoutMs: 15_000 });
    const tookMs = Math.round(performance.now() - begun);
    if (fault.mended === null) return tookMs;
    const wanted = { added: 0, removed: 0, hooks: 0, ...fault.mended };
    const sum = () =>
      alerts()
        .slice(before)
        .reduce(
          (total, { added, removed, hooks }) => [total[0]! + added, total[1]! + removed, total[2]! + hooks],
          [0, 0, 0],
        );
    await until(`"${fault.what}" to be audited as ${JSON.stringify(wanted)}`, () => {
      const [added, removed, hooks] = sum();
      return added === wanted.added && removed === wanted.removed && hooks === wanted.hooks;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; it was ${JSON.stringify(alerts().slice(before))}`);
    });
    const status = await daemon.status();
    expect(status.firewall.mended - mendedBefore).toBe(wanted.added + wanted.removed + wanted.hooks);
    expect(status.engine.bans.map(({ ban, enforcement }) => [ban.source as string, enforcement])).toEqual(
      BANNED.toReversed().map((source) => [source, "in-force"]),
    );
    return tookMs;
  }

  test("by itself, every firewall.reconcile_every", async () => {
    const good = await start({
      firewall: { reconcile_every: "1s" },
      dashboard: { enabled: true, listen: "127.0.0.1:8080" },
    });
    const times: string[] = [];
    for (const fault of FAULTS) times.push(`${String(await suffer(fault, good)).padStart(5)} ms  ${fault.what}`);
    console.log(`mended, each second:\n${times.join("\n")}`);
    // Kernel, ledger, audit and dashboard say the same.
    expect(await daemon.kernel()).toEqual(BANNED.toSorted());
    const page = await space.run("curl", "-sf", "http://127.0.0.1:8080/");
    for (const source of BANNED) expect(page).toContain(source);
    expect(page).toContain("firewall mended");
    expect(daemon.audited("BAN").map(({ ip }) => ip)).toEqual(BANNED);
    expect(daemon.audited("UNBAN")).toEqual([]);
  }, 60_000);

  test("by plain rules in two tables", async () => {
    const good = await start({
      firewall: { reconcile_every: "1s", backend: "iptables", hooks: ["raw/PREROUTING", "filter/INPUT"] },
    });
    for (const fault of PLAIN) await suffer(fault, good);
  }, 60_000);

  test("on demand, without waiting for the timer; a firewall that cannot be had is said", async () => {
    const good = await start({ firewall: { reconcile_every: "10m" } });
    await space.run("ipset", "flush");
    expect(await daemon.control.reconcile()).toEqual({
      kind: "answer",
      value: { result: "reconciled", added: 3, removed: 0, refreshed: 0, repaired: 0, bans: 3 },
    });
    expect(await rules()).toBe(good);
    expect(await daemon.control.reconcile()).toMatchObject({ value: { added: 0 } });
    expect(alerts()).toHaveLength(1);
    // A set of our name that is none of ours: it says so until it is gone.
    for (const command of [
      "iptables -t raw -F",
      "ip6tables -t raw -F",
      "ipset destroy",
      "ipset create anomaly-detector-v4 list:set",
    ])
      await space.run(...(command.split(" ") as [string, ...string[]]));
    expect(await daemon.control.reconcile()).toMatchObject({ value: { result: "failed" } });
    const health = async () => (await daemon.status()).health.find(({ name }) => name === "firewall")!;
    await until("health to be bad", async () => (await health()).level === "bad");
    await space.run("ipset", "destroy", "anomaly-detector-v4");
    expect(await daemon.control.reconcile()).toMatchObject({ value: { result: "reconciled", added: 3, repaired: 2 } });
    await until("health to be well", async () => (await health()).level === "ok");
    expect(await rules()).toBe(good);
  }, 60_000);

  test("what is flushed all the time is audited each time and told once; who attacks meanwhile is banned", async () => {
    const dir = mkdtempSync(join(tmpdir(), "anomaly-detector-slack-"));
    const slack = new Slack(space, dir);
    await slack.start();
    await start({ firewall: { reconcile_every: "1s" }, slack: { webhook_file: slack.webhookFile } });
    await Bun.sleep(1500);
    const begun = Date.now();
    for (let flushes = 0; Date.now() - begun < 5000; flushes++) {
      await space.run("ipset", "flush");
      daemon.write(new Array<string>(flushes === 3 ? 700 : 1).fill("203.0.113.9"), "/login");
      await Bun.sleep(300);
    }
    const all = [...BANNED, "203.0.113.9"].toSorted();
    await until("every ban to be back", async () => Bun.deepEquals(await daemon.kernel(), all));
    expect(alerts().length).toBeGreaterThan(1);
    await until("Slack to hear of it", async () =>
      (await slack.texts()).some((text) => text.includes("Firewall mended")),
    );
    await Bun.sleep(1500);
    expect((await slack.texts()).filter((text) => text.includes("Firewall mended"))).toHaveLength(1);
    await slack.stop();
    rmSync(dir, { recursive: true });
  }, 40_000);
});
