/**
 * The other thread of read-ahead.ts: reads and parses one log after the other. A worker has to be a file of its own, and
 * lies beside main.ts because the executable keeps its files by their place relative to that one.
 */
import { type ArchiveProgress, readArchive } from "./accesslog/archive.ts";
import { type Batch, type BatchBuffers, BatchWriter } from "./accesslog/batch.ts";
import { createParser, type LineParser, type ParserOptions } from "./accesslog/parse.ts";

/** How lines are read. */
export interface ReadAheadOptions {
  readonly fields: ParserOptions["fields"];
  readonly maxLineBytes: number;
}

/** What this thread is told: once how to read, then which file; and that a batch has been read. */
export type ToThread =
  | { readonly kind: "options"; readonly options: ReadAheadOptions }
  | { readonly kind: "read"; readonly file: string }
  | { readonly kind: "taken"; readonly buffers: BatchBuffers };

/** What it tells: lines and how far they reach, the end of the file, or why it cannot be read. */
export type FromThread =
  | { readonly kind: "lines"; readonly batch: Batch; readonly progress: ArchiveProgress }
  | { readonly kind: "end"; readonly progress: ArchiveProgress }
  | {
      readonly kind: "failed";
      readonly code: string | undefined;
      readonly message: string;
      readonly progress: ArchiveProgress;
    };

/**
 * Batches that wait to be judged. With so many of them nothing more is read: the lines of the last piece (a megabyte)
 * still go out.
 */
const MOST_WAITING = 8;

class ReadingThread {
  /** Of all files together. */
  readonly #progress: ArchiveProgress = { bytes: 0, oversized: 0 };
  readonly #parser: LineParser;
  readonly #writer = new BatchWriter((batch) => this.#handOn(batch));
  #waiting = 0;
  #goOn = (): void => {};

  constructor(private readonly options: ReadAheadOptions) {
    this.#parser = createParser({ fields: options.fields });
  }

  /** Never rejects: what is wrong with the file is told. */
  async read(file: string): Promise<void> {
    const onWindow = (buffer: Buffer, start: number, end: number): void =>
      this.#parser.parseWindow(buffer, start, end, this.#writer);
    try {
      await readArchive(file, this.options.maxLineBytes, this.#progress, onWindow, () => this.#room());
      this.#writer.flush();
      tell({ kind: "end", progress: this.#progress });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.#writer.flush();
      tell({ kind: "failed", code, message, progress: this.#progress });
    }
  }

  taken(buffers: BatchBuffers): void {
    this.#waiting--;
    this.#writer.reuse(buffers);
    if (this.#waiting < MOST_WAITING) this.#goOn();
  }

  #handOn(batch: Batch): void {
    this.#waiting++;
    tell({ kind: "lines", batch, progress: this.#progress }, [batch.columns, batch.texts]);
  }

  /** A piece has been read: its lines go out, and the next is read when they are few. */
  async #room(): Promise<void> {
    this.#writer.flush();
    if (this.#waiting < MOST_WAITING) return;
    await new Promise<void>((resolve) => {
      this.#goOn = resolve;
    });
  }
}

declare const self: Worker;

function tell(message: FromThread, moved: ArrayBuffer[] = []): void {
  self.postMessage(message, moved);
}

let thread: ReadingThread | null = null;
self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  switch (data.kind) {
    case "options":
      thread = new ReadingThread(data.options);
      break;
    case "read":
      void thread?.read(data.file);
      break;
    case "taken":
      thread?.taken(data.buffers);
      break;
    default:
      data satisfies never;
  }
};
