/** Real packets: does a ban block, cut, spare and end as promised? Two hosts joined by a cable, in namespaces. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { Namespace, whyNoNamespaces } from "../../test/netns/namespace.ts";
import { systemClock } from "../clock.ts";
import { createFirewall } from "./create.ts";
import { findProgram } from "./exec.ts";
import { entry, source } from "./firewall.contract.ts";
import type { Firewall } from "./firewall.ts";
import { FirewallWorker } from "./worker.ts";

setDefaultTimeout(30_000);
const PEER = join(import.meta.dir, "../../test/netns/peer.ts");
const WEB = "80";
const SSH = "22";
const skip = whyNoNamespaces("iptables", "ipset") !== "";

describe.skipIf(skip)("packets", () => {
  let host: Namespace;
  let client: Namespace;
  let server: Bun.Subprocess;
  beforeAll(async () => {
    host = await Namespace.create();
    client = await Namespace.create();
    await Namespace.connect(host, client, 41);
    const child = Bun.spawn([...host.enter, process.execPath, PEER, "serve", WEB, SSH], { stdout: "pipe" });
    server = child;
    for await (const _ of child.stdout) break;
  });
  afterAll(async () => {
    server?.kill();
    await host?.destroy();
    await client?.destroy();
  });

  const families = [
    ["IPv4", "198.18.41.1", "198.18.41.2", "198.18.41.0/24"],
    ["IPv6", "2001:db8:18:41::1", "2001:db8:18:41::2", "2001:db8:18:41::/96"],
  ] as const;

  /** "open" or "closed" */
  async function reach(address: string, port: string, patienceMs = 400): Promise<string> {
    const child = Bun.spawn([...client.enter, process.execPath, PEER, "connect", address, port, `${patienceMs}`], {
      stdout: "pipe",
    });
    return (await child.stdout.text()).trim();
  }

  /** A connection kept open; `answers` counts what came back over it. */
  function hold(address: string, port: string) {
    const child = Bun.spawn([...client.enter, process.execPath, PEER, "hold", address, port], { stdout: "pipe" });
    const held = { answers: 0, close: () => child.kill() };
    void (async () => {
      for await (const _ of child.stdout) held.answers++;
    })();
    return held;
  }

  async function until(what: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!(await what())) {
      if (performance.now() > deadline) throw new Error("waited in vain");
      await Bun.sleep(20);
    }
  }

  async function withFirewall(backend: "ipset" | "iptables", body: (firewall: Firewall) => Promise<void>) {
    const settings = { backend, hooks: ["raw/PREROUTING"], sparePorts: [Number(SSH)] } as const;
    const firewall = await createFirewall(settings, host.exec);
    try {
      await body(firewall);
    } finally {
      await firewall.remove();
    }
  }

  for (const backend of ["ipset", "iptables"] as const)
    for (const [family, hostAddress, clientAddress, range] of families) {
      test(`${backend}, ${family}: a ban cuts the open connection, refuses new ones, spares SSH; an unban lets through`, () =>
        withFirewall(backend, async (firewall) => {
          const [web, ssh] = [hold(hostAddress, WEB), hold(hostAddress, SSH)];
          await until(() => web.answers > 2 && ssh.answers > 2);
          await firewall.ban([entry(clientAddress)]);
          const [webBefore, sshBefore] = [web.answers, ssh.answers];
          expect(await reach(hostAddress, WEB)).toBe("closed");
          expect(await reach(hostAddress, SSH)).toBe("open");
          await until(() => ssh.answers > sshBefore + 5);
          // One answer may have been on its way when the ban fell.
          expect(web.answers - webBefore).toBeLessThanOrEqual(1);
          const [drops] = await firewall.counters();
          expect(drops!.source).toBe(source(clientAddress));
          expect(drops!.packets).toBeGreaterThan(0);
          expect(drops!.bytes).toBeGreaterThan(drops!.packets * 39);
          await firewall.unban([source(clientAddress)]);
          expect(await reach(hostAddress, WEB, 5_000)).toBe("open");
          web.close();
          ssh.close();
        }));

      test(`${backend}, ${family}: a ban of the range around the client blocks it`, () =>
        withFirewall(backend, async (firewall) => {
          await firewall.ban([entry(range)]);
          expect(await reach(hostAddress, WEB)).toBe("closed");
        }));
    }

  test("ipset: the kernel lets the source in again when its time is up, with nobody's help", () =>
    withFirewall("ipset", async (firewall) => {
      await firewall.ban([entry("198.18.41.2", 1_000)]);
      expect(await reach("198.18.41.1", WEB, 300)).toBe("closed");
      await until(async () => (await reach("198.18.41.1", WEB, 300)) === "open");
    }));

  test("after somebody flushed the rules the client comes through, and a repair stops it again", () =>
    withFirewall("ipset", async (firewall) => {
      await firewall.ban([entry("198.18.41.2")]);
      await host.run("iptables", "-t", "raw", "-F");
      expect(await reach("198.18.41.1", WEB, 5_000)).toBe("open");
      await firewall.init();
      expect(await reach("198.18.41.1", WEB)).toBe("closed");
    }));

  test.skipIf(findProgram("iptables-legacy-save") === null)("every rung of the ladder really blocks", () =>
    withFirewall("ipset", async (firewall) => {
      await firewall.ban([entry("198.18.41.2")]);
      do expect(await reach("198.18.41.1", WEB, 300)).toBe("closed");
      while (await firewall.escalate());
    }),
  );

  test("from a decision to a rule in force: milliseconds", () =>
    withFirewall("ipset", async (firewall) => {
      let done = Promise.withResolvers<void>();
      const worker = new FirewallWorker(firewall, systemClock, () => done.resolve());
      const tookMs: number[] = [];
      for (let i = 0; i < 50; i++) {
        done = Promise.withResolvers();
        const began = performance.now();
        worker.ban(entry(`10.0.0.${i}`));
        await done.promise;
        tookMs.push(performance.now() - began);
      }
      const median = tookMs.sort((a, b) => a - b)[25]!;
      console.log(`ban to rule in force: median ${median.toFixed(1)} ms, worst ${tookMs.at(-1)!.toFixed(1)} ms`);
      // nsenter's own start is in it; a machine under test load gets a wide berth.
      expect(median).toBeLessThan(100);
      expect(await firewall.list()).toHaveLength(50);
    }));
});
