/** Composition root of the daemon: build, start in order, stop in reverse order. */
import { hostname } from "node:os";
import { createParser } from "../accesslog/parse.ts";
import { Tail } from "../accesslog/tail.ts";
import { Arming, type ArmingMemory, type Mode } from "../arming.ts";
import { bannedKey, recentBans } from "../audit/recent.ts";
import { AuditWriter } from "../audit/writer.ts";
import { type CommandIo, EXIT, type ParsedArgs } from "../cli/command.ts";
import { requireConfig } from "../cli/configuration.ts";
import { printable } from "../cli/terminal.ts";
import { loadConfig } from "../config/load.ts";
import { readPasswordFile } from "../config/password-file.ts";
import { problemLines } from "../config/problem.ts";
import { type Config, parseListen } from "../config/schema.ts";
import { readWebhook } from "../config/webhook.ts";
import { ControlError, createControlServer } from "../control/server.ts";
import { Login } from "../dashboard/login.ts";
import { createDashboard } from "../dashboard/server.ts";
import type { Ban, Decision, Outcome } from "../decision.ts";
import { Effects } from "../effects.ts";
import { Engine } from "../engine.ts";
import { createFirewall } from "../firewall/create.ts";
import { createExec } from "../firewall/exec.ts";
import { FirewallError } from "../firewall/firewall.ts";
import { FirewallGate } from "../firewall/gate.ts";
import { SnapshotWriter } from "../firewall/snapshots.ts";
import { FirewallWorker } from "../firewall/worker.ts";
import { createServiceNotifier, type ServiceNotifier } from "../host/notify-socket.ts";
import { createHostSampler } from "../host/procfs.ts";
import { readProtected } from "../host/protected.ts";
import { readSshPorts } from "../host/ssh.ts";
import { LagWatch } from "../lag.ts";
import { createPolicy, DEFAULT_POLICY } from "../notify/policy.ts";
import { NotifyQueue } from "../notify/queue.ts";
import { createSlackNotifier } from "../notify/slack.ts";
import { createTeller } from "../notify/teller.ts";
import { Pump } from "../pump.ts";
import { armingPath, readArming, writeArming } from "../state/arming-file.ts";
import { SteadyClock } from "../steady-clock.ts";
import { VERSION_TEXT } from "../version.ts";
import { alertText, banLengthText, causeText } from "../wording.ts";
import { createControlTarget } from "./control-target.ts";
import { Lifecycle } from "./lifecycle.ts";
import { createLogger, type Logger } from "./logger.ts";
import { Memory } from "./memory.ts";
import { ModeSwitch } from "./mode-switch.ts";
import { Reconciler } from "./reconciler.ts";
import { serviceStatusLine } from "./service-status.ts";
import { SystemView } from "./system-view.ts";

/** How often the clock moves event time while the log is silent, and how far behind the wall clock it stays. */
const TICK_MS = 200;
/** Lines reach us a little after their time (write, poll); ticking right behind the wall clock would move them forward. */
const TICK_LAG_MS = 1000;
const SAMPLE_MS = 3000;
/** How often it is asked whether the log is read in time. */
const LAG_LOOK_MS = 1000;
/** How soon after its time `detection.arm_after` arms. */
const ARMING_MS = 1000;
/** How often `systemctl status` gets a new line. */
const SERVICE_STATUS_MS = 5000;
/** How often what was learned is written; a crash costs no more than reading the lines since then again. */
const SAVE_MS = 1000;
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
  readonly #clock: SteadyClock;
  readonly #lifecycle: Lifecycle;
  readonly #engine: Engine;
  #firewall!: FirewallGate;
  #arming!: Arming;
  #modes!: ModeSwitch;
  #worker!: FirewallWorker;
  #effects!: Effects;
  #reconciler!: Reconciler;
  readonly #lag = new LagWatch();
  #memory!: Memory;
  #audit!: AuditWriter;
  #queue!: NotifyQueue;
  #tail!: Tail;
  #pump!: Pump;
  #view!: SystemView;
  #login: Login | null = null;
  #service!: ServiceNotifier;

  constructor(
    private config: Config,
    private readonly configPath: string | null,
    private readonly io: CommandIo,
    private readonly log: Logger,
  ) {
    this.#clock = new SteadyClock(io.clock);
    this.#engine = new Engine(config);
    this.#lifecycle = new Lifecycle((part, error) =>
      log.error({ part, error: String(error) }, "could not stop cleanly"),
    );
  }

  async start(): Promise<void> {
    const clock = this.#clock;
    this.#service = createServiceNotifier(this.io.env);
    this.#engine.setWall(clock.now());
    this.#startArming();
    await this.#openMemory();
    await this.#startRecords();
    await this.#startFirewall();
    this.#view = this.#createView();
    await this.#restoreBans();
    await this.#startControl();
    await this.#startDashboard();
    await this.#startTail();
    this.#every("tick", TICK_MS, () => this.#tick());
    this.#every("save", SAVE_MS, () => this.#memory.save());
    this.#every("host", SAMPLE_MS, () => this.#view.sample());
    this.#every("arming", ARMING_MS, () => void this.#modes.follow("detection.arm_after"));
    this.#every("reconcile", this.config.firewall.reconcile_every, () => this.#reconciler.look());
    this.#every("lag", LAG_LOOK_MS, () => this.#watchLag());
    const { log, detection, firewall } = this.config;
    const info = this.#firewall.info();
    this.log.info(
      {
        version: VERSION_TEXT,
        log: log.path,
        profile: detection.profile,
        mode: detection.mode,
        armsAt: this.#armsAtText(),
        backend: info.backend,
        hooks: info.hooks,
        asked: firewall.backend,
      },
      "started",
    );
    this.#startService();
  }

  /** Ready, alive, and how it is: for systemd, where it is the one who started us. */
  #startService(): void {
    const { watchdogEveryMs } = this.#service;
    const tell = () => this.#service.status(serviceStatusLine(this.#view.status()));
    tell();
    this.#service.ready();
    this.#every("service status", SERVICE_STATUS_MS, tell);
    if (watchdogEveryMs !== null) this.#every("watchdog", watchdogEveryMs, () => this.#service.watchdog());
  }

  stop(): Promise<void> {
    this.#service?.stopping();
    return this.#lifecycle.stop(STOP_DEADLINE_MS);
  }

  /** Resolves with the name of the signal that asks for the end; SIGHUP reloads meanwhile. */
  untilSignal(): Promise<NodeJS.Signals> {
    process.on("SIGHUP", () => void this.#reloadAsService());
    return new Promise((resolve) => {
      process.once("SIGTERM", resolve);
      process.once("SIGINT", resolve);
    });
  }

  /** Whether we act or watch, by the configuration and what a person said before the restart. */
  #startArming(): void {
    const now = this.#clock.now();
    const path = armingPath(this.config.state.path);
    this.#arming = new Arming(this.config.detection, readArming(path, now));
    if (this.config.detection.arm_after > 0) this.#saveArming(this.#arming.memory);
    this.#applyMode(this.#arming.mode(now));
  }

  #saveArming(memory: ArmingMemory): void {
    const path = armingPath(this.config.state.path);
    const error = writeArming(path, memory);
    if (error !== null)
      this.log.error({ path, error: error.message }, "a restart will not remember whether it is armed");
  }

  #applyMode(mode: Mode): void {
    this.config = { ...this.config, detection: { ...this.config.detection, mode } };
    this.#engine.configure(this.config, (decision) => this.#effects.submit(decision));
  }

  #armsAtText(): string | undefined {
    const at = this.#arming.armsAt(this.#clock.now());
    return at === null ? undefined : new Date(at).toISOString();
  }

  /** First to open and last to close: everything else may have something to remember. */
  async #openMemory(): Promise<void> {
    this.#memory = new Memory({ path: this.config.state.path, clock: this.#clock, engine: this.#engine });
    await this.#lifecycle.start(
      "state",
      () => {},
      () => this.#memory.close(),
    );
    const { lastError, setAside } = this.#memory.status();
    if (setAside !== null) this.log.error(setAside, "the state file cannot be used; moved aside, begun anew");
    if (lastError !== null) this.log.error({ error: lastError }, "nothing will be remembered until this is mended");
  }

  /** Audit log and Slack: they outlive everything that has something to say. */
  async #startRecords(): Promise<void> {
    const clock = this.#clock;
    this.#audit = new AuditWriter(this.config.audit.path, clock);
    await this.#lifecycle.start(
      "audit",
      () => this.#audit.start(),
      () => this.#audit.stop(),
    );
    const settings = { maxQueued: this.config.slack.queue, minIntervalMs: 1000, hostname: hostname() };
    this.#queue = new NotifyQueue(null, settings, clock);
    await this.#findSlack();
    this.#queue.restore(this.#memory.outbox);
    await this.#lifecycle.start(
      "slack",
      () => this.#queue.start(),
      () => this.#queue.stop(LAST_MESSAGES_MS),
    );
  }

  async #startFirewall(): Promise<void> {
    const clock = this.#clock;
    const { firewall, detection } = this.config;
    const exec = createExec({ timeoutMs: firewall.timeout });
    const sparePorts = firewall.spare_ports ?? readSshPorts();
    const { backend, hooks } = firewall;
    const now = () => clock.now();
    this.#firewall = new FirewallGate(() => createFirewall({ backend, hooks, sparePorts }, exec, now), hooks, now);
    if (detection.mode === "enforce") await this.#firewall.open();
    else await this.#clearFirewall();
    this.#worker = new FirewallWorker(this.#firewall, clock, (result) => this.#effects.onResult(result));
    const teller = createTeller({
      policy: createPolicy({ ...DEFAULT_POLICY, repeatMs: detection.global.repeat_every }),
      queue: this.#queue,
      clock,
      hostname: hostname(),
    });
    const snapshots = this.#createSnapshots();
    this.#effects = new Effects({
      clock,
      worker: this.#worker,
      journal: this.#memory.journal,
      sinks: [
        (outcome) => this.#engine.settle(outcome),
        this.#memory.sink,
        (outcome) => this.#view.note(outcome),
        (outcome) => this.#audit.write(outcome),
        (outcome) => teller.tell(outcome),
        (outcome) => this.#logOutcome(outcome),
        (outcome) => snapshots?.(outcome),
      ],
      onEscalated: () => {
        this.#engine.restartProof(clock.now());
        void this.#reconciler.now();
      },
    });
    this.#reconciler = new Reconciler({
      clock,
      engine: this.#engine,
      worker: this.#worker,
      effects: this.#effects,
      isDryRun: () => this.#firewall.info().backend === "dry-run",
      protect: () => this.#protect(),
      done: (error) => this.#reconciled(error),
    });
    this.#modes = new ModeSwitch({
      clock,
      arming: this.#arming,
      gate: this.#firewall,
      worker: this.#worker,
      engine: this.#engine,
      effects: this.#effects,
      apply: (mode) => {
        this.#applyMode(mode);
        this.#view.noteMode();
      },
      save: (memory) => this.#saveArming(memory),
      log: this.log,
    });
    await this.#lifecycle.start(
      "teller",
      () => teller.start(),
      () => teller.stop(),
    );
    await this.#lifecycle.start(
      "firewall",
      () => {},
      () => this.#stopFirewall(),
    );
  }

  /** Who only watches must not go on dropping what an earlier run banned. Without a firewall there is nothing to drop. */
  async #clearFirewall(): Promise<void> {
    try {
      await this.#firewall.clear();
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error;
      this.log.info({ cause: error.message }, "no firewall here; it only watches");
    }
  }

  /** Bans of the last run come back in one bulk, untold; what it decided and did not finish is done and told now. */
  async #restoreBans(): Promise<void> {
    if (this.#memory.isLost) await this.#adopt();
    else if (this.#engine.banCount > 0) this.log.info({ bans: this.#engine.banCount }, "remembered the bans");
    this.#protect();
    const audited = recentBans(this.config.audit.path);
    const isAudited = (ban: Ban) => audited.has(bannedKey(ban.since, ban.source));
    for (const outcome of this.#memory.unaudited(isAudited)) this.#audit.write(outcome);
    for (const decision of this.#memory.unfinished(this.#firewall.isOpen)) this.#effects.submit(decision);
    await this.#reconciler.now();
  }

  /** Bans the kernel still holds from an earlier run stay, and end on time. */
  async #adopt(): Promise<void> {
    const now = this.#clock.now();
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
  }

  async #stopFirewall(): Promise<void> {
    await this.#worker.stop();
    if (this.config.firewall.flush_on_exit) await this.#firewall.remove();
  }

  #createSnapshots(): ((outcome: Outcome) => void) | null {
    const { snapshot_dir, snapshots_kept } = this.config.firewall;
    if (snapshot_dir === "") return null;
    const writer = new SnapshotWriter({ directory: snapshot_dir, kept: snapshots_kept }, this.#clock, () =>
      this.#worker.exclusive((firewall) => firewall.snapshot()),
    );
    return ({ decision, result }) => {
      if (result !== "done" || (decision.kind !== "ban" && decision.kind !== "unban")) return;
      writer.note(decision.kind === "ban" ? "BAN" : "UNBAN", decision.ban.source);
    };
  }

  #createView(): SystemView {
    return new SystemView({
      clock: this.#clock,
      hostname: hostname(),
      version: VERSION_TEXT,
      armsAt: () => this.#arming.armsAt(this.#clock.now()),
      engine: this.#engine,
      effects: this.#effects,
      firewall: this.#firewall,
      worker: this.#worker,
      audit: this.#audit,
      memory: this.#memory,
      queue: this.#queue,
      sampler: createHostSampler(),
      tail: () => this.#tail.status(),
      pump: () => this.#pump.status(),
      mended: () => this.#reconciler.mended,
      isBehind: () => this.#lag.isBehind,
      aheadMs: () => this.#clock.aheadMs,
    });
  }

  async #startControl(): Promise<void> {
    const target = createControlTarget({
      clock: this.#clock,
      engine: this.#engine,
      effects: this.#effects,
      status: () => this.#view.status(),
      setMode: ({ mode, by }) => this.#modes.say(mode, by),
      reconcile: () => this.#reconciler.now(),
    });
    const control = createControlServer(target, this.config.control.socket);
    await this.#lifecycle.start(
      "control",
      () => control.start(),
      () => control.stop(),
    );
  }

  async #startDashboard(): Promise<void> {
    const { enabled, listen, allowed_hosts, password_file } = this.config.dashboard;
    if (!enabled) return;
    const password = await readPasswordFile(password_file);
    // Without the login that was asked for, the page would be open to everybody.
    if (password.kind === "problem")
      throw new Error(`dashboard.password_file ${password.from} ${password.message} (${password.hint})`);
    const clock = this.#clock;
    this.#login = password.kind === "hash" ? new Login({ hash: password.hash, clock, log: this.log }) : null;
    const dashboard = createDashboard({
      status: () => this.#view.status(),
      listen: parseListen(listen)!,
      allowedHosts: allowed_hosts,
      login: this.#login,
      log: this.log,
      clock,
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
    this.#pump = new Pump(this.#engine, createParser({ fields: log.fields }), this.#effects.submit, {
      onRecord,
      aheadMs: () => this.#clock.aheadMs,
    });
    this.#tail = new Tail(
      log.path,
      {
        pollMs: log.poll,
        maxLineBytes: log.max_line_bytes,
        start: log.start,
        resume: this.#memory.resume(log.path, createParser({ fields: log.fields })),
      },
      this.#clock,
      (buffer, start, end) => {
        this.#engine.setWall(this.#clock.now());
        const from = this.#memory.window(buffer, start, end);
        if (from < end) this.#pump.window(buffer, from, end);
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
    this.#memory.watch({ tail: this.#tail, queue: this.#queue });
  }

  /** Event time moves by the log while there is log to read, by the clock when it is silent. */
  #tick(): void {
    const now = this.#clock.now();
    this.#engine.setWall(now);
    if (this.#tail.status().unreadBytes > 0) return;
    this.#memory.caughtUp();
    // Remembered from before the clock was set back. A line may be ahead by the tolerance; what is more is not a line's doing.
    if (this.#engine.now > now + this.config.log.future_tolerance) this.#clock.notBefore(this.#engine.now);
    this.#pump.tick(now - TICK_LAG_MS);
  }

  /** After each comparison of kernel and ledger. */
  async #reconciled(error: string | null): Promise<void> {
    this.#view.noteReconcile(error);
    if (error !== null) return;
    this.#memory.confirm(this.#effects, this.#firewall.info().backend === "dry-run");
    await this.#view.refreshCounters();
  }

  #watchLag(): void {
    const now = this.#clock.now();
    const alert = this.#lag.note(this.#tail.status().unreadBytes, this.#pump.status().newestAt, now);
    if (alert !== null) this.#effects.submit({ kind: "alert", at: now, alert });
  }

  #protect(): void {
    this.#engine.protect(readProtected("/proc", readSshPorts()), this.#effects.submit);
  }

  /** A webhook that is to be there but cannot be read is mended by a reload; until then messages wait. */
  async #findSlack(): Promise<void> {
    const result = await readWebhook(this.config, this.io.env);
    switch (result.kind) {
      case "webhook":
        return this.#queue.resume(
          createSlackNotifier(result.webhook.reveal(), { timeoutMs: this.config.slack.timeout }),
        );
      case "none":
        return this.#queue.resume(null);
      case "problem":
        return this.#queue.suspend(`${result.from} ${result.message} (${result.hint})`);
      default:
        result satisfies never;
    }
  }

  /** systemd counts the reload as done when we are ready again, well or ill. */
  async #reloadAsService(): Promise<void> {
    this.#service.reloading();
    try {
      await this.#reload();
    } finally {
      this.#service.ready();
    }
  }

  /** Takes the configuration file anew; a bad one changes nothing. Windows, baseline and bans stay. */
  async #reload(): Promise<void> {
    await this.#audit.reopen();
    await this.#reloadPassword();
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
    const said = this.#arming.memory;
    this.#arming.configure(result.config.detection);
    if (this.#arming.memory !== said) this.#saveArming(this.#arming.memory);
    await this.#modes.follow("configuration");
    this.log.level = result.config.logging.level;
    await this.#findSlack();
    this.log.info("configuration reloaded");
    if (needsRestart)
      this.log.warn(
        "changes to log, firewall, audit, state, dashboard, control or detection.max_sources take a restart",
      );
  }

  /** Another password in the file signs everybody out; a file that cannot be read leaves the one in force. */
  async #reloadPassword(): Promise<void> {
    if (this.#login === null) return;
    const password = await readPasswordFile(this.config.dashboard.password_file);
    if (password.kind === "hash") this.#login.changePassword(password.hash);
    else if (password.kind === "problem")
      this.log.error(
        { cause: `${password.from} ${password.message}` },
        "the dashboard's new password cannot be used; the one in force stays",
      );
  }

  #every(name: string, periodMs: number, run: () => void): void {
    const cancel = this.#clock.every(periodMs, run);
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
