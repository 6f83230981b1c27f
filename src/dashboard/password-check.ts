/** Is it the password? Verifying costs memory and time on purpose, so it is done once at a time, and not often. */
import type { Clock } from "../clock.ts";
import type { Client } from "./client.ts";
import { Throttle } from "./throttle.ts";

export type CheckResult = { readonly kind: "right" } | { readonly kind: "wrong" } | Refused;

/** It was not looked at: too many wrong ones before it, or too many others waiting. */
export interface Refused {
  readonly kind: "throttled" | "busy";
  readonly waitMs: number;
}

export type Verify = (password: string, hash: string) => Promise<boolean>;

/** A verification takes some 30 ms of one core, so nobody waits longer than a second. */
const MAX_WAITING = 32;
const BUSY_MS = 1000;

export class PasswordCheck {
  readonly #throttle = new Throttle();
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** `verify` computes on a thread of its own, so that the event loop, and with it detection, goes on. */
  constructor(
    private hash: string,
    private readonly clock: Clock,
    private readonly verify: Verify = (password, hash) => Bun.password.verify(password, hash),
  ) {}

  /** What is under way for the old password fails. False when it is the password in force. */
  change(hash: string): boolean {
    const isAnother = hash !== this.hash;
    this.hash = hash;
    return isAnother;
  }

  /**
   * Tries are taken in turn, and whether one is still allowed is asked when its turn comes: a thousand at the same
   * moment get no more guesses than a thousand one after the other.
   */
  async try(password: string, client: Client): Promise<CheckResult> {
    const waitMs = this.#throttle.waitMs(client, this.clock.now());
    if (waitMs > 0) return { kind: "throttled", waitMs };
    if (this.#waiting >= MAX_WAITING) return { kind: "busy", waitMs: BUSY_MS };
    this.#waiting++;
    const result = this.#turn.then(() => this.#check(password, client));
    this.#turn = result.catch(() => {});
    return result.finally(() => this.#waiting--);
  }

  async #check(password: string, client: Client): Promise<CheckResult> {
    const waitMs = this.#throttle.waitMs(client, this.clock.now());
    if (waitMs > 0) return { kind: "throttled", waitMs };
    const { hash } = this;
    const isRight = (await this.verify(password, hash)) && hash === this.hash;
    if (isRight) this.#throttle.forgive(client);
    else this.#throttle.fail(client, this.clock.now());
    return { kind: isRight ? "right" : "wrong" };
  }
}
