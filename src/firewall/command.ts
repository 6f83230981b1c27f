import type { Exec, ExecResult } from "./exec.ts";
import { FirewallError } from "./firewall.ts";

/** One firewall command and the words for its failure: "ban 203.0.113.9: ip6tables-restore exited 3: …". */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly stdin?: string | undefined;
  /** What is being done to what: "ban 203.0.113.9". */
  readonly doing: string;
}

/** Runs a command and returns its standard output; throws FirewallError when it did not do what was asked. */
export async function must(exec: Exec, command: Command): Promise<string> {
  const result = await attempt(exec, command);
  if (result.exitCode !== 0 || result.timedOut) throw commandError(command, result);
  return result.stdout;
}

/** Runs a command; a lock held by somebody else is waited out once more. */
export async function attempt(exec: Exec, command: Command): Promise<ExecResult> {
  const options = command.stdin === undefined ? {} : { stdin: command.stdin };
  const result = await exec(command.argv, options);
  return result.exitCode !== 0 && !result.timedOut && isBusy(result.stderr) ? exec(command.argv, options) : result;
}

/** What a failed command means, with its mend where that is known. */
export function commandError(command: Command, result: ExecResult): FirewallError {
  const program = command.argv[0];
  const ended = result.timedOut
    ? `${program} was killed: it took too long`
    : `${program} exited ${result.exitCode}: ${essence(result.stderr)}`;
  const hint = result.exitCode === 127 ? `install ${packageOf(program)}` : hintFor(result.stderr);
  return new FirewallError(`${command.doing}: ${ended}${hint ? ` (${hint})` : ""}`);
}

/** "203.0.113.9", "203.0.113.9 and 99 more" */
export function subjectText(sources: readonly string[]): string {
  return sources.length <= 1 ? (sources[0] ?? "nothing") : `${sources[0]} and ${sources.length - 1} more`;
}

function isBusy(stderr: string): boolean {
  return /resource temporarily unavailable|xtables lock|Another app is currently holding/i.test(stderr);
}

/** What the operator can do about it, by what the tools say. The first match wins. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/lock file/i, "set XTABLES_LOCKFILE to a path the service may write"],
  [/can't open socket to ipset/i, "is the service granted CAP_NET_ADMIN and CAP_NET_RAW?"],
  [/permission denied|operation not permitted|must be root/i, "is the service granted CAP_NET_ADMIN?"],
  [/address family not supported/i, "does the unit's RestrictAddressFamilies allow AF_NETLINK?"],
  [/hash is full/i, "the set is full: lower bans.max_active or shorten bans.durations"],
  [/set with the given name does not exist|set .* doesn't exist/i, "the set is gone; the next repair makes it again"],
  [
    /table does not exist|can't initialize|no such file|kernel error|protocol not supported/i,
    "does the kernel have it?",
  ],
  [/resource temporarily unavailable|xtables lock/i, "another program keeps the xtables lock"],
];

function hintFor(stderr: string): string {
  return HINTS.find(([pattern]) => pattern.test(stderr))?.[1] ?? "";
}

function packageOf(program: string): string {
  return program.startsWith("ip6tables") || program.startsWith("iptables") ? "iptables" : program;
}

/** The tool's complaint on one line: without the advice to read its help and without warnings of other tables. */
function essence(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim());
  const telling = lines.filter((line) => line !== "" && !/^(Try `|# Warning|Error occurred at line)/.test(line));
  return telling.join("; ").slice(0, 300) || "no message";
}
