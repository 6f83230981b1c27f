import { beforeEach, expect, test } from "bun:test";
import { ManualClock } from "../clock.ts";
import type { Ban, Decision } from "../decision.ts";
import { FakeFirewall } from "../firewall/fake.ts";
import { FirewallWorker } from "../firewall/worker.ts";
import { parseSource, type Source } from "../net/cidr.ts";
import type { BanStatus } from "../status.ts";
import { Reconciler } from "./reconciler.ts";

const clock = new ManualClock();
let firewall: FakeFirewall;
let ledger: BanStatus[];
let alerts: Decision[];
let errors: (string | null)[];
let backend: "ipset" | "dry-run";
let reconciler: Reconciler;

const source = (n: number): Source => parseSource(`203.0.113.${n}`)!;

function banned(n: number, leftMs = 600_000): BanStatus {
  const now = clock.now();
  const ban: Ban = {
    source: source(n),
    banCount: 1,
    since: now,
    until: now + leftMs,
    cause: { scope: "manual", at: now, by: "ada" },
  };
  return { ban, enforcement: "in-force", leakedRequests: 0 };
}

beforeEach(() => {
  const now = () => clock.now();
  firewall = new FakeFirewall(now);
  [ledger, alerts, errors, backend] = [[], [], [], "ipset"];
  reconciler = new Reconciler({
    clock,
    engine: { bans: () => ledger },
    worker: new FirewallWorker(firewall, clock, () => {}),
    effects: { submit: (decision) => void alerts.push(decision) },
    isDryRun: () => backend === "dry-run",
    protect: () => {},
    done: async (error) => void errors.push(error),
  });
});

test("what the first comparison puts in is restored, not mended; a foreign entry is mended even then", async () => {
  ledger = [banned(1), banned(2)];
  await firewall.ban([{ source: source(9), remainingMs: 60_000 }]);
  expect(await reconciler.now()).toEqual({
    result: "reconciled",
    added: 2,
    removed: 1,
    refreshed: 0,
    repaired: 0,
    bans: 2,
  });
  expect(alerts).toMatchObject([{ kind: "alert", alert: { type: "firewall-mended", added: 0, removed: 1, hooks: 0 } }]);
  expect(reconciler.mended).toBe(1);
});

test("what is lost later is mended, counted and told; a second comparison finds nothing", async () => {
  ledger = [banned(1), banned(2)];
  await reconciler.now();
  await firewall.unban([source(1)]);
  firewall.damage.push(2);
  expect(await reconciler.now()).toMatchObject({ added: 1, repaired: 2 });
  expect(await reconciler.now()).toMatchObject({ added: 0, removed: 0, repaired: 0 });
  expect(alerts).toMatchObject([{ alert: { added: 1, removed: 0, hooks: 2 } }]);
  expect(reconciler.mended).toBe(3);
  expect(errors).toEqual([null, null, null]);
});

test("a ban that the kernel ended a moment before us is nobody's fault", async () => {
  await reconciler.now();
  ledger = [banned(1, 4000)];
  expect(await reconciler.now()).toMatchObject({ added: 1 });
  expect(alerts).toEqual([]);
});

test("a dry run mends nothing", async () => {
  backend = "dry-run";
  await reconciler.now();
  ledger = [banned(1)];
  await reconciler.now();
  expect(alerts).toEqual([]);
});

test("a failure is said and the next one is tried anew; then it still counts as the first", async () => {
  ledger = [banned(1)];
  firewall.failNext("init", "no permission");
  expect(await reconciler.now()).toEqual({ result: "failed", detail: "init all: no permission" });
  await reconciler.now();
  expect(errors).toEqual(["init all: no permission", null]);
  expect(alerts).toEqual([]);
});

test("a timer's look is left out while one is under way; who asks gets one that began after the question", async () => {
  const first = reconciler.now();
  reconciler.look();
  reconciler.look();
  const second = reconciler.now();
  await Promise.all([first, second]);
  expect(firewall.steps.filter((step) => step === "list")).toHaveLength(2);
  reconciler.look();
  await reconciler.now();
  expect(firewall.steps.filter((step) => step === "list")).toHaveLength(4);
});
