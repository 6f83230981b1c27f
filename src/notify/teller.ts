/** Outcomes in, messages on their way: policy, wording and queue put together. */
import type { Clock } from "../clock.ts";
import type { Outcome } from "../decision.ts";
import { digestMessage, outcomeMessage } from "./message.ts";
import type { Message } from "./notifier.ts";
import type { Policy } from "./policy.ts";
import { type Tally, tallyOf } from "./tally.ts";
import type { Due, TellReason } from "./telling.ts";

/** What the teller needs of a NotifyQueue. */
export interface Outbox {
  enqueue(message: Message, tally: Tally): void;
}

/** What decides, and what delivers. */
export interface TellerParts {
  readonly policy: Policy;
  readonly queue: Outbox;
  readonly clock: Clock;
  /** The watched host, named in every message. */
  readonly hostname: string;
}

/** What outcomes are handed to. */
export interface Teller {
  /** Begins to look for digests that have become due. */
  start(): void;
  /** Queues a message about the outcome, or keeps it for a digest, or lets it rest. Never throws or waits. */
  tell(outcome: Outcome): void;
  /** Queues the digest collected so far; stop the queue after this. */
  stop(): void;
}

/** How often digests are looked for: well below the 10 s in which a ban must be told. */
const LOOK_EVERY_MS = 1000;

/** A teller for one host; `start` begins its timer. */
export function createTeller({ policy, queue, clock, hostname }: TellerParts): Teller {
  let cancel: (() => void) | null = null;

  function send(outcome: Outcome, reason: TellReason): void {
    const message = outcomeMessage(outcome, reason, hostname);
    if (message !== null) queue.enqueue(message, tallyOf(outcome));
  }

  function sendDue(due: Due): void {
    switch (due.kind) {
      case "digest":
        queue.enqueue(digestMessage(due.digest, hostname), due.digest.tally);
        return;
      case "outcome":
        send(due.outcome, due.reason);
        return;
      default:
        due satisfies never;
    }
  }

  return {
    start() {
      cancel ??= clock.every(LOOK_EVERY_MS, () => policy.due(clock.now()).forEach(sendDue));
    },
    tell(outcome) {
      const telling = policy.decide(outcome, clock.now());
      if (telling.when === "now") send(outcome, telling.reason);
    },
    stop() {
      cancel?.();
      cancel = null;
      policy.drain().forEach(sendDue);
    },
  };
}
