import { beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ManualClock } from "../clock.ts";
import { FakeFirewall } from "./fake.ts";
import { entry, source } from "./firewall.contract.ts";
import { FirewallWorker, type WorkerResult } from "./worker.ts";

let clock: ManualClock;
let firewall: FakeFirewall;
let results: WorkerResult[];
let worker: FirewallWorker;
beforeEach(() => {
  clock = new ManualClock();
  firewall = new FakeFirewall(() => clock.now());
  results = [];
  worker = new FirewallWorker(firewall, clock, (result) => results.push(result));
});
const told = () => results.map((r) => `${r.action} ${r.source} ${r.result}`);

describe("FirewallWorker", () => {
  test("what is submitted together is one command", async () => {
    for (let i = 0; i < 3; i++) worker.ban(entry(`10.0.0.${i}`));
    await worker.idle();
    expect(firewall.steps).toEqual(["ban 10.0.0.0 10.0.0.1 10.0.0.2"]);
    expect(told()).toEqual(["ban 10.0.0.0 done", "ban 10.0.0.1 done", "ban 10.0.0.2 done"]);
  });

  test("what comes while a command runs goes out in the next", async () => {
    const gate = Promise.withResolvers<void>();
    const running = worker.exclusive(() => gate.promise);
    await clock.advance(0);
    worker.ban(entry("10.0.0.1"));
    worker.ban(entry("10.0.0.2"));
    worker.unban(source("10.0.0.3"));
    await clock.advance(0);
    expect(firewall.steps).toEqual([]);
    gate.resolve();
    await running;
    await worker.idle();
    expect(firewall.steps).toEqual(["ban 10.0.0.1 10.0.0.2", "unban 10.0.0.3"]);
  });

  test("ban and unban of one source keep their order", async () => {
    const A = source("10.0.0.1");
    worker.ban(entry(A));
    worker.unban(A);
    worker.ban(entry(A));
    worker.ban(entry("10.0.0.2"));
    await worker.idle();
    expect(firewall.steps).toEqual(["ban 10.0.0.1", "unban 10.0.0.1", "ban 10.0.0.1 10.0.0.2"]);
    expect(results).toHaveLength(4);
  });

  test("whatever is submitted, the firewall ends as if each had been carried out alone", async () => {
    const job = fc.tuple(fc.constantFrom("ban", "unban"), fc.integer({ min: 0, max: 3 }), fc.boolean());
    await fc.assert(
      fc.asyncProperty(fc.array(job, { maxLength: 30 }), async (jobs) => {
        const fake = new FakeFirewall(() => 0);
        const told: WorkerResult[] = [];
        const queue = new FirewallWorker(fake, new ManualClock(), (result) => told.push(result));
        const expected = new Set<string>();
        for (const [action, n, pause] of jobs) {
          if (action === "ban") queue.ban(entry(`10.0.0.${n}`));
          else queue.unban(source(`10.0.0.${n}`));
          expected[action === "ban" ? "add" : "delete"](`10.0.0.${n}`);
          if (pause) await Promise.resolve();
        }
        await queue.idle();
        expect((await fake.list()).map((e) => e.source as string).sort()).toEqual([...expected].sort());
        expect(told).toHaveLength(jobs.length);
      }),
      { seed: 20_261_120, numRuns: 200 },
    );
  });

  test("a failure repairs once and tries again before it is told", async () => {
    firewall.failNext("ban", "ipset exited 1: the set is gone");
    worker.ban(entry("10.0.0.1"));
    await worker.idle();
    expect(firewall.steps).toEqual(["ban 10.0.0.1", "init", "ban 10.0.0.1"]);
    expect(told()).toEqual(["ban 10.0.0.1 done"]);
  });

  test("one bad entry does not spoil the others", async () => {
    firewall.bad.add("10.0.0.5");
    for (let i = 0; i < 8; i++) worker.ban(entry(`10.0.0.${i}`));
    await worker.idle();
    expect(await firewall.list()).toHaveLength(7);
    expect(results.filter((r) => r.result === "failed")).toEqual([
      { source: source("10.0.0.5"), action: "ban", result: "failed", detail: "ban 10.0.0.5: refused" },
    ]);
  });

  test("a failed one is tried again after 1, 2, 5, 5 s; told once failed, once done", async () => {
    firewall.bad.add("10.0.0.1");
    worker.ban(entry("10.0.0.1"));
    await worker.idle();
    const tries: number[] = [];
    for (let second = 1; second <= 14; second++) {
      const before = firewall.steps.length;
      if (second === 13) firewall.bad.clear();
      await clock.advance(1_000);
      await worker.idle();
      if (firewall.steps.length > before) tries.push(second);
    }
    expect(tries).toEqual([1, 3, 8, 13]);
    expect(told()).toEqual(["ban 10.0.0.1 failed", "ban 10.0.0.1 done"]);
    expect(worker.waiting).toBe(0);
  });

  test("the time a ban waited is not added to its length", async () => {
    firewall.failNext("ban", "no", 2);
    worker.ban(entry("10.0.0.1", 10_000));
    await worker.idle();
    await clock.advance(1_000);
    await worker.idle();
    expect(await firewall.list()).toEqual([entry("10.0.0.1", 9_000)]);
  });

  test("a ban that ended while it waited is not made", async () => {
    firewall.bad.add("10.0.0.1");
    worker.ban(entry("10.0.0.1", 500));
    await worker.idle();
    firewall.bad.clear();
    await clock.advance(10_000);
    await worker.idle();
    expect(await firewall.list()).toEqual([]);
    expect(worker.waiting).toBe(0);
  });

  test("an unban ends the retries of its ban", async () => {
    firewall.bad.add("10.0.0.1");
    worker.ban(entry("10.0.0.1"));
    await worker.idle();
    worker.unban(source("10.0.0.1"));
    await worker.idle();
    firewall.bad.clear();
    await clock.advance(60_000);
    expect(await firewall.list()).toEqual([]);
    expect(told()).toEqual(["ban 10.0.0.1 failed", "unban 10.0.0.1 done"]);
  });

  test("a full queue refuses, tells and counts", async () => {
    worker = new FirewallWorker(firewall, clock, (result) => results.push(result), { capacity: 2 });
    for (let i = 0; i < 3; i++) worker.ban(entry(`10.0.0.${i}`));
    expect(results).toEqual([
      {
        source: source("10.0.0.2"),
        action: "ban",
        result: "failed",
        detail: "ban 10.0.0.2: the firewall queue is full",
      },
    ]);
    await worker.idle();
    expect(worker.refused).toBe(1);
    expect(await firewall.list()).toHaveLength(2);
  });

  test("a dry-run backend makes dry-run results", async () => {
    firewall = new FakeFirewall(() => clock.now(), "dry-run");
    worker = new FirewallWorker(firewall, clock, (result) => results.push(result));
    worker.ban(entry("10.0.0.1"));
    await worker.idle();
    expect(told()).toEqual(["ban 10.0.0.1 dry-run"]);
  });

  test("a job submitted by whoever hears a result is done too", async () => {
    worker = new FirewallWorker(firewall, clock, (result) => {
      results.push(result);
      if (result.action === "ban") worker.unban(result.source);
    });
    worker.ban(entry("10.0.0.1"));
    await worker.idle();
    expect(told()).toEqual(["ban 10.0.0.1 done", "unban 10.0.0.1 done"]);
  });

  test("stop finishes what is queued and forgets retries", async () => {
    firewall.bad.add("10.0.0.1");
    worker.ban(entry("10.0.0.1"));
    worker.ban(entry("10.0.0.2"));
    await worker.stop();
    expect(await firewall.list()).toHaveLength(1);
    await clock.advance(60_000);
    expect(worker.waiting).toBe(0);
    expect(told()).toEqual(["ban 10.0.0.1 failed", "ban 10.0.0.2 done"]);
  });
});

describe("reconcile", () => {
  test("repairs, adds, refreshes and removes; nobody is told", async () => {
    await firewall.ban([entry("10.0.0.1", 60_000), entry("10.0.0.2", 60_000), entry("10.0.0.3", 60_000)]);
    const wanted = [entry("10.0.0.1", 60_000), entry("10.0.0.2", 600_000), entry("10.0.0.4", "permanent")];
    const change = await worker.reconcile(() => wanted);
    expect(change).toEqual({
      add: [entry("10.0.0.4", "permanent")],
      remove: [source("10.0.0.3")],
      refresh: [entry("10.0.0.2", 600_000)],
      repaired: 0,
    });
    expect(await firewall.list()).toEqual(wanted);
    expect(firewall.steps).toContain("init");
    expect(results).toEqual([]);
  });

  test("one bad entry is told and retried, the others are in force", async () => {
    firewall.bad.add("10.0.0.2");
    const wanted = [1, 2, 3].map((n) => entry(`10.0.0.${n}`));
    await worker.reconcile(() => wanted);
    expect(await firewall.list()).toHaveLength(2);
    expect(told()).toEqual(["ban 10.0.0.2 failed"]);
    firewall.bad.clear();
    await clock.advance(1_000);
    await worker.idle();
    expect(told()).toEqual(["ban 10.0.0.2 failed", "ban 10.0.0.2 done"]);
  });

  test("tells once what was restored, also when a failed command had it restored", async () => {
    firewall.damage.push(2);
    expect((await worker.reconcile(() => [])).repaired).toBe(2);
    firewall.failNext("ban");
    firewall.damage.push(1);
    worker.ban(entry("10.0.0.1"));
    await worker.idle();
    expect((await worker.reconcile(() => [entry("10.0.0.1")])).repaired).toBe(1);
    expect((await worker.reconcile(() => [entry("10.0.0.1")])).repaired).toBe(0);
  });

  test("leaves alone what the queue will do", async () => {
    firewall.bad.add("10.0.0.1");
    worker.ban(entry("10.0.0.1"));
    await worker.idle();
    const steps = firewall.steps.length;
    expect(await worker.reconcile(() => [entry("10.0.0.1")])).toEqual({
      add: [],
      remove: [],
      refresh: [],
      repaired: 0,
    });
    expect(firewall.steps.slice(steps)).toEqual(["init", "list"]);
  });

  test("a firewall that cannot be repaired makes it throw, and the queue goes on", async () => {
    firewall.failNext("init", "no permission");
    await expect(worker.reconcile(() => [])).rejects.toThrow("init all: no permission");
    worker.ban(entry("10.0.0.1"));
    await worker.idle();
    expect(told()).toEqual(["ban 10.0.0.1 done"]);
  });
});
