/** Reads and parses logs in a thread of its own, a few batches ahead of whoever judges the lines. */
import type { ArchiveProgress } from "./accesslog/archive.ts";
import { BatchReader } from "./accesslog/batch.ts";
import type { LineSink } from "./accesslog/parse.ts";
import type { FromThread, ReadAheadOptions, ToThread } from "./read-ahead-thread.ts";

const THREAD = new URL("./read-ahead-thread.ts", import.meta.url);

/** Who waits for the lines of a file. */
interface Reading {
  readonly sink: LineSink;
  readonly onProgress: (progress: ArchiveProgress) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** One thread, and what it reads; `close` ends it. */
export class ReadAhead {
  readonly #thread: Worker;
  readonly #reader = new BatchReader();
  #reading: Reading | null = null;
  /** Why the thread is no more. */
  #death: Error | null = null;

  /** `thread`: the module that reads, where it is another than ours. */
  constructor(options: ReadAheadOptions, thread: URL = THREAD) {
    this.#thread = new Worker(thread.href);
    this.#thread.onmessage = ({ data }: MessageEvent<FromThread>) => this.#hear(data);
    // Bun puts the source and the stack around the line that says it.
    this.#thread.onerror = ({ message }) => this.#die(/^\w*error: .*$/im.exec(message)?.[0] ?? message);
    this.#thread.addEventListener("close", () => this.#die("it ended"));
    this.#tell({ kind: "options", options });
  }

  /**
   * Shows the lines of a file (not "-") to `sink`, and calls `onProgress` after each piece, with the bytes of all files so
   * far; one file at a time. Rejects with the file system's or zlib's error, and when the thread is no more.
   */
  read(file: string, sink: LineSink, onProgress: (progress: ArchiveProgress) => void): Promise<void> {
    if (this.#death !== null) return Promise.reject(this.#death);
    return new Promise((resolve, reject) => {
      this.#reading = { sink, onProgress, resolve, reject };
      this.#tell({ kind: "read", file });
    });
  }

  close(): void {
    this.#thread.terminate();
  }

  #hear(message: FromThread): void {
    const reading = this.#reading;
    if (reading === null) return;
    try {
      switch (message.kind) {
        case "lines":
          this.#take(message, reading);
          break;
        case "end":
          reading.onProgress(message.progress);
          this.#reading = null;
          reading.resolve();
          break;
        case "failed":
          reading.onProgress(message.progress);
          throw Object.assign(new Error(message.message), { code: message.code });
        default:
          message satisfies never;
      }
    } catch (error) {
      this.#reading = null;
      reading.reject(error);
    }
  }

  #take({ batch, progress }: Extract<FromThread, { kind: "lines" }>, { sink, onProgress }: Reading): void {
    this.#reader.read(batch, sink);
    const { columns, texts } = batch;
    this.#tell({ kind: "taken", buffers: { columns, texts } }, [columns, texts]);
    onProgress(progress);
  }

  #die(why: string): void {
    this.#death ??= new Error(`the thread that reads the log died: ${why}`);
    this.#reading?.reject(this.#death);
    this.#reading = null;
  }

  #tell(message: ToThread, moved: ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, moved);
  }
}
