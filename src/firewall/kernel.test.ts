/** The contract against the kernel: ipset, iptables-nft and iptables-legacy, each in a namespace of its own. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Namespace, whyNoNamespaces } from "../../test/netns/namespace.ts";
import type { Variant } from "./chain.ts";
import { createFirewall, type FirewallSettings } from "./create.ts";
import { type Exec, findProgram } from "./exec.ts";
import { entry, firewallContract, source } from "./firewall.contract.ts";
import { IpsetFirewall } from "./ipset.ts";
import { IptablesFirewall, MAX_RULES } from "./iptables.ts";

setDefaultTimeout(30_000);
const skip = whyNoNamespaces("iptables", "ipset") !== "";
const skipLegacy = skip || findProgram("iptables-legacy-save") === null;
const settings = {
  hooks: ["raw/PREROUTING"],
  sparePorts: [22],
  chain: "ANOMALY-DETECTOR",
  setPrefix: "anomaly-detector",
} as const;
const auto: FirewallSettings = { backend: "auto", hooks: ["raw/PREROUTING"], sparePorts: [22] };

function contractIn(backend: "ipset" | "iptables", variant: Variant, skipped: boolean): void {
  firewallContract(
    `${backend}, ${variant} iptables`,
    async () => {
      const space = await Namespace.create();
      const all = { ...settings, variant };
      const firewall =
        backend === "ipset" ? new IpsetFirewall(all, space.exec) : new IptablesFirewall(all, space.exec, Date.now);
      return { firewall, pass: Bun.sleep, expires: backend === "ipset", close: () => space.destroy() };
    },
    skipped,
  );
}

contractIn("ipset", "default", skip);
contractIn("iptables", "default", skip);
contractIn("ipset", "legacy", skipLegacy);
contractIn("iptables", "legacy", skipLegacy);

/** What a user sees of all tables and sets, without counters, comments and the set's random seed. */
async function allRules(space: Namespace): Promise<string> {
  const texts: string[] = [];
  for (const argv of [["iptables-save"], ["ip6tables-save"], ["ipset", "save"]] as [string, ...string[]][])
    texts.push(await space.run(...argv));
  return texts
    .join("\n")
    .replace(/^#.*\n/gm, "")
    .replace(/\[\d+:\d+\]/g, "[0:0]");
}

describe.skipIf(skip)("the rules of others", () => {
  let space: Namespace;
  beforeAll(async () => {
    space = await Namespace.create();
  });
  afterAll(() => space?.destroy());

  const backends = ["ipset", "iptables"] as const;

  test.each(backends)("%s: on a bare host, remove leaves no table behind", async (backend) => {
    expect(await allRules(space)).toBe("\n\n");
    const firewall = await createFirewall({ ...auto, backend, hooks: ["raw/PREROUTING", "filter/INPUT"] }, space.exec);
    await firewall.ban([entry("203.0.113.9"), entry("2001:db8::9")]);
    await firewall.remove();
    // iptables cannot delete a table; nft can, where it is installed.
    if (findProgram("nft")) expect(await allRules(space)).toBe("\n\n");
    else expect(await allRules(space)).not.toContain("ANOMALY");
  });

  test.each(backends)("%s: come through init, ban, repair and remove unchanged", async (backend) => {
    for (const tool of ["iptables", "ip6tables"]) {
      await space.run(tool, "-P", "FORWARD", "DROP");
      await space.run(
        tool,
        "-A",
        "INPUT",
        "-p",
        "tcp",
        "--dport",
        "8080",
        "-m",
        "comment",
        "--comment",
        "mine",
        "-j",
        "ACCEPT",
      );
      await space.run(tool, "-N", "DOCKER-USER");
      await space.run(tool, "-A", "DOCKER-USER", "-j", "RETURN");
      await space.run(tool, "-t", "raw", "-A", "PREROUTING", "-p", "udp", "--dport", "53", "-j", "NOTRACK");
    }
    await space.run("ipset", "create", "other", "hash:ip");
    await space.run("ipset", "add", "other", "192.0.2.7");
    const before = await allRules(space);
    const hooks = ["raw/PREROUTING", "filter/INPUT", "filter/DOCKER-USER"] as const;
    const firewall = await createFirewall({ ...auto, backend, hooks, sparePorts: [22, 2222] }, space.exec);
    await firewall.ban([entry("203.0.113.9"), entry("2001:db8::9")]);
    await firewall.init();
    expect(firewall.info()).toMatchObject({ backend, hooks: [...hooks] });
    const during = await allRules(space);
    expect(during).toContain("-A INPUT -j ANOMALY-DETECTOR\n-A INPUT -p tcp");
    expect(during).toContain("-A DOCKER-USER -j ANOMALY-DETECTOR\n-A DOCKER-USER -j RETURN");
    expect(during.match(/-A PREROUTING -j ANOMALY-DETECTOR/g)).toHaveLength(2);
    await firewall.remove();
    expect(await allRules(space)).toBe(before);
    for (const tool of ["iptables", "ip6tables"]) {
      await space.run(tool, "-P", "FORWARD", "ACCEPT");
      for (const table of ["raw", "filter"]) await space.run(tool, "-t", table, "-F");
      await space.run(tool, "-X", "DOCKER-USER");
    }
    await space.run("ipset", "destroy", "other");
  });
});

test.skipIf(skipLegacy)("iptables-legacy: rules of others come through too, where the tables are in use", async () => {
  const space = await Namespace.create();
  for (const tool of ["iptables-legacy", "ip6tables-legacy"])
    await space.run(tool, "-t", "raw", "-A", "PREROUTING", "-p", "udp", "-j", "ACCEPT");
  const saved = async () =>
    ((await space.run("iptables-legacy-save")) + (await space.run("ip6tables-legacy-save"))).replace(/^#.*\n/gm, "");
  const before = await saved();
  const firewall = new IpsetFirewall({ ...settings, variant: "legacy" }, space.exec);
  await firewall.init();
  await firewall.ban([entry("203.0.113.9")]);
  expect(await saved()).toContain("--match-set anomaly-detector-v6 src -j DROP");
  await firewall.remove();
  expect(await saved()).toBe(before);
  await space.destroy();
});

describe.skipIf(skip)("repair", () => {
  let space: Namespace;
  beforeEach(async () => {
    space = await Namespace.create();
  });
  afterEach(() => space?.destroy());

  const wounds: [string, string[][]][] = [
    ["the hook rule deleted", [["iptables", "-t", "raw", "-F", "PREROUTING"]]],
    ["our chain emptied", [["iptables", "-t", "raw", "-F", "ANOMALY-DETECTOR"]]],
    [
      "table flushed, chains deleted",
      [
        ["iptables", "-t", "raw", "-F"],
        ["iptables", "-t", "raw", "-X"],
        ["ip6tables", "-t", "raw", "-F"],
      ],
    ],
    ["a foreign rule in our chain", [["iptables", "-t", "raw", "-I", "ANOMALY-DETECTOR", "-j", "ACCEPT"]]],
    ["a hook nobody asked for", [["iptables", "-t", "raw", "-A", "OUTPUT", "-j", "ANOMALY-DETECTOR"]]],
    ["nftables restarted", [["nft", "flush", "ruleset"]]],
  ];
  for (const backend of ["ipset", "iptables"] as const)
    test.each(wounds)(`${backend}: %s`, async (_, commands) => {
      const firewall = await createFirewall({ ...auto, backend, sparePorts: [22, 2222] }, space.exec);
      const whole = await allRules(space);
      for (const argv of commands) await space.run(...(argv as [string, ...string[]]));
      expect(await allRules(space)).not.toBe(whole);
      await firewall.init();
      expect(await allRules(space)).toBe(whole);
      await firewall.remove();
    });

  test("sets flushed and destroyed, an older version's set in the way", async () => {
    const firewall = await createFirewall({ ...auto, backend: "ipset" }, space.exec);
    await firewall.ban([entry("203.0.113.9")]);
    await space.run("iptables", "-t", "raw", "-F");
    await space.run("ipset", "destroy", "anomaly-detector-v4");
    expect(await firewall.list()).toEqual([]);
    await expect(firewall.ban([entry("203.0.113.9")])).rejects.toThrow(
      /ban 203.0.113.9: ipset exited 1: .*does not exist.*\(the set is gone/,
    );
    await space.run("ipset", "create", "anomaly-detector-v4", "hash:net", "maxelem", "1024");
    await firewall.init();
    await firewall.ban([entry("203.0.113.9", 60_000)]);
    expect(await firewall.list()).toHaveLength(1);
    const sets = (await space.run("ipset", "list", "-n")).trim().split("\n").sort();
    expect(sets).toEqual(["anomaly-detector-v4", "anomaly-detector-v6"]);
    await firewall.remove();
  });

  test("a set of another type in the way is the operator's to remove; ours is left whole", async () => {
    await space.run("ipset", "create", "anomaly-detector-v4", "hash:ip");
    await expect(createFirewall({ ...auto, backend: "ipset" }, space.exec)).rejects.toThrow(
      /replace the set anomaly-detector-v4: ipset exited 1: .*type does not match/,
    );
    expect(await space.run("ipset", "list", "-n")).not.toContain("-new");
  });

  test("a hook below another's rule is left there: presence is what is ensured", async () => {
    const firewall = await createFirewall(auto, space.exec);
    await space.run("iptables", "-t", "raw", "-I", "PREROUTING", "-p", "udp", "-j", "ACCEPT");
    const before = await allRules(space);
    await firewall.init();
    expect(await allRules(space)).toBe(before);
    await space.run("iptables", "-t", "raw", "-D", "PREROUTING", "-p", "udp", "-j", "ACCEPT");
    await firewall.remove();
  });

  test("plain rules without their chain: a ban says so, the repair brings it back", async () => {
    const firewall = await createFirewall({ ...auto, backend: "iptables" }, space.exec);
    await space.run("iptables", "-t", "raw", "-F");
    await space.run("iptables", "-t", "raw", "-X");
    await expect(firewall.ban([entry("203.0.113.9")])).rejects.toThrow(
      "the chain ANOMALY-DETECTOR is gone from table raw",
    );
    await firewall.init();
    await firewall.ban([entry("203.0.113.9")]);
    expect(await firewall.list()).toHaveLength(1);
    await firewall.remove();
  });

  test("a changed list of spared ports is put right under existing bans", async () => {
    const old = await createFirewall({ ...auto, backend: "iptables", sparePorts: [22] }, space.exec);
    await old.ban([entry("203.0.113.9")]);
    const firewall = await createFirewall({ ...auto, backend: "iptables", sparePorts: [2222, 22] }, space.exec);
    expect(await space.run("iptables", "-t", "raw", "-S", "ANOMALY-DETECTOR")).toBe(
      "-N ANOMALY-DETECTOR\n-A ANOMALY-DETECTOR -p tcp -m multiport --dports 22,2222 -j RETURN\n-A ANOMALY-DETECTOR -s 203.0.113.9/32 -j DROP\n",
    );
    expect(await firewall.list()).toEqual([entry("203.0.113.9", "permanent")]);
    await firewall.remove();
  });

  test(`plain rules stop at ${MAX_RULES} and say what to do`, async () => {
    const firewall = await createFirewall({ ...auto, backend: "iptables" }, space.exec);
    const entries = Array.from({ length: MAX_RULES + 3 }, (_, i) =>
      entry(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`),
    );
    await expect(firewall.ban(entries)).rejects.toThrow(/^ban 10.0.0.0 and 5002 more: 3 not made.*install ipset/);
    expect(await firewall.list()).toHaveLength(MAX_RULES);
    await firewall.ban(entries.slice(0, 10));
    await firewall.remove();
  });
});

describe.skipIf(skip)("createFirewall and escalate", () => {
  let space: Namespace;
  beforeEach(async () => {
    space = await Namespace.create();
  });
  afterEach(() => space?.destroy());

  const without =
    (pattern: RegExp, stderr: string, exitCode = 1): Exec =>
    (argv, options) =>
      pattern.test(argv.join(" ") + (options?.stdin ?? ""))
        ? Promise.resolve({ exitCode, stdout: "", stderr, timedOut: false })
        : space.exec(argv, options);

  test("auto takes ipset where it works", async () => {
    const firewall = await createFirewall(auto, space.exec);
    expect(firewall.info()).toEqual({ backend: "ipset", hooks: ["raw/PREROUTING"], entries: 0 });
    await firewall.remove();
  });

  test.each([
    ["ipset is not installed", /^ipset/, "ipset is not in /usr/sbin", 127],
    ["the kernel has no ip_set", /^ipset/, "ipset v7.17: Kernel error received: Invalid argument", 1],
    ["the kernel has no xt_set", /--match-set/, "iptables-restore: line 5 failed: No such file or directory.", 1],
  ])("auto falls back to plain rules when %s", async (_, pattern, stderr, exitCode) => {
    const firewall = await createFirewall(auto, without(pattern, stderr, exitCode));
    expect(firewall.info().backend).toBe("iptables");
    expect(await space.run("ipset", "list", "-n")).toBe("");
    await firewall.remove();
  });

  test("when nothing works it throws every cause with its mend, and is never dry", async () => {
    const denied = without(
      /ipset|-restore/,
      "iptables-restore: Could not fetch rule set generation id: Permission denied (you must be root)",
      4,
    );
    await expect(createFirewall(auto, denied)).rejects.toThrow(
      /^no firewall works here: ipset: .* exited 4: .*CAP_NET_ADMIN.*; iptables: install the ANOMALY-DETECTOR chain: iptables-restore exited 4/,
    );
  });

  test("a lock held by somebody else is tried once more", async () => {
    let busy = 1;
    const firewall = await createFirewall(auto, (argv, options) =>
      argv[0] === "iptables-restore" && busy-- > 0
        ? Promise.resolve({
            exitCode: 4,
            stdout: "",
            stderr: "Another app is currently holding the xtables lock",
            timedOut: false,
          })
        : space.exec(argv, options),
    );
    expect(firewall.info().backend).toBe("ipset");
    await firewall.remove();
  });

  test("a host without IPv6 filter bans IPv4 and says so", async () => {
    const firewall = await createFirewall(auto, without(/^ip6tables/, "ip6tables-save is not in /usr/sbin", 127));
    expect(firewall.info().hooks).toEqual(["raw/PREROUTING (IPv4 only)"]);
    await firewall.ban([entry("203.0.113.9")]);
    await expect(firewall.ban([entry("2001:db8::9")])).rejects.toThrow("ban 2001:db8::9: this host cannot filter IPv6");
    await firewall.remove();
  });

  test("a hook of Docker's that is not there is skipped and named", async () => {
    const firewall = await createFirewall({ ...auto, hooks: ["raw/PREROUTING", "filter/DOCKER-USER"] }, space.exec);
    expect(firewall.info().hooks).toEqual(["raw/PREROUTING", "filter/DOCKER-USER (absent)"]);
    await space.run("iptables", "-N", "DOCKER-USER");
    await firewall.init();
    expect(firewall.info().hooks).toEqual(["raw/PREROUTING", "filter/DOCKER-USER (IPv4 only)"]);
    await firewall.remove();
    await space.run("iptables", "-X", "DOCKER-USER");
  });

  test.skipIf(skipLegacy)(
    "climbs hook by hook, then to plain rules, then to the other iptables; bans come along",
    async () => {
      await space.run("iptables", "-N", "DOCKER-USER");
      const firewall = await createFirewall(auto, space.exec);
      await firewall.ban([entry("203.0.113.9"), entry("2001:db8:66:1::/64")]);
      const seen: unknown[] = [];
      while (await firewall.escalate()) {
        const { backend, hooks } = firewall.info();
        seen.push([backend, hooks.length, (await firewall.list()).map((e) => e.source).sort()]);
      }
      const bans = ["2001:db8:66:1::/64", "203.0.113.9"].map(source);
      expect(seen).toEqual([
        ["ipset", 2, bans],
        ["ipset", 3, bans],
        ["iptables", 3, bans],
        ["iptables", 3, bans],
      ]);
      expect(await space.run("iptables-nft-save")).not.toContain("ANOMALY");
      expect(await space.run("iptables-legacy-save")).toContain("-A ANOMALY-DETECTOR -s 203.0.113.9/32 -j DROP");
      // A restart begins at the configured rung, and leaves nothing of the climb behind.
      const again = await createFirewall(auto, space.exec);
      expect(again.info()).toMatchObject({ backend: "ipset", hooks: ["raw/PREROUTING"] });
      expect(await space.run("iptables-legacy-save")).not.toContain("ANOMALY");
      await again.remove();
      expect(await allRules(space)).not.toContain("ANOMALY");
    },
  );

  test("a rung that cannot hold the bans is passed over, and the one we stood on is whole again", async () => {
    const firewall = await createFirewall({ ...auto, hooks: ["raw/PREROUTING", "filter/INPUT"] }, space.exec);
    await firewall.ban(Array.from({ length: MAX_RULES + 1 }, (_, i) => entry(`10.1.${i >> 8}.${i & 255}`)));
    const before = await allRules(space);
    expect(await firewall.escalate()).toBe(false);
    expect(firewall.info().backend).toBe("ipset");
    const withoutTime = (text: string) => text.replace(/ timeout \d+ packets.*/g, "");
    expect(withoutTime(await allRules(space))).toBe(withoutTime(before));
    await firewall.remove();
  });
});
