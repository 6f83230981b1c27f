/** Reads the lines once and shows each to every contender. */
import { availableParallelism } from "node:os";
import { type ArchiveProgress, archiveSize, readArchive } from "../accesslog/archive.ts";
import { createParser } from "../accesslog/parse.ts";
import type { AccessRecord } from "../accesslog/record.ts";
import { triggerRate } from "../detection/verdict.ts";
import { Pump, type PumpEngine } from "../pump.ts";
import { ReadAhead } from "../read-ahead.ts";
import type { Contender } from "./contender.ts";
import type { Timeline } from "./timeline.ts";

/** A gap in a log longer than this must be confirmed by a second line. */
const JUMP_MS = 3_600_000;

/** Plain bytes of log from which on a thread that reads ahead gives more than its start costs. */
const READ_AHEAD_BYTES = 128 << 20;
/** What a log is packed to, more or less. */
const PACKED = 0.1;

/** A file that cannot be read; the message names it and the cause. */
export class ReadError extends Error {
  override readonly name = "ReadError";
}

/** What has been read so far. */
export interface SessionStatus {
  readonly records: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly failureSample: string | undefined;
  /** Out of order by more than a window. */
  readonly late: number;
  /** Dated far ahead and not confirmed by the next line. */
  readonly unconfirmed: number;
  /** Longer than log.max_line_bytes. */
  readonly oversized: number;
  /** Share of the input that is read, 0–1; null where its size is not known. */
  readonly share: number | null;
}

/** One pass over the files. */
export class Session {
  readonly #pump: Pump;
  #progress: ArchiveProgress = { bytes: 0, oversized: 0 };
  #total = 0;

  /**
   * The first contender's configuration says how lines are read. `timeline` sees what its engine sees. Logs of
   * `readAheadBytes` and more are read in a thread of their own.
   */
  constructor(
    private readonly contenders: readonly [Contender, ...Contender[]],
    timeline: Timeline | null,
    private readonly readAheadBytes = READ_AHEAD_BYTES,
  ) {
    const [first] = contenders;
    const parser = createParser({ fields: first.config.log.fields });
    // Alone, the engine is fed without a detour: nothing else may cost.
    const engine = contenders.length === 1 && timeline === null ? first.engine : fan(contenders, timeline);
    this.#pump = new Pump(engine, parser, first.take, { confirmJumpsOverMs: JUMP_MS });
  }

  /** Reads the files in order. `onProgress` is called after each piece. Throws ReadError. */
  async run(files: readonly string[], onProgress: () => void): Promise<void> {
    let plainBytes = 0;
    for (const file of files) {
      const size = await named(file, archiveSize(file));
      this.#total += size;
      plainBytes += file.endsWith(".gz") ? size / PACKED : size;
    }
    const isWorthIt = plainBytes >= this.readAheadBytes && availableParallelism() > 1;
    if (isWorthIt && !files.includes("-")) await this.#readAhead(files, onProgress);
    else await this.#readHere(files, onProgress);
    this.#pump.end();
  }

  async #readHere(files: readonly string[], onProgress: () => void): Promise<void> {
    const { max_line_bytes } = this.contenders[0].config.log;
    for (const file of files) {
      const read = readArchive(file, max_line_bytes, this.#progress, (buffer, start, end) => {
        this.#pump.window(buffer, start, end);
        onProgress();
      });
      await named(file, read);
    }
  }

  async #readAhead(files: readonly string[], onProgress: () => void): Promise<void> {
    const { fields, max_line_bytes: maxLineBytes } = this.contenders[0].config.log;
    const reader = new ReadAhead({ fields, maxLineBytes });
    try {
      for (const file of files) {
        const read = reader.read(file, this.#pump.sink, (progress) => {
          this.#progress = progress;
          onProgress();
        });
        await named(file, read);
      }
    } finally {
      reader.close();
    }
  }

  status(): SessionStatus {
    const { records, failures, failureSample } = this.#pump.status();
    return {
      records,
      failures,
      failureSample,
      late: this.contenders[0].engine.counters().late,
      unconfirmed: this.#pump.unconfirmed,
      oversized: this.#progress.oversized,
      share: this.#total === 0 ? null : Math.min(1, this.#progress.bytes / this.#total),
    };
  }
}

/** One engine to the pump, all of them behind it. */
function fan(contenders: readonly [Contender, ...Contender[]], timeline: Timeline | null): PumpEngine {
  const [first] = contenders;
  let drawn = first.baseline;
  const observe = (record: AccessRecord): void => {
    timeline?.add(record.at);
    for (const contender of contenders) contender.observe(record);
    if (timeline === null || drawn === first.baseline || first.baseline === null) return;
    drawn = first.baseline;
    const { z_score: zScore, rate_multiple: rateMultiple } = first.config.detection;
    const { site } = drawn;
    const trigger = triggerRate(site, { zScore, rateMultiple });
    timeline.learn(site.at, { mean: site.mean, stddev: site.stddev, trigger });
  };
  return {
    get now() {
      return first.engine.now;
    },
    observe,
    tick(now) {
      for (const contender of contenders) contender.engine.tick(now, contender.take);
    },
  };
}

async function named<T>(file: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const name = file === "-" ? "standard input" : file;
    throw new ReadError(`${name}: ${causeOf(error)}`, { cause: error });
  }
}

function causeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return "there is no such file";
    case "EISDIR":
      return "it is a directory, not a log";
    case "EACCES":
    case "EPERM":
      return "this user may not read it";
    case "Z_BUF_ERROR":
      return "the compressed file ends too early";
    case "Z_DATA_ERROR":
      return "the compressed file is damaged";
    default:
      return message;
  }
}
