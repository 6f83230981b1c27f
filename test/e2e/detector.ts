/** The compiled binary, run on the target as an administrator would run it. */
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import type { Internet } from "./internet.ts";
import { Background, type Finished, run, until } from "./process.ts";

export const BINARY = resolve(import.meta.dir, "../../dist/anomaly-detector");

/** One line of the audit log's JSON twin, as far as the tests look at it. */
export interface Audited {
  readonly ts: string;
  readonly action: "BAN" | "UNBAN" | "BASELINE" | "ALERT";
  readonly ip: string | null;
  readonly condition: string;
  readonly rate: number | null;
  readonly durationSeconds: number | "permanent" | null;
  readonly banCount: number | null;
  readonly result: string;
  readonly evidence: { readonly [key: string]: unknown } | null;
}

type Section = Readonly<Record<string, unknown>>;
export type Settings = Readonly<Record<string, Section | readonly string[]>>;

export interface DetectorOptions {
  readonly internet: Internet;
  readonly dir: string;
  readonly logPath: string;
  readonly settings?: Settings;
  readonly slackUrl?: string;
}

export class Detector {
  readonly dir: string;
  readonly configPath: string;
  readonly auditPath: string;
  readonly dashboard = "127.0.0.1:8080";
  #process: Background | null = null;

  constructor(readonly options: DetectorOptions) {
    this.dir = mkdtempSync(join(options.dir, "detector-"));
    this.configPath = join(this.dir, "config.yaml");
    this.auditPath = join(this.dir, "audit.log");
  }

  /** Starts it and waits until it answers on its control socket. */
  async start(): Promise<void> {
    mkdirSync(join(this.dir, "snapshots"), { recursive: true });
    this.configure(this.options.settings ?? {});
    const env = { PATH: process.env.PATH, HOME: "/root", ANOMALY_DETECTOR_SLACK_WEBHOOK: this.options.slackUrl };
    const argv = [BINARY, "run", "--config", this.configPath];
    this.#process = new Background(this.options.internet.on("target", argv), env);
    try {
      await until("the detector to answer", async () => {
        if (!this.#process!.running) throw new Error("it ended");
        return (await this.command("status", "--json")).code === 0;
      });
    } catch (error) {
      throw new Error(`the detector did not start: ${String(error)}\n${this.output}`);
    }
  }

  /** Writes the configuration file; the running detector reads it at SIGHUP. */
  configure(settings: Settings): void {
    writeFileSync(this.configPath, stringify(merge(this.#defaults(), settings)));
  }

  /** Quick to learn, quick to forget: what takes minutes in production takes seconds here. */
  #defaults(): Settings {
    return {
      log: { path: this.options.logPath, poll: "20ms" },
      baseline: { warm_up: "3s", recalculate_every: "5s" },
      bans: { durations: ["10s", "20s", "permanent"] },
      firewall: { snapshot_dir: join(this.dir, "snapshots"), flush_on_exit: true, reconcile_every: "5s" },
      audit: { path: this.auditPath },
      state: { path: join(this.dir, "state.db") },
      dashboard: { listen: this.dashboard },
      control: { socket: join(this.dir, "control.sock") },
    };
  }

  get pid(): number {
    return this.#process!.pid;
  }
  get running(): boolean {
    return this.#process?.running ?? false;
  }
  /** All it printed. */
  get output(): string {
    return `${this.#process?.stdout ?? ""}${this.#process?.stderr ?? ""}`;
  }

  signal(name: NodeJS.Signals): void {
    this.#process!.signal(name);
  }

  /** Ends it; its exit code. */
  async stop(): Promise<number> {
    return (await this.#process?.stop("SIGTERM", 10_000)) ?? 0;
  }

  /** A command of the same binary to the running one. It goes by the socket: the configuration may be broken by then. */
  command(...args: readonly string[]): Promise<Finished> {
    const argv = [BINARY, ...args, "--socket", join(this.dir, "control.sock")];
    return run(this.options.internet.on("target", argv), { timeoutMs: 10_000 });
  }

  /** The text audit log. */
  async auditLines(): Promise<string[]> {
    return existsSync(this.auditPath) ? (await Bun.file(this.auditPath).text()).split("\n").filter(Boolean) : [];
  }

  /** The audit log's JSON twin, oldest first; a half-written last line is left for the next look. */
  async audited(action?: Audited["action"], ip?: string): Promise<Audited[]> {
    const path = `${this.auditPath}.jsonl`;
    if (!existsSync(path)) return [];
    const text = await Bun.file(path).text();
    const whole = text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter(Boolean);
    const events = whole.map((line) => JSON.parse(line) as Audited);
    return events.filter((e) => (action === undefined || e.action === action) && (ip === undefined || e.ip === ip));
  }

  /** Waits for the n-th such event. */
  async waitFor(action: Audited["action"], ip: string, n = 1, timeoutMs = 15_000): Promise<Audited> {
    try {
      const look = async () => (await this.audited(action, ip))[n - 1];
      return await until(`${action} ${ip} number ${n}`, look, { timeoutMs, everyMs: 10 });
    } catch (error) {
      const log = (await this.auditLines()).slice(-30).join("\n");
      throw new Error(`${String(error)}\naudit log:\n${log}\noutput:\n${this.output.slice(-4_000)}`);
    }
  }
}

function merge(base: Settings, over: Settings): Record<string, unknown> {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = Array.isArray(value) || below === undefined ? value : { ...(below as Section), ...value };
  }
  return result;
}
