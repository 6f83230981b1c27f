/** From watching to acting and back, while the daemon runs. */
import type { Arming, ArmingMemory, Mode } from "../arming.ts";
import type { Clock } from "../clock.ts";
import type { ModeReply } from "../control/protocol.ts";
import type { Effects } from "../effects.ts";
import type { Engine } from "../engine.ts";
import { FirewallError } from "../firewall/firewall.ts";
import type { FirewallGate } from "../firewall/gate.ts";
import type { FirewallWorker } from "../firewall/worker.ts";
import type { BanStatus } from "../status.ts";
import type { Logger } from "./logger.ts";

/** What is switched. */
export interface ModeParts {
  readonly clock: Clock;
  readonly arming: Arming;
  readonly gate: Pick<FirewallGate, "open" | "close" | "isOpen">;
  readonly worker: Pick<FirewallWorker, "exclusive">;
  readonly engine: Pick<Engine, "bans" | "settle" | "restartProof">;
  readonly effects: Pick<Effects, "submit" | "restartProof">;
  /** Makes the engine see the mode. */
  readonly apply: (mode: Mode) => void;
  readonly save: (memory: ArmingMemory) => void;
  readonly log: Pick<Logger, "error">;
}

/** A firewall that could not be had is looked for again this much later. */
const RETRY_MS = 30_000;

/** One switch at a time; what cannot be carried out leaves the mode as it was. */
export class ModeSwitch {
  #queue: Promise<unknown> = Promise.resolve();
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: ModeParts) {}

  /** A person's word. It is kept only when it could be carried out. */
  say(mode: Mode, by: string): Promise<ModeReply> {
    return this.#inTurn(async () => {
      const reply = await this.#turn(mode, by);
      if (reply.result === "failed") return reply;
      this.parts.arming.say(mode);
      this.parts.save(this.parts.arming.memory);
      return reply;
    });
  }

  /** Follows the configuration and the clock: for a timer, and after a reload. */
  follow(why: string): Promise<void> {
    const { clock, arming, gate } = this.parts;
    const now = clock.now();
    const isDue = (arming.mode(now) === "enforce") !== gate.isOpen && now - this.#failedAt >= RETRY_MS;
    return isDue ? this.#inTurn(async () => void (await this.#turn(arming.mode(clock.now()), why))) : Promise.resolve();
  }

  async #turn(mode: Mode, by: string): Promise<ModeReply> {
    const { gate, worker, engine, apply, log } = this.parts;
    const count = () => engine.bans().length;
    if (gate.isOpen === (mode === "enforce")) return { result: "unchanged", mode, bans: count() };
    try {
      await worker.exclusive(() => (mode === "enforce" ? gate.open() : this.#close()));
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error;
      this.#failedAt = this.parts.clock.now();
      log.error({ by, error: error.message }, `could not switch to ${mode}`);
      return { result: "failed", detail: error.message };
    }
    this.#restartProof();
    apply(mode);
    this.parts.effects.submit({ kind: "mode", at: this.parts.clock.now(), mode, by, bans: count() });
    if (mode === "enforce") this.#putInForce();
    return { result: "changed", mode, bans: count() };
  }

  /** What was decided while watching becomes true: it is told again, as done. */
  #putInForce(): void {
    const at = this.parts.clock.now();
    for (const { ban } of this.parts.engine.bans()) this.parts.effects.submit({ kind: "ban", at, ban });
  }

  /** The bans stay as what would be, and before our rules go one after the other: who comes meanwhile is no leak. */
  async #close(): Promise<void> {
    const { engine, gate } = this.parts;
    const bans = engine.bans();
    this.#settle(bans, "dry-run");
    try {
      await gate.close();
    } catch (error) {
      this.#settle(
        bans.filter(({ enforcement }) => enforcement === "in-force"),
        "done",
      );
      throw error;
    }
  }

  #settle(bans: readonly BanStatus[], result: "done" | "dry-run"): void {
    const at = this.parts.clock.now();
    for (const { ban } of bans) this.parts.engine.settle({ decision: { kind: "ban", at, ban }, result, at });
  }

  /** What was proven of the firewall that was there before says nothing of the one that comes, or of none. */
  #restartProof(): void {
    this.parts.engine.restartProof(this.parts.clock.now());
    this.parts.effects.restartProof();
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => {});
    return done;
  }
}
