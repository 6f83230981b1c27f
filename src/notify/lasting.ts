import type { EpochMs } from "../accesslog/record.ts";
import type { Outcome } from "../decision.ts";
import { type Due, hasPassed, type Telling } from "./telling.ts";

/** How something that begins, lasts and ends is told: at most every `repeatMs`, and once when it is over. [pure] */
export class Lasting {
  /** Told to be on, and not yet told to be over. */
  #isTold = false;
  #toldAt: EpochMs | null = null;
  /** Its state has been told since we started. */
  #isKnown = false;
  /** A beginning that came too soon after the last alert: told when it may be, unless it is over by then. */
  #held: Outcome | null = null;

  constructor(readonly repeatMs: number) {}

  decide(isOn: boolean, outcome: Outcome, now: EpochMs): Telling {
    return isOn ? this.#on(outcome, now) : this.#over();
  }

  due(now: EpochMs): readonly Due[] {
    const outcome = this.#held;
    if (outcome === null || !this.#mayTell(now)) return [];
    this.#tell(now);
    return [{ kind: "outcome", outcome, reason: "first" }];
  }

  #on(outcome: Outcome, now: EpochMs): Telling {
    if (!this.#mayTell(now)) {
      if (!this.#isTold) this.#held = outcome;
      return { when: "never", reason: "suppressed" };
    }
    const reason = this.#isTold ? "repeat-due" : "first";
    this.#tell(now);
    return { when: "now", reason };
  }

  #over(): Telling {
    this.#held = null;
    // An end whose beginning was told before a restart is news, too.
    const isNews = this.#isTold || !this.#isKnown;
    this.#isTold = false;
    this.#isKnown = true;
    return isNews ? { when: "now", reason: "resolved" } : { when: "never", reason: "suppressed" };
  }

  #mayTell(now: EpochMs): boolean {
    return this.#toldAt === null || hasPassed(this.repeatMs, this.#toldAt, now);
  }

  #tell(now: EpochMs): void {
    this.#isTold = true;
    this.#isKnown = true;
    this.#toldAt = now;
    this.#held = null;
  }
}
