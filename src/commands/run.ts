/** Composition root of the daemon: builds its parts, starts them in order, stops them in reverse order. */
import { type CommandIo, EXIT, type ParsedArgs } from "../cli/command.ts";
import { requireConfig } from "../cli/configuration.ts";
import { printable } from "../cli/terminal.ts";
import type { Config } from "../config/schema.ts";
import { ControlError, requireAlone } from "../control/server.ts";
import { startControl } from "../daemon/control.ts";
import { type Enforcement, startEnforcement } from "../daemon/enforcement.ts";
import { every, type Ground } from "../daemon/ground.ts";
import { Lifecycle } from "../daemon/lifecycle.ts";
import { createLogger, type Logger } from "../daemon/logger.ts";
import { Memory } from "../daemon/memory.ts";
import { startPage } from "../daemon/page.ts";
import { Reading } from "../daemon/reading.ts";
import { startAudit, startSlack } from "../daemon/records.ts";
import { reload } from "../daemon/reload.ts";
import { restoreBans } from "../daemon/restoration.ts";
import { startService } from "../daemon/service.ts";
import { Settings } from "../daemon/settings.ts";
import { SystemView } from "../daemon/system-view.ts";
import { Engine } from "../engine.ts";
import { FirewallError, type FirewallInfo } from "../firewall/firewall.ts";
import { DescriptorReserve } from "../host/descriptors.ts";
import { createServiceNotifier, type ServiceNotifier } from "../host/notify-socket.ts";
import { createHostSampler } from "../host/procfs.ts";
import { SteadyClock } from "../steady-clock.ts";
import { VERSION_TEXT } from "../version.ts";

/** How often the clock moves event time while the log is silent. */
const TICK_MS = 200;
/** How often it is looked whether descriptors are left. */
const DESCRIPTORS_MS = 200;
/** How often what was learned is written; a crash costs no more than reading the lines since then again. */
const SAVE_MS = 1000;
/** How often processor and memory are measured. */
const SAMPLE_MS = 3000;
/** How soon after its time `detection.arm_after` arms. */
const ARMING_MS = 1000;
/** How often it is asked whether the log is read in time. */
const LAG_LOOK_MS = 1000;
/** What has not stopped by then is left: a stop takes less than 5 s. */
const STOP_DEADLINE_MS = 4500;

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

/** What is looked after at fixed intervals. */
interface Timed {
  readonly memory: Memory;
  readonly enforcement: Enforcement;
  readonly view: SystemView;
  readonly reading: Reading;
}

class Daemon {
  readonly #lifecycle: Lifecycle;
  #service: ServiceNotifier | null = null;
  #reload: () => Promise<void> = async () => {};

  constructor(
    private readonly config: Config,
    private readonly configPath: string | null,
    private readonly io: CommandIo,
    private readonly log: Logger,
  ) {
    this.#lifecycle = new Lifecycle((part, error) =>
      log.error({ part, error: String(error) }, "could not stop cleanly"),
    );
  }

  /** A start, from what an earlier run knew to the first new line of the log (docs/reliability.md); a stop goes back up. */
  async start(): Promise<void> {
    const service = createServiceNotifier(this.io.env);
    this.#service = service;
    // Before anything is opened that a running one writes to.
    await requireAlone(this.config.control.socket);
    const ground = this.#ground();
    // First to open and last to close: everything else may have something to remember.
    const memory = this.#openMemory(ground);
    // They outlive everything that has something to say.
    const audit = await startAudit(ground);
    const queue = await startSlack(ground, memory.outbox);
    const enforcement = await startEnforcement(ground, { memory, audit, queue, view: () => view });
    // It knows its place from here on, so that whoever asks early gets an answer.
    const reading = new Reading(ground, memory, enforcement.effects.submit);
    const sampler = createHostSampler();
    const view = new SystemView({ ground, enforcement, memory, audit, queue, sampler, reading });
    const status = () => view.status();
    // The kernel holds what the ledger says before anybody can ask, and before a line is read.
    await restoreBans(ground, { memory, audit, enforcement });
    const history = memory.history.bind(memory);
    const login = await startPage(ground, { status, history });
    // Who answers there has started: whatever can be wrong with the configuration has been found by now.
    await startControl(ground, enforcement, status);
    // From here on time moves: by the log, by the clock where it is silent.
    await reading.start();
    memory.watch({ tail: reading.tail, queue });

    this.#startTimers(ground, { memory, enforcement, view, reading });
    const { configPath } = this;
    this.#reload = () => reload(ground, { configPath, service, audit, queue, login, enforcement });
    this.#logStart(ground.settings, enforcement.gate.info());
    startService(ground, service, status);
  }

  stop(): Promise<void> {
    this.#service?.stopping();
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

  /** Time, the settings in their mode, and a core that knows both. */
  #ground(): Ground {
    const { log, io } = this;
    const clock = new SteadyClock(io.clock);
    const settings = new Settings({ config: this.config, clock, log });
    const engine = new Engine(settings.config);
    engine.setWall(clock.now());
    const descriptors = new DescriptorReserve((count) =>
      log.error({ count }, "no file descriptors left; all connections to dashboard and control socket closed"),
    );
    return { clock, engine, settings, lifecycle: this.#lifecycle, descriptors, log, env: io.env };
  }

  #openMemory({ clock, engine, settings }: Ground): Memory {
    const memory = new Memory({ path: settings.config.state.path, clock, engine });
    this.#lifecycle.hold("state", () => memory.close());
    const { lastError, setAside } = memory.status();
    if (setAside !== null) this.log.error(setAside, "the state file cannot be used; moved aside, begun anew");
    if (lastError !== null) this.log.error({ error: lastError }, "nothing will be remembered until this is mended");
    return memory;
  }

  #startTimers(ground: Ground, { memory, enforcement, view, reading }: Timed): void {
    const { modes, reconciler } = enforcement;
    const { reconcile_every } = ground.settings.config.firewall;
    every(ground, "tick", TICK_MS, () => reading.tick());
    every(ground, "descriptors", DESCRIPTORS_MS, () => ground.descriptors.look());
    every(ground, "save", SAVE_MS, () => memory.save());
    every(ground, "host", SAMPLE_MS, () => view.sample());
    every(ground, "arming", ARMING_MS, () => void modes.follow("detection.arm_after"));
    every(ground, "reconcile", reconcile_every, () => reconciler.look());
    every(ground, "lag", LAG_LOOK_MS, () => reading.watchLag());
  }

  #logStart({ config, armsAt }: Settings, { backend, hooks }: FirewallInfo): void {
    const { log, detection, firewall } = config;
    this.log.info(
      {
        version: VERSION_TEXT,
        log: log.path,
        profile: detection.profile,
        mode: detection.mode,
        armsAt: armsAt === null ? undefined : new Date(armsAt).toISOString(),
        backend,
        hooks,
        asked: firewall.backend,
      },
      "started",
    );
  }
}
