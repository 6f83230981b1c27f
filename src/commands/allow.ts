/** `allow` and `disallow`: who is never banned, by a person's word, in the running daemon. */
import { type CommandIo, type CommandRun, EXIT, type ParsedArgs } from "../cli/command.ts";
import { asker, connect, tellNoAnswer, toldAsJson } from "../cli/control.ts";
import { printable, timeText } from "../cli/terminal.ts";
import type { ControlClient } from "../control/client.ts";
import { type AllowReply, type DisallowReply, readAllowRequest, readDisallowRequest } from "../control/protocol.ts";

const MOST_NAMED = 5;

/** Says what came of it: a problem where it was refused, "not found" where nobody had allowed it. */
export const run: CommandRun = async (args, io) => {
  const isAllow = args.command === "allow";
  const source = args.operands[0]!;
  const { for: duration, note } = args.values;
  // The daemon reads it the same way; asked here too, so that a slip is told without a daemon.
  const read = isAllow
    ? readAllowRequest({ source, for: duration, note }, io.clock.now())
    : readDisallowRequest({ source });
  if (!read.ok) {
    io.err(`anomaly-detector ${args.command}: ${printable(read.error.replace('"for"', "--for"))}`);
    return EXIT.usage;
  }
  const connection = await connect(args, io);
  if (!connection.ok) return connection.exitCode;
  return isAllow ? allow(connection.client, args, io) : disallow(connection.client, args, io);
};

async function allow(client: ControlClient, args: ParsedArgs, io: CommandIo): Promise<number> {
  const { for: duration, note } = args.values;
  const result = await client.allow({ source: args.operands[0]!, duration, note, by: asker(io) });
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  const reply = result.value;
  const isDone = reply.result === "allowed";
  if (!toldAsJson(args, io, reply)) (isDone ? io.out : io.err)(allowText(reply));
  return isDone ? EXIT.ok : EXIT.problem;
}

async function disallow(client: ControlClient, args: ParsedArgs, io: CommandIo): Promise<number> {
  const result = await client.disallow({ source: args.operands[0]!, by: asker(io) });
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  const reply = result.value;
  const isDone = reply.result === "disallowed";
  if (!toldAsJson(args, io, reply)) (isDone ? io.out : io.err)(disallowText(reply));
  return isDone ? EXIT.ok : EXIT.notFound;
}

function allowText(reply: AllowReply): string {
  if (reply.result === "refused") return `not allowed: ${printable(reply.why)}`;
  const { source, until } = reply.permit;
  const end = until === "permanent" ? "" : ` until ${timeText(until)}`;
  return `${source} is exempt from bans${end}${unbannedText(reply.unbanned)} (undo: anomaly-detector disallow ${source})`;
}

/** "; unbanned 198.51.100.7, 198.51.100.9"; many are counted. */
function unbannedText(unbanned: readonly string[]): string {
  if (unbanned.length === 0) return "";
  const more = unbanned.length - MOST_NAMED;
  return `; unbanned ${unbanned.slice(0, MOST_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function disallowText(reply: DisallowReply): string {
  if (reply.result === "disallowed") return `${reply.permit.source} may be banned again`;
  const { source, fixed } = reply;
  if (fixed !== null) return `${source} is never banned: ${printable(fixed)}`;
  return `nobody has allowed ${source} (anomaly-detector allowlist lists who is)`;
}
