/** What the commands that speak to the running daemon share. */
import { loadConfig } from "../config/load.ts";
import { type ControlClient, type ControlResult, createControlClient } from "../control/client.ts";
import { type CommandIo, EXIT, type ParsedArgs } from "./command.ts";
import { configPath, tellProblems } from "./configuration.ts";
import { printable, printableJson } from "./terminal.ts";

/** A client for the daemon, or the exit code to end with. */
export type Connection =
  | { readonly ok: true; readonly client: ControlClient }
  | { readonly ok: false; readonly exitCode: number };

/**
 * The client for --socket, else for control.socket of the configuration. A broken default file must not keep
 * anybody from an unban: then the default socket is tried. One that was named is an error.
 */
export async function connect(args: ParsedArgs, io: CommandIo): Promise<Connection> {
  if (args.values.socket !== undefined) return { ok: true, client: createControlClient(args.values.socket) };
  const path = await configPath(args);
  const named = await loadConfig(path, {});
  const result = named.ok || args.values.config !== undefined ? named : await loadConfig(null, {});
  if (!named.ok) tellProblems(io, path, named, result.ok ? "using the default control socket" : "not asked");
  if (!result.ok) return { ok: false, exitCode: EXIT.usage };
  return { ok: true, client: createControlClient(result.config.control.socket) };
}

/** Prints why there is no answer, with the mend; resolves to the exit code. */
export function tellNoAnswer(io: CommandIo, result: Exclude<ControlResult<never>, { kind: "answer" }>): number {
  switch (result.kind) {
    case "not-running":
      io.err(`anomaly-detector is not running: nobody listens on ${printable(result.socketPath)}`);
      io.err("start it: systemctl start anomaly-detector   (or name its socket: --socket PATH)");
      return EXIT.notRunning;
    case "permission":
      io.err(`${printable(result.socketPath)}: this user may not speak to the daemon`);
      io.err("use sudo, or be in the group of the socket");
      return EXIT.permission;
    case "rejected":
      io.err(`anomaly-detector: ${printable(result.error)}`);
      return EXIT.usage;
    case "fault":
      io.err(`anomaly-detector: ${printable(result.error)}`);
      return EXIT.problem;
    default:
      return result satisfies never;
  }
}

/** Who asks, for the audit log: the person behind sudo, where there is one. */
export function asker(io: CommandIo): string {
  return `${io.env.SUDO_USER || io.env.USER || io.env.LOGNAME || `uid ${process.getuid?.() ?? "?"}`} (command line)`;
}

/** The answer as JSON when --json was given; true when it was. */
export function toldAsJson(args: ParsedArgs, io: CommandIo, value: unknown): boolean {
  if (!args.flags.has("json")) return false;
  io.out(printableJson(value));
  return true;
}
