import { parseArguments } from "./arguments.ts";
import { type CommandIo, EXIT } from "./command.ts";
import { findCommand } from "./commands.ts";

/** Runs what the arguments ask for; resolves to the exit code. */
export async function dispatch(argv: readonly string[], io: CommandIo): Promise<number> {
  const parsed = parseArguments(argv);
  switch (parsed.kind) {
    case "run":
      return (await parsed.command.load()).run(parsed.args, io);
    case "version":
      return (await findCommand("version")!.load()).run(NO_ARGS, io);
    case "help": {
      const { commandHelp, programHelp } = await import("./help.ts");
      io.out(parsed.command ? commandHelp(parsed.command) : programHelp());
      return EXIT.ok;
    }
    case "usage-error": {
      const { programHelp, usageText } = await import("./help.ts");
      io.err(`anomaly-detector: ${parsed.message}`);
      if (argv.length === 0) io.err(`\n${programHelp()}`);
      else if (parsed.command)
        io.err(`Usage: ${usageText(parsed.command)}   (more: anomaly-detector ${parsed.command.name} --help)`);
      else io.err("anomaly-detector --help lists the commands");
      return EXIT.usage;
    }
    default:
      return parsed satisfies never;
  }
}

const NO_ARGS = { command: "version", operands: [], values: {}, flags: new Set<string>() };
