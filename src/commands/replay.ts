/** Composition root of the backtest: old logs in, the decisions it would have made out. */
import { createWriteStream, type WriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { type CommandIo, EXIT, type ParsedArgs } from "../cli/command.ts";
import { configPath, requireConfig } from "../cli/configuration.ts";
import { printable, printableJson } from "../cli/terminal.ts";
import { replayEvent } from "../events.ts";
import { Contender, type ReplayDecision } from "../replay/contender.ts";
import { difference } from "../replay/difference.ts";
import { jsonSummary } from "../replay/json.ts";
import { ProgressBar } from "../replay/progress.ts";
import { reportModel } from "../replay/report-model.ts";
import { ReadError, Session } from "../replay/session.ts";
import { comparisonLines, crowdLines, decisionLine, evidenceLines, isForeign, summaryLines } from "../replay/text.ts";
import { Timeline } from "../replay/timeline.ts";
import { VERSION_TEXT } from "../version.ts";

/** Runs the engine over the files in trace time. Prints its decisions, then a summary. */
export async function run(args: ParsedArgs, terminal: CommandIo): Promise<number> {
  const bar = terminal.width === null ? null : new ProgressBar((text) => void process.stderr.write(text));
  const io = above(terminal, bar);
  const contenders = await readContenders(args, io);
  if (contenders === null) return EXIT.usage;
  const [first, second] = contenders;
  const events = new EventsFile(args.values.events);
  const timeline = args.values.html === undefined ? null : new Timeline();
  first.listen((decision) => {
    events.write(decision);
    if (!args.flags.has("json") && second === undefined) tell(decision, args, io);
  });
  try {
    const isLog = await replay(args, io, contenders, timeline, bar);
    await events.close();
    return isLog ? EXIT.ok : EXIT.problem;
  } catch (error) {
    if (!(error instanceof ReadError || error instanceof WriteError)) throw error;
    io.err(`anomaly-detector: ${printable(error.message)}`);
    return EXIT.problem;
  }
}

/** Lines that are told while the bar is drawn take its place; it comes back below them. */
function above(io: CommandIo, bar: ProgressBar | null): CommandIo {
  if (bar === null) return io;
  const after = (say: (text: string) => void) => (text: string) => {
    bar.clear();
    say(text);
  };
  return { ...io, out: after(io.out), err: after(io.err) };
}

type Contenders = readonly [Contender, ...Contender[]];

/** --config, and --compare beside it. Null, with the problems told, when one of them is not valid. */
async function readContenders(args: ParsedArgs, io: CommandIo): Promise<Contenders | null> {
  const openLoop = args.flags.has("open-loop");
  const first = await requireConfig(args, io, "nothing replayed");
  if (!first.ok) return null;
  const path = await configPath(args);
  const { compare } = args.values;
  const names = uniqueNames(path === null ? "the defaults" : path, compare);
  const contender = new Contender(names[0], first.config, openLoop);
  if (compare === undefined) return [contender];
  const other = await requireConfig({ ...args, values: { ...args.values, config: compare } }, io, "nothing replayed");
  return other.ok ? [contender, new Contender(names[1], other.config, openLoop)] : null;
}

/** File names without their directories, where that tells them apart. */
function uniqueNames(first: string, second: string | undefined): [string, string] {
  const short: [string, string] = [basename(first), basename(second ?? "")];
  return short[0] === short[1] ? [first, second ?? ""] : short;
}

/** False when the input is no access log at all. */
async function replay(
  args: ParsedArgs,
  io: CommandIo,
  contenders: Contenders,
  timeline: Timeline | null,
  bar: ProgressBar | null,
): Promise<boolean> {
  const began = performance.now();
  const session = new Session(contenders, timeline);
  try {
    await session.run(args.operands, () => bar?.draw(() => session.status()));
  } finally {
    bar?.clear();
  }
  const seconds = (performance.now() - began) / 1000;
  const [first, second] = contenders;
  const status = session.status();
  if (args.flags.has("json")) io.out(printableJson(jsonSummary(contenders, status, seconds)));
  else if (second !== undefined)
    io.out(comparisonLines([first, second], difference(first, second), args.flags.has("list")).join("\n"));
  if (timeline !== null) await writeReport(args, contenders, timeline);
  for (const line of summaryLines(first, status, seconds)) io.err(line);
  return !isForeign(status);
}

function tell(decision: ReplayDecision, args: ParsedArgs, io: CommandIo): void {
  const line = decisionLine(decision);
  if (line !== null) io.out(line);
  if (!args.flags.has("list") || decision.kind === "unban") return;
  for (const evidence of decision.kind === "ban" ? evidenceLines(decision.ban) : crowdLines(decision)) io.out(evidence);
}

async function writeReport(args: ParsedArgs, contenders: Contenders, timeline: Timeline): Promise<void> {
  // Loaded only here: views and their JSX factory are of no use to anybody else in this command.
  const { reportPage } = await import("../../views/report.tsx");
  const path = args.values.html!;
  const files = args.operands.map((file) => (file === "-" ? "standard input" : basename(file)));
  try {
    await writeFile(path, reportPage(reportModel({ contenders, timeline, files, version: VERSION_TEXT })));
  } catch (error) {
    throw new WriteError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** A file that cannot be written. */
class WriteError extends Error {
  override readonly name = "WriteError";
}

/** --events: one JSON object a line, or nothing. */
class EventsFile {
  readonly #stream: WriteStream | null;
  #error: Error | null = null;

  constructor(private readonly path: string | undefined) {
    this.#stream = path === undefined ? null : createWriteStream(path, { mode: 0o644 });
    this.#stream?.on("error", (error) => {
      this.#error = error;
    });
  }

  write(decision: ReplayDecision): void {
    const event = this.#stream === null ? null : replayEvent(decision);
    if (event !== null) this.#stream?.write(`${JSON.stringify(event)}\n`);
  }

  async close(): Promise<void> {
    const stream = this.#stream;
    if (stream === null) return;
    await new Promise<void>((resolve) => {
      stream.on("error", () => resolve());
      if (this.#error) resolve();
      else stream.end(() => resolve());
    });
    if (this.#error) throw new WriteError(`${this.path}: ${this.#error.message}`);
  }
}
