/** Puts the parts' states together into the one SystemStatus that dashboard, API and command line read. */
import { hostname } from "node:os";
import type { AuditWriter } from "../audit/writer.ts";
import type { Outcome } from "../decision.ts";
import type { DropCounter } from "../firewall/firewall.ts";
import { healthChecks } from "../health.ts";
import type { HostSampler } from "../host/procfs.ts";
import type { NotifyQueue } from "../notify/queue.ts";
import type { StoreStatus } from "../state/store.ts";
import type { HostStatus, LogStatus, SystemStatus } from "../status.ts";
import { VERSION_TEXT } from "../version.ts";
import type { Enforcement, Onlooker } from "./enforcement.ts";
import type { Ground } from "./ground.ts";
import type { Reading } from "./reading.ts";
import { withOutcome } from "./recent.ts";

/** Whose states are put together. */
export interface SystemParts {
  readonly ground: Pick<Ground, "clock" | "engine" | "settings">;
  readonly enforcement: Pick<Enforcement, "gate" | "worker" | "effects" | "reconciler">;
  readonly audit: AuditWriter;
  readonly memory: { status(): StoreStatus };
  readonly queue: NotifyQueue;
  readonly sampler: HostSampler;
  readonly reading: Pick<Reading, "tail" | "pump" | "isBehind">;
}

const MOST_SAMPLES = 120;
/** The status is put together at most this often, however many ask. */
const FRESH_MS = 500;

/** Beside what each part says of itself: the last outcomes, and how the host was of late. */
export class SystemView implements Onlooker {
  readonly #hostname = hostname();
  readonly #startedAt: number;
  #outcomes: readonly Outcome[] = [];
  #samples: { at: number; cpu: number; memory: number }[] = [];
  #host: HostStatus;
  #counters: readonly DropCounter[] = [];
  #reconcileError: string | null = null;
  #cached: { at: number; status: SystemStatus } | null = null;

  constructor(private readonly parts: SystemParts) {
    this.#startedAt = parts.ground.clock.now();
    this.#host = parts.sampler.sample(this.#startedAt);
  }

  /** Remembers an outcome for the audit tail of the dashboard. */
  note(outcome: Outcome): void {
    this.#outcomes = withOutcome(this.#outcomes, outcome);
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
    const now = this.parts.ground.clock.now();
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
    this.#counters = await this.parts.enforcement.worker.exclusive((firewall) => firewall.counters());
  }

  status(): SystemStatus {
    const now = this.parts.ground.clock.now();
    if (this.#cached === null || now - this.#cached.at >= FRESH_MS)
      this.#cached = { at: now, status: this.#assemble(now) };
    return this.#cached.status;
  }

  #assemble(now: number): SystemStatus {
    const { audit, queue, memory } = this.parts;
    const { clock, engine, settings } = this.parts.ground;
    const { gate, effects, reconciler } = this.parts.enforcement;
    const { tail, isBehind } = this.parts.reading;
    const info = gate.info();
    const slack = queue.status();
    const log = this.#log();
    const state = engine.status();
    return {
      version: VERSION_TEXT,
      hostname: this.#hostname,
      at: now,
      startedAt: this.#startedAt,
      armsAt: settings.armsAt,
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
        mended: reconciler.mended,
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
          lastError: tail.status().lastError,
          isBehind,
          aheadMs: clock.aheadMs,
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
        state: memory.status(),
      }),
      allowlistRanges: engine.allowlistSize,
      outcomes: this.#outcomes,
    };
  }

  #log(): LogStatus {
    const { reading } = this.parts;
    const tail = reading.tail.status();
    const pump = reading.pump.status();
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
