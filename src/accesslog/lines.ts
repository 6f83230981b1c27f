/** Chunks of a file in, windows of whole lines out: no line is split, and none longer than the limit gets through. */

const NEWLINE = 10;
const NOTHING = Buffer.alloc(0);

/** Receives the whole lines in bytes `start` to `end`; the last ends with "\n". The bytes are not kept after the call. */
export type OnWindow = (buffer: Buffer, start: number, end: number) => void;

/** Splits one file's bytes into windows. Holds at most one unfinished line, of `maxLineBytes` without its newline. */
export class LineSplitter {
  /** The unfinished line, in the first `#kept` bytes. Grows on need, up to the limit. */
  #rest: Buffer = NOTHING;
  #kept = 0;
  /** True inside a line already found too long. */
  #isSkipping = false;
  /** Bytes since the last newline, those of a skipped line included. */
  #unfinished = 0;
  #lines = 0;
  #oversized = 0;

  constructor(
    private readonly maxLineBytes: number,
    private readonly onWindow: OnWindow,
  ) {}

  /** Whole lines handed on so far. */
  get lines(): number {
    return this.#lines;
  }

  /** Lines skipped because they were too long. */
  get oversized(): number {
    return this.#oversized;
  }

  /** Bytes read since the last newline: where a restart would have to begin again. */
  get unfinishedBytes(): number {
    return this.#unfinished;
  }

  /** Takes the next bytes of the file. Whole lines inside `chunk` are handed on without a copy. */
  push(chunk: Buffer): void {
    let start = 0;
    if (this.#unfinished > 0) {
      const newline = chunk.indexOf(NEWLINE);
      this.#keep(chunk, 0, newline < 0 ? chunk.length : newline);
      if (newline < 0) return;
      this.#finish();
      start = newline + 1;
    }
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (start < end) this.#emit(chunk, start, end);
    this.#keep(chunk, Math.max(start, end), chunk.length);
  }

  /** The file ends here: what is left is a line, though its newline was never written. */
  flush(): void {
    if (this.#unfinished > 0) this.#finish();
  }

  /** Forgets the unfinished line: it is read elsewhere. */
  discard(): void {
    this.#kept = 0;
    this.#unfinished = 0;
    this.#isSkipping = false;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const length = end - start;
    this.#unfinished += length;
    if (this.#isSkipping) return;
    if (this.#kept + length > this.maxLineBytes) {
      this.#isSkipping = true;
      this.#oversized++;
      this.#kept = 0;
      return;
    }
    this.#reserve(this.#kept + length + 1);
    chunk.copy(this.#rest, this.#kept, start, end);
    this.#kept += length;
  }

  #reserve(size: number): void {
    if (size <= this.#rest.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.maxLineBytes + 1, Math.max(size * 2, 4096)));
    this.#rest.copy(larger, 0, 0, this.#kept);
    this.#rest = larger;
  }

  /** Hands on the unfinished line, now ended, unless it was too long. */
  #finish(): void {
    const end = this.#kept;
    const isSkipped = this.#isSkipping;
    this.discard();
    if (isSkipped) return;
    this.#rest[end] = NEWLINE;
    this.#lines++;
    this.onWindow(this.#rest, 0, end + 1);
  }

  /**
   * Hands on whole lines, leaving out those that are too long. Looks back from the limit: when any newline lies within
   * a limit's reach of a line's start, every line up to that newline is short enough.
   */
  #emit(chunk: Buffer, start: number, end: number): void {
    let good = start;
    for (let from = start; from < end; ) {
      const reach = from + this.maxLineBytes;
      if (reach >= end) break;
      const newline = chunk.lastIndexOf(NEWLINE, reach);
      if (newline >= from) {
        from = newline + 1;
        continue;
      }
      this.#deliver(chunk, good, from);
      this.#oversized++;
      from = chunk.indexOf(NEWLINE, reach) + 1;
      good = from;
    }
    this.#deliver(chunk, good, end);
  }

  #deliver(chunk: Buffer, start: number, end: number): void {
    if (start >= end) return;
    for (let p = chunk.indexOf(NEWLINE, start); p >= 0 && p < end; p = chunk.indexOf(NEWLINE, p + 1)) this.#lines++;
    this.onWindow(chunk, start, end);
  }
}
