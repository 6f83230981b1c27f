import { describe, expect, test } from "bun:test";
import { ManualClock } from "../clock.ts";
import { createFirewall } from "./create.ts";
import type { Exec } from "./exec.ts";
import { FakeFirewall } from "./fake.ts";
import { entry, firewallContract } from "./firewall.contract.ts";
import { FirewallError } from "./firewall.ts";

firewallContract("fake", async () => {
  const clock = new ManualClock();
  const firewall = new FakeFirewall(() => clock.now());
  return { firewall, pass: (ms) => clock.advance(ms), expires: true, close: async () => {} };
});

const never: Exec = (argv) => {
  throw new Error(`dry-run ran ${argv.join(" ")}`);
};

firewallContract("dry-run", async () => {
  const clock = new ManualClock();
  const settings = { backend: "dry-run", hooks: ["raw/PREROUTING"], sparePorts: [22] } as const;
  const firewall = await createFirewall(settings, never, () => clock.now());
  return { firewall, pass: (ms) => clock.advance(ms), expires: true, close: async () => {} };
});

describe("FakeFirewall", () => {
  test("fails the next step as told, once, and names the step", async () => {
    const firewall = new FakeFirewall(() => 0);
    firewall.failNext("ban", "ipset exited 1: no");
    await expect(firewall.ban([entry("203.0.113.9")])).rejects.toThrow(
      new FirewallError("ban 203.0.113.9: ipset exited 1: no"),
    );
    expect(await firewall.list()).toEqual([]);
    await firewall.ban([entry("203.0.113.9")]);
    expect(await firewall.list()).toHaveLength(1);
    expect(firewall.steps).toEqual(["ban 203.0.113.9", "list", "ban 203.0.113.9", "list"]);
  });

  test("a bulk with a bad entry fails as a whole", async () => {
    const firewall = new FakeFirewall(() => 0);
    firewall.bad.add("203.0.113.9");
    await expect(firewall.ban([entry("192.0.2.1"), entry("203.0.113.9")])).rejects.toThrow("ban 203.0.113.9: refused");
    expect(await firewall.list()).toEqual([]);
  });
});
