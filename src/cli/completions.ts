/** Completion scripts for three shells, from the table. [pure] */
import type { Command, Operand, Option } from "./command.ts";
import { COMMANDS, HELP } from "./commands.ts";

/** The shells that can be served. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of SHELLS. */
export type Shell = (typeof SHELLS)[number];

/** The script that a shell has to source. */
export function completions(shell: Shell): string {
  switch (shell) {
    case "bash":
      return bash();
    case "zsh":
      return zsh();
    case "fish":
      return fish();
    default:
      return shell satisfies never;
  }
}

function optionsOf(command: Command): readonly Option[] {
  return [...command.options, HELP];
}

/** What an operand may be: `help` completes to the commands themselves. */
function operandChoices(command: Command): Operand["complete"] {
  return command.name === "help" ? COMMANDS.map((known) => known.name) : command.operand?.complete;
}

function flagsOf(option: Option): string[] {
  return option.short ? [`--${option.name}`, `-${option.short}`] : [`--${option.name}`];
}

function bash(): string {
  const values = COMMANDS.flatMap((command) =>
    optionsOf(command)
      .filter((option) => option.value)
      .map((option) => {
        const pattern = flagsOf(option)
          .map((flag) => `"${command.name} ${flag}"`)
          .join("|");
        return `    ${pattern}) ${bashOffer(option.complete)}; return ;;`;
      }),
  );
  const words = COMMANDS.map((command) => {
    const flags = optionsOf(command)
      .map((option) => `--${option.name}`)
      .join(" ");
    const choices = operandChoices(command);
    const operand = choices === undefined ? ":" : bashOffer(choices);
    return `    ${command.name}) if [[ $current == -* ]]; then ${bashOffer(flags.split(" "))}; else ${operand}; fi ;;`;
  });
  return `# bash completion for anomaly-detector
_anomaly_detector() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    ${bashOffer([...COMMANDS.map((command) => command.name), "--help", "--version"])}
    return
  fi
  case "$command $previous" in
${values.join("\n")}
  esac
  case $command in
${words.join("\n")}
  esac
}
complete -F _anomaly_detector anomaly-detector
`;
}

function bashOffer(complete: Option["complete"]): string {
  if (complete === undefined) return ":";
  // Readline's own file names: they survive spaces, which compgen in a word list does not.
  if (complete === "file") return "compopt -o default";
  return `COMPREPLY=($(compgen -W "${complete.join(" ")}" -- "$current"))`;
}

function zsh(): string {
  const list = COMMANDS.map((command) => `    ${zshQuote(`${command.name}:${command.summary}`)}`).join("\n");
  const cases = COMMANDS.map((command) => {
    const specs = optionsOf(command).flatMap((option) =>
      flagsOf(option).map((flag) => {
        const value = option.value ? `:${option.value}:${zshAction(option.complete)}` : "";
        return zshQuote(`${flag}[${option.help.replace(/[[\]:\\]/g, "\\$&")}]${value}`);
      }),
    );
    const { operand } = command;
    if (operand)
      specs.push(zshQuote(`${operand.max > 1 ? "*" : "1"}:${operand.name}:${zshAction(operandChoices(command))}`));
    return `    ${command.name}) _arguments ${specs.join(" ")} ;;`;
  });
  return `#compdef anomaly-detector
_anomaly_detector() {
  local -a commands
  commands=(
${list}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
${cases.join("\n")}
  esac
}
compdef _anomaly_detector anomaly-detector
`;
}

function zshAction(complete: Option["complete"]): string {
  if (complete === undefined) return " ";
  return complete === "file" ? "_files" : `(${complete.join(" ")})`;
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fish(): string {
  const lines = ["# fish completion for anomaly-detector", "complete -c anomaly-detector -f"];
  for (const command of COMMANDS) {
    lines.push(
      `complete -c anomaly-detector -n __fish_use_subcommand -a ${command.name} -d ${fishQuote(command.summary)}`,
    );
    const on = `-n "__fish_seen_subcommand_from ${command.name}; and not __fish_use_subcommand"`;
    for (const option of optionsOf(command)) {
      const short = option.short ? ` -s ${option.short}` : "";
      const value = option.value ? `${option.complete === "file" ? " -r" : " -x"}${fishOffer(option.complete)}` : "";
      lines.push(`complete -c anomaly-detector ${on} -l ${option.name}${short}${value} -d ${fishQuote(option.help)}`);
    }
    const offer = fishOffer(operandChoices(command));
    if (command.operand && offer) lines.push(`complete -c anomaly-detector ${on}${offer}`);
  }
  return `${lines.join("\n")}\n`;
}

function fishOffer(complete: Option["complete"]): string {
  if (complete === undefined) return "";
  return complete === "file" ? " -F" : ` -a ${fishQuote(complete.join(" "))}`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
