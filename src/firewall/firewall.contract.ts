/** What every Firewall must do, whoever enforces: the same cases for the fake and for the kernel. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parseSource, type Source } from "../net/cidr.ts";
import type { Firewall, FirewallEntry } from "./firewall.ts";

export interface Subject {
  readonly firewall: Firewall;
  /** Lets real or simulated time pass. */
  readonly pass: (ms: number) => Promise<void>;
  /** Ends bans whose time is up by itself? (Plain iptables rules do not.) */
  readonly expires: boolean;
  readonly close: () => Promise<void>;
}

export function source(text: string): Source {
  const parsed = parseSource(text);
  if (parsed === null) throw new Error(`not a source: ${text}`);
  return parsed;
}

export function entry(text: string, remainingMs: FirewallEntry["remainingMs"] = 600_000): FirewallEntry {
  return { source: source(text), remainingMs };
}

export function firewallContract(name: string, open: () => Promise<Subject>, skip = false): void {
  describe.skipIf(skip)(`firewall contract: ${name}`, () => {
    let subject: Subject;
    let firewall: Firewall;
    beforeAll(async () => {
      subject = await open();
      firewall = subject.firewall;
      await firewall.init();
    });
    afterAll(() => subject?.close());

    const held = async () => (await firewall.list()).map((e) => e.source).sort();
    const clear = async () => firewall.unban((await firewall.list()).map((e) => e.source));

    test.each([
      ["an IPv4 address", "203.0.113.9"],
      ["an IPv4 range", "198.51.100.0/24"],
      ["an IPv6 address", "2001:db8::9"],
      ["an IPv6 /64", "2001:db8:66:1::/64"],
    ])("bans and unbans %s", async (_, text) => {
      await firewall.ban([entry(text)]);
      expect(await held()).toEqual([source(text)]);
      await firewall.unban([source(text)]);
      expect(await held()).toEqual([]);
    });

    test("tells how long a ban still lasts, to the second", async () => {
      await firewall.ban([entry("203.0.113.9", 90_500), entry("203.0.113.10", "permanent")]);
      const left = new Map((await firewall.list()).map((e) => [e.source as string, e.remainingMs]));
      expect(left.get("203.0.113.9")).toBeWithin(88_000, 91_001);
      expect(left.get("203.0.113.10")).toBe("permanent");
      await clear();
    });

    test("banning again refreshes the time and adds nothing", async () => {
      await firewall.ban([entry("203.0.113.9", 60_000)]);
      await firewall.ban([entry("203.0.113.9", 1_800_000), entry("203.0.113.9", 7_200_000)]);
      const entries = await firewall.list();
      expect(entries).toHaveLength(1);
      expect(entries[0]!.remainingMs).toBeWithin(7_198_000, 7_201_001);
      await firewall.ban([entry("203.0.113.9", "permanent")]);
      expect(await firewall.list()).toEqual([entry("203.0.113.9", "permanent")]);
      await clear();
    });

    test("unbanning what is not banned succeeds, alone and among others", async () => {
      await firewall.unban([source("192.0.2.1")]);
      await firewall.ban([entry("203.0.113.9"), entry("2001:db8::9")]);
      await firewall.unban(["192.0.2.1", "203.0.113.9", "2001:db8::1", "2001:db8::9"].map(source));
      expect(await held()).toEqual([]);
    });

    test("a range and an address inside it are two bans", async () => {
      await firewall.ban([entry("203.0.113.0/24"), entry("203.0.113.9")]);
      await firewall.unban([source("203.0.113.0/24")]);
      expect(await held()).toEqual([source("203.0.113.9")]);
      await clear();
    });

    test("holds 1,000 bans of both families given at once, and lets go of them", async () => {
      const entries = Array.from({ length: 1_000 }, (_, i) =>
        entry(i % 2 ? `2001:db8:${i.toString(16)}::/64` : `10.9.${i >> 8}.${i & 255}`),
      );
      await firewall.ban(entries);
      expect(await held()).toEqual(entries.map((e) => e.source).sort());
      expect(firewall.info().entries).toBe(1_000);
      await clear();
      expect(await held()).toEqual([]);
    }, 30_000);

    test("bans of nobody and unbans of nobody do nothing", async () => {
      await firewall.ban([]);
      await firewall.unban([]);
      expect(await held()).toEqual([]);
    });

    test("init keeps the bans", async () => {
      await firewall.ban([entry("203.0.113.9", 60_000), entry("2001:db8:66:1::/64", "permanent")]);
      await firewall.init();
      await firewall.init();
      expect(await held()).toEqual(["2001:db8:66:1::/64", "203.0.113.9"].map(source));
      await clear();
    });

    test("a ban ends by itself, or stays until it is unbanned and says so", async () => {
      await firewall.ban([entry("203.0.113.9", 1_000), entry("203.0.113.10", 600_000)]);
      await subject.pass(2_200);
      const left = (await firewall.list()).filter((e) => e.source === source("203.0.113.9"));
      expect(left).toEqual(subject.expires ? [] : [entry("203.0.113.9", 0)]);
      await clear();
    });

    test("a snapshot names the bans in force", async () => {
      await firewall.ban([entry("203.0.113.9"), entry("2001:db8:66:1::/64")]);
      const text = await firewall.snapshot();
      expect(text).toContain("203.0.113.9");
      expect(text).toContain("2001:db8:66:1::/64");
      await clear();
    });

    test("after remove nothing is held, and init begins anew", async () => {
      await firewall.ban([entry("203.0.113.9")]);
      await firewall.remove();
      await firewall.remove();
      expect(await held()).toEqual([]);
      await firewall.init();
      await firewall.ban([entry("203.0.113.10")]);
      expect(await held()).toEqual([source("203.0.113.10")]);
      await clear();
    });
  });
}
