/** What every part of the daemon stands on. */
import type { Engine } from "../engine.ts";
import type { DescriptorReserve } from "../host/descriptors.ts";
import type { SteadyClock } from "../steady-clock.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import type { Settings } from "./settings.ts";

/** Made first, and the same for the whole run. */
export interface Ground {
  readonly clock: SteadyClock;
  readonly engine: Engine;
  readonly settings: Settings;
  /** Whatever is acquired at the start is released through it. */
  readonly lifecycle: Lifecycle;
  /** What firewall commands need, whoever connects to us. */
  readonly descriptors: DescriptorReserve;
  readonly log: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Does something at fixed intervals until the end. `name` is for the log, should that fail. */
export function every({ clock, lifecycle }: Ground, name: string, periodMs: number, run: () => void): void {
  lifecycle.hold(name, clock.every(periodMs, run));
}
