/** Keeps the kernel what the ledger says: one comparison at a time, and each thing mended is told. */
import type { Clock } from "../clock.ts";
import type { ReconcileReply } from "../control/protocol.ts";
import { type Effects, entryOf } from "../effects.ts";
import type { Engine } from "../engine.ts";
import { FirewallError } from "../firewall/firewall.ts";
import type { FirewallWorker, Mending } from "../firewall/worker.ts";

/** What is compared, and who hears of it. */
export interface ReconcilerParts {
  readonly clock: Clock;
  readonly engine: Pick<Engine, "bans">;
  readonly worker: Pick<FirewallWorker, "reconcile">;
  readonly effects: Pick<Effects, "submit">;
  readonly isDryRun: () => boolean;
  /** Before each comparison: what must not be banned may have changed. */
  readonly protect: () => void;
  /** After each: why it failed, or null. */
  readonly done: (error: string | null) => Promise<void>;
}

/** A ban whose end is this near may have ended in the kernel already: its clock and ours are not the same. */
const ENDING_MS = 5_000;

/** Comparisons in turn, for a timer and for whoever asks. */
export class Reconciler {
  #running: Promise<ReconcileReply> | null = null;
  #isRestored = false;
  #mended = 0;

  constructor(private readonly parts: ReconcilerParts) {}

  /** Bans put back, entries taken out and tables restored since the start. */
  get mended(): number {
    return this.#mended;
  }

  /** For a timer: a slow firewall must not make comparisons queue up. */
  look(): void {
    if (this.#running === null) void this.now();
  }

  /** A comparison that begins after this call. The first one restores: what it puts in is not mended. */
  now(): Promise<ReconcileReply> {
    const before = this.#running ?? Promise.resolve();
    const run = before.then(() => this.#compare());
    this.#running = run;
    void run.finally(() => {
      if (this.#running === run) this.#running = null;
    });
    return run;
  }

  async #compare(): Promise<ReconcileReply> {
    const { clock, engine, worker } = this.parts;
    this.parts.protect();
    try {
      const change = await worker.reconcile(() => engine.bans().map(({ ban }) => entryOf(ban, clock.now())));
      const reply = this.#judge(change);
      await this.parts.done(null);
      return reply;
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error;
      await this.parts.done(error.message);
      return { result: "failed", detail: error.message };
    }
  }

  #judge({ add, remove, refresh, repaired }: Mending): ReconcileReply {
    const { clock, engine, effects, isDryRun } = this.parts;
    const lost = add.filter(({ remainingMs }) => remainingMs === "permanent" || remainingMs > ENDING_MS);
    const added = this.#isRestored ? lost.length : 0;
    const removed = remove.length;
    this.#isRestored = true;
    if (!isDryRun() && added + removed + repaired > 0) {
      this.#mended += added + removed + repaired;
      const alert = { type: "firewall-mended", added, removed, hooks: repaired } as const;
      effects.submit({ kind: "alert", at: clock.now(), alert });
    }
    return {
      result: "reconciled",
      added: add.length,
      removed,
      refreshed: refresh.length,
      repaired,
      bans: engine.bans().length,
    };
  }
}
