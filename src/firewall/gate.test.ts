import { describe, expect, test } from "bun:test";
import { FakeFirewall } from "./fake.ts";
import { entry, source } from "./firewall.contract.ts";
import { FirewallError } from "./firewall.ts";
import { FirewallGate } from "./gate.ts";

const now = () => 1_000_000;

function gateOver(real = new FakeFirewall(now)) {
  return { real, gate: new FirewallGate(async () => real, ["raw/PREROUTING"], now) };
}

describe("closed", () => {
  test("asks nothing of the real firewall, and says dry-run", async () => {
    const { real, gate } = gateOver();
    await gate.init();
    await gate.ban([entry("203.0.113.9")]);
    await gate.unban([source("203.0.113.9")]);
    expect([gate.info().backend, await gate.counters(), await gate.escalate()]).toEqual(["dry-run", [], false]);
    expect(real.steps).toEqual([]);
  });
});

describe("clearing", () => {
  test("empties the real firewall and leaves the gate closed", async () => {
    const { real, gate } = gateOver();
    await real.ban([entry("203.0.113.9", "permanent")]);
    await gate.clear();
    expect([real.info().entries, gate.isOpen]).toEqual([0, false]);
  });
});

describe("open", () => {
  test("is the real one; what was only said before is not in it", async () => {
    const { real, gate } = gateOver();
    await gate.ban([entry("203.0.113.9")]);
    await gate.open();
    expect([gate.isOpen, gate.info().backend, await gate.list()]).toEqual([true, "ipset", []]);
    await gate.ban([entry("203.0.113.10")]);
    expect(real.steps).toEqual(["list", "ban 203.0.113.10"]);
  });

  test("closing takes everything out of the kernel", async () => {
    const { real, gate } = gateOver();
    await gate.open();
    await gate.ban([entry("203.0.113.9")]);
    await gate.close();
    expect(real.steps).toEqual(["ban 203.0.113.9", "remove"]);
    expect([gate.isOpen, gate.info().backend, await gate.list()]).toEqual([false, "dry-run", []]);
  });

  test("each opening looks for a firewall anew", async () => {
    let made = 0;
    const create = async () => {
      made++;
      return new FakeFirewall(now);
    };
    const gate = new FirewallGate(create, [], now);
    await gate.open();
    await gate.open();
    await gate.close();
    await gate.open();
    expect(made).toBe(2);
  });
});

describe("what fails leaves the gate as it was", () => {
  test("a firewall that cannot be had", async () => {
    const gate = new FirewallGate(() => Promise.reject(new FirewallError("no firewall works here")), [], now);
    expect(gate.open()).rejects.toThrow("no firewall works here");
    expect([gate.isOpen, gate.info().backend]).toEqual([false, "dry-run"]);
  });

  test("rules that will not go", async () => {
    const { real, gate } = gateOver();
    await gate.open();
    real.failNext("remove");
    expect(gate.close()).rejects.toThrow(FirewallError);
    expect(gate.isOpen).toBe(true);
  });
});
