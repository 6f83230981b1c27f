/** A start with what an earlier run left. Store, engine and worker are real; the firewall is not. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { config, START } from "../../test/records.ts";
import { ManualClock } from "../clock.ts";
import type { Outcome } from "../decision.ts";
import { Effects } from "../effects.ts";
import { Engine } from "../engine.ts";
import { FakeFirewall } from "../firewall/fake.ts";
import { FirewallWorker } from "../firewall/worker.ts";
import { parseSource } from "../net/cidr.ts";
import { Memory } from "./memory.ts";
import { type RestorationParts, restoreBans } from "./restoration.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-restoration-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("who was banned while it only watched, and is allowed since, is not banned when it acts", async () => {
  const path = join(directory, "state.db");
  const clock = new ManualClock(START);
  const watched = new Engine(config());
  const memory = new Memory({ path, clock, engine: watched });
  const sources = ["203.0.113.9", "198.51.100.7"].map((text) => parseSource(text)!);
  for (const source of sources)
    watched.ban(source, { scope: "manual", at: START, by: "ada" }, "permanent", (decision) => {
      memory.journal(decision);
      const outcome = { decision, result: "dry-run" as const, at: START };
      watched.settle(outcome);
      memory.sink(outcome);
    });
  memory.watch({ queue: { pending: () => [] }, tail: { position: () => null, status: () => ({}) as never } });
  memory.close();

  const engine = new Engine(config({ allowlist: ["198.51.100.0/24"] }));
  const next = new Memory({ path, clock, engine });
  const firewall = new FakeFirewall(() => clock.now());
  const told: Outcome[] = [];
  const worker = new FirewallWorker(firewall, clock, (result) => effects.onResult(result));
  const sinks = [
    (outcome: Outcome) => engine.settle(outcome),
    next.sink,
    (outcome: Outcome) => void told.push(outcome),
  ];
  const effects: Effects = new Effects({ clock, worker, journal: next.journal, sinks, onEscalated: () => {} });
  const ground = {
    clock,
    engine,
    settings: { config: { audit: { path: join(directory, "audit.log") } } },
    log: { info() {} },
  };
  const parts = {
    memory: next,
    audit: { write() {} },
    enforcement: {
      gate: { isOpen: true },
      effects,
      reconciler: { now: () => worker.idle() },
      protect: () => engine.protect([], effects.submit),
    },
  };
  await restoreBans(ground as never, parts as unknown as RestorationParts);
  expect((await firewall.list()).map(({ source }) => String(source))).toEqual(["203.0.113.9"]);
  expect(told.map(({ decision }) => [decision.kind, "ban" in decision && String(decision.ban.source)]).sort()).toEqual([
    ["ban", "203.0.113.9"],
    ["unban", "198.51.100.7"],
  ]);
  next.close();
});
