/** Where the Slack webhook comes from. Its URL is a secret: whoever has it can post; so it never prints by itself. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { inspect } from "node:util";
import { covers, parseRange } from "../net/cidr.ts";
import type { Config } from "./schema.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A webhook URL that shows only its redacted form unless it is asked to `reveal()`. */
class Webhook {
  readonly #url: string;

  constructor(
    url: string,
    /** Which file or variable it was read from. */
    readonly from: string,
    /** True when every user of the machine can read that file. */
    readonly readableByAll: boolean,
  ) {
    this.#url = url;
  }

  /** The URL itself, for the one place that sends. */
  reveal(): string {
    return this.#url;
  }

  toString(): string {
    return redact(this.#url);
  }

  toJSON(): string {
    return redact(this.#url);
  }

  [inspect.custom](): string {
    return redact(this.#url);
  }
}

/** none: Slack is off. problem: it is to be on, but its webhook cannot be had. */
export type WebhookResult =
  | { readonly kind: "none" }
  | { readonly kind: "webhook"; readonly webhook: Webhook }
  | { readonly kind: "problem"; readonly from: string; readonly message: string; readonly hint: string };

/**
 * Reads the webhook from `slack.webhook_file`, else $CREDENTIALS_DIRECTORY/slack_webhook (systemd's
 * LoadCredential=), else $ANOMALY_DETECTOR_SLACK_WEBHOOK. A named file that cannot be used is a problem, not a
 * reason to look further; a credential that is missing or empty is, since the unit always hands one on.
 */
export async function readWebhook(config: Pick<Config, "slack">, env: Env): Promise<WebhookResult> {
  const named = config.slack.webhook_file;
  if (named) return fromFile(named, false);
  const directory = env.CREDENTIALS_DIRECTORY;
  if (directory) {
    const credential = await fromFile(`${directory}/slack_webhook`, true);
    if (credential.kind !== "none") return credential;
  }
  const variable = env.ANOMALY_DETECTOR_SLACK_WEBHOOK?.trim();
  return variable ? fromText(variable, "$ANOMALY_DETECTOR_SLACK_WEBHOOK", false) : { kind: "none" };
}

/** Webhook URLs are about 80 characters. */
const MAX_BYTES = 4096;

async function fromFile(path: string, isOptional: boolean): Promise<WebhookResult> {
  try {
    // Without O_NONBLOCK a FIFO would hold us until somebody writes to it.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (stat.isDirectory()) return problem(path, "is a directory", "name the file in it");
      if (!stat.isFile()) return problem(path, "is not a file", "name a file that holds the webhook URL");
      const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_BYTES + 1), 0, MAX_BYTES + 1, 0);
      if (bytesRead > MAX_BYTES)
        return problem(path, "is too long for a webhook URL", "it holds the URL and nothing else");
      const text = buffer.toString("utf8", 0, bytesRead).trim();
      if (text === "" && isOptional) return { kind: "none" };
      return fromText(text, path, (stat.mode & 0o004) !== 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && isOptional) return { kind: "none" };
    if (code === "ENOENT")
      return problem(path, "does not exist", "create it, mode 0600, with the URL as its only line");
    if (code === "EACCES") return problem(path, "may not be read by this user", "give the service's user read access");
    return problem(path, `cannot be read (${code ?? "unknown error"})`, "check the file");
  }
}

function fromText(text: string, from: string, readableByAll: boolean): WebhookResult {
  if (text === "") return problem(from, "is empty", "put the webhook URL into it");
  if (!URL.canParse(text) || /\s/.test(text))
    return problem(from, "does not hold a URL", "it holds the URL and nothing else");
  const url = new URL(text);
  if (url.username || url.password)
    return problem(from, "holds a URL with a user name", "use the URL as Slack gives it");
  if (url.protocol === "https:" || (url.protocol === "http:" && isPrivateHost(url.hostname))) {
    return { kind: "webhook", webhook: new Webhook(text, from, readableByAll) };
  }
  return problem(from, `holds a URL that is not https (${url.protocol}//${url.host})`, "use the https URL Slack gives");
}

function problem(from: string, message: string, hint: string): WebhookResult {
  return { kind: "problem", from, message, hint };
}

/** Loopback, RFC 1918, RFC 4193 and the benchmarking range of RFC 2544: collectors in a lab speak plain http. */
const PRIVATE = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "::1",
  "fc00::/7",
].map((text) => parseRange(text)!);

function isPrivateHost(hostname: string): boolean {
  if (hostname === "localhost") return true;
  const host = parseRange(hostname.replace(/^\[|\]$/g, ""));
  return host !== null && PRIVATE.some((range) => covers(range, host));
}

/** "hooks.slack.com/…/…x9Qa": the host and the last four characters, enough to tell two webhooks apart. */
export function redact(url: string): string {
  if (!URL.canParse(url)) return "…";
  const { host, pathname } = new URL(url);
  // Four characters of a short path would be most of it.
  return pathname.length < 16 ? `${host}/…` : `${host}/…/…${pathname.slice(-4)}`;
}
