/** The daemon as a process, in a network namespace of its own, reading a log that the test writes. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { type ControlClient, createControlClient } from "../../src/control/client.ts";
import type { BanStatus, SystemStatus } from "../../src/status.ts";
import { Background, type Finished, run, until } from "../e2e/process.ts";
import type { Namespace } from "../netns/namespace.ts";

/** The source, or the binary that DETECTOR names. */
const PROGRAM = process.env.DETECTOR
  ? [process.env.DETECTOR]
  : [process.execPath, resolve(import.meta.dir, "../../src/main.ts")];

/** One line of the audit log's JSON twin, as far as these tests look at it. */
export interface Audited {
  readonly ts: string;
  readonly action: "BAN" | "UNBAN" | "BASELINE" | "ALERT" | "ALLOW" | "DISALLOW";
  readonly ip: string | null;
  readonly result: string;
  readonly evidence: { readonly why?: string } | null;
}

type Section = Readonly<Record<string, unknown>>;

export class Daemon {
  readonly dir = mkdtempSync(join(tmpdir(), "anomaly-detector-faults-"));
  readonly logPath = join(this.dir, "hng-access.log");
  readonly auditPath = join(this.dir, "audit.log");
  readonly socketPath = join(this.dir, "control.sock");
  readonly control: ControlClient = createControlClient(this.socketPath, 5000);
  /** What starts it: another user, fewer rights or descriptors. */
  under: readonly string[] = [];
  #process: Background | null = null;
  #written = 0;

  /** `statePath`: where its memory is, if not beside the rest. */
  constructor(
    readonly space: Namespace,
    private readonly settings: Readonly<Record<string, Section>> = {},
    readonly statePath = join(this.dir, "state/state.db"),
  ) {
    writeFileSync(this.logPath, "");
    this.configure();
  }

  /** Lines written to the log so far. */
  get written(): number {
    return this.#written;
  }

  get process(): Background {
    return this.#process!;
  }

  configure(over: Readonly<Record<string, Section>> = {}): void {
    const sections: Record<string, Section> = {
      log: { path: this.logPath, poll: "20ms", start: "beginning" },
      detection: {},
      baseline: { warm_up: "1s", recalculate_every: "5s" },
      bans: { durations: ["1h"], circuit_breaker: { bans_per_minute: 100_000 } },
      firewall: { snapshot_dir: "", flush_on_exit: true, reconcile_every: "1s", spare_ports: [] },
      audit: { path: this.auditPath },
      state: { path: this.statePath },
      dashboard: { enabled: false },
      control: { socket: this.socketPath },
    };
    for (const [name, keys] of [...Object.entries(this.settings), ...Object.entries(over)])
      sections[name] = { ...sections[name], ...keys };
    writeFileSync(join(this.dir, "config.yaml"), stringify(sections));
  }

  /** Starts it and waits until it answers; how long that took, in milliseconds. */
  async start(env: Record<string, string> = {}): Promise<number> {
    const begun = performance.now();
    this.#spawn(env);
    await until(
      "the daemon to answer",
      async () => {
        if (!this.process.running) throw new Error(`it ended:\n${this.process.stdout}${this.process.stderr}`);
        return existsSync(this.socketPath) && (await this.control.status()).kind === "answer";
      },
      { timeoutMs: 15_000, everyMs: 10 },
    );
    return performance.now() - begun;
  }

  /** Starts it and kills it `ms` later, wherever it is then. */
  async startAndKill(ms: number): Promise<void> {
    this.#spawn({});
    await Bun.sleep(ms);
    await this.kill();
  }

  #spawn(env: Record<string, string>): void {
    const argv = [...this.space.enter, ...this.under, ...PROGRAM, "run", "--config", join(this.dir, "config.yaml")];
    this.#process = new Background(argv, { PATH: process.env.PATH, HOME: "/root", ...env });
  }

  /** A command of the same program to the running one. */
  command(...args: readonly string[]): Promise<Finished> {
    return run([...this.space.enter, ...PROGRAM, ...args, "--socket", this.socketPath]);
  }

  /** As a loss of power to the process alone. */
  async kill(): Promise<void> {
    await this.process.stop("SIGKILL");
  }

  /** As systemd ends it; the exit code. */
  stop(): Promise<number> {
    return this.process.stop("SIGTERM", 8000);
  }

  async destroy(): Promise<void> {
    if (this.#process?.running) await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async status(): Promise<SystemStatus> {
    const result = await this.control.status();
    if (result.kind !== "answer") throw new Error(`status: ${JSON.stringify(result)}\n${this.process.stderr}`);
    return result.value;
  }

  async bans(): Promise<readonly BanStatus[]> {
    const result = await this.control.bans();
    if (result.kind !== "answer") throw new Error(`bans: ${JSON.stringify(result)}`);
    return result.value.bans;
  }

  /** Appends numbered requests to the log, one a source, as nginx would. */
  write(sources: readonly string[], path = "/", at = Date.now()): void {
    const line = (source: string) =>
      `{"source_ip":"${source}","msec":"${(at / 1000).toFixed(3)}","method":"GET","path":"${path}?n=${this.#written++}","status":200,"response_size":10}\n`;
    mkdirSync(this.dir, { recursive: true });
    appendFileSync(this.logPath, sources.map(line).join(""));
  }

  /** As logrotate does; the old files are kept. */
  rotate(): void {
    for (let n = 99; n > 0; n--) {
      const from = n === 1 ? this.logPath : `${this.logPath}.${n - 1}`;
      if (existsSync(from)) renameSync(from, `${this.logPath}.${n}`);
    }
  }

  /** Waits until every line written so far (`lines`) has been counted, and no more than that. */
  async caughtUp(lines = this.#written, timeoutMs = 15_000): Promise<void> {
    let records = -1;
    try {
      await until(
        "every line to be counted",
        async () => {
          records = (await this.status()).engine.counters.records;
          if (records > lines) throw new Error("lines were counted twice");
          return records === lines;
        },
        { timeoutMs },
      );
    } catch (error) {
      throw new Error(`${String(error)}: ${records} of ${lines}\n${this.process.stdout.slice(-3000)}`);
    }
  }

  /** Everything audited so far; a half-written last line is left for the next look. */
  audited(action: Audited["action"]): Audited[] {
    if (!existsSync(`${this.auditPath}.jsonl`)) return [];
    const text = readFileSync(`${this.auditPath}.jsonl`, "utf8");
    const whole = text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter(Boolean);
    return whole.map((line) => JSON.parse(line) as Audited).filter((event) => event.action === action);
  }

  /** What the kernel drops now. */
  async kernel(): Promise<string[]> {
    const text = await this.space.run("ipset", "save");
    return [...text.matchAll(/^add \S+ (\S+)/gm)].map((match) => match[1]!).sort();
  }

  /** Every rule, chain and set that somebody made, to compare before and after. A table once looked at stays, empty. */
  async rules(): Promise<string[]> {
    const tables = `${await this.space.run("iptables-save")}${await this.space.run("ip6tables-save")}`;
    const made = tables.split("\n").filter((line) => /^-A |^:\S+ - /.test(line));
    return [...made, ...(await this.space.run("ipset", "save")).split("\n").filter(Boolean)];
  }
}
