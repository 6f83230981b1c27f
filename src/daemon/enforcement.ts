/** From a decision to the kernel and back as an outcome: the firewall, its one writer, and who compares and switches. */
import { hostname } from "node:os";
import type { AuditWriter } from "../audit/writer.ts";
import type { Outcome } from "../decision.ts";
import { Effects } from "../effects.ts";
import { createFirewall } from "../firewall/create.ts";
import { createExec } from "../firewall/exec.ts";
import { FirewallError } from "../firewall/firewall.ts";
import { FirewallGate } from "../firewall/gate.ts";
import { SnapshotWriter } from "../firewall/snapshots.ts";
import { FirewallWorker } from "../firewall/worker.ts";
import { readProtected } from "../host/protected.ts";
import { readSshPorts } from "../host/ssh.ts";
import { createPolicy, DEFAULT_POLICY } from "../notify/policy.ts";
import type { NotifyQueue } from "../notify/queue.ts";
import { createTeller, type Teller } from "../notify/teller.ts";
import type { Ground } from "./ground.ts";
import type { Memory } from "./memory.ts";
import { ModeSwitch } from "./mode-switch.ts";
import { logOutcome } from "./outcome-log.ts";
import { Reconciler } from "./reconciler.ts";

/** Who shows what was done. */
export interface Onlooker {
  note(outcome: Outcome): void;
  /** It acts or watches from now on. */
  noteMode(): void;
  /** What the last comparison met; null when it went well. */
  noteReconcile(error: string | null): void;
  refreshCounters(): Promise<void>;
}

/** Who hears of outcomes, besides engine and log. */
export interface EnforcementParts {
  readonly memory: Memory;
  readonly audit: AuditWriter;
  readonly queue: NotifyQueue;
  /** Made after this, of this; asked for only once decisions come. */
  readonly view: () => Onlooker;
}

/** What bans, compares and switches; all of it through one worker. */
export interface Enforcement {
  readonly gate: FirewallGate;
  readonly worker: FirewallWorker;
  readonly effects: Effects;
  readonly reconciler: Reconciler;
  readonly modes: ModeSwitch;
  /** Tells the engine what the host must not lose; bans that would are lifted. */
  readonly protect: () => void;
}

/** Throws FirewallError when it is to act and no firewall works here. */
export async function startEnforcement(ground: Ground, parts: EnforcementParts): Promise<Enforcement> {
  const { clock, engine, settings, lifecycle, log } = ground;
  const { memory, audit, queue, view } = parts;
  const gate = await openGate(ground);
  const teller = await startTeller(ground, queue);
  const worker = new FirewallWorker(gate, clock, (result) => effects.onResult(result));
  const snapshot = createSnapshots(ground, worker);
  const isDryRun = () => gate.info().backend === "dry-run";
  const protect = () => engine.protect(readProtected("/proc", readSshPorts()), effects.submit);

  const effects = new Effects({
    clock,
    worker,
    journal: memory.journal,
    sinks: [
      (outcome) => engine.settle(outcome),
      memory.sink,
      (outcome) => view().note(outcome),
      (outcome) => audit.write(outcome),
      (outcome) => teller.tell(outcome),
      (outcome) => logOutcome(log, outcome),
      snapshot,
    ],
    onEscalated: () => {
      engine.restartProof(clock.now());
      void reconciler.now();
    },
  });

  const reconciler = new Reconciler({
    clock,
    engine,
    worker,
    effects,
    isDryRun,
    protect,
    done: async (error) => {
      view().noteReconcile(error);
      if (error !== null) return;
      memory.confirm(effects, isDryRun());
      await view().refreshCounters();
    },
  });

  const modes = createModes(ground, { gate, worker, effects }, view);
  lifecycle.hold("firewall", async () => {
    await worker.stop();
    if (settings.config.firewall.flush_on_exit) await gate.remove();
  });
  return { gate, worker, effects, reconciler, modes, protect };
}

/** Open when it is to act. Who only watches must not go on dropping what an earlier run banned. */
async function openGate({ clock, settings, descriptors, log }: Ground): Promise<FirewallGate> {
  const { backend, hooks, timeout, spare_ports } = settings.config.firewall;
  const exec = createExec({ timeoutMs: timeout, lend: descriptors.lend });
  const sparePorts = spare_ports ?? readSshPorts();
  const now = () => clock.now();
  const gate = new FirewallGate(() => createFirewall({ backend, hooks, sparePorts }, exec, now), hooks, now);
  if (settings.config.detection.mode === "enforce") {
    await gate.open();
    return gate;
  }
  try {
    await gate.clear();
  } catch (error) {
    if (!(error instanceof FirewallError)) throw error;
    // Without a firewall there is nothing that could drop.
    log.info({ cause: error.message }, "no firewall here; it only watches");
  }
  return gate;
}

async function startTeller({ clock, settings, lifecycle }: Ground, queue: NotifyQueue): Promise<Teller> {
  const policy = createPolicy({ ...DEFAULT_POLICY, repeatMs: settings.config.detection.global.repeat_every });
  const teller = createTeller({ policy, queue, clock, hostname: hostname() });
  await lifecycle.start(
    "teller",
    () => teller.start(),
    () => teller.stop(),
  );
  return teller;
}

/** Who switches sees to it that settings, engine and status are of one mode. */
function createModes(
  { clock, engine, settings, log }: Ground,
  { gate, worker, effects }: Pick<Enforcement, "gate" | "worker" | "effects">,
  view: () => Onlooker,
): ModeSwitch {
  return new ModeSwitch({
    clock,
    arming: settings.arming,
    gate,
    worker,
    engine,
    effects,
    apply: (mode) => {
      settings.setMode(mode);
      engine.configure(settings.config, effects.submit);
      view().noteMode();
    },
    save: (said) => settings.remember(said),
    log,
  });
}

/** Notes the rules after each ban and unban that was carried out, where `firewall.snapshot_dir` asks for it. */
function createSnapshots({ clock, settings }: Ground, worker: FirewallWorker): (outcome: Outcome) => void {
  const { snapshot_dir, snapshots_kept } = settings.config.firewall;
  if (snapshot_dir === "") return () => {};
  const writer = new SnapshotWriter({ directory: snapshot_dir, kept: snapshots_kept }, clock, () =>
    worker.exclusive((firewall) => firewall.snapshot()),
  );
  return ({ decision, result }) => {
    if (result !== "done" || (decision.kind !== "ban" && decision.kind !== "unban")) return;
    writer.note(decision.kind === "ban" ? "BAN" : "UNBAN", decision.ban.source);
  };
}
