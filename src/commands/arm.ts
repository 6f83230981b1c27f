/** `arm` and `disarm`: from watching to acting and back, in the running daemon. */
import { type CommandRun, EXIT } from "../cli/command.ts";
import { asker, connect, tellNoAnswer, toldAsJson } from "../cli/control.ts";
import { counted, printable } from "../cli/terminal.ts";
import type { ModeReply } from "../control/protocol.ts";

/** Says what the daemon answers; a problem when the firewall could not be switched. */
export const run: CommandRun = async (args, io) => {
  const connection = await connect(args, io);
  if (!connection.ok) return connection.exitCode;
  const mode = args.command === "arm" ? "enforce" : "watch-only";
  const result = await connection.client.setMode({ mode, by: asker(io) });
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  const reply = result.value;
  const isDone = reply.result !== "failed";
  if (!toldAsJson(args, io, reply)) (isDone ? io.out : io.err)(replyText(reply, args.command));
  return isDone ? EXIT.ok : EXIT.problem;
};

function replyText(reply: ModeReply, command: string): string {
  if (reply.result === "failed") return `not ${command}ed: ${printable(reply.detail, 1000)}`;
  const bans = counted(reply.bans, "ban");
  if (reply.mode === "enforce")
    return reply.result === "changed"
      ? `armed: ${bans} put in force (undo: anomaly-detector disarm)`
      : `it is armed already, with ${bans}`;
  return reply.result === "changed"
    ? `disarmed: ${bans} taken out of the firewall; it goes on watching (undo: anomaly-detector arm)`
    : `it only watches already, with ${bans} that would be`;
}
