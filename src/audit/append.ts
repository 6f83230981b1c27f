/** One append-only file that outlives rotation, a full disk, lost permissions and our own crashes. */
import { constants, type FileHandle, mkdir, open, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** How the file fares, since the start. */
export interface AppendStatus {
  /** Lines that are in the file. */
  readonly written: number;
  /** Attempts to open or write that failed. */
  readonly failed: number;
  /** Lines given up because the buffer was full. */
  readonly dropped: number;
  /** Lines not yet in the file. */
  readonly buffered: number;
  /** Why the last attempt failed; null once lines go through again. */
  readonly lastError: string | null;
}

const { O_APPEND, O_CREAT, O_EXCL, O_RDWR } = constants;
const MODE = 0o640;
const DIRECTORY_MODE = 0o750;
/** Lines handed to one write call. */
const MAX_BATCH = 256;
const NEWLINE = 10;
/** The kernel writes whole pages: 4 KiB, on some hosts 64. */
const LARGEST_PAGE = 65_536;

/**
 * Appends whole lines in the order they were given, and has the disk take them (fdatasync): a loss of power costs those
 * of the last moment. Lines wait in memory while the file cannot be written; when
 * `maxBuffered` wait, the oldest is dropped and counted. Writes happen in the background, one at a time.
 */
export class AppendFile {
  #pending: Buffer[] = [];
  /** Taken from #pending, not yet known to be in the file. */
  #inFlight = 0;
  /** Bytes of the first pending line that a short write already put into the open file. */
  #head = 0;
  #file: FileHandle | null = null;
  /** Something was written that the disk was not told to keep. */
  #isUnsynced = false;
  #syncing: Promise<void> | null = null;
  /** Everything done to the file, one after the other. Never rejects. */
  #work: Promise<void> = Promise.resolve();
  #isDrainQueued = false;
  #written = 0;
  #failed = 0;
  #dropped = 0;
  #lastError: string | null = null;

  constructor(
    readonly path: string,
    readonly maxBuffered: number,
  ) {}

  /** Accepts one line without its newline. While the file is in trouble it waits for the next flush(). */
  append(line: string): void {
    this.#pending.push(Buffer.from(`${line}\n`));
    this.#shed();
    if (this.#lastError === null) void this.flush();
  }

  /** Resolves when everything accepted before the call is in the file, or an attempt has failed. Never rejects. */
  flush(): Promise<void> {
    if (!this.#isDrainQueued) {
      this.#isDrainQueued = true;
      this.#work = this.#work.then(() => this.#drain());
    }
    return this.#work;
  }

  /** Flushes, then lets go of the file; the next flush opens the path anew (after a rotation). */
  close(): Promise<void> {
    void this.flush();
    this.#work = this.#work.then(() => this.#release());
    return this.#work;
  }

  status(): AppendStatus {
    return {
      written: this.#written,
      failed: this.#failed,
      dropped: this.#dropped,
      buffered: this.#pending.length + this.#inFlight,
      lastError: this.#lastError,
    };
  }

  /** Writes what waits now; what comes meanwhile queues a drain of its own, so that nobody waits for an endless stream. */
  async #drain(): Promise<void> {
    this.#isDrainQueued = false;
    if (this.#file !== null && this.#pending.length === 0) return;
    try {
      const file = await this.#current();
      let left = this.#pending.length;
      while (left > 0 && this.#pending.length > 0) left -= await this.#writeBatch(file, Math.min(left, MAX_BATCH));
      this.#sync(file);
      this.#lastError = null;
    } catch (error) {
      this.#failed++;
      this.#lastError = describe(error, this.path);
      this.#shed();
    }
  }

  /** Has the disk take what was written; what is written meanwhile is taken by another turn. Nobody waits for it. */
  #sync(file: FileHandle): void {
    if (!this.#isUnsynced || this.#syncing !== null) return;
    this.#isUnsynced = false;
    this.#syncing = file
      .datasync()
      .catch(() => void this.#failed++)
      .then(() => {
        this.#syncing = null;
        if (this.#file === file) this.#sync(file);
      });
  }

  /** One write; returns how many lines it completed. */
  async #writeBatch(file: FileHandle, count: number): Promise<number> {
    const batch = this.#pending.splice(0, count);
    this.#inFlight = batch.length;
    let bytes = this.#head;
    let whole = 0;
    try {
      this.#isUnsynced = true;
      bytes += (await file.write(Buffer.concat(batch).subarray(this.#head))).bytesWritten;
    } finally {
      for (; whole < batch.length && bytes >= batch[whole]!.length; whole++) bytes -= batch[whole]!.length;
      this.#head = bytes;
      this.#written += whole;
      this.#inFlight = 0;
      this.#pending = [...batch.slice(whole), ...this.#pending];
    }
    return whole;
  }

  /** The open file, if it is still what the path names: a file renamed or deleted under us is let go. */
  async #current(): Promise<FileHandle> {
    if (this.#file !== null && !(await isSameFile(this.#file, this.path))) await this.#release();
    this.#file ??= await openForAppend(this.path);
    return this.#file;
  }

  async #release(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    // A line cut by a short write begins again in the next file; openForAppend ends the torn one.
    this.#head = 0;
    await this.#syncing;
    await file?.close().catch(() => {});
  }

  #shed(): void {
    while (this.#pending.length + this.#inFlight > this.maxBuffered && this.#pending.length > 1) {
      // A line that is partly in the file must be finished, so then the next one goes.
      this.#pending.splice(this.#head > 0 && this.#inFlight === 0 ? 1 : 0, 1);
      this.#dropped++;
    }
  }
}

async function openForAppend(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
  try {
    const file = await open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL, MODE);
    // Against a umask that would hide the log from its readers (group adm).
    await file.chmod(MODE);
    return file;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const file = await open(path, O_RDWR | O_APPEND);
  try {
    await endPartialLine(file);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * A crash can leave half a line; what follows must not be glued to it. After a loss of power the end of the file may be
 * zeros, where its length had reached the disk and its bytes had not: those are nobody's words.
 */
async function endPartialLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const end = Buffer.alloc(Math.min(size, LARGEST_PAGE));
  await file.read(end, 0, end.length, size - end.length);
  let length = end.length;
  while (length > 0 && end[length - 1] === 0) length--;
  // In a file that may only grow (chattr +a) they stay.
  if (length < end.length) await file.truncate(size - end.length + length).catch(() => {});
  if (size > 0 && end[length - 1] !== NEWLINE) await file.write("\n");
}

async function isSameFile(file: FileHandle, path: string): Promise<boolean> {
  const [open, named] = await Promise.all([file.stat(), stat(path).catch(() => null)]);
  return named !== null && named.ino === open.ino && named.dev === open.dev;
}

function describe(error: unknown, path: string): string {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return `append to ${path}: ${code}${HINTS[code] ? ` (${HINTS[code]})` : ""}`;
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only; is the path among the unit's ReadWritePaths?",
  EACCES: "may this user write there?",
  EPERM: "may this user write there?",
  ENOTDIR: "a part of the path is a file",
  EISDIR: "the path is a directory",
};
