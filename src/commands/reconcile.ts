/** `reconcile`: the running daemon compares the firewall with its bans, now. */
import { type CommandRun, EXIT } from "../cli/command.ts";
import { connect, tellNoAnswer, toldAsJson } from "../cli/control.ts";
import { counted, printable } from "../cli/terminal.ts";
import type { ReconcileReply } from "../control/protocol.ts";

/** Says what had to be mended; a problem when the firewall could not be compared. */
export const run: CommandRun = async (args, io) => {
  const connection = await connect(args, io);
  if (!connection.ok) return connection.exitCode;
  const result = await connection.client.reconcile();
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  const reply = result.value;
  const isDone = reply.result !== "failed";
  if (!toldAsJson(args, io, reply)) (isDone ? io.out : io.err)(replyText(reply));
  return isDone ? EXIT.ok : EXIT.problem;
};

function replyText(reply: ReconcileReply): string {
  if (reply.result === "failed") return `not compared: ${printable(reply.detail, 1000)}`;
  const { added, removed, refreshed, repaired, bans } = reply;
  if (added + removed + refreshed + repaired === 0) return `the firewall holds what it must: ${counted(bans, "ban")}`;
  return `mended: ${added} added, ${removed} removed, ${refreshed} with another end, ${counted(repaired, "table")} restored; ${counted(bans, "ban")} in force`;
}
