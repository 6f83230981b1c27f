/** Puts the parts' states together into the one SystemStatus that dashboard, API and command line read. */
import type { Tail } from "../accesslog/tail.ts";
import type { AuditWriter } from "../audit/writer.ts";
import type { Clock } from "../clock.ts";
import type { Outcome } from "../decision.ts";
import type { Effects } from "../effects.ts";
import type { Engine } from "../engine.ts";
import type { DropCounter, Firewall } from "../firewall/firewall.ts";
import type { FirewallWorker } from "../firewall/worker.ts";
import { healthChecks } from "../health.ts";
import type { HostSampler } from "../host/procfs.ts";
import type { NotifyQueue } from "../notify/queue.ts";
import type { PumpStatus } from "../pump.ts";
import type { StoreStatus } from "../state/store.ts";
import type { HostStatus, LogStatus, SystemStatus } from "../status.ts";

export interface SystemParts {
  readonly clock: Clock;
  readonly hostname: string;
  readonly version: string;
  readonly armsAt: () => number | null;
  readonly engine: Engine;
  readonly effects: Effects;
  readonly firewall: Firewall;
  readonly worker: FirewallWorker;
  readonly audit: AuditWriter;
  readonly memory: { status(): StoreStatus };
  readonly queue: NotifyQueue;
  readonly sampler: HostSampler;
  readonly tail: () => ReturnType<Tail["status"]>;
  readonly pump: () => PumpStatus;
  /** See Reconciler.mended and LagWatch.isBehind. */
  readonly mended: () => number;
  readonly isBehind: () => boolean;
  /** See SteadyClock.aheadMs. */
  readonly aheadMs: () => number;
}

const MOST_OUTCOMES = 50;
const MOST_SAMPLES = 120;
/** The status is put together at most this often, however many ask. */
const FRESH_MS = 500;

export class SystemView {
  readonly #startedAt: number;
  #outcomes: Outcome[] = [];
  #samples: { at: number; cpu: number; memory: number }[] = [];
  #host: HostStatus;
  #counters: readonly DropCounter[] = [];
  #reconcileError: string | null = null;
  #cached: { at: number; status: SystemStatus } | null = null;

  constructor(private readonly parts: SystemParts) {
    this.#startedAt = parts.clock.now();
    this.#host = parts.sampler.sample(this.#startedAt);
  }

  /** Remembers an outcome for the audit tail of the dashboard. */
  note(outcome: Outcome): void {
    this.#outcomes.push(outcome);
    if (this.#outcomes.length > MOST_OUTCOMES) this.#outcomes.shift();
    this.#cached = null;
  }

  /** It acts or watches from now on: what is shown must not lag behind. */
  noteMode(): void {
    this.#cached = null;
  }

  /** What the last reconcile met; null when it went well. */
  noteReconcile(error: string | null): void {
    this.#reconcileError = error;
  }

  sample(): void {
    const now = this.parts.clock.now();
    this.#host = this.parts.sampler.sample(now);
    this.#samples.push({
      at: now,
      cpu: this.#host.cpu,
      memory: this.#host.memoryUsedBytes / Math.max(1, this.#host.memoryTotalBytes),
    });
    if (this.#samples.length > MOST_SAMPLES) this.#samples.shift();
  }

  /** Asks the firewall what it has dropped. */
  async refreshCounters(): Promise<void> {
    this.#counters = await this.parts.worker.exclusive((firewall) => firewall.counters());
  }

  status(): SystemStatus {
    const now = this.parts.clock.now();
    if (this.#cached === null || now - this.#cached.at >= FRESH_MS)
      this.#cached = { at: now, status: this.#assemble(now) };
    return this.#cached.status;
  }

  #assemble(now: number): SystemStatus {
    const { engine, effects, firewall, audit, queue } = this.parts;
    const info = firewall.info();
    const slack = queue.status();
    const log = this.#log();
    const state = engine.status();
    return {
      version: this.parts.version,
      hostname: this.parts.hostname,
      at: now,
      startedAt: this.#startedAt,
      armsAt: this.parts.armsAt(),
      engine: state,
      log,
      host: this.#host,
      hostHistory: this.#samples.slice(),
      firewall: {
        backend: info.backend,
        hooks: info.hooks,
        entries: info.entries,
        droppedPackets: this.#counters.reduce((sum, counter) => sum + counter.packets, 0),
        droppedBytes: this.#counters.reduce((sum, counter) => sum + counter.bytes, 0),
        droppedBySource: Object.fromEntries(this.#counters.map((counter) => [counter.source, counter.packets])),
        mended: this.parts.mended(),
      },
      slack: {
        configured: slack.state !== "off",
        queued: slack.queued,
        sent: slack.sent,
        failed: slack.failed,
        lastSentAt: slack.lastSentAt,
      },
      auditPath: audit.path,
      health: healthChecks({
        now,
        startedAt: this.#startedAt,
        log: {
          ...log,
          lastError: this.parts.tail().lastError,
          isBehind: this.parts.isBehind(),
          aheadMs: this.parts.aheadMs(),
        },
        firewall: {
          ...info,
          bans: state.bans.length,
          failing: effects.failing,
          proof: effects.proof,
          reconcileError: this.#reconcileError,
        },
        slack,
        audit: audit.status(),
        state: this.parts.memory.status(),
      }),
      allowlistRanges: engine.allowlistSize,
      outcomes: this.#outcomes.slice(),
    };
  }

  #log(): LogStatus {
    const tail = this.parts.tail();
    const pump = this.parts.pump();
    return {
      path: tail.path,
      open: tail.open,
      lines: tail.lines,
      bytes: tail.bytes,
      rotations: tail.rotations,
      truncations: tail.truncations,
      oversized: tail.oversized,
      failures: pump.failures,
      failureSample: pump.failureSample,
      unreadBytes: tail.unreadBytes,
      newestAt: pump.newestAt,
    };
  }
}
