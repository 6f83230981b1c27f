/** Engine, effects, worker and gate wired as the daemon wires them, over a firewall in memory. */
import { beforeEach, describe, expect, test } from "bun:test";
import { config, START } from "../../test/records.ts";
import { Arming, type ArmingMemory, type Mode } from "../arming.ts";
import { ManualClock } from "../clock.ts";
import type { Config } from "../config/schema.ts";
import type { Decision } from "../decision.ts";
import { Effects } from "../effects.ts";
import { Engine } from "../engine.ts";
import { FakeFirewall } from "../firewall/fake.ts";
import { FirewallError } from "../firewall/firewall.ts";
import { FirewallGate } from "../firewall/gate.ts";
import { FirewallWorker } from "../firewall/worker.ts";
import { parseSource } from "../net/cidr.ts";
import { ModeSwitch } from "./mode-switch.ts";

const ADDRESS = parseSource("203.0.113.9")!;
const log = { warn: () => {}, error: () => {} } as never;

function modeOf(decision: Decision): string {
  return decision.kind === "mode" ? ` ${decision.mode} by ${decision.by}, ${decision.bans}` : "";
}

class Daemon {
  readonly clock = new ManualClock(START);
  readonly real = new FakeFirewall(() => this.clock.now());
  readonly told: string[] = [];
  readonly engine: Engine;
  readonly modes: ModeSwitch;
  readonly arming: Arming;
  readonly worker: FirewallWorker;
  readonly effects: Effects;
  saved: ArmingMemory | null = null;
  broken = false;
  #config: Config;

  constructor(detection: { mode?: Mode; arm_after?: string }) {
    this.#config = config({ detection });
    this.arming = new Arming(this.#config.detection, { firstStartAt: START, said: null });
    this.engine = new Engine(this.#config);
    const create = async () => {
      if (this.broken) throw new FirewallError("no firewall works here");
      return this.real;
    };
    const gate = new FirewallGate(create, ["raw/PREROUTING"], () => this.clock.now());
    this.worker = new FirewallWorker(gate, this.clock, (result) => this.effects.onResult(result));
    const { clock, worker, engine, arming } = this;
    this.effects = new Effects({
      clock,
      worker,
      sinks: [
        (outcome) => engine.settle(outcome),
        ({ decision, result }) => this.told.push(`${decision.kind} ${result}${modeOf(decision)}`),
      ],
      onEscalated: () => {},
    });
    this.modes = new ModeSwitch({
      clock,
      arming,
      gate,
      worker,
      engine,
      effects: this.effects,
      apply: (mode) => this.#apply(mode),
      save: (memory) => {
        this.saved = memory;
      },
      log,
    });
    this.#apply(arming.mode(clock.now()));
  }

  #apply(mode: Mode): void {
    this.#config = { ...this.#config, detection: { ...this.#config.detection, mode } };
    this.engine.configure(this.#config, this.effects.submit);
  }

  async ban(): Promise<void> {
    const cause = { scope: "manual" as const, at: this.clock.now(), by: "test" };
    this.engine.ban(ADDRESS, cause, "permanent", this.effects.submit);
    await this.worker.idle();
  }

  /** A request of the banned source reaches the log, ten seconds later. */
  async request(): Promise<void> {
    await this.clock.advance(10_000);
    const at = this.clock.now();
    const asked = { method: "GET", path: "/", status: 200, bytes: 1, requestSeconds: 0 };
    this.engine.observe({ at, source: ADDRESS as never, ...asked }, this.effects.submit);
  }

  get state() {
    return {
      state: this.engine.status().state,
      enforcement: this.engine.banOf(ADDRESS)?.enforcement,
      kernel: this.real.info().entries,
    };
  }
}

let daemon: Daemon;
beforeEach(() => {
  daemon = new Daemon({ mode: "watch-only" });
});

describe("watching", () => {
  test("a ban is told as a dry run and never reaches the firewall", async () => {
    await daemon.ban();
    expect(daemon.state).toEqual({ state: "watch-only", enforcement: "dry-run", kernel: 0 });
    expect([daemon.told, daemon.real.steps]).toEqual([["ban dry-run"], []]);
  });

  test("arming puts what stands in force, and tells it again", async () => {
    await daemon.ban();
    expect(await daemon.modes.say("enforce", "ada")).toEqual({ result: "changed", mode: "enforce", bans: 1 });
    await daemon.worker.idle();
    expect(daemon.state).toEqual({ state: "learning", enforcement: "in-force", kernel: 1 });
    // Who did it stands before what came of it.
    expect(daemon.told).toEqual(["ban dry-run", "mode done enforce by ada, 1", "ban done"]);
    expect(await daemon.modes.say("enforce", "ada")).toMatchObject({ result: "unchanged" });
  });

  test("arming without a firewall leaves everything as it was, and is not remembered", async () => {
    daemon.broken = true;
    expect(await daemon.modes.say("enforce", "ada")).toEqual({ result: "failed", detail: "no firewall works here" });
    expect([daemon.state.state, daemon.saved, daemon.arming.mode(START)]).toEqual(["watch-only", null, "watch-only"]);
    expect(daemon.told).toEqual([]);
  });
});

describe("disarming", () => {
  beforeEach(async () => {
    daemon = new Daemon({ mode: "enforce" });
    await daemon.modes.follow("start");
    await daemon.ban();
  });

  test("empties the firewall and keeps the bans as what would be", async () => {
    expect(daemon.state).toEqual({ state: "learning", enforcement: "in-force", kernel: 1 });
    expect(await daemon.modes.say("watch-only", "ada")).toEqual({ result: "changed", mode: "watch-only", bans: 1 });
    expect(daemon.state).toEqual({ state: "watch-only", enforcement: "dry-run", kernel: 0 });
    expect(daemon.saved?.said?.mode).toBe("watch-only");
    expect(daemon.told.at(-1)).toBe("mode done watch-only by ada, 1");
  });

  test("requests of what is only said to be banned prove nothing about the firewall", async () => {
    await daemon.modes.say("watch-only", "ada");
    const told = daemon.told.length;
    for (let i = 1; i <= 10; i++) await daemon.request();
    expect(daemon.told.slice(told).filter((told) => told.startsWith("alert"))).toEqual([]);
    expect(daemon.engine.banOf(ADDRESS)?.leakedRequests).toBe(0);
  });

  test("what gets through while our rules go one after the other proves nothing", async () => {
    const remove = daemon.real.remove.bind(daemon.real);
    daemon.real.remove = async () => {
      await remove();
      await daemon.request();
    };
    await daemon.modes.say("watch-only", "ada");
    await daemon.worker.idle();
    expect(daemon.told.filter((told) => told.startsWith("alert"))).toEqual([]);
    expect([daemon.effects.proof, daemon.engine.banOf(ADDRESS)?.leakedRequests]).toEqual(["holds", 0]);
  });

  test("what was proven of the firewall before is forgotten with it", async () => {
    await daemon.request();
    await daemon.worker.idle();
    expect([daemon.effects.proof, daemon.engine.banOf(ADDRESS)?.leakedRequests]).toEqual(["exhausted", 1]);
    await daemon.modes.say("watch-only", "ada");
    expect([daemon.effects.proof, daemon.engine.banOf(ADDRESS)?.leakedRequests]).toEqual(["holds", 0]);
  });

  test("that fails leaves the bans in force", async () => {
    daemon.real.failNext("remove");
    expect(await daemon.modes.say("watch-only", "ada")).toMatchObject({ result: "failed" });
    expect(daemon.state).toEqual({ state: "learning", enforcement: "in-force", kernel: 1 });
  });

  test("words that cross each other are carried out one after the other", async () => {
    const replies = await Promise.all([
      daemon.modes.say("watch-only", "ada"),
      daemon.modes.say("enforce", "bob"),
      daemon.modes.say("watch-only", "ada"),
    ]);
    await daemon.worker.idle();
    expect(replies.map(({ result }) => result)).toEqual(["changed", "changed", "changed"]);
    expect(daemon.state).toMatchObject({ state: "watch-only", kernel: 0 });
  });
});

describe("detection.arm_after", () => {
  test("watches until its time, then acts by itself; a firewall that fails is tried again", async () => {
    daemon = new Daemon({ mode: "enforce", arm_after: "1h" });
    await daemon.ban();
    await daemon.clock.advance(3_599_000);
    await daemon.modes.follow("detection.arm_after");
    expect(daemon.state.state).toBe("watch-only");
    await daemon.clock.advance(1_000);
    daemon.broken = true;
    await daemon.modes.follow("detection.arm_after");
    expect(daemon.state.state).toBe("watch-only");
    daemon.broken = false;
    await daemon.modes.follow("detection.arm_after");
    expect(daemon.state.state).toBe("watch-only");
    await daemon.clock.advance(30_000);
    await daemon.modes.follow("detection.arm_after");
    await daemon.worker.idle();
    expect(daemon.state).toMatchObject({ enforcement: "in-force", kernel: 1 });
  });

  test("a reload that says watch-only disarms, one that says enforce arms", async () => {
    await daemon.ban();
    daemon.arming.configure({ mode: "enforce", arm_after: 0 });
    await daemon.modes.follow("configuration");
    await daemon.worker.idle();
    expect(daemon.state).toMatchObject({ enforcement: "in-force", kernel: 1 });
    daemon.arming.configure({ mode: "watch-only", arm_after: 0 });
    await daemon.modes.follow("configuration");
    expect(daemon.state).toEqual({ state: "watch-only", enforcement: "dry-run", kernel: 0 });
  });
});
