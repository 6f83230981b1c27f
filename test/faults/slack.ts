/** Slack inside the namespace, well or ill as the test wants it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Background, until } from "../e2e/process.ts";
import type { Namespace } from "../netns/namespace.ts";

export interface Told {
  /** Webhook requests that came, refused ones included. */
  readonly requests: number;
  /** `text` is the fallback, `body` all of the JSON. */
  readonly accepted: readonly {
    readonly at: number;
    readonly path: string;
    readonly text: string;
    readonly body: string;
  }[];
}

export interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly retryAfter?: string;
  readonly hangs?: boolean;
  readonly count?: number;
}

const PORT = "9000";

export class Slack {
  #process: Background | null = null;
  readonly #socket: string;
  /** slack.webhook_file of the daemon. */
  readonly webhookFile: string;

  constructor(
    private readonly space: Namespace,
    dir: string,
  ) {
    this.#socket = join(dir, "slack.sock");
    this.webhookFile = join(dir, "webhook");
    this.setWebhook();
  }

  /** What the file says from now on; the daemon reads it at SIGHUP. */
  setWebhook(url = `http://127.0.0.1:${PORT}/services/T0/B0/first`): void {
    writeFileSync(this.webhookFile, `${url}\n`, { mode: 0o600 });
  }

  async start(): Promise<void> {
    const script = join(import.meta.dir, "slack-server.ts");
    const child = new Background([...this.space.enter, process.execPath, script, PORT, this.#socket]);
    this.#process = child;
    await until("Slack to listen", () => child.stdout.includes("ready"));
  }

  /** From now on connections are refused, and what it knew is forgotten. */
  async stop(): Promise<void> {
    await this.#process?.stop("SIGKILL");
    this.#process = null;
  }

  /** How it answers from now on, one after the other; then 200. */
  answer(...answers: readonly Answer[]): Promise<Told> {
    return this.#ask({ method: "POST", body: JSON.stringify(answers) });
  }

  told(): Promise<Told> {
    return this.#ask({});
  }

  async texts(): Promise<string[]> {
    return (await this.told()).accepted.map(({ text }) => text);
  }

  async #ask(request: RequestInit): Promise<Told> {
    const response = await fetch("http://slack/", { ...request, unix: this.#socket });
    return (await response.json()) as Told;
  }
}
