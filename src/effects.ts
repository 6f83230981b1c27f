/** Carries out decisions and turns them into outcomes. Detection never waits for any of it. */
import type { Clock } from "./clock.ts";
import type { Ban, Decision, Outcome } from "./decision.ts";
import type { Firewall, FirewallEntry } from "./firewall/firewall.ts";
import type { FirewallWorker, WorkerResult } from "./firewall/worker.ts";
import type { Source } from "./net/cidr.ts";

/** Where outcomes go; each takes what it is given and never throws. */
export type OutcomeSink = (outcome: Outcome) => void;

/** What carries decisions out, and who hears of it. */
export interface EffectsParts {
  readonly clock: Clock;
  readonly worker: Pick<FirewallWorker, "ban" | "unban" | "exclusive">;
  /** Sees each decision before anything is done about it: what must survive a crash is written here. */
  readonly journal?: ((decision: Decision) => void) | undefined;
  /** In order: the ledger first, so that whoever reads the state later sees the outcome in it. */
  readonly sinks: readonly OutcomeSink[];
  /** Bans were seen not to block and enforcement was moved: every ban must be put in force again. */
  readonly onEscalated: () => void;
}

/** How long an ineffective ban keeps health red after the last sign of it. */
const INEFFECTIVE_MS = 5 * 60_000;

interface Waiting {
  readonly decision: Extract<Decision, { kind: "ban" | "unban" }>;
  readonly listeners: ((outcome: Outcome) => void)[];
}

/** Decisions in, outcomes out. */
export class Effects {
  /** Bans and unbans on their way to the kernel; the latest word on each source. */
  #waiting = new Map<Source, Waiting>();
  #failing = new Map<Source, string>();
  #ineffectiveAt = Number.NEGATIVE_INFINITY;
  #isExhausted = false;
  #isEscalating = false;

  constructor(private readonly parts: EffectsParts) {}

  /** Firewall commands that fail now, by source: the last cause of each. */
  get failing(): ReadonlyMap<Source, string> {
    return this.#failing;
  }

  /** "moved": bans did not block lately and another hook or backend was taken. "exhausted": there is none left. */
  get proof(): "holds" | "moved" | "exhausted" {
    if (this.#isExhausted) return "exhausted";
    return this.parts.clock.now() - this.#ineffectiveAt < INEFFECTIVE_MS ? "moved" : "holds";
  }

  /** Another firewall, or none, takes over: what was seen of the last one is forgotten. */
  restartProof(): void {
    this.#ineffectiveAt = Number.NEGATIVE_INFINITY;
    this.#isExhausted = false;
  }

  readonly submit = (decision: Decision): void => {
    this.parts.journal?.(decision);
    switch (decision.kind) {
      case "ban":
        this.#await(decision);
        this.parts.worker.ban(entryOf(decision.ban, this.parts.clock.now()));
        break;
      case "unban":
        this.#await(decision);
        this.parts.worker.unban(decision.ban.source);
        break;
      case "alert":
        if (decision.alert.type === "ban-ineffective") void this.#escalate(decision);
        else this.#tell({ decision, result: "done", at: this.parts.clock.now() });
        break;
      case "baseline":
      case "mode":
      case "permit":
        this.#tell({ decision, result: "done", at: this.parts.clock.now() });
        break;
      default:
        decision satisfies never;
    }
  };

  /** The latest word on a source is the one that counts; whoever waits for an earlier one is told so. */
  #await(decision: Waiting["decision"]): void {
    const overtaken = this.#waiting.get(decision.ban.source);
    this.#waiting.set(decision.ban.source, { decision, listeners: [] });
    if (overtaken === undefined) return;
    const detail = `overtaken by ${decision.kind === "ban" ? "a ban" : "an unban"} before it was done`;
    const outcome: Outcome = { decision: overtaken.decision, result: "failed", at: this.parts.clock.now(), detail };
    for (const listen of overtaken.listeners) listen(outcome);
  }

  /** The first outcome of the ban or unban now on its way for a source; null when none is. */
  outcomeOf(source: Source): Promise<Outcome> | null {
    const waiting = this.#waiting.get(source);
    if (waiting === undefined) return null;
    return new Promise((resolve) => waiting.listeners.push(resolve));
  }

  /** Is a ban or unban of this source on its way? */
  isWaiting(source: Source): boolean {
    return this.#waiting.has(source);
  }

  /** For the FirewallWorker: what became of a submitted ban or unban. */
  readonly onResult = (result: WorkerResult): void => {
    const waiting = this.#waiting.get(result.source);
    if (result.result === "failed") this.#failing.set(result.source, result.detail ?? "unknown cause");
    else this.#failing.delete(result.source);
    // A word on a source that is no longer the latest is not ours to report as such.
    if (waiting === undefined || waiting.decision.kind !== result.action) return;
    if (result.result !== "failed") this.#waiting.delete(result.source);
    const outcome: Outcome = {
      decision: waiting.decision,
      result: result.result,
      at: this.parts.clock.now(),
      detail: result.detail,
    };
    this.#tell(outcome);
    for (const listen of waiting.listeners.splice(0)) listen(outcome);
  };

  #tell(outcome: Outcome): void {
    for (const sink of this.parts.sinks) sink(outcome);
  }

  /** Bans do not block: tell it, and try the next hook or backend. */
  async #escalate(decision: Decision): Promise<void> {
    this.#ineffectiveAt = this.parts.clock.now();
    // Many bans leak at once when the hook is wrong; one move answers them all.
    if (this.#isEscalating) return;
    this.#isEscalating = true;
    try {
      const moved = await this.parts.worker.exclusive((firewall: Firewall) => firewall.escalate());
      this.#isExhausted = !moved;
      if (moved) this.parts.onEscalated();
      const detail = moved
        ? "moved to the next hook or backend"
        : "no other hook or backend is left; run anomaly-detector check";
      this.#tell({ decision, result: moved ? "done" : "failed", at: this.parts.clock.now(), detail });
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#tell({ decision, result: "failed", at: this.parts.clock.now(), detail });
    } finally {
      this.#isEscalating = false;
    }
  }
}

/** A ban as the kernel should hold it from `now` on. */
export function entryOf(ban: Ban, now: number): FirewallEntry {
  return { source: ban.source, remainingMs: ban.until === "permanent" ? "permanent" : Math.max(1, ban.until - now) };
}
