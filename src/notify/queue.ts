/** Messages on their way: spaced out, in order, retried, and folded together when there are too many. */
import type { EpochMs } from "../accesslog/record.ts";
import type { Clock } from "../clock.ts";
import { foldedMessage } from "./message.ts";
import type { Message, Notifier, SendResult } from "./notifier.ts";
import { addTallies, type Tally } from "./tally.ts";

/** The bounds of the queue, and its name. */
export interface QueueSettings {
  /** Most messages waiting; beyond it the oldest are folded into one. */
  readonly maxQueued: number;
  /** Least time between two attempts. Slack takes about one message a second per webhook. */
  readonly minIntervalMs: number;
  /** Named in the messages that the queue itself writes. */
  readonly hostname: string;
}

/** One waiting message, as a plain value that can be stored and given back to restore(). */
export interface QueuedMessage {
  /** Unique among the messages of this host. */
  readonly id: string;
  readonly message: Message;
  /** The events it tells about. */
  readonly tally: Tally;
  /** How many messages were folded into it; 1 for an ordinary one. */
  readonly messages: number;
  /** When the first of them was queued. */
  readonly queuedAt: EpochMs;
}

/**
 * off: no webhook. retrying: the last attempt failed. gone: it was revoked. unusable: one is configured, but cannot be
 * read. In the last two messages wait for resume().
 */
export type QueueState = "ok" | "retrying" | "gone" | "unusable" | "off";

/** How telling fares, since the start. */
export interface QueueStatus {
  readonly state: QueueState;
  readonly queued: number;
  /** Messages delivered. */
  readonly sent: number;
  /** Messages refused by Slack and given up. */
  readonly failed: number;
  /** Messages folded into another one. */
  readonly folded: number;
  readonly lastSentAt: EpochMs | null;
  /** Why the last attempt failed; null once a message goes through. */
  readonly lastError: string | null;
}

const BACKOFF_LEAST_MS = 1_000;
const BACKOFF_MOST_MS = 60_000;
/** No Retry-After is honoured beyond this; a longer wait therefore means that the clock was set back. */
const WAIT_MOST_MS = 5 * 60_000;

/** One queue to one notifier: the first message goes until it is taken or given up, then the next. */
export class NotifyQueue {
  #notifier: Notifier | null;
  #items: QueuedMessage[] = [];
  #isSending = false;
  #state: QueueState;
  #attempts = 0;
  /** Not before this: pacing and Retry-After. */
  #notBefore = 0;
  /** Not before this either, unless we are about to stop: our own backoff. */
  #backoffUntil = 0;
  #sent = 0;
  #failed = 0;
  #folded = 0;
  #lastSentAt: EpochMs | null = null;
  #lastError: string | null = null;
  #sequence = 0;
  #isStopping = false;
  #abort = new AbortController();
  #wake: () => void = () => {};
  #loop: Promise<void> | null = null;

  /** Without a notifier nothing is queued until resume() brings one. `random` gives numbers in [0, 1). */
  constructor(
    notifier: Notifier | null,
    readonly settings: QueueSettings,
    readonly clock: Clock,
    readonly random: () => number = Math.random,
  ) {
    this.#notifier = notifier;
    this.#state = notifier === null ? "off" : "ok";
  }

  /** Begins to send. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** Accepts a message; `tally` says which events it tells about. Never blocks, never throws. */
  enqueue(message: Message, tally: Tally): void {
    if (this.#state === "off") return;
    const queuedAt = this.clock.now();
    const id = `${queuedAt}-${++this.#sequence}`;
    this.#items.push({ id, message, tally, messages: 1, queuedAt });
    this.#foldOldest();
    this.#wake();
  }

  /** What is not delivered yet, oldest first. */
  pending(): readonly QueuedMessage[] {
    return [...this.#items];
  }

  /** Puts back what an earlier run could not deliver, ahead of everything else. Before start(). */
  restore(items: readonly QueuedMessage[]): void {
    this.#items = [...items, ...this.#items];
    this.#foldOldest();
    this.#wake();
  }

  /** Goes on with another notifier: a changed webhook. null turns the queue off and forgets what waits. */
  resume(notifier: Notifier | null): void {
    this.#notifier = notifier;
    this.#state = notifier === null ? "off" : "ok";
    this.#attempts = 0;
    this.#backoffUntil = 0;
    this.#lastError = null;
    if (notifier === null) this.#items = [];
    this.#wake();
  }

  /** There is to be a webhook, but it cannot be had: nothing is sent and nothing is lost until resume(). */
  suspend(detail: string): void {
    this.#notifier = null;
    this.#state = "unusable";
    this.#lastError = detail;
    this.#wake();
  }

  /** Tries to deliver what waits, then ends; after `deadlineMs` the rest stays in pending(). */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    const ended = new AbortController();
    void this.clock.sleep(deadlineMs, ended.signal).then(() => {
      this.#abort.abort();
      this.#wake();
    });
    await this.#loop;
    ended.abort();
  }

  status(): QueueStatus {
    return {
      state: this.#state,
      queued: this.#items.length,
      sent: this.#sent,
      failed: this.#failed,
      folded: this.#folded,
      lastSentAt: this.#lastSentAt,
      lastError: this.#lastError,
    };
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const canSend = this.#items.length > 0 && (this.#state === "ok" || this.#state === "retrying");
      if (!canSend && this.#isStopping) return;
      const waitMs = canSend ? this.#waitMs() : Number.POSITIVE_INFINITY;
      if (waitMs > 0) await this.#pause(waitMs);
      else await this.#sendFirst();
    }
  }

  #waitMs(): number {
    const at = this.#isStopping ? this.#notBefore : Math.max(this.#notBefore, this.#backoffUntil);
    const waitMs = at - this.clock.now();
    return waitMs > WAIT_MOST_MS ? 0 : waitMs;
  }

  /** Until `waitMs` are over or something changed. */
  async #pause(waitMs: number): Promise<void> {
    const woken = new AbortController();
    const change = new Promise<void>((resolve) => {
      this.#wake = () => {
        woken.abort();
        resolve();
      };
    });
    await (Number.isFinite(waitMs) ? this.clock.sleep(waitMs, woken.signal) : change);
  }

  async #sendFirst(): Promise<void> {
    const notifier = this.#notifier!;
    const item = this.#items[0]!;
    this.#isSending = true;
    const result = await notifier.send(item.message, this.#abort.signal);
    this.#isSending = false;
    this.#notBefore = this.clock.now() + this.settings.minIntervalMs;
    // What a replaced notifier says about itself no longer matters, unless the message went out.
    if (notifier === this.#notifier || result.result === "sent") this.#settle(item, result);
  }

  #settle(item: QueuedMessage, result: SendResult): void {
    switch (result.result) {
      case "sent":
        this.#sent++;
        this.#lastSentAt = this.clock.now();
        this.#lastError = null;
        this.#done(item);
        return;
      case "rejected":
        // It would be refused again: the others must not wait behind it.
        this.#failed++;
        this.#lastError = result.detail;
        this.#done(item);
        return;
      case "retry": {
        this.#lastError = result.detail;
        this.#state = "retrying";
        const now = this.clock.now();
        if (result.afterMs !== undefined) {
          this.#notBefore = Math.max(this.#notBefore, now + Math.min(result.afterMs, WAIT_MOST_MS));
        } else this.#backoffUntil = now + this.#backoffMs();
        this.#attempts++;
        return;
      }
      case "gone":
        this.#lastError = result.detail;
        this.#state = "gone";
        return;
      default:
        result satisfies never;
    }
  }

  #done(item: QueuedMessage): void {
    const at = this.#items.indexOf(item);
    if (at >= 0) this.#items.splice(at, 1);
    if (this.#state === "retrying") this.#state = "ok";
    this.#attempts = 0;
    this.#backoffUntil = 0;
  }

  /** Exponential with full jitter, so that many hosts do not return in step. */
  #backoffMs(): number {
    const most = Math.min(BACKOFF_MOST_MS, BACKOFF_LEAST_MS * 2 ** Math.min(this.#attempts + 1, 16));
    return Math.max(BACKOFF_LEAST_MS, this.random() * most);
  }

  /** Keeps the bound: the two oldest that are not being sent become one, their counts added up. */
  #foldOldest(): void {
    while (this.#items.length > this.settings.maxQueued) {
      const at = this.#isSending ? 1 : 0;
      const [older, newer] = [this.#items[at], this.#items[at + 1]];
      if (!older || !newer) return;
      this.#folded += older.messages === 1 ? 2 : 1;
      this.#items.splice(at, 2, this.#merge(older, newer));
    }
  }

  #merge(older: QueuedMessage, newer: QueuedMessage): QueuedMessage {
    const tally = addTallies(older.tally, newer.tally);
    const messages = older.messages + newer.messages;
    const message = foldedMessage(tally, messages, older.queuedAt, newer.queuedAt, this.settings.hostname);
    return { id: older.id, message, tally, messages, queuedAt: older.queuedAt };
  }
}
