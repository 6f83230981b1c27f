/** The whole lab in one piece: the closed internet, the site, a Slack, and load from any of its hosts. */
import { mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Answer, Load } from "./client.ts";
import { Detector, type Settings } from "./detector.ts";
import { Internet, SLACK, TARGET } from "./internet.ts";
import { Background, must, run, until } from "./process.ts";
import { Site } from "./site.ts";

const SLACK_URL = `http://${SLACK.v4}:9000`;

export interface SlackPost {
  readonly at: number;
  readonly body: { readonly text?: string; readonly blocks?: readonly unknown[] };
}

/** A client that runs in the background; its answers so far. */
export class Client {
  constructor(readonly process: Background) {}

  answers(): Answer[] {
    const text = this.process.stdout;
    const whole = text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter(Boolean);
    return whole.map((line) => JSON.parse(line) as Answer);
  }

  /** Waits for its end, or ends it. */
  async finish(): Promise<Answer[]> {
    await this.process.ended();
    return this.answers();
  }

  async stop(): Promise<Answer[]> {
    await this.process.stop();
    return this.answers();
  }
}

export class Lab {
  readonly dir = join(tmpdir(), `anomaly-detector-lab-${crypto.randomUUID()}`);
  readonly internet: Internet;
  readonly site: Site;
  readonly #started: { stop(): Promise<unknown> }[] = [];

  /** `locations`: the site's answers, where the usual ones will not do. */
  constructor(attackers: number, locations?: string) {
    this.internet = new Internet(attackers);
    this.site = new Site(this.internet, this.dir, locations);
  }

  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async #start(): Promise<void> {
    mkdirSync(this.dir, { mode: 0o700 });
    this.#started.push(this.internet);
    await this.internet.start();
    this.#started.push(this.site);
    await this.site.start();
    const slack = this.background("slack", [process.execPath, join(import.meta.dir, "slack.ts"), SLACK.v4, "9000"]);
    await until("the Slack to listen", () => slack.stdout.includes("ready"));
  }

  /** Ends and removes everything, newest first; goes on when a step fails. */
  async stop(): Promise<void> {
    for (const part of this.#started.splice(0).reverse()) {
      await part.stop().catch((error: unknown) => console.error("lab:", error));
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** A program on a host of the lab, ended with the lab at the latest. */
  background(host: string, argv: readonly string[]): Background {
    const process = new Background(this.internet.on(host, argv));
    this.#started.push(process);
    return process;
  }

  /** Web requests from a host of the lab, to the target unless the load says otherwise. */
  load(from: string, load: Omit<Load, "host"> & { readonly host?: string }): Client {
    const spec = JSON.stringify({ host: TARGET.v4, ...load });
    return new Client(this.background(from, [process.execPath, join(import.meta.dir, "client.ts"), spec]));
  }

  /** A started detector on the target that watches the site's log and tells the lab's Slack. */
  async detector(settings: Settings = {}): Promise<Detector> {
    const options = { internet: this.internet, dir: this.dir, logPath: this.site.logPath, settings };
    const detector = new Detector({ ...options, slackUrl: `${SLACK_URL}/services/T000/B000/lab` });
    this.#started.push(detector);
    await detector.start();
    return detector;
  }

  /** Everything that Slack was sent so far. */
  async slackPosts(): Promise<SlackPost[]> {
    return JSON.parse(await must(this.internet.on("slack", ["curl", "-s", `${SLACK_URL}/posts`]))) as SlackPost[];
  }

  /** Waits for a post whose text, blocks included, contains all the words. */
  waitForSlack(words: readonly string[], timeoutMs = 10_000): Promise<SlackPost> {
    const fits = (post: SlackPost) => words.every((word) => JSON.stringify(post.body).includes(word));
    return until(`a Slack post with ${words.join(", ")}`, async () => (await this.slackPosts()).find(fits), {
      timeoutMs,
    });
  }

  /** The target's rules and sets as text, without packet counters, timeouts and comments. */
  async firewall(): Promise<string> {
    const save = (argv: readonly string[]) => run(this.internet.on("target", argv)).then((r) => r.stdout);
    const parts = [await save(["iptables-save"]), await save(["ip6tables-save"]), await save(["ipset", "save"])];
    const lines = parts
      .join("\n")
      .split("\n")
      .filter((line) => !line.startsWith("#"));
    return lines
      .map((line) => line.replace(/\[\d+:\d+\]/g, "").replace(/ (timeout|packets|bytes) \d+/g, ""))
      .join("\n");
  }
}
