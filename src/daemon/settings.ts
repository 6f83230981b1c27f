/** The configuration in force: what the file says, in the mode that file, time and a person's word agree on. */
import { Arming, type ArmingMemory, type Mode } from "../arming.ts";
import type { Clock } from "../clock.ts";
import type { Config } from "../config/schema.ts";
import { armingPath, readArming, writeArming } from "../state/arming-file.ts";
import type { Logger } from "./logger.ts";

/** The configuration as it was loaded, and where its mode is told. */
export interface SettingsParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Pick<Logger, "error">;
}

/** One value at a time, replaced as a whole. */
export class Settings {
  readonly arming: Arming;
  #config: Config;

  /** Takes up what an earlier run left beside the state file; a first start leaves its own time there. */
  constructor(private readonly parts: SettingsParts) {
    const { config, clock } = parts;
    const now = clock.now();
    this.#config = config;
    this.arming = new Arming(config.detection, readArming(this.#path, now));
    if (config.detection.arm_after > 0) this.remember(this.arming.memory);
    this.setMode(this.arming.mode(now));
  }

  get config(): Config {
    return this.#config;
  }

  /** When it begins to act by itself; null when it acts already, or will not. */
  get armsAt(): number | null {
    return this.arming.armsAt(this.parts.clock.now());
  }

  setMode(mode: Mode): void {
    this.#config = { ...this.#config, detection: { ...this.#config.detection, mode } };
  }

  /** For the next start. Where it cannot be written, that is logged. */
  remember(memory: ArmingMemory): void {
    const error = writeArming(this.#path, memory);
    if (error !== null)
      this.parts.log.error(
        { path: this.#path, error: error.message },
        "a restart will not remember whether it is armed",
      );
  }

  /** Takes from another configuration what may change while we run. True when it also changes what takes a restart. */
  take(next: Config): boolean {
    const needsRestart = fixedPart(next) !== fixedPart(this.#config);
    const { baseline, bans, allowlist, slack } = next;
    const { mode, max_sources, tuning } = this.#config.detection;
    const detection = { ...next.detection, mode, max_sources, tuning };
    this.#config = { ...this.#config, detection, baseline, bans, allowlist, slack };
    const said = this.arming.memory;
    this.arming.configure(next.detection);
    if (this.arming.memory !== said) this.remember(this.arming.memory);
    return needsRestart;
  }

  get #path(): string {
    return armingPath(this.#config.state.path);
  }
}

/** What is read at the start only, as text to compare. */
function fixedPart({ log, firewall, audit, state, dashboard, control, detection }: Config): string {
  return JSON.stringify([log, firewall, audit, state, dashboard, control, detection.max_sources, detection.tuning]);
}
