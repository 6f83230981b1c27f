import type { EpochMs } from "../accesslog/record.ts";
import type { Outcome } from "../decision.ts";
import { DigestBuilder } from "./digest.ts";
import { type Due, hasPassed, type Telling, type TellReason } from "./telling.ts";

/** When outcomes are many, and how they are then told. */
export interface StormSettings {
  /** How many outcomes are told one by one within `stormWindowMs`. */
  readonly stormLimit: number;
  readonly stormWindowMs: number;
  /** Least time between two digests. */
  readonly digestEveryMs: number;
  /** How long the first digest of a storm collects before it is told. */
  readonly digestDelayMs: number;
}

/** Lets a few outcomes through one by one and folds the rest into digests. [pure] */
export class Storm {
  /** When the last `stormLimit` outcomes were let through. */
  #told: EpochMs[] = [];
  #open: { readonly builder: DigestBuilder; readonly openedAt: EpochMs } | null = null;
  #lastDigestAt: EpochMs | null = null;

  constructor(readonly settings: StormSettings) {}

  admit(outcome: Outcome, reason: TellReason, now: EpochMs): Telling {
    const { stormLimit, stormWindowMs } = this.settings;
    this.#told = this.#told.filter((at) => !hasPassed(stormWindowMs, at, now));
    if (this.#told.length < stormLimit) {
      this.#told.push(now);
      return { when: "now", reason };
    }
    this.#open ??= { builder: new DigestBuilder(), openedAt: now };
    this.#open.builder.add(outcome);
    return { when: "digest", reason: "suppressed" };
  }

  due(now: EpochMs): readonly Due[] {
    const { digestDelayMs, digestEveryMs } = this.settings;
    if (this.#open === null || !hasPassed(digestDelayMs, this.#open.openedAt, now)) return [];
    if (this.#lastDigestAt !== null && !hasPassed(digestEveryMs, this.#lastDigestAt, now)) return [];
    this.#lastDigestAt = now;
    return this.drain();
  }

  drain(): readonly Due[] {
    const open = this.#open;
    this.#open = null;
    return open === null ? [] : [{ kind: "digest", digest: open.builder.digest() }];
  }
}
