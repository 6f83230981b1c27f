/** Which configuration file a command means, and how its problems are told. */
import { stat } from "node:fs/promises";
import { type LoadResult, loadConfig } from "../config/load.ts";
import { type Problem, problemLines } from "../config/problem.ts";
import type { Config } from "../config/schema.ts";
import { type CommandIo, EXIT, type ParsedArgs } from "./command.ts";
import { counted, printable } from "./terminal.ts";

/** Where the installer puts the configuration. */
export const DEFAULT_CONFIG_PATH = "/etc/anomaly-detector/anomaly-detector.yaml";

/** --config, else the default path where there is a file, else null: the defaults built in. */
export async function configPath(args: ParsedArgs): Promise<string | null> {
  if (args.values.config !== undefined) return args.values.config;
  try {
    await stat(DEFAULT_CONFIG_PATH);
    return DEFAULT_CONFIG_PATH;
  } catch (error) {
    // A file that is there but out of reach must not silently become the defaults.
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? null : DEFAULT_CONFIG_PATH;
  }
}

/** A valid configuration and its file (null: the defaults), or the exit code to end with. */
export type CommandConfig =
  | { readonly ok: true; readonly config: Config; readonly path: string | null }
  | { readonly ok: false; readonly exitCode: number };

/**
 * The configuration for `run` and `replay`: warnings and problems are told on stderr, and a wrong file ends
 * the command with its exit code. `consequence` ends the last line: "not started".
 */
export async function requireConfig(args: ParsedArgs, io: CommandIo, consequence: string): Promise<CommandConfig> {
  const path = await configPath(args);
  if (path === null) io.err(`anomaly-detector: no ${DEFAULT_CONFIG_PATH} and no --config: using the defaults`);
  const result = await loadConfig(path, io.env);
  tellProblems(io, path, result, consequence);
  return result.ok ? { ok: true, config: result.config, path } : { ok: false, exitCode: EXIT.usage };
}

/** More than these on one screen help nobody. */
const MAX_TOLD = 50;

/** Prints warnings and problems to stderr, the count and the consequence last. */
export function tellProblems(io: CommandIo, path: string | null, result: LoadResult, consequence: string): void {
  const file = path ?? "defaults";
  tell(
    io,
    file,
    result.warnings.map((warning) => ({ ...warning, message: `warning: ${warning.message}` })),
  );
  if (result.ok) return;
  tell(io, file, result.problems);
  io.err(`${counted(result.problems.length, "error")}; ${consequence}`);
}

function tell(io: CommandIo, file: string, problems: readonly Problem[]): void {
  for (const line of problemLines(file, problems.slice(0, MAX_TOLD))) io.err(printable(line, 2000));
  if (problems.length > MAX_TOLD) io.err(`… and ${problems.length - MAX_TOLD} more`);
}
