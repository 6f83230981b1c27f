/** Composition root of the backtest: old logs in, the decisions it would have made out. */
import { createWriteStream, type WriteStream } from "node:fs";
import { type ArchiveProgress, archiveSize, readArchive } from "../accesslog/archive.ts";
import { createParser } from "../accesslog/parse.ts";
import { type CommandIo, EXIT, type ParsedArgs } from "../cli/command.ts";
import { requireConfig } from "../cli/configuration.ts";
import { counted, printable, timeText } from "../cli/terminal.ts";
import type { Config } from "../config/schema.ts";
import type { Decision } from "../decision.ts";
import { Engine } from "../engine.ts";
import { type ReplayEvent, replayEvent } from "../events.ts";
import { Pump } from "../pump.ts";

/** A gap in a log longer than this must be confirmed by a second line. */
const JUMP_MS = 3_600_000;
/** How often the progress line is drawn anew. */
const PROGRESS_MS = 200;

/** Runs the engine over the files in trace time. Prints its decisions, then a summary. */
export async function run(args: ParsedArgs, io: CommandIo): Promise<number> {
  const loaded = await requireConfig(args, io, "nothing replayed");
  if (!loaded.ok) return loaded.exitCode;
  const replay = new Replay(loaded.config, io, args.values.events, args.flags.has("open-loop"));
  try {
    await replay.run(args.operands);
    return EXIT.ok;
  } catch (error) {
    io.err(`anomaly-detector: ${printable(error instanceof Error ? error.message : String(error))}`);
    return EXIT.problem;
  }
}

class Replay {
  readonly #pump: Pump;
  readonly #engine: Engine;
  readonly #events: WriteStream | null;
  #eventsError: Error | null = null;
  readonly #progress: ArchiveProgress = { bytes: 0, oversized: 0 };
  readonly #tally = { BAN: 0, UNBAN: 0, ALERT: 0 };
  readonly #banned = new Set<string>();

  constructor(
    private readonly config: Config,
    private readonly io: CommandIo,
    private readonly eventsPath: string | undefined,
    openLoop: boolean,
  ) {
    this.#engine = new Engine(config, { openLoop });
    const parser = createParser({ fields: config.log.fields });
    this.#pump = new Pump(this.#engine, parser, (decision) => this.#take(decision), { confirmJumpsOverMs: JUMP_MS });
    this.#events = eventsPath === undefined ? null : createWriteStream(eventsPath, { mode: 0o644 });
    this.#events?.on("error", (error) => {
      this.#eventsError = error;
    });
  }

  async run(files: readonly string[]): Promise<void> {
    const began = performance.now();
    const sizes = await Promise.all(files.map(archiveSize));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const draw = this.#drawer(total, began);
    for (const file of files) {
      await readArchive(file, this.config.log.max_line_bytes, this.#progress, (buffer, start, end) => {
        this.#pump.window(buffer, start, end);
        draw();
      });
    }
    this.#pump.end();
    await this.#closeEvents();
    this.#summary((performance.now() - began) / 1000);
  }

  #take(decision: Decision): void {
    const event = replayEvent(decision);
    if (event === null) return;
    this.#tally[event.action]++;
    if (event.action === "BAN") this.#banned.add(event.ip!);
    this.#events?.write(`${JSON.stringify(event)}\n`);
    if (event.action !== "UNBAN") this.io.out(this.#line(event));
  }

  #line(event: ReplayEvent): string {
    const duration = event.duration === undefined ? "" : event.duration < 0 ? "permanent" : `${event.duration} s`;
    const cells = [
      timeText(event.ts * 1000),
      event.action.padEnd(5),
      (event.ip ?? "global").padEnd(24),
      duration.padEnd(10),
    ];
    return printable(`${cells.join("  ")}  ${event.condition}`);
  }

  async #closeEvents(): Promise<void> {
    const stream = this.#events;
    if (stream === null) return;
    await new Promise<void>((resolve) => {
      stream.on("error", () => resolve());
      if (this.#eventsError) resolve();
      else stream.end(() => resolve());
    });
    if (this.#eventsError) throw new Error(`write ${this.eventsPath}: ${(this.#eventsError as Error).message}`);
  }

  #summary(seconds: number): void {
    const { records, failures } = this.#pump.status();
    const counters = this.#engine.counters();
    const bad = Object.entries(failures);
    const notes = [
      ...bad.map(([kind, count]) => `${count} ${kind}`),
      ...(counters.late > 0 ? [`${counters.late} out of order by more than a window`] : []),
      ...(this.#pump.unconfirmed > 0 ? [`${this.#pump.unconfirmed} dated far ahead`] : []),
      ...(this.#progress.oversized > 0 ? [`${this.#progress.oversized} too long`] : []),
    ];
    this.io.err(
      `${counted(records, "line")} in ${seconds.toFixed(1)} s (${Math.round(records / Math.max(seconds, 1e-3) / 1000)} k lines/s): ` +
        `${counted(this.#tally.BAN, "ban")} of ${counted(this.#banned.size, "source")}, ${counted(this.#tally.ALERT, "alert")}, ` +
        `${counters.banned} requests would have been dropped${notes.length > 0 ? `; not counted: ${notes.join(", ")}` : ""}`,
    );
  }

  /** Draws the progress on a terminal only; at most five times a second. */
  #drawer(total: number, began: number): () => void {
    if (this.io.width === null || total === 0) return () => {};
    let last = 0;
    return () => {
      const now = performance.now();
      if (now - last < PROGRESS_MS) return;
      last = now;
      const share = Math.min(1, this.#progress.bytes / total);
      const bar = "█".repeat(Math.round(share * 30)).padEnd(30, "░");
      const perSecond = this.#pump.status().records / ((now - began) / 1000);
      process.stderr.write(
        `\r${bar} ${(share * 100).toFixed(0).padStart(3)} %  ${(perSecond / 1e6).toFixed(2)} M lines/s\x1b[K${share === 1 ? "\r\x1b[K" : ""}`,
      );
    };
  }
}
