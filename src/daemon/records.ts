/** Where outcomes are told: audit log and Slack. Both outlive everything that has something to say. */
import { hostname } from "node:os";
import { AuditWriter } from "../audit/writer.ts";
import { readWebhook } from "../config/webhook.ts";
import { NotifyQueue, type QueuedMessage } from "../notify/queue.ts";
import { createSlackNotifier } from "../notify/slack.ts";
import type { Ground } from "./ground.ts";

/** Slack takes about one message a second. */
const MESSAGE_EVERY_MS = 1000;
/** Queued Slack messages get this long at a stop. */
const LAST_MESSAGES_MS = 2000;

/** Opens the audit log. One that cannot be opened is tried again at each write, and shown as ill. */
export async function startAudit({ settings, clock, lifecycle }: Ground): Promise<AuditWriter> {
  const audit = new AuditWriter(settings.config.audit.path, clock);
  await lifecycle.start(
    "audit",
    () => audit.start(),
    () => audit.stop(),
  );
  return audit;
}

/** The queue to Slack, with what an earlier run (`outbox`) could not tell. */
export async function startSlack(ground: Ground, outbox: readonly QueuedMessage[]): Promise<NotifyQueue> {
  const { settings, clock, lifecycle } = ground;
  const limits = { maxQueued: settings.config.slack.queue, minIntervalMs: MESSAGE_EVERY_MS, hostname: hostname() };
  const queue = new NotifyQueue(null, limits, clock);
  await connectSlack(ground, queue);
  queue.restore(outbox);
  await lifecycle.start(
    "slack",
    () => queue.start(),
    () => queue.stop(LAST_MESSAGES_MS),
  );
  return queue;
}

/** A webhook that is to be there but cannot be read is mended by a reload; until then messages wait. */
export async function connectSlack({ settings, env }: Ground, queue: NotifyQueue): Promise<void> {
  const result = await readWebhook(settings.config, env);
  switch (result.kind) {
    case "webhook": {
      const { timeout } = settings.config.slack;
      return queue.resume(createSlackNotifier(result.webhook.reveal(), { timeoutMs: timeout }));
    }
    case "none":
      return queue.resume(null);
    case "problem":
      return queue.suspend(`${result.from} ${result.message} (${result.hint})`);
    default:
      result satisfies never;
  }
}
