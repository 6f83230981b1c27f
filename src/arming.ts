/** Whether we act or only watch: what the configuration says, since when, and what a person said over it. [pure] */
import type { EpochMs } from "./accesslog/record.ts";
import type { Config } from "./config/schema.ts";

/** enforce: bans reach the kernel. watch-only: they are only told. */
export type Mode = Config["detection"]["mode"];

/** What the configuration says about acting. */
export type ArmingSettings = Pick<Config["detection"], "mode" | "arm_after">;

/** What survives a restart. */
export interface ArmingMemory {
  readonly firstStartAt: EpochMs;
  /** What a person said last, and the configuration it was said over; null when the configuration rules. */
  readonly said: { readonly mode: Mode; readonly over: ArmingSettings } | null;
}

/**
 * A person's word (arm, disarm) stands, over restarts too, until the configuration itself says something new:
 * a rotation of the log or a crash must not arm what was disarmed in an emergency.
 */
export class Arming {
  #settings: ArmingSettings;
  #memory: ArmingMemory;

  constructor(settings: ArmingSettings, memory: ArmingMemory) {
    this.#settings = settings;
    this.#memory = memory;
    this.configure(settings);
  }

  get memory(): ArmingMemory {
    return this.#memory;
  }

  mode(now: EpochMs): Mode {
    if (this.#memory.said !== null) return this.#memory.said.mode;
    return now < this.#armsAt ? "watch-only" : this.#settings.mode;
  }

  /** When it will begin to act by itself; null when it acts already, or will not. */
  armsAt(now: EpochMs): EpochMs | null {
    const waits = this.#memory.said === null && this.#settings.mode === "enforce" && now < this.#armsAt;
    return waits ? this.#armsAt : null;
  }

  /** A person's word. */
  say(mode: Mode): void {
    const { mode: word, arm_after } = this.#settings;
    this.#memory = { ...this.#memory, said: { mode, over: { mode: word, arm_after } } };
  }

  /** Takes the configuration anew; when it says something else than before, it rules again. */
  configure({ mode, arm_after }: ArmingSettings): void {
    this.#settings = { mode, arm_after };
    const over = this.#memory.said?.over;
    if (over === undefined || (over.mode === mode && over.arm_after === arm_after)) return;
    this.#memory = { ...this.#memory, said: null };
  }

  get #armsAt(): EpochMs {
    return this.#memory.firstStartAt + this.#settings.arm_after;
  }
}
