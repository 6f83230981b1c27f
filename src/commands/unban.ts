import { type CommandIo, type CommandRun, EXIT } from "../cli/command.ts";
import { asker, connect, tellNoAnswer, toldAsJson } from "../cli/control.ts";
import { printable } from "../cli/terminal.ts";
import type { ControlClient } from "../control/client.ts";
import { readUnbanRequest, type UnbanReply } from "../control/protocol.ts";
import { covers, parseRange, type Source } from "../net/cidr.ts";

/** `unban ADDRESS`: waits until the firewall has done it; "not found" where there was no ban. */
export const run: CommandRun = async (args, io) => {
  const source = args.operands[0]!;
  const forget = args.flags.has("forget");
  const read = readUnbanRequest({ source, forget });
  if (!read.ok) {
    io.err(`anomaly-detector unban: ${printable(read.error)}`);
    return EXIT.usage;
  }
  const connection = await connect(args, io);
  if (!connection.ok) return connection.exitCode;
  const result = await connection.client.unban({ source, forget, by: asker(io) });
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  const reply = result.value;
  const code = exitCode(reply);
  if (!toldAsJson(args, io, reply)) (code === EXIT.ok ? io.out : io.err)(replyText(reply, read.request.source));
  if (reply.result === "not-banned" && !args.flags.has("json")) await tellWiderBan(connection.client, reply.source, io);
  return code;
};

/** Single IPv6 addresses are banned by their prefix, and ranges can be banned: the ban may have a wider name. */
async function tellWiderBan(client: ControlClient, source: Source, io: CommandIo): Promise<void> {
  const result = await client.bans();
  if (result.kind !== "answer") return;
  const wider = result.value.bans.find(({ ban }) => covers(parseRange(ban.source)!, parseRange(source)!));
  if (wider) io.err(`the ban of ${wider.ban.source} covers it: anomaly-detector unban ${wider.ban.source}`);
}

function exitCode(reply: UnbanReply): number {
  if (reply.result === "failed") return EXIT.problem;
  // Forgetting the offences of a source that is not banned is a thing done.
  return reply.result === "unbanned" || reply.forgotten ? EXIT.ok : EXIT.notFound;
}

function replyText(reply: UnbanReply, source: string): string {
  switch (reply.result) {
    case "unbanned":
      return `${reply.source} unbanned${reply.forgotten ? ", its offences are forgotten" : ""}`;
    case "not-banned":
      if (reply.forgotten) return `${reply.source} was not banned; its offences are forgotten`;
      return `${reply.source} is not banned (anomaly-detector bans lists who is)`;
    case "failed":
      return `unban ${source} is decided but its rule still stands: ${printable(reply.detail)}`;
    default:
      return reply satisfies never;
  }
}
