/** What a command of the command line is: the words between src/main.ts, the table and src/commands/. */
import type { Clock } from "../clock.ts";

/** The exit codes, the same for every command. */
export const EXIT = {
  ok: 0,
  /** The command ran and found (or met) a problem. */
  problem: 1,
  /** Wrong usage, or a configuration that is not valid. */
  usage: 2,
  notRunning: 3,
  permission: 4,
  notFound: 5,
} as const;

/** Where a command's words go and what it may know of its surroundings. Tests pass their own. */
export interface CommandIo {
  /** Results: one line (or several), the newline is added. */
  out(text: string): void;
  /** Messages: what went wrong, what to do next. */
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** True when `out` is a terminal that wants colour. */
  readonly color: boolean;
  /** Columns of the terminal behind `out`, or null when it is a file or a pipe. */
  readonly width: number | null;
  readonly clock: Clock;
}

/** The arguments of one command, already checked against its row in the table. */
export interface ParsedArgs {
  readonly command: string;
  readonly operands: readonly string[];
  /** Options with a value, by name without dashes: { config: "x.yaml" }. */
  readonly values: Readonly<Record<string, string | undefined>>;
  /** Options without a value that were given: "json". */
  readonly flags: ReadonlySet<string>;
}

/** What every file in src/commands/ exports as `run`: resolves to the exit code. */
export type CommandRun = (args: ParsedArgs, io: CommandIo) => Promise<number>;

/** One "--name" of a command. */
export interface Option {
  readonly name: string;
  /** One letter, without the dash. */
  readonly short?: string;
  /** Placeholder of its value ("FILE"); absent for a flag. */
  readonly value?: string;
  readonly help: string;
  /** What shell completion offers for the value. */
  readonly complete?: "file" | readonly string[];
}

/** The words of a command that are no options: how many, and what they are called. */
export interface Operand {
  /** Placeholder: "ADDRESS". */
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly complete?: "file" | readonly string[];
}

/** One row of the table: help, completions, parsing and usage errors are all made from it. */
export interface Command {
  readonly name: string;
  readonly group: "Daemon" | "Bans" | "Other";
  /** One line, no full stop, for the list. */
  readonly summary: string;
  /** Sentences under the usage line of its own help. */
  readonly details?: readonly string[];
  readonly operand?: Operand;
  readonly options: readonly Option[];
  readonly examples?: readonly string[];
  /** Imported only when it is run, so that small commands start fast. */
  load(): Promise<{ readonly run: CommandRun }>;
}
