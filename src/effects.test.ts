import { describe, expect, test } from "bun:test";
import {
  AT,
  alertDecision,
  ban,
  banDecision,
  baselineDecision,
  globalAlert,
  source,
  unbanDecision,
} from "../test/outcomes.ts";
import { ManualClock } from "./clock.ts";
import type { Decision, Outcome } from "./decision.ts";
import { Effects, entryOf } from "./effects.ts";
import { FakeFirewall } from "./firewall/fake.ts";
import type { Firewall, FirewallEntry } from "./firewall/firewall.ts";
import { FirewallWorker } from "./firewall/worker.ts";
import type { Source } from "./net/cidr.ts";

const A = source("203.0.113.10");
const LEAK: Decision = alertDecision({ type: "ban-ineffective", ban: ban(), requests: 1, sinceBanMs: 5000 });

/** Effects with a worker that only notes what it is asked, and answers when told to. */
function noted(escalate: () => Promise<boolean> = async () => true) {
  const clock = new ManualClock(AT);
  const asked: string[] = [];
  const outcomes: Outcome[] = [];
  const order: string[] = [];
  let escalated = 0;
  const effects = new Effects({
    clock,
    worker: {
      ban: (entry: FirewallEntry) => asked.push(`ban ${entry.source} ${entry.remainingMs}`),
      unban: (from: Source) => asked.push(`unban ${from}`),
      exclusive: <T>(task: (firewall: Firewall) => Promise<T>) => task({ escalate } as Firewall),
    },
    sinks: [
      (outcome) => {
        outcomes.push(outcome);
        order.push("first");
      },
      () => order.push("second"),
    ],
    onEscalated: () => {
      escalated++;
    },
  });
  const answer = (action: "ban" | "unban", result: "done" | "failed" | "dry-run", detail?: string) =>
    effects.onResult({ source: A, action, result, ...(detail === undefined ? {} : { detail }) });
  return { clock, effects, asked, outcomes, order, answer, escalations: () => escalated };
}

describe("bans and unbans", () => {
  test("are told when the firewall has answered, not before, to each sink in order", async () => {
    const { effects, asked, outcomes, order, answer, clock } = noted();
    effects.submit(banDecision());
    expect(asked).toEqual([`ban ${A} 600000`]);
    expect(outcomes).toEqual([]);
    await clock.advance(40);
    answer("ban", "done");
    expect(outcomes).toEqual([{ decision: banDecision(), result: "done", at: AT + 40, detail: undefined }]);
    expect(order).toEqual(["first", "second"]);
    effects.submit(unbanDecision());
    answer("unban", "done");
    expect(asked[1]).toBe(`unban ${A}`);
    expect(outcomes[1]).toMatchObject({ decision: { kind: "unban" }, result: "done" });
  });

  test("that fail are told as failed, kept as failing, and told again when the retry succeeds", () => {
    const { effects, outcomes, answer } = noted();
    effects.submit(banDecision());
    answer("ban", "failed", "ban 203.0.113.10: exited 3");
    expect(outcomes).toMatchObject([{ result: "failed", detail: "ban 203.0.113.10: exited 3" }]);
    expect([...effects.failing]).toEqual([[A, "ban 203.0.113.10: exited 3"]]);
    answer("ban", "done");
    expect(outcomes.map((outcome) => outcome.result)).toEqual(["failed", "done"]);
    expect(effects.failing.size).toBe(0);
  });

  test("a dry run is told as one", () => {
    const { effects, outcomes, answer } = noted();
    effects.submit(banDecision());
    answer("ban", "dry-run");
    expect(outcomes).toMatchObject([{ result: "dry-run" }]);
  });

  test("a word on what was overtaken is not told", () => {
    const { effects, outcomes, answer } = noted();
    effects.submit(banDecision());
    effects.submit(unbanDecision());
    answer("ban", "done");
    expect(outcomes).toEqual([]);
    answer("unban", "done");
    expect(outcomes.map((outcome) => outcome.decision.kind)).toEqual(["unban"]);
  });

  test("a word nobody waits for (a repair) is not told", () => {
    const { outcomes, answer } = noted();
    answer("ban", "done");
    expect(outcomes).toEqual([]);
  });
});

describe("outcomeOf", () => {
  test("the first outcome of what is on its way, failure included; null when nothing is", async () => {
    const { effects, answer } = noted();
    expect(effects.outcomeOf(A)).toBeNull();
    effects.submit(banDecision());
    const outcome = effects.outcomeOf(A)!;
    answer("ban", "failed", "no");
    expect(await outcome).toMatchObject({ result: "failed", detail: "no" });
    const later = effects.outcomeOf(A)!;
    answer("ban", "done");
    expect(await later).toMatchObject({ result: "done" });
    expect(effects.outcomeOf(A)).toBeNull();
  });

  // submit() replaces the waiting decision together with those who listen for it: they hear nothing any more.
  test("who waits for a ban that is overtaken by its unban is not left waiting", async () => {
    const { effects, answer } = noted();
    effects.submit(banDecision());
    const outcome = effects.outcomeOf(A)!;
    effects.submit(unbanDecision());
    answer("unban", "done");
    expect(await Promise.race([outcome, Bun.sleep(20).then(() => "never")])).not.toBe("never");
  });
});

describe("alerts and baselines", () => {
  test("need no firewall: told at once as done", () => {
    const { effects, asked, outcomes } = noted();
    for (const decision of [globalAlert("firing"), baselineDecision()]) effects.submit(decision);
    expect(asked).toEqual([]);
    expect(outcomes.map(({ result, at }) => [result, at])).toEqual([
      ["done", AT],
      ["done", AT],
    ]);
  });
});

describe("a ban that does not block", () => {
  const settled = () => new Promise((resolve) => setImmediate(resolve));

  test("moves enforcement, says so, has every ban put in force again, and keeps health red for a while", async () => {
    const { effects, outcomes, escalations, clock } = noted();
    expect(effects.proof).toBe("holds");
    effects.submit(LEAK);
    await settled();
    expect(outcomes).toMatchObject([{ decision: LEAK, result: "done" }]);
    expect([effects.proof, escalations()]).toEqual(["moved", 1]);
    await clock.advance(5 * 60_000 - 1);
    expect(effects.proof).toBe("moved");
    await clock.advance(1);
    expect(effects.proof).toBe("holds");
  });

  test("where nothing is left to move to it says that, and goes on saying it", async () => {
    const { effects, outcomes, escalations, clock } = noted(async () => false);
    effects.submit(LEAK);
    await settled();
    expect(outcomes[0]).toMatchObject({ result: "failed" });
    expect(outcomes[0]?.detail).toContain("no other hook");
    await clock.advance(3_600_000);
    expect([effects.proof, escalations()]).toEqual(["exhausted", 0]);
  });

  test("many that leak at once are one move", async () => {
    let moves = 0;
    const { effects, outcomes } = noted(async () => {
      moves++;
      return true;
    });
    for (let i = 0; i < 50; i++) effects.submit(LEAK);
    await settled();
    expect([moves, outcomes.length]).toEqual([1, 1]);
    effects.submit(LEAK);
    await settled();
    expect(moves).toBe(2);
  });

  test("a move that throws is a failed outcome", async () => {
    const { effects, outcomes } = noted(async () => {
      throw new Error("iptables exited 4");
    });
    effects.submit(LEAK);
    await settled();
    expect(outcomes).toMatchObject([{ result: "failed", detail: "iptables exited 4" }]);
  });
});

test("with the real worker and an in-memory firewall: a ban, its end, and what the kernel holds", async () => {
  const clock = new ManualClock(AT);
  const firewall = new FakeFirewall(() => clock.now());
  await firewall.init();
  const outcomes: Outcome[] = [];
  const effects: Effects = new Effects({
    clock,
    worker: new FirewallWorker(firewall, clock, (result) => effects.onResult(result)),
    sinks: [(outcome) => outcomes.push(outcome)],
    onEscalated: () => {},
  });
  effects.submit(banDecision());
  await clock.advance(100);
  expect((await firewall.list()).map((entry) => entry.source)).toEqual([A]);
  effects.submit(unbanDecision());
  await clock.advance(100);
  expect(await firewall.list()).toEqual([]);
  expect(outcomes.map(({ decision, result }) => `${decision.kind} ${result}`)).toEqual(["ban done", "unban done"]);
});

test.each([
  ["what is left of a ban", AT + 600_000, AT + 1000, 599_000],
  ["a permanent one", "permanent", AT + 1000, "permanent"],
  ["one that is over is a moment, never negative", AT, AT + 1000, 1],
] as const)("entryOf: %s", (_, until, now, remainingMs) => {
  expect(entryOf(ban({ until }), now)).toEqual({ source: A, remainingMs });
});
