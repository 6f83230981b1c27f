/** Slack's incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks */
import { type Clock, systemClock } from "../clock.ts";
import type { Message, Notifier, SendResult } from "./notifier.ts";

/** The bounds of one attempt. */
export interface SlackSettings {
  /** How long one attempt may take in all, reading the answer included. */
  readonly timeoutMs: number;
}

/** What of `fetch` is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Slack answers in a word ("ok", "invalid_payload"); a captive portal answers in megabytes. */
const MAX_ANSWER_BYTES = 1024;
const MIN_RETRY_MS = 1000;
const MAX_RETRY_MS = 5 * 60_000;

/**
 * One POST per send, never repeated here, redirects not followed. The URL is a secret: it stands in no result. An
 * attempt that timed out may still have been delivered, so a retry can show a message twice; it never loses one.
 */
export function createSlackNotifier(
  url: string,
  settings: SlackSettings,
  post: Fetch = fetch,
  clock: Clock = systemClock,
): Notifier {
  const secret = url.trim();
  return {
    async send(message, signal) {
      if (!isWebUrl(secret)) return { result: "gone", detail: "the webhook is not an http(s) URL" };
      const timeout = AbortSignal.timeout(settings.timeoutMs);
      const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
      try {
        const response = await post(secret, request(message, either));
        // The status decides; an answer that breaks off after it changes nothing.
        const answer = await readAnswer(response).catch(() => "");
        return judge(response, clean(answer, secret), clock.now());
      } catch (error) {
        const cause = timeout.aborted ? `no answer within ${settings.timeoutMs / 1000} s` : causeOf(error);
        return { result: "retry", detail: `post to Slack: ${cause}` };
      }
    },
  };
}

function request(message: Message, signal: AbortSignal): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json; charset=utf-8" },
    body: JSON.stringify({ ...message, unfurl_links: false, unfurl_media: false }),
    redirect: "manual",
    signal,
  };
}

function judge(response: Response, answer: string, now: number): SendResult {
  const { status } = response;
  if (response.ok) return { result: "sent" };
  const detail = `Slack answered ${status}${answer ? ` ${answer}` : ""}`;
  switch (status) {
    // Forbidden, no such webhook, no such channel: the webhook was revoked or its channel archived.
    case 401:
    case 403:
    case 404:
    case 410:
      return { result: "gone", detail };
    case 408:
    case 425:
    case 429:
      return { result: "retry", afterMs: retryAfterMs(response, now), detail };
    default:
      // A redirect is no answer of Slack's but of something in between, which may go away.
      if (status >= 400 && status < 500) return { result: "rejected", detail };
      return { result: "retry", afterMs: retryAfterMs(response, now), detail };
  }
}

/** Retry-After in seconds or as an HTTP date (RFC 9110 §10.2.3), within sane bounds. */
function retryAfterMs(response: Response, now: number): number | undefined {
  const text = response.headers.get("retry-after")?.trim() ?? "";
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, ms));
}

async function readAnswer(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < MAX_ANSWER_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.length;
  }
  if (size >= MAX_ANSWER_BYTES) await reader.cancel().catch(() => {});
  return Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString("utf8");
}

/** The answer as a few words for status and log; an answer that repeats the URL must not give it away. */
function clean(answer: string, secret: string): string {
  const { pathname } = new URL(secret);
  const redacted = answer.replaceAll(secret, "<url>").replaceAll(pathname.length > 1 ? pathname : secret, "<url>");
  return redacted
    .replace(/[\s\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, " ")
    .trim()
    .slice(0, 100);
}

/** Only the code: messages of fetch errors can hold the URL. */
function causeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return typeof code === "string" ? code : typeof name === "string" ? name : "failed";
}

function isWebUrl(url: string): boolean {
  return URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol);
}
