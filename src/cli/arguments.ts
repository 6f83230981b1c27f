/** argv in; a command with its arguments, or a usage error, out. [pure] */
import { nearest } from "../config/nearest.ts";
import type { Command, Option, ParsedArgs } from "./command.ts";
import { COMMANDS, findCommand, HELP } from "./commands.ts";
import { printable } from "./terminal.ts";

/** What argv asks for. */
export type Parsed =
  | { readonly kind: "run"; readonly command: Command; readonly args: ParsedArgs }
  /** Help was asked for: of one command, or of everything. */
  | { readonly kind: "help"; readonly command: Command | null }
  | { readonly kind: "version" }
  | { readonly kind: "usage-error"; readonly message: string; readonly command: Command | null };

/** Parses what stands after the program's name. */
export function parseArguments(argv: readonly string[]): Parsed {
  const [first, ...rest] = argv;
  if (first === undefined) return { kind: "usage-error", message: "no command given", command: null };
  if (first === "--help" || first === "-h") return { kind: "help", command: null };
  if (first === "--version" || first === "-V") return { kind: "version" };
  if (first.startsWith("-"))
    return usageError(`${quoted(first)} stands before the command; options come after it`, null);
  const command = findCommand(first);
  if (command) return parseCommand(command, rest);
  const meant = nearest(
    first,
    COMMANDS.map((known) => known.name),
  );
  return usageError(`unknown command ${quoted(first)}${didYouMean(meant)}`, null);
}

function parseCommand(command: Command, argv: readonly string[]): Parsed {
  const operands: string[] = [];
  const values: Record<string, string> = {};
  const flags = new Set<string>();
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === "--") {
      operands.push(...argv.slice(i + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      operands.push(word);
      continue;
    }
    const [name, inline] = splitOption(word);
    const option = findOption(command, name);
    if (!option) return unknownOption(command, name);
    if (option === HELP) return { kind: "help", command };
    if (option.name in values || flags.has(option.name)) return usageError(`--${option.name} is given twice`, command);
    if (option.value === undefined) {
      if (inline !== undefined) return usageError(`--${option.name} takes no value`, command);
      flags.add(option.name);
      continue;
    }
    const value = inline ?? argv[++i];
    const isMissing = value === undefined || value === "" || (inline === undefined && /^--./.test(value));
    if (isMissing) return usageError(`--${option.name} needs a value: --${option.name} ${option.value}`, command);
    values[option.name] = value;
  }
  const problem = operandProblem(command, operands);
  if (problem) return usageError(problem, command);
  return { kind: "run", command, args: { command: command.name, operands, values, flags } };
}

/** "--for=10m" is ["--for", "10m"], "--for" is ["--for", undefined]. */
function splitOption(word: string): [name: string, value: string | undefined] {
  const equals = word.startsWith("--") ? word.indexOf("=") : -1;
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function findOption(command: Command, name: string): Option | undefined {
  return [...command.options, HELP].find(
    (option) => name === `--${option.name}` || (option.short !== undefined && name === `-${option.short}`),
  );
}

function unknownOption(command: Command, name: string): Parsed {
  const known = [...command.options, HELP].map((option) => `--${option.name}`);
  return usageError(`${command.name} has no option ${quoted(name)}${didYouMean(nearest(name, known))}`, command);
}

function operandProblem(command: Command, operands: readonly string[]): string | null {
  const { name, min, max } = command.operand ?? { name: "", min: 0, max: 0 };
  if (operands.length < min)
    return `${command.name} needs ${min === 1 ? `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}` : `${min} ${name}s`}`;
  if (operands.length > max) return `${command.name} does not know what to do with ${quoted(operands[max]!)}`;
  return null;
}

function usageError(message: string, command: Command | null): Parsed {
  return { kind: "usage-error", message, command };
}

function didYouMean(word: string | null): string {
  return word === null ? "" : `, did you mean "${word}"?`;
}

function quoted(word: string): string {
  return `"${printable(word, 80)}"`;
}
