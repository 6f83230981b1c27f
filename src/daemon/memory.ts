/**
 * What the daemon remembers, and when it is written. Everything of one turn of the event loop goes into one
 * transaction, committed before the firewall is asked and before audit log or Slack hear of it:
 *
 *     decision ─ journal ─ [commit] ─ firewall ─ outcome ─ sink ─ [commit] ─ audit log, Slack
 *
 * A ban that was acknowledged is therefore in the database; one that was only decided is decided again at the next
 * start, and told then. What was learned is saved with the place in the log it was learned up to (state/snapshot.ts).
 */
import { canResume, linesLeft } from "../accesslog/locate.ts";
import type { LineParser } from "../accesslog/parse.ts";
import type { Tail, TailPosition } from "../accesslog/tail.ts";
import type { Clock } from "../clock.ts";
import type { Ban, Decision, Outcome, Permit } from "../decision.ts";
import type { Effects } from "../effects.ts";
import type { Engine } from "../engine.ts";
import type { Source } from "../net/cidr.ts";
import type { QueuedMessage } from "../notify/queue.ts";
import { Refill } from "../refill.ts";
import { Marks } from "../state/marks.ts";
import type { Place, RememberedBan } from "../state/snapshot.ts";
import { type Changes, openStore, type Remembered, type Store, type StoreStatus } from "../state/store.ts";
import type { HistorySpan } from "../status.ts";

/** What is remembered of, and where. */
export interface MemoryParts {
  readonly path: string;
  readonly clock: Clock;
  readonly engine: Engine;
}

/** What a checkpoint looks at while the log is read. */
export interface Sources {
  readonly tail: Pick<Tail, "position" | "status">;
  readonly queue: { pending(): readonly QueuedMessage[] };
}

/**
 * What was learned is saved this often, and soon after anything was told of it (so that it is not told twice). The
 * lines since then are read again after a crash: saving more often would wear out disks and gain nothing.
 */
const LEARNED_EVERY_MS = 5_000;
/** A silent site is saved this often: its idle seconds can be told from the clock again. */
const QUIET_EVERY_MS = 30_000;
/** How long before the last save a ban may be missing from the audit log. */
const AUDIT_DOUBT_MS = 60_000;
/** Once nginx writes to the new file it has reopened; its other workers follow within milliseconds. */
const ROTATION_MS = 500;

/** The changes of one turn, while they are gathered. */
class Batch {
  isUrgent = false;
  readonly decided: RememberedBan[] = [];
  readonly settled: { source: Source; enforcement: RememberedBan["enforcement"] }[] = [];
  readonly ended: Source[] = [];
  readonly forgotten: Source[] = [];
  /** All of them, after one was given or is over. */
  permits: readonly Permit[] | null = null;

  get isEmpty(): boolean {
    const changes = this.decided.length + this.settled.length + this.ended.length + this.forgotten.length;
    return changes === 0 && this.permits === null;
  }
}

/** The state file from its opening to its closing, for one run. */
export class Memory {
  readonly #store: Store;
  readonly #remembered: Remembered;
  readonly #marks = new Marks();
  #sources: Sources | null = null;
  #refill: Refill | null = null;
  #places: readonly Place[] = [];
  #batch = new Batch();
  #isFlushQueued = false;
  /** Unbans that the firewall has not confirmed. */
  #endings = new Map<Source, RememberedBan>();
  /** The outbox as last written. */
  #outbox: readonly QueuedMessage[] = [];
  #savedAt = Number.NEGATIVE_INFINITY;
  #savedLines = -1;
  /** Something was told that the last save does not know of. */
  #isDue = false;
  /** The tail's count of rotations, and when it last changed. */
  #rotations = 0;
  #rotatedAt = Number.NEGATIVE_INFINITY;

  /** Opens the store and gives the engine back what it knew. Never throws: without a store everything begins anew. */
  constructor(private readonly parts: MemoryParts) {
    const now = parts.clock.now();
    this.#store = openStore(parts.path, now);
    this.#remembered = this.#store.load();
    const { bans, offences, permits, checkpoint } = this.#remembered;
    parts.engine.restore(
      bans.flatMap(({ ban, enforcement, ending }) =>
        ending === null ? [{ ban, enforcement, leakedRequests: 0 }] : [],
      ),
      offences,
      permits,
    );
    if (checkpoint?.engine) parts.engine.recall(checkpoint.engine, now);
  }

  /** Nothing is remembered, so what the firewall holds is all that is known of earlier bans. */
  get isLost(): boolean {
    return this.#store.isNew;
  }

  /** What could not be told before the last end. */
  get outbox(): readonly QueuedMessage[] {
    return this.#remembered.outbox.filter(isQueuedMessage);
  }

  /**
   * Bans and unbans that were decided but never acknowledged: to be carried out and told now. So are bans of a run
   * that only watched, when this one (`acts`) does more.
   */
  unfinished(acts: boolean): Decision[] {
    return this.#remembered.bans.flatMap((remembered) => unfinishedOf(remembered, acts));
  }

  /**
   * Bans of the last run's last minute that are not among those in the audit log (`isAudited`): it was killed between
   * remembering that a ban is done and writing so. Slack's message is in the outbox.
   */
  unaudited(isAudited: (ban: Ban) => boolean): Outcome[] {
    const { bans, checkpoint } = this.#remembered;
    const since = (checkpoint?.at ?? Number.POSITIVE_INFINITY) - AUDIT_DOUBT_MS;
    const told = bans.filter(
      ({ ban, ending, enforcement }) =>
        ending === null && (enforcement === "in-force" || enforcement === "dry-run") && ban.cause.scope !== "adopted",
    );
    return told.flatMap(({ ban, enforcement }): Outcome[] => {
      if (ban.since < since || isAudited(ban)) return [];
      const decision = { kind: "ban" as const, at: ban.since, ban };
      return [{ decision, result: enforcement === "dry-run" ? "dry-run" : "done", at: this.parts.clock.now() }];
    });
  }

  status(): StoreStatus {
    return this.#store.status();
  }

  /** See Store.spans. */
  history(from: number, to: number, stepMs: number): HistorySpan[] {
    return this.#store.spans(from, to, stepMs);
  }

  /** Where in the log to begin, or undefined when nothing is remembered. Decides how much of it is read again. */
  resume(logPath: string, parser: LineParser): TailPosition | undefined {
    this.#places = this.#remembered.checkpoint?.places ?? [];
    const place = this.#places.find(({ position }) => canResume(logPath, position));
    const refill = place === undefined ? 0 : this.#oldLines(logPath, place);
    this.#refill = new Refill(this.parts.engine, parser, refill);
    if (refill === 0) this.#refill.end();
    // Another restart soon after this one must reach back as far.
    if (place !== undefined) this.#marks.note(place.position, 0, Number.NEGATIVE_INFINITY);
    return (place ?? this.#places.at(-1))?.position;
  }

  /** Lines from `place` on that were learned from. Those that a loss of power took from the log do not come again. */
  #oldLines(logPath: string, { position, refill }: Place): number {
    const last = this.#places.at(-1)!.position;
    if (position.inode !== last.inode) return refill;
    return Math.min(refill, linesLeft(logPath, position.offset, last) ?? refill);
  }

  /** Takes the old lines out of a window; returns where the new ones begin. */
  window(buffer: Buffer, start: number, end: number): number {
    return this.#refill?.window(buffer, start, end) ?? start;
  }

  /** The log is read to its end: what was to be read again is read, or gone. */
  caughtUp(): void {
    this.#refill?.end();
  }

  /** Begins to save, right after the tail has taken up its place; on a first start with where that is. */
  watch(sources: Sources): void {
    this.#sources = sources;
    const now = this.parts.clock.now();
    if (this.isLost) this.#rewrite(now);
    else this.#look(now);
  }

  /** For Effects: a decision, before anything is done about it. */
  readonly journal = (decision: Decision): void => {
    if (decision.kind === "permit") {
      this.#batch.permits = this.parts.engine.permits();
      this.#batch.isUrgent = true;
      this.#flushSoon();
    }
    if (decision.kind !== "ban" && decision.kind !== "unban") return;
    const remembered = rememberedOf(decision);
    const { source } = decision.ban;
    if (remembered.ending === null) this.#endings.delete(source);
    else this.#endings.set(source, remembered);
    this.#batch.decided.push(remembered);
    // An expired ban would only expire again.
    if (remembered.ending?.why !== "expired") this.#batch.isUrgent = true;
    this.#flushSoon();
  };

  /** For Effects: an outcome, before it is told. */
  readonly sink = ({ decision, result }: Outcome): void => {
    // What is told next must not be done and told again, whatever reaches the disk by itself.
    if (result === "done" && (decision.kind === "ban" || decision.kind === "unban")) this.#batch.isUrgent = true;
    if (decision.kind === "ban") {
      const enforcement = result === "done" ? "in-force" : result;
      this.#batch.settled.push({ source: decision.ban.source, enforcement });
    } else if (decision.kind === "unban" && result !== "failed") {
      this.#endings.delete(decision.ban.source);
      this.#batch.ended.push(decision.ban.source);
    } else this.#isDue = true;
    this.#flushSoon();
  };

  /** Gives the engine the last word on bans that are in force again without anybody being told. */
  confirm(effects: Pick<Effects, "isWaiting">, isDryRun: boolean): void {
    const { engine, clock } = this.parts;
    for (const { ban, enforcement } of engine.bans()) {
      if (enforcement !== "pending" || effects.isWaiting(ban.source)) continue;
      const decision = { kind: "ban" as const, at: ban.since, ban };
      engine.settle({ decision, result: isDryRun ? "dry-run" : "done", at: clock.now() });
    }
  }

  /** Writes what has changed: about every second. */
  save(): void {
    const now = this.parts.clock.now();
    if (this.#store.isBehind) {
      this.#rewrite(now);
      return;
    }
    this.#batch.forgotten.push(...this.parts.engine.takeForgotten());
    this.#flush();
    this.#saveLearned(now);
  }

  /** The last save. */
  close(): void {
    this.#flush();
    const now = this.parts.clock.now();
    if (this.#store.isBehind) this.#rewrite(now);
    else this.#saveLearned(now, true);
    this.#store.close();
  }

  #saveLearned(now: number, isLast = false): void {
    const { lines, places } = this.#look(now);
    // What was learned from unknown lines would be learned again.
    if (places.length === 0 && lines > 0) return;
    const everyMs = lines === this.#savedLines ? QUIET_EVERY_MS : LEARNED_EVERY_MS;
    if (!this.#isDue && !isLast && Math.abs(now - this.#savedAt) < everyMs) return;
    const engine = this.parts.engine.save(false);
    if (engine === null) return;
    this.#noteSaved(now, this.#store.saveCheckpoint({ at: now, whole: false, places, engine }), lines);
  }

  /**
   * How many lines were read, and from where to read after a restart. While a rotated file may still grow there is
   * no single place, only the last one before: from there both files are read again, as many lines as there were.
   */
  #look(now: number): { lines: number; places: readonly Place[] } {
    const tail = this.#sources?.tail;
    const position = tail?.position() ?? null;
    if (tail === undefined || position === null) return { lines: 0, places: this.#places };
    const { rotatedOpen, rotations, unreadBytes, lines } = tail.status();
    if (rotations !== this.#rotations) this.#rotatedAt = now;
    this.#rotations = rotations;
    const isReopened = unreadBytes === 0 && position.offset > 0 && Math.abs(now - this.#rotatedAt) >= ROTATION_MS;
    if (rotatedOpen === 0 || isReopened) this.#marks.note(position, lines, this.parts.engine.now);
    return { lines, places: this.#marks.places(lines) };
  }

  #noteSaved(now: number, isSaved: boolean, lines: number): void {
    if (!isSaved) return;
    this.#isDue = false;
    this.#savedAt = now;
    this.#savedLines = lines;
  }

  /** After the start, and after trouble: everything anew. */
  #rewrite(now: number): void {
    const { lines, places } = this.#look(now);
    if (places.length === 0 && lines > 0) return;
    const { engine } = this.parts;
    const learned = engine.save(true);
    // While the windows are filled again, the last run's checkpoint is the one that holds.
    const isOlderGood = learned === null && this.#remembered.checkpoint !== null;
    const outbox = this.#sources?.queue.pending() ?? this.outbox;
    const bans = engine.bans().reverse();
    const everything = {
      bans: [...bans.map(({ ban, enforcement }) => ({ ban, enforcement, ending: null })), ...this.#endings.values()],
      offences: engine.offences(),
      forgotten: [...this.#batch.forgotten, ...engine.takeForgotten()],
      permits: engine.permits(),
      checkpoint: isOlderGood ? null : { at: now, whole: true, places, engine: learned },
      outbox,
    };
    const { isRead } = this.#store;
    if (!this.#store.rewrite(everything, now)) {
      this.#batch = new Batch();
      this.#batch.forgotten.push(...everything.forgotten);
      return;
    }
    if (!isRead) engine.restorePermits(this.#store.permits());
    this.#batch = new Batch();
    this.#outbox = outbox;
    this.#noteSaved(now, true, lines);
  }

  /** Before the firewall's worker wakes, which waits for a turn, too; after all sinks of an outcome. */
  #flushSoon(): void {
    if (this.#isFlushQueued) return;
    this.#isFlushQueued = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushQueued = false;
    const pending = this.#sources?.queue.pending() ?? this.#outbox;
    const outbox = isSame(pending, this.#outbox) ? null : pending;
    const batch = this.#batch;
    if (batch.isEmpty && outbox === null) return;
    this.#batch = new Batch();
    const { isUrgent, decided, settled, ended, forgotten, permits } = batch;
    const changes: Changes = { isUrgent, decided, settled, ended, forgotten, permits, outbox };
    if (this.#store.saveChanges(changes, this.parts.clock.now())) this.#outbox = pending;
    else this.#batch.forgotten.push(...forgotten);
  }
}

function rememberedOf(decision: Extract<Decision, { kind: "ban" | "unban" }>): RememberedBan {
  const { ban } = decision;
  if (decision.kind === "ban") return { ban, enforcement: "pending", ending: null };
  return { ban, enforcement: "in-force", ending: { at: decision.at, why: decision.why, by: decision.by } };
}

/** What is left to do about a remembered ban; nothing for one that was acknowledged. */
function unfinishedOf({ ban, enforcement, ending }: RememberedBan, acts: boolean): Decision[] {
  if (ending !== null) {
    const { at, why, by } = ending;
    return [{ kind: "unban", at, ban, why, ...(by === undefined ? {} : { by }) }];
  }
  const isTold = enforcement === "in-force" || (enforcement === "dry-run" && !acts);
  return isTold ? [] : [{ kind: "ban", at: ban.since, ban }];
}

function isQueuedMessage(value: unknown): value is QueuedMessage {
  const { id, message, tally, messages, queuedAt } = (value ?? {}) as Partial<QueuedMessage>;
  const isText = typeof id === "string" && typeof message?.text === "string" && Array.isArray(message.blocks);
  return isText && typeof tally === "object" && typeof messages === "number" && typeof queuedAt === "number";
}

function isSame(a: readonly QueuedMessage[], b: readonly QueuedMessage[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
