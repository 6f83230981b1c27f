/**
 * One log file behind an open descriptor: it stays the same file while its name moves on. Reads what was written since
 * the last look, notices when the bytes before were replaced (truncation), and knows where a restart must continue.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { LineSplitter, type OnWindow } from "./lines.ts";
import { identityOf } from "./siblings.ts";

/**
 * Where a tail stands, to be kept across restarts. An inode alone is no identity: file systems reuse them at once. The
 * device is none either: its number may be another after a boot.
 */
export interface TailPosition {
  readonly inode: number;
  /** Everything before it has been handed on. */
  readonly offset: number;
  /** What stands just before `offset`: SHA-256, in base64, of at most 1024 bytes; of none at offset 0. */
  readonly fingerprint: string;
}

/**
 * How much of the beginning, and of what was read last, a file is recognised by. Several lines of a log, because one
 * is not enough: requests of one client in one second may differ in their path only.
 */
const RECOGNISED_BYTES = 1024;
/** Read between two turns of the event loop: long backlogs must not stop timers, bans or the dashboard. */
const SLICE_BYTES = 1 << 20;
const NEWLINE = 10;
const NOTHING = Buffer.alloc(0);

/** One open file of a log, read from a place to its end. */
export class LogFile {
  /** Bytes taken in so far. */
  #offset = 0;
  /** The size at this look, the change time at the last. */
  #size = -1;
  #mtimeMs = -1;
  /** The last bytes before `#offset`. */
  #recent: Buffer = NOTHING;
  /** The last bytes before the unfinished line: what a position is recognised by. */
  #mark: Buffer = NOTHING;
  /** The first bytes of the file, as far as they were there at the last look. */
  #head: Buffer = NOTHING;
  #bytes = 0;
  #truncations = 0;
  readonly #lines: LineSplitter;

  private constructor(
    /** The name it was opened by; it may have moved since. */
    readonly path: string,
    private readonly fd: number,
    private readonly stats: Stats,
    maxLineBytes: number,
    onWindow: OnWindow,
  ) {
    this.#lines = new LineSplitter(maxLineBytes, onWindow);
    this.#size = stats.size;
  }

  /** Opens a file for reading from its beginning. Throws the system's error; a thing that is no file is EISDIR or EINVAL. */
  static open(path: string, maxLineBytes: number, onWindow: OnWindow): LogFile {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer for ever.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    if (stats.isFile()) return new LogFile(path, fd, stats, maxLineBytes, onWindow);
    closeSync(fd);
    throw Object.assign(new Error(`${path} is not a file`), { code: stats.isDirectory() ? "EISDIR" : "EINVAL" });
  }

  get inode(): number {
    return this.stats.ino;
  }

  get identity(): string {
    return identityOf(this.stats);
  }

  get lines(): number {
    return this.#lines.lines;
  }

  get oversized(): number {
    return this.#lines.oversized;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get truncations(): number {
    return this.#truncations;
  }

  get unreadBytes(): number {
    return Math.max(0, this.#size - this.#offset);
  }

  /** When the file was last written, as of the last look (the file system's clock). */
  get writtenAt(): number {
    return this.#mtimeMs < 0 ? this.stats.mtimeMs : this.#mtimeMs;
  }

  isSameFile(stats: { readonly ino: number; readonly dev: number }): boolean {
    return stats.ino === this.inode && stats.dev === this.stats.dev;
  }

  /** Where the first line begins that was not handed on. */
  get lineOffset(): number {
    return this.#offset - this.#lines.unfinishedBytes;
  }

  position(): TailPosition {
    const { inode, lineOffset } = this;
    return { inode, offset: lineOffset, fingerprint: digest(this.#mark) };
  }

  /** Leaves out what is there already, up to `size` bytes: reading begins with the line that is unfinished there. */
  skipTo(size: number): void {
    let offset = Math.min(size, fstatSync(this.fd).size);
    const step = Buffer.allocUnsafe(4096);
    while (offset > 0) {
      const from = Math.max(0, offset - step.length);
      const newline = step.subarray(0, readSync(this.fd, step, 0, offset - from, from)).lastIndexOf(NEWLINE);
      offset = newline < 0 ? from : from + newline + 1;
      if (newline >= 0) break;
    }
    this.#continueAt(offset);
  }

  /** Continues where `position` says, when the bytes before it are the ones it remembers. */
  resume(position: TailPosition): boolean {
    const { offset, fingerprint } = position;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > fstatSync(this.fd).size) return false;
    const length = Math.min(RECOGNISED_BYTES, offset);
    if (digest(this.#read(offset - length, length)) !== fingerprint) return false;
    this.#continueAt(offset);
    return true;
  }

  /** Continues as a copy of `other`, after the lines handed on from there. False when it is none. */
  continueCopy(other: LogFile): boolean {
    if (!this.isCopyOf(other)) return false;
    this.#continueAt(other.lineOffset);
    return true;
  }

  /** True when this file holds what was read of `other`, as far as it is remembered. */
  isCopyOf(other: LogFile): boolean {
    const recent = other.#recent;
    if (other.#offset === 0) return false;
    if (!this.#read(0, other.#head.length).equals(other.#head)) return false;
    return this.#read(other.#offset - recent.length, recent.length).equals(recent);
  }

  #continueAt(offset: number): void {
    const from = Math.max(0, offset - RECOGNISED_BYTES);
    this.#offset = offset;
    this.#recent = this.#read(from, offset - from);
    this.#mark = this.#recent;
    this.#head = this.#read(0, Math.min(RECOGNISED_BYTES, offset));
    this.#mtimeMs = -1;
  }

  /**
   * Reads to the present end, or until `signal` aborts. True when there was anything new. When the file was truncated,
   * `recover` is asked for what it held before; true means the unfinished line was among it. Throws the system's error.
   */
  async readNew(signal: AbortSignal | undefined, recover: () => Promise<boolean>): Promise<boolean> {
    const { size, mtimeMs } = fstatSync(this.fd);
    if (size === this.#size && mtimeMs === this.#mtimeMs && size === this.#offset) return false;
    this.#size = size;
    if (!this.#isContinued(size)) this.#startOver(await recover());
    const before = this.#offset;
    while (this.#offset < size && !signal?.aborted) {
      const outcome = await this.#readSlice(Math.min(size, this.#offset + SLICE_BYTES));
      if (outcome === "replaced") this.#startOver(await recover());
      if (outcome === "short") break;
      if (this.#offset < size) await new Promise(setImmediate);
    }
    this.#mtimeMs = mtimeMs;
    if (this.#head.length < RECOGNISED_BYTES) this.#head = this.#read(0, Math.min(RECOGNISED_BYTES, this.#offset));
    return this.#offset !== before;
  }

  /** The file ends here: hands on a last line without a newline. */
  flush(): void {
    this.#lines.flush();
  }

  close(): void {
    closeSync(this.fd);
  }

  /**
   * Still the bytes we have read? The size tells of most truncations; a file that grew past our place again is told by
   * its first bytes, and by those before our place.
   */
  #isContinued(size: number): boolean {
    if (size < this.#offset) return false;
    return this.#offset === 0 || this.isCopyOf(this);
  }

  /** The file was truncated: it is read from its beginning. An unfinished line stays one, unless it was recovered. */
  #startOver(isRecovered: boolean): void {
    this.#truncations++;
    if (isRecovered) this.#lines.discard();
    else this.#lines.flush();
    this.#offset = 0;
    this.#recent = NOTHING;
    this.#mark = NOTHING;
    this.#head = NOTHING;
  }

  /**
   * Streams from just before our place up to `to`. The overlap is compared again, so that a truncation between the
   * check and the read cannot splice two files. A fresh Bun.file each time: it remembers its size; of the descriptor,
   * never the path: the path may be another file by now.
   */
  async #readSlice(to: number): Promise<"read" | "short" | "replaced"> {
    const overlap = this.#recent;
    let toCompare = overlap.length;
    for await (const bytes of Bun.file(this.fd)
      .slice(this.#offset - overlap.length, to)
      .stream()) {
      let chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (toCompare > 0) {
        const compared = Math.min(toCompare, chunk.length);
        const from = overlap.length - toCompare;
        if (!chunk.subarray(0, compared).equals(overlap.subarray(from, from + compared))) return "replaced";
        toCompare -= compared;
        chunk = chunk.subarray(compared);
      }
      if (chunk.length > 0) this.#take(chunk);
    }
    return this.#offset < to ? "short" : "read";
  }

  #take(chunk: Buffer): void {
    const newline = chunk.lastIndexOf(NEWLINE);
    if (newline >= 0) this.#mark = lastBytes(this.#recent, chunk.subarray(0, newline + 1));
    this.#recent = lastBytes(this.#recent, chunk);
    this.#offset += chunk.length;
    this.#bytes += chunk.length;
    this.#lines.push(chunk);
  }

  /** `length` bytes from `at`, or as many as there are. */
  #read(at: number, length: number): Buffer {
    if (length <= 0 || at < 0) return NOTHING;
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(this.fd, bytes, 0, length, at));
  }
}

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("base64");
}

function lastBytes(before: Buffer, chunk: Buffer): Buffer {
  if (chunk.length >= RECOGNISED_BYTES) return Buffer.from(chunk.subarray(chunk.length - RECOGNISED_BYTES));
  return Buffer.concat([before.subarray(Math.max(0, before.length + chunk.length - RECOGNISED_BYTES)), chunk]);
}
