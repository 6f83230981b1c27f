/** Help texts from the table. [pure] */
import type { Command, Option } from "./command.ts";
import { COMMANDS, HELP } from "./commands.ts";
import { columns } from "./terminal.ts";

/** The program's own help: every command on one line. */
export function programHelp(): string {
  const groups = [...new Set(COMMANDS.map((command) => command.group))];
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  const list = groups.flatMap((group) => [
    "",
    group,
    ...COMMANDS.filter((command) => command.group === group).map(
      (command) => `  ${command.name.padEnd(width)}  ${command.summary}`,
    ),
  ]);
  return [
    "anomaly-detector learns what normal traffic looks like, bans what is not, and explains every ban.",
    "",
    "Usage: anomaly-detector COMMAND [OPTIONS]",
    ...list,
    "",
    "More about one: anomaly-detector COMMAND --help. Configuration: /etc/anomaly-detector/anomaly-detector.yaml",
    "Exit codes: 0 ok, 1 problem found, 2 usage or configuration, 3 daemon not running, 4 permission, 5 not found",
  ].join("\n");
}

/** One command's help. */
export function commandHelp(command: Command): string {
  const options = columns([...command.options, HELP].map((option) => [`  ${optionText(option)}`, option.help]));
  const examples = command.examples?.map((example) => `  ${example}`) ?? [];
  return [
    `anomaly-detector ${command.name}: ${command.summary}.`,
    "",
    `Usage: ${usageText(command)}`,
    ...(command.details ? ["", ...command.details] : []),
    "",
    "Options",
    ...options,
    ...(examples.length > 0 ? ["", "Examples", ...examples] : []),
  ].join("\n");
}

/** "anomaly-detector ban ADDRESS [OPTIONS]" */
export function usageText(command: Command): string {
  const { operand } = command;
  const word = operand && `${operand.name}${operand.max > 1 ? "…" : ""}`;
  const operands = operand ? ` ${operand.min === 0 ? `[${word}]` : word}` : "";
  return `anomaly-detector ${command.name}${operands}${command.options.length > 0 ? " [OPTIONS]" : ""}`;
}

function optionText(option: Option): string {
  const short = option.short ? `-${option.short}, ` : "    ";
  return `${short}--${option.name}${option.value ? ` ${option.value}` : ""}`;
}
