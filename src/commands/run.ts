/** Composition root of the daemon: build, start in order, stop in reverse order. */
import { hostname } from "node:os";
import { createParser } from "../accesslog/parse.ts";
import { Tail } from "../accesslog/tail.ts";
import { AuditWriter } from "../audit/writer.ts";
import { type CommandIo, EXIT, type ParsedArgs } from "../cli/command.ts";
import { requireConfig } from "../cli/configuration.ts";
import { printable } from "../cli/terminal.ts";
import { loadConfig } from "../config/load.ts";
import { problemLines } from "../config/problem.ts";
import { type Config, parseListen } from "../config/schema.ts";
import { readWebhook } from "../config/webhook.ts";
import { ControlError, createControlServer } from "../control/server.ts";
import { createDashboard } from "../dashboard/server.ts";
import type { Decision, Outcome } from "../decision.ts";
import { Effects, entryOf } from "../effects.ts";
import { Engine } from "../engine.ts";
import { createFirewall } from "../firewall/create.ts";
import { createExec } from "../firewall/exec.ts";
import { type Firewall, FirewallError } from "../firewall/firewall.ts";
import { SnapshotWriter } from "../firewall/snapshots.ts";
import { FirewallWorker } from "../firewall/worker.ts";
import { createHostSampler } from "../host/procfs.ts";
import { readProtected } from "../host/protected.ts";
import { readSshPorts } from "../host/ssh.ts";
import type { Notifier } from "../notify/notifier.ts";
import { createPolicy, DEFAULT_POLICY } from "../notify/policy.ts";
import { NotifyQueue } from "../notify/queue.ts";
import { createSlackNotifier } from "../notify/slack.ts";
import { createTeller } from "../notify/teller.ts";
import { Pump } from "../pump.ts";
import { VERSION_TEXT } from "../version.ts";
import { alertText, banLengthText, causeText } from "../wording.ts";
import { createControlTarget } from "./control-target.ts";
import { Lifecycle } from "./lifecycle.ts";
import { createLogger, type Logger } from "./logger.ts";
import { SystemView } from "./system-view.ts";

/** How often the clock moves event time while the log is silent, and how far behind the wall clock it stays. */
const TICK_MS = 200;
/** Lines reach us a little after their time (write, poll); ticking right behind the wall clock would move them forward. */
const TICK_LAG_MS = 1000;
const SAMPLE_MS = 3000;
const STOP_DEADLINE_MS = 4500;
/** Queued Slack messages get this long at a stop. */
const LAST_MESSAGES_MS = 2000;

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export async function run(args: ParsedArgs, io: CommandIo): Promise<number> {
  const loaded = await requireConfig(args, io, "not started");
  if (!loaded.ok) return loaded.exitCode;
  const log = createLogger(loaded.config.logging.level, io.width !== null, io.env);
  const daemon = new Daemon(loaded.config, loaded.path, io, log);
  try {
    await daemon.start();
  } catch (error) {
    await daemon.stop();
    if (!(error instanceof FirewallError || error instanceof ControlError || isStartError(error))) throw error;
    io.err(`anomaly-detector: ${printable((error as Error).message, 1000)}`);
    return EXIT.problem;
  }
  const signal = await daemon.untilSignal();
  log.info({ signal }, "stopping");
  await daemon.stop();
  log.info("stopped");
  return EXIT.ok;
}

/** Errors of starting that name their mend themselves: a port in use, a directory that cannot be made. */
function isStartError(error: unknown): boolean {
  return (
    error instanceof Error &&
    error.name.endsWith("Error") &&
    error.name !== "TypeError" &&
    error.name !== "ReferenceError"
  );
}

class Daemon {
  readonly #lifecycle: Lifecycle;
  readonly #engine: Engine;
  #firewall!: Firewall;
  #worker!: FirewallWorker;
  #effects!: Effects;
  #audit!: AuditWriter;
  #queue!: NotifyQueue;
  #tail!: Tail;
  #pump!: Pump;
  #view!: SystemView;

  constructor(
    private config: Config,
    private readonly configPath: string | null,
    private readonly io: CommandIo,
    private readonly log: Logger,
  ) {
    this.#engine = new Engine(config);
    this.#lifecycle = new Lifecycle((part, error) =>
      log.error({ part, error: String(error) }, "could not stop cleanly"),
    );
  }

  async start(): Promise<void> {
    const { clock } = this.io;
    this.#engine.setWall(clock.now());
    await this.#startRecords();
    await this.#startFirewall();
    this.#view = this.#createView();
    await this.#startControl();
    await this.#startDashboard();
    await this.#startTail();
    this.#every("tick", TICK_MS, () => this.#tick());
    this.#every("host", SAMPLE_MS, () => this.#view.sample());
    this.#every("reconcile", this.config.firewall.reconcile_every, () => void this.#reconcile());
    const { log, detection, firewall } = this.config;
    const info = this.#firewall.info();
    this.log.info(
      {
        version: VERSION_TEXT,
        log: log.path,
        profile: detection.profile,
        mode: detection.mode,
        backend: info.backend,
        hooks: info.hooks,
        asked: firewall.backend,
      },
      "started",
    );
  }

  stop(): Promise<void> {
    return this.#lifecycle.stop(STOP_DEADLINE_MS);
  }

  /** Resolves with the name of the signal that asks for the end; SIGHUP reloads meanwhile. */
  untilSignal(): Promise<NodeJS.Signals> {
    process.on("SIGHUP", () => void this.#reload());
    return new Promise((resolve) => {
      process.once("SIGTERM", resolve);
      process.once("SIGINT", resolve);
    });
  }

  /** Audit log and Slack: they outlive everything that has something to say. */
  async #startRecords(): Promise<void> {
    const { clock } = this.io;
    this.#audit = new AuditWriter(this.config.audit.path, clock);
    await this.#lifecycle.start(
      "audit",
      () => this.#audit.start(),
      () => this.#audit.stop(),
    );
    const settings = { maxQueued: this.config.slack.queue, minIntervalMs: 1000, hostname: hostname() };
    this.#queue = new NotifyQueue(await this.#notifier(), settings, clock);
    await this.#lifecycle.start(
      "slack",
      () => this.#queue.start(),
      () => this.#queue.stop(LAST_MESSAGES_MS),
    );
  }

  async #startFirewall(): Promise<void> {
    const { clock } = this.io;
    const { firewall, detection } = this.config;
    const exec = createExec({ timeoutMs: firewall.timeout });
    const sparePorts = firewall.spare_ports ?? readSshPorts();
    const backend = detection.mode === "watch-only" ? "dry-run" : firewall.backend;
    this.#firewall = await createFirewall({ backend, hooks: firewall.hooks, sparePorts }, exec, () => clock.now());
    this.#worker = new FirewallWorker(this.#firewall, clock, (result) => this.#effects.onResult(result));
    const teller = createTeller({ policy: createPolicy({ ...DEFAULT_POLICY, repeatMs: detection.global.repeat_every }), queue: this.#queue, clock, hostname: hostname() });
    const snapshots = this.#createSnapshots();
    this.#effects = new Effects({
      clock,
      worker: this.#worker,
      sinks: [
        (outcome) => this.#engine.settle(outcome),
        (outcome) => this.#view.note(outcome),
        (outcome) => this.#audit.write(outcome),
        (outcome) => teller.tell(outcome),
        (outcome) => this.#logOutcome(outcome),
        (outcome) => snapshots?.(outcome),
      ],
      onEscalated: () => {
        this.#engine.restartProof(clock.now());
        void this.#reconcile();
      },
    });
    await this.#lifecycle.start(
      "teller",
      () => teller.start(),
      () => teller.stop(),
    );
    await this.#lifecycle.start(
      "firewall",
      () => this.#adopt(),
      () => this.#stopFirewall(),
    );
  }

  /** Bans the kernel still holds from an earlier run stay, and end on time. */
  async #adopt(): Promise<void> {
    const now = this.io.clock.now();
    const entries = await this.#firewall.list();
    const bans = entries.map(({ source, remainingMs }) => ({
      ban: {
        source,
        banCount: 1,
        since: now,
        until: remainingMs === "permanent" ? remainingMs : now + remainingMs,
        cause: { scope: "adopted" as const, at: now },
      },
      enforcement: "in-force" as const,
      leakedRequests: 0,
    }));
    this.#engine.restore(bans, []);
    if (bans.length > 0) this.log.info({ bans: bans.length }, "kept the bans found in the firewall");
    this.#protect();
  }

  async #stopFirewall(): Promise<void> {
    await this.#worker.stop();
    if (this.config.firewall.flush_on_exit) await this.#firewall.remove();
  }

  #createSnapshots(): ((outcome: Outcome) => void) | null {
    const { snapshot_dir, snapshots_kept } = this.config.firewall;
    if (snapshot_dir === "" || this.#firewall.info().backend === "dry-run") return null;
    const writer = new SnapshotWriter({ directory: snapshot_dir, kept: snapshots_kept }, this.io.clock, () =>
      this.#worker.exclusive((firewall) => firewall.snapshot()),
    );
    return ({ decision, result }) => {
      if (result !== "done" || (decision.kind !== "ban" && decision.kind !== "unban")) return;
      writer.note(decision.kind === "ban" ? "BAN" : "UNBAN", decision.ban.source);
    };
  }

  #createView(): SystemView {
    return new SystemView({
      clock: this.io.clock,
      hostname: hostname(),
      version: VERSION_TEXT,
      engine: this.#engine,
      effects: this.#effects,
      firewall: this.#firewall,
      worker: this.#worker,
      audit: this.#audit,
      queue: this.#queue,
      sampler: createHostSampler(),
      tail: () => this.#tail.status(),
      pump: () => this.#pump.status(),
    });
  }

  async #startControl(): Promise<void> {
    const target = createControlTarget({
      clock: this.io.clock,
      engine: this.#engine,
      effects: this.#effects,
      status: () => this.#view.status(),
    });
    const control = createControlServer(target, this.config.control.socket);
    await this.#lifecycle.start(
      "control",
      () => control.start(),
      () => control.stop(),
    );
  }

  async #startDashboard(): Promise<void> {
    const { enabled, listen, allowed_hosts } = this.config.dashboard;
    if (!enabled) return;
    const dashboard = createDashboard({
      status: () => this.#view.status(),
      listen: parseListen(listen)!,
      allowedHosts: allowed_hosts,
    });
    await this.#lifecycle.start(
      "dashboard",
      () => dashboard.start(),
      () => dashboard.stop(),
    );
  }

  async #startTail(): Promise<void> {
    const { log, logging } = this.config;
    const onRecord = logging.requests ? (record: object) => this.log.info(record, "request") : undefined;
    this.#pump = new Pump(this.#engine, createParser({ fields: log.fields }), this.#effects.submit, { onRecord });
    this.#tail = new Tail(
      log.path,
      { pollMs: log.poll, maxLineBytes: log.max_line_bytes, start: log.start },
      this.io.clock,
      (buffer, start, end) => {
        this.#engine.setWall(this.io.clock.now());
        this.#pump.window(buffer, start, end);
      },
    );
    const abort = new AbortController();
    await this.#lifecycle.start(
      "log",
      () => this.#tail.start(abort.signal),
      async () => {
        await this.#tail.drain();
        abort.abort();
        await this.#tail.stop();
      },
    );
  }

  /** Event time moves by the log while there is log to read, by the clock when it is silent. */
  #tick(): void {
    const now = this.io.clock.now();
    this.#engine.setWall(now);
    if (this.#tail.status().unreadBytes === 0) this.#pump.tick(now - TICK_LAG_MS);
  }

  async #reconcile(): Promise<void> {
    this.#protect();
    try {
      const change = await this.#worker.reconcile(() =>
        this.#engine.bans().map(({ ban }) => entryOf(ban, this.io.clock.now())),
      );
      this.#view.noteReconcile(null);
      if (change.add.length + change.remove.length > 0) {
        this.log.warn(
          { added: change.add.length, removed: change.remove.length },
          "the firewall did not hold what was banned; mended",
        );
      }
      await this.#view.refreshCounters();
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error;
      this.#view.noteReconcile(error.message);
    }
  }

  #protect(): void {
    this.#engine.protect(readProtected("/proc", readSshPorts()), this.#effects.submit);
  }

  async #notifier(): Promise<Notifier | null> {
    const result = await readWebhook(this.config, this.io.env);
    return result.kind === "webhook"
      ? createSlackNotifier(result.webhook.reveal(), { timeoutMs: this.config.slack.timeout })
      : null;
  }

  /** Takes the configuration file anew; a bad one changes nothing. Windows, baseline and bans stay. */
  async #reload(): Promise<void> {
    await this.#audit.reopen();
    const result = await loadConfig(this.configPath, this.io.env);
    if (!result.ok) {
      const problems = problemLines(this.configPath ?? "defaults", result.problems.slice(0, 20)).map((line) =>
        printable(line, 500),
      );
      this.log.error({ problems }, "the new configuration is bad; the one in force stays");
      return;
    }
    const fixed = (config: Config) =>
      JSON.stringify([
        config.log,
        config.firewall,
        config.audit,
        config.state,
        config.dashboard,
        config.control,
        config.detection.mode,
        config.detection.max_sources,
      ]);
    const needsRestart = fixed(result.config) !== fixed(this.config);
    this.config = {
      ...this.config,
      detection: {
        ...result.config.detection,
        mode: this.config.detection.mode,
        max_sources: this.config.detection.max_sources,
      },
      baseline: result.config.baseline,
      bans: result.config.bans,
      allowlist: result.config.allowlist,
      slack: result.config.slack,
    };
    this.#engine.configure(this.config, this.#effects.submit);
    this.log.level = result.config.logging.level;
    this.#queue.resume(await this.#notifier());
    this.log.info("configuration reloaded");
    if (needsRestart)
      this.log.warn(
        "changes to log, firewall, audit, state, dashboard, control, detection.mode or detection.max_sources take a restart",
      );
  }

  #every(name: string, periodMs: number, run: () => void): void {
    const cancel = this.io.clock.every(periodMs, run);
    void this.#lifecycle.start(name, () => {}, cancel);
  }

  #logOutcome({ decision, result, detail }: Outcome): void {
    if (result === "failed") this.log.error({ detail }, describe(decision));
    else if (decision.kind === "baseline")
      this.log.debug({ site: decision.site, sources: decision.sources }, "baseline recalculated");
    else this.log.warn(result === "dry-run" ? { dryRun: true } : {}, describe(decision));
  }
}

function describe(decision: Decision): string {
  switch (decision.kind) {
    case "ban":
      return printable(`ban ${decision.ban.source} for ${banLengthText(decision.ban)}: ${causeText(decision.ban)}`);
    case "unban":
      return `unban ${decision.ban.source}: ${decision.why}`;
    case "alert":
      return alertText(decision.alert);
    case "baseline":
      return "baseline recalculated";
    default:
      return decision satisfies never;
  }
}
