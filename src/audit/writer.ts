/** The audit log on disk: PATH for people, PATH.jsonl for machines, one line each for every outcome. */
import type { Clock } from "../clock.ts";
import type { Outcome } from "../decision.ts";
import { AppendFile } from "./append.ts";
import { auditEvent } from "./event.ts";
import { auditJson } from "./json.ts";
import { auditFields, formatAuditLine } from "./line.ts";

/** How the audit log fares, since the start. */
export interface AuditStatus {
  /** Empty when no audit log is kept. */
  readonly path: string;
  /** Outcomes that stand in PATH. */
  readonly written: number;
  /** Attempts to open or write that failed, on either file. */
  readonly failed: number;
  /** Lines lost because the buffer was full, of either file. */
  readonly dropped: number;
  /** Lines waiting for the disk, of the file that is further behind. */
  readonly buffered: number;
  /** Why the last attempt failed; null once lines go through again. */
  readonly lastError: string | null;
}

/** How often a file in trouble is tried again. */
const RETRY_MS = 1000;
const MAX_BUFFERED = 5000;

/** Appends outcomes in order and never blocks or throws: trouble is counted, kept in memory and tried again. */
export class AuditWriter {
  readonly #files: readonly AppendFile[];
  #cancelRetry: (() => void) | null = null;

  /** An empty `path` keeps no log. At most `maxBuffered` lines per file wait for the disk; the oldest are dropped. */
  constructor(
    readonly path: string,
    readonly clock: Clock,
    maxBuffered = MAX_BUFFERED,
  ) {
    this.#files = path === "" ? [] : [path, `${path}.jsonl`].map((name) => new AppendFile(name, maxBuffered));
  }

  /** Opens the files, making the directory when it is missing; a failure shows in status() and is tried again. */
  async start(): Promise<void> {
    this.#cancelRetry = this.clock.every(RETRY_MS, () => void this.flush());
    await this.flush();
  }

  /** Accepts one outcome; it is on its way to the disk before the event loop's next turn ends. */
  write(outcome: Outcome): void {
    const [text, json] = this.#files;
    if (!text || !json) return;
    const event = auditEvent(outcome);
    text.append(formatAuditLine(auditFields(event)));
    json.append(auditJson(event));
  }

  /** Resolves when everything accepted so far is on its file, or an attempt has failed. */
  async flush(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.flush()));
  }

  /** Lets go of the files and opens the paths anew: for SIGHUP and logrotate. What waits goes to the old file if it can. */
  async reopen(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
    await this.flush();
  }

  /** Writes what can be written and closes the files. */
  async stop(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    await Promise.all(this.#files.map((file) => file.close()));
  }

  status(): AuditStatus {
    const states = this.#files.map((file) => file.status());
    return {
      path: this.path,
      written: states[0]?.written ?? 0,
      failed: states.reduce((sum, state) => sum + state.failed, 0),
      dropped: states.reduce((sum, state) => sum + state.dropped, 0),
      buffered: Math.max(0, ...states.map((state) => state.buffered)),
      lastError: states.find((state) => state.lastError !== null)?.lastError ?? null,
    };
  }
}
