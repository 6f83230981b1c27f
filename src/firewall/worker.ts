import type { Clock } from "../clock.ts";
import type { Source } from "../net/cidr.ts";
import { type Firewall, type FirewallEntry, FirewallError } from "./firewall.ts";
import { type Reconciliation, reconcile } from "./reconcile.ts";

/** What came of one submitted ban or unban. A failed one is retried and reported again when it is done. */
export interface WorkerResult {
  readonly source: Source;
  readonly action: "ban" | "unban";
  readonly result: "done" | "failed" | "dry-run";
  /** For a failure: operation, subject, cause and hint in one line. */
  readonly detail?: string;
}

/** The bounds of the queue; all have defaults. */
export interface WorkerSettings {
  /** Most jobs waiting, retries included; one more is refused as failed. Default 200,000. */
  readonly capacity?: number;
  /** Largest difference of a ban's end that reconcile leaves alone, in milliseconds. Default 5,000. */
  readonly toleranceMs?: number;
}

type Job = {
  readonly source: Source;
  attempts: number;
  /** The failure last reported, so that a repeat of it is not. */
  reported: string;
  /** Part of a reconcile: nobody waits to hear that it is done. */
  readonly quiet: boolean;
} & ({ readonly action: "ban"; readonly until: number | "permanent" } | { readonly action: "unban" });

/** What a reconcile found and put right. */
export interface Mending extends Reconciliation {
  /** Tables in which chain or hook had to be restored, since the last reconcile. */
  readonly repaired: number;
}

/** Waits before the second, third, … attempt, in milliseconds; the last one repeats. */
const RETRY_MS = [1_000, 2_000, 5_000] as const;

/**
 * The one writer of a Firewall. What is queued while a command runs goes out together in the next, in order
 * for each source. One bad entry does not spoil the others: a failed bulk is halved until it is found.
 */
export class FirewallWorker {
  /** Jobs refused because the queue was full, and attempts that failed. */
  refused = 0;
  failures = 0;
  #queue: Job[] = [];
  #tasks: (() => Promise<void>)[] = [];
  /** Failed jobs that wait for their next attempt; the newest word on a source replaces the older. */
  #delayed = new Map<Source, Job>();
  #running: Promise<void> | null = null;
  #stopping = new AbortController();
  /** Tables restored when a command had failed, not yet told by a reconcile. */
  #repaired = 0;

  constructor(
    private readonly firewall: Firewall,
    private readonly clock: Clock,
    private readonly onResult: (result: WorkerResult) => void,
    private readonly settings: WorkerSettings = {},
  ) {}

  /** Jobs that are not yet done, retries included. */
  get waiting(): number {
    return this.#queue.length + this.#delayed.size;
  }

  ban(entry: FirewallEntry): void {
    this.#submit(this.#banJob(entry, false));
  }

  unban(source: Source): void {
    this.#submit({ source, action: "unban", attempts: 0, reported: "", quiet: false });
  }

  /** Runs `task` when no other command runs. Repair, escalation and reconcile go this way. */
  exclusive<T>(task: (firewall: Firewall) => Promise<T>): Promise<T> {
    const done = Promise.withResolvers<T>();
    this.#tasks.push(() => task(this.firewall).then(done.resolve, done.reject));
    this.#wake();
    return done.promise;
  }

  /**
   * Repairs, then makes the kernel hold what is wanted; says what had to change. Throws FirewallError when it
   * cannot repair or look. Single entries that fail are reported and retried like submitted ones.
   */
  reconcile(wanted: () => readonly FirewallEntry[]): Promise<Mending> {
    return this.exclusive(async (firewall) => {
      this.#repaired += await firewall.init();
      const present = await firewall.list();
      // What still waits here will be done anyway, and is reported when it is.
      const waiting = new Set([...this.#delayed.keys(), ...this.#queue.map((job) => job.source)]);
      const held = present.filter((entry) => !waiting.has(entry.source));
      const change = reconcile(
        wanted().filter((entry) => !waiting.has(entry.source)),
        held,
        this.settings.toleranceMs ?? 5_000,
      );
      const shared = { attempts: 0, reported: "", quiet: true };
      const bans = [...change.add, ...change.refresh].map((entry) => this.#banJob(entry, true));
      const unbans = change.remove.map((source): Job => ({ source, action: "unban", ...shared }));
      await this.#runTogether(bans, false);
      await this.#runTogether(unbans, false);
      const repaired = this.#repaired;
      this.#repaired = 0;
      return { ...change, repaired };
    });
  }

  /** Resolves when nothing is queued or running; what waits for a retry is not waited for. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Finishes what is queued, drops what waits for a retry. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.idle();
    this.#delayed.clear();
  }

  #banJob({ source, remainingMs }: FirewallEntry, quiet: boolean): Job {
    const until = remainingMs === "permanent" ? remainingMs : this.clock.now() + remainingMs;
    return { source, action: "ban", until, attempts: 0, reported: "", quiet };
  }

  #submit(job: Job): void {
    if (this.waiting >= (this.settings.capacity ?? 200_000)) {
      this.refused++;
      this.#report(job, "failed", `${job.action} ${job.source}: the firewall queue is full`);
      return;
    }
    this.#delayed.delete(job.source);
    this.#queue.push(job);
    this.#wake();
  }

  #wake(): void {
    this.#running ??= this.#work();
  }

  async #work(): Promise<void> {
    // One turn later: everything that the same event submits is in the first bulk.
    await Promise.resolve();
    while (this.#queue.length > 0 || this.#tasks.length > 0) {
      await this.#runBatch(this.#takeBatch());
      await this.#tasks.shift()?.();
    }
    // In the same turn as the last look at the queue: a job submitted later finds nobody running.
    this.#running = null;
  }

  /** The longest start of the queue in which no source is both banned and unbanned: order cannot matter in it. */
  #takeBatch(): Job[] {
    const actions = new Map<Source, Job["action"]>();
    let end = 0;
    for (; end < this.#queue.length; end++) {
      const { source, action } = this.#queue[end]!;
      if ((actions.get(source) ?? action) !== action) break;
      actions.set(source, action);
    }
    return this.#queue.splice(0, end);
  }

  async #runBatch(batch: readonly Job[]): Promise<void> {
    const bans = batch.filter((job) => job.action === "ban");
    const unbans = batch.filter((job) => job.action === "unban");
    await this.#runTogether(bans, true);
    await this.#runTogether(unbans, true);
  }

  /** All in one command; when that fails: repair once, then halves. */
  async #runTogether(jobs: readonly Job[], mayRepair: boolean): Promise<void> {
    if (jobs.length === 0) return;
    try {
      await this.#command(jobs);
      const result = this.firewall.info().backend === "dry-run" ? "dry-run" : "done";
      for (const job of jobs) if (!job.quiet || job.reported !== "") this.#report(job, result);
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error;
      this.failures++;
      if (mayRepair && (await this.#repair())) return this.#runTogether(jobs, false);
      if (jobs.length === 1) return this.#fail(jobs[0]!, error.message);
      const half = jobs.length >> 1;
      await this.#runTogether(jobs.slice(0, half), false);
      await this.#runTogether(jobs.slice(half), false);
    }
  }

  #command(jobs: readonly Job[]): Promise<void> {
    const sources = jobs.map((job) => job.source);
    if (jobs[0]!.action === "unban") return this.firewall.unban(sources);
    const now = this.clock.now();
    const entries = jobs.flatMap((job): FirewallEntry[] => {
      if (job.action !== "ban") return [];
      return [
        { source: job.source, remainingMs: job.until === "permanent" ? job.until : Math.max(1, job.until - now) },
      ];
    });
    return this.firewall.ban(entries);
  }

  async #repair(): Promise<boolean> {
    try {
      this.#repaired += await this.firewall.init();
      return true;
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error;
      return false;
    }
  }

  #fail(job: Job, detail: string): void {
    if (job.reported !== detail) this.#report(job, "failed", detail);
    job.reported = detail;
    // A newer word on this source is queued already: that one counts.
    if (this.#stopping.signal.aborted || this.#queue.some((queued) => queued.source === job.source)) return;
    const waitMs = RETRY_MS[Math.min(job.attempts++, RETRY_MS.length - 1)]!;
    this.#delayed.set(job.source, job);
    void this.clock.sleep(waitMs, this.#stopping.signal).then(() => this.#retry(job));
  }

  #retry(job: Job): void {
    if (this.#delayed.get(job.source) !== job || this.#stopping.signal.aborted) return;
    this.#delayed.delete(job.source);
    // A ban whose time was up while it waited is nobody's wish any more.
    if (job.action === "ban" && job.until !== "permanent" && job.until <= this.clock.now()) return;
    this.#queue.push(job);
    this.#wake();
  }

  #report(job: Job, result: WorkerResult["result"], detail?: string): void {
    this.onResult({ source: job.source, action: job.action, result, ...(detail === undefined ? {} : { detail }) });
  }
}
