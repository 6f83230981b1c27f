import { type CommandRun, EXIT } from "../cli/command.ts";
import { completions, SHELLS } from "../cli/completions.ts";
import { printable } from "../cli/terminal.ts";
import { nearest } from "../config/nearest.ts";

/** `completions SHELL`: the script on standard output. */
export const run: CommandRun = async (args, io) => {
  const name = args.operands[0]!;
  const shell = SHELLS.find((known) => known === name);
  if (shell) {
    io.out(completions(shell).trimEnd());
    return EXIT.ok;
  }
  const meant = nearest(name, SHELLS);
  const hint = meant ? `did you mean "${meant}"?` : `known are ${SHELLS.join(", ")}`;
  io.err(`anomaly-detector completions: no completions for "${printable(name, 80)}", ${hint}`);
  return EXIT.usage;
};
