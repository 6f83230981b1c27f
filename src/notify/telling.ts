/** The words between the policy and the teller: what is told, when and why. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Outcome } from "../decision.ts";
import type { Digest } from "./digest.ts";

/** Why something is told: it is new, it still lasts, it is over or works again, it failed. */
export type TellReason = "first" | "repeat-due" | "resolved" | "failed";

/** now: send a message. digest: the next digest counts it. never: said already, or nothing anybody waits for. */
export type Telling =
  | { readonly when: "now"; readonly reason: TellReason }
  | { readonly when: "digest"; readonly reason: "suppressed" }
  | { readonly when: "never"; readonly reason: "suppressed" };

/** What has become due without a new outcome. */
export type Due =
  | { readonly kind: "digest"; readonly digest: Digest }
  | { readonly kind: "outcome"; readonly outcome: Outcome; readonly reason: TellReason };

/** Whether `periodMs` lies between the two. A clock that was set back counts as passed, so nothing waits for ever. */
export function hasPassed(periodMs: number, since: EpochMs, now: EpochMs): boolean {
  return now - since >= periodMs || now < since;
}
