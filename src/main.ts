/** Reads argv, picks a command, turns its result into an exit code. */
import { EXIT } from "./cli/command.ts";
import { dispatch } from "./cli/dispatch.ts";
import { processIo } from "./cli/io.ts";

const io = processIo();
let code: number;
try {
  code = await dispatch(process.argv.slice(2), io);
} catch (error) {
  // A fault of ours, not of the user: the stack is what a report needs.
  io.err(
    `anomaly-detector: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
  code = EXIT.problem;
}
process.exit(code);
