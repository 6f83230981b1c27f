import { type CommandRun, EXIT } from "../cli/command.ts";
import { COMMANDS, findCommand } from "../cli/commands.ts";
import { commandHelp, programHelp } from "../cli/help.ts";
import { printable } from "../cli/terminal.ts";
import { nearest } from "../config/nearest.ts";

/** `help [COMMAND]`: of one command, or the list of all. */
export const run: CommandRun = async (args, io) => {
  const [name] = args.operands;
  if (name === undefined) {
    io.out(programHelp());
    return EXIT.ok;
  }
  const command = findCommand(name);
  if (command) {
    io.out(commandHelp(command));
    return EXIT.ok;
  }
  const meant = nearest(
    name,
    COMMANDS.map((known) => known.name),
  );
  io.err(`anomaly-detector: unknown command "${printable(name, 80)}"${meant ? `, did you mean "${meant}"?` : ""}`);
  return EXIT.usage;
};
