/**
 * Follows an access log through appends, rotation and truncation, and hands on its whole lines, each once.
 *
 * A rotated file stays open and is read before the new one until nothing was written to it for a grace period: nginx
 * writes to it until it is told to reopen. Where a tail begins:
 * - no position is remembered: at the end or the beginning of the log, as asked; a log that appears later is read whole;
 * - the remembered file is still the log (same inode, and the bytes before the offset are the same): at the offset;
 * - it was rotated meanwhile: the rest of it, then the files rotated after it, then the present log from its beginning;
 * - it cannot be found (deleted, compressed, truncated): the present log from its beginning.
 * When the log was truncated, a fresh copy beside it (copytruncate) still holds the lines we had not read: they are.
 * What cannot be known: what was written between copy and truncation, or deleted with its file between two looks.
 */
import { type Stats, statSync } from "node:fs";
import type { Clock } from "../clock.ts";
import type { OnWindow } from "./lines.ts";
import { LogFile, type TailPosition } from "./logfile.ts";
import { directoryChangedAt, findSiblings, identityOf, type Sibling } from "./siblings.ts";

export type { OnWindow } from "./lines.ts";
export type { TailPosition } from "./logfile.ts";

/** How a log is followed. */
export interface TailOptions {
  /** Longest wait before new lines are read. */
  readonly pollMs: number;
  /** Longer lines are skipped and counted. */
  readonly maxLineBytes: number;
  /** Where to begin in a log seen for the first time. */
  readonly start: "end" | "beginning";
  /** Where an earlier run stopped. */
  readonly resume?: TailPosition | undefined;
  /** How long a rotated file must be quiet before it is closed; 10 s by default. */
  readonly rotatedGraceMs?: number | undefined;
}

/** Counts are since the start of this process. */
export interface TailStatus {
  readonly path: string;
  readonly open: boolean;
  readonly bytes: number;
  readonly lines: number;
  readonly rotations: number;
  readonly truncations: number;
  readonly oversized: number;
  /** Rotated files that could not be read. */
  readonly missedFiles: number;
  /** Rotated files still read because nginx may write to them. */
  readonly rotatedOpen: number;
  /** Written but not yet read, as of the last look. */
  readonly unreadBytes: number;
  /** What keeps the log from being read, with the mend; null when nothing does. */
  readonly lastError: string | null;
  readonly wakeups: number;
}

const DEFAULT_GRACE_MS = 10_000;
/** Rotated files kept open between looks; the oldest is let go first. */
const MAX_ROTATED = 32;
/** Rotated files caught up with at once; of more, the newest. */
const MAX_CAUGHT_UP = 256;

interface Rotated {
  readonly file: LogFile;
  quietSince: number;
}

const COUNTS = ["bytes", "lines", "truncations", "oversized"] as const;
type Counts = Record<(typeof COUNTS)[number], number>;

/** One followed log, over all its files. To be started once and stopped once. */
export class Tail {
  #current: LogFile | null = null;
  /** Oldest first. */
  #rotated: Rotated[] = [];
  readonly #siblings: KnownSiblings;
  #position: TailPosition | null;
  /** A log that was there at the start but could not be opened: where to begin in it once it can be. */
  #unopened: ((file: LogFile) => void) | null = null;
  #rotations = 0;
  #missedFiles = 0;
  #wakeups = 0;
  #lastError: string | null = null;
  /** What `onWindow` threw: ours to pass on, unlike the system's errors. */
  #thrown: unknown = null;
  /** Counts of files no longer open. */
  readonly #closed: Counts = { bytes: 0, lines: 0, truncations: 0, oversized: 0 };
  #looking: Promise<void> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();

  constructor(
    private readonly path: string,
    private readonly options: TailOptions,
    private readonly clock: Clock,
    private readonly onWindow: OnWindow,
  ) {
    this.#position = options.resume ?? null;
    this.#siblings = new KnownSiblings(path);
  }

  /**
   * Opens the log and takes up its place, then reads what there is and goes on looking until `signal` aborts or `stop`
   * is called. Does not wait for a backlog. If `onWindow` throws, the looking ends and `stop` rejects with its error.
   */
  async start(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    signal.addEventListener("abort", () => this.#stop.abort(), { once: true });
    this.#begin();
    this.#running = this.#run();
  }

  /** Ends the looking and closes every file. What is written but unread stays unread: call `drain` before. */
  async stop(): Promise<void> {
    this.#stop.abort();
    try {
      await this.#running;
      await this.#looking;
    } finally {
      this.#position = this.position();
      for (const { file } of this.#rotated.splice(0)) this.#close(file);
      if (this.#current !== null) this.#close(this.#current);
      this.#current = null;
    }
  }

  /** Reads to the present end. */
  drain(): Promise<void> {
    return this.#lookAlone();
  }

  status(): TailStatus {
    const files = this.#files();
    const sum = (count: keyof Counts) => files.reduce((total, file) => total + file[count], this.#closed[count]);
    return {
      path: this.path,
      open: this.#current !== null,
      bytes: sum("bytes"),
      lines: sum("lines"),
      rotations: this.#rotations,
      truncations: sum("truncations"),
      oversized: sum("oversized"),
      missedFiles: this.#missedFiles,
      rotatedOpen: this.#rotated.length,
      unreadBytes: files.reduce((total, file) => total + file.unreadBytes, 0),
      lastError: this.#lastError,
      wakeups: this.#wakeups,
    };
  }

  /** Where to resume after a restart; null before any log was opened. Kept after `stop`. */
  position(): TailPosition | null {
    const newest = this.#current ?? this.#rotated.at(-1)?.file;
    return newest?.position() ?? this.#position;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#lookAlone(this.#stop.signal);
      await this.clock.sleep(this.options.pollMs, this.#stop.signal);
    }
  }

  /** One look at a time: two would read the same bytes twice. */
  #lookAlone(signal?: AbortSignal): Promise<void> {
    const look = this.#looking.then(() => this.#look(signal));
    this.#looking = look.catch(() => {});
    return look;
  }

  async #look(signal?: AbortSignal): Promise<void> {
    this.#wakeups++;
    const stats = this.#statLog();
    if (stats !== null) {
      if (this.#current === null || !this.#current.isSameFile(stats)) this.#switch();
    }
    await this.#readRotated(signal);
    if (this.#current !== null) await this.#read(this.#current, signal);
    this.#siblings.learn(() => this.#isStillLog());
  }

  #isStillLog(): boolean {
    const stats = statSync(this.path, { throwIfNoEntry: false });
    return stats !== undefined && this.#current?.isSameFile(stats) === true;
  }

  /** The file now behind the path, or null with the reason in `lastError`. */
  #statLog(): Stats | null {
    try {
      const stats = statSync(this.path);
      this.#lastError = null;
      if (stats.isFile()) return stats;
      this.#lastError = describe(this.path, { code: stats.isDirectory() ? "EISDIR" : "EINVAL" });
    } catch (error) {
      this.#lastError = describe(this.path, error);
    }
    return null;
  }

  #begin(): void {
    this.#siblings.learn(() => true);
    const stats = this.#statLog();
    const position = this.#position;
    this.#current = stats === null ? null : this.#open(this.path);
    if (this.#current === null && stats !== null) this.#unopened = (file) => this.#beginIn(file, stats, position);
    else if (position !== null) this.#resume(position);
    else if (this.#current !== null) this.#beginIn(this.#current, stats!, null);
  }

  /** Takes up the place in `file` that it would have had at the start, when it was as `stats` says. */
  #beginIn(file: LogFile, stats: Stats, position: TailPosition | null): void {
    if (!file.isSameFile(stats)) return;
    if (position !== null) file.inode === position.inode && file.resume(position);
    else if (this.options.start === "end") file.skipTo(stats.size);
  }

  /** The rules are at the top of this file. A log that stays in `#current` as it is, is read from its beginning. */
  #resume(position: TailPosition): void {
    const isTruncated = this.#current?.inode === position.inode;
    if (isTruncated && this.#current!.resume(position)) return;
    const siblings = findSiblings(this.path);
    // After copytruncate the remembered bytes are in a copy, which has another inode.
    const candidates = isTruncated
      ? siblings.toReversed()
      : siblings.filter(({ stats }) => stats.ino === position.inode);
    for (const candidate of candidates) {
      const file = this.#open(candidate.path);
      if (file === null) continue;
      if (file.resume(position)) {
        this.#addRotated(file);
        const newer = siblings.slice(siblings.indexOf(candidate) + 1);
        for (const sibling of newer) this.#catchUp(sibling, null);
        return;
      }
      file.close();
    }
  }

  /** Another file is behind the path: the one we have was rotated, and perhaps others came between. */
  #switch(): void {
    const next = this.#open(this.path);
    if (next === null) return;
    const old = this.#current;
    this.#current = next;
    this.#unopened?.(next);
    this.#unopened = null;
    // Listed after `next` was opened: what was rotated before that moment is among them.
    const unseen = this.#siblings.unseen(this.#files().concat(old ?? []), old?.writtenAt ?? 0);
    if (old !== null) this.#addRotated(old);
    this.#missedFiles += Math.max(0, unseen.length - MAX_CAUGHT_UP);
    for (const sibling of unseen.slice(-MAX_CAUGHT_UP)) this.#catchUp(sibling, old);
  }

  /** Reads a rotated file we never saw as the log, from its beginning. A copy of the log before it is no such file. */
  #catchUp(sibling: Sibling, before: LogFile | null): void {
    const file = this.#open(sibling.path);
    if (file === null) this.#missedFiles++;
    else if (before !== null && file.isCopyOf(before)) file.close();
    else this.#addRotated(file);
  }

  /** Reads from a copy of `truncated` what was not read of it before. False when there is no copy. */
  async #recover(truncated: LogFile): Promise<boolean> {
    const isFresh = ({ stats }: Sibling) => stats.mtimeMs >= truncated.writtenAt && !truncated.isSameFile(stats);
    for (const sibling of findSiblings(this.path).filter(isFresh).toReversed()) {
      const copy = this.#open(sibling.path);
      if (copy === null) continue;
      const isCopy = copy.continueCopy(truncated);
      if (isCopy) await copy.readNew(undefined, async () => false);
      copy.flush();
      this.#close(copy);
      if (isCopy) return true;
    }
    return false;
  }

  #addRotated(file: LogFile): void {
    this.#rotations++;
    this.#rotated.push({ file, quietSince: this.clock.now() });
  }

  async #readRotated(signal?: AbortSignal): Promise<void> {
    for (const rotated of [...this.#rotated]) {
      const hasGrown = await this.#read(rotated.file, signal);
      // As long as the new log is empty, nginx has not reopened it and may write to the old one.
      if (hasGrown || !this.#isReopened()) rotated.quietSince = this.clock.now();
    }
    if (!signal?.aborted) this.#closeQuiet();
  }

  #isReopened(): boolean {
    return this.#current !== null && this.#current.bytes > 0;
  }

  #closeQuiet(): void {
    const quietBefore = this.clock.now() - (this.options.rotatedGraceMs ?? DEFAULT_GRACE_MS);
    const tooMany = this.#rotated.length - MAX_ROTATED;
    const isDone = ({ quietSince }: Rotated, index: number) => index < tooMany || quietSince <= quietBefore;
    const done = this.#rotated.filter(isDone);
    this.#rotated = this.#rotated.filter((rotated) => !done.includes(rotated));
    for (const { file } of done) {
      file.flush();
      if (this.#files().length === 0) this.#position = file.position();
      this.#close(file);
    }
  }

  /** True when there was anything new. A system error is told in the status and tried again at the next look. */
  async #read(file: LogFile, signal?: AbortSignal): Promise<boolean> {
    try {
      return await file.readNew(signal, () => this.#recover(file));
    } catch (error) {
      if (error === this.#thrown) throw error;
      this.#lastError = describe(file.path, error);
      return false;
    }
  }

  #open(path: string): LogFile | null {
    try {
      return LogFile.open(path, this.options.maxLineBytes, this.#deliver);
    } catch (error) {
      this.#lastError = describe(path, error);
      return null;
    }
  }

  readonly #deliver: OnWindow = (buffer, start, end) => {
    try {
      this.onWindow(buffer, start, end);
    } catch (error) {
      this.#thrown = error;
      throw error;
    }
  };

  #files(): readonly LogFile[] {
    const rotated = this.#rotated.map(({ file }) => file);
    return this.#current === null ? rotated : [...rotated, this.#current];
  }

  #close(file: LogFile): void {
    for (const count of COUNTS) this.#closed[count] += file[count];
    this.#siblings.add(file.identity);
    file.close();
  }
}

/** The rotated files that need not be read: there before us, read already, or copies of what the log held. */
class KnownSiblings {
  #known = new Set<string>();
  #changedAt: number | null = null;
  #isSettled = false;

  constructor(private readonly path: string) {}

  add(identity: string): void {
    this.#known.add(identity);
  }

  /**
   * While the log is the file it was, whatever appeared beside it holds nothing new. The directory is listed when its
   * time changed, and once more after that: a second change within one tick of the kernel's clock shows no difference.
   */
  learn(isStillLog: () => boolean): void {
    const changedAt = directoryChangedAt(this.path);
    if (changedAt === this.#changedAt && this.#isSettled) return;
    const siblings = findSiblings(this.path);
    // Asked after the listing: had the log been rotated before it, a file we have not read would be among them.
    if (!isStillLog()) return;
    this.#isSettled = changedAt === this.#changedAt;
    this.#changedAt = changedAt;
    this.#known = new Set(siblings.map(({ stats }) => identityOf(stats)));
  }

  /** Files that appeared since, oldest first: not open, not known, and written after the log we had (`since`). */
  unseen(open: readonly LogFile[], since: number): readonly Sibling[] {
    const siblings = findSiblings(this.path);
    const isOpen = ({ stats }: Sibling) => open.some((file) => file.isSameFile(stats));
    const unseen = siblings.filter(
      (sibling) => !isOpen(sibling) && sibling.stats.mtimeMs >= since && !this.#known.has(identityOf(sibling.stats)),
    );
    this.#known = new Set(siblings.map(({ stats }) => identityOf(stats)));
    return unseen;
  }
}

/** Operation, subject, cause and mend, in one line. */
function describe(path: string, error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return `open ${path}: no such file (it is read as soon as nginx creates it; is log.path right?)`;
    case "EACCES":
    case "EPERM":
      return `open ${path}: permission denied (let the service read it and enter its directories: group adm, or chmod)`;
    case "EISDIR":
      return `open ${path}: it is a directory (log.path must name the file itself)`;
    case "EINVAL":
      return `open ${path}: not a regular file (log.path must name a file that nginx appends to)`;
    default:
      return `read ${path}: ${message ?? String(error)} (it is tried again)`;
  }
}
