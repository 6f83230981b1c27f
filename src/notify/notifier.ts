/** A message ready to send: `text` is the fallback, `blocks` the Slack layout. Both are already escaped. */
export interface Message {
  readonly text: string;
  readonly blocks: readonly unknown[];
}

/** What came of one attempt to send. "gone" means the receiver will never take another (a revoked webhook). */
export type SendResult =
  | { readonly result: "sent" }
  | { readonly result: "retry"; readonly afterMs?: number | undefined; readonly detail: string }
  | { readonly result: "rejected"; readonly detail: string }
  | { readonly result: "gone"; readonly detail: string };

/** The port to whoever is told. One attempt, one answer; retrying is the queue's business. Never throws. */
export interface Notifier {
  send(message: Message, signal?: AbortSignal): Promise<SendResult>;
}
