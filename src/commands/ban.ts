import { type CommandRun, EXIT } from "../cli/command.ts";
import { asker, connect, tellNoAnswer, toldAsJson } from "../cli/control.ts";
import { printable, spanText, timeText } from "../cli/terminal.ts";
import { type BanReply, readBanRequest } from "../control/protocol.ts";
import type { BanStatus } from "../status.ts";
import { banLengthText, causeText, ordinal } from "../wording.ts";

/** `ban ADDRESS`: waits until the firewall has done it, and says what came of it. */
export const run: CommandRun = async (args, io) => {
  const source = args.operands[0]!;
  const { for: duration, note } = args.values;
  // The daemon reads it the same way; asked here too, so that a slip is told without a daemon.
  const read = readBanRequest({ source, for: duration, note }, io.clock.now());
  if (!read.ok) {
    io.err(`anomaly-detector ban: ${printable(read.error.replace('"for"', "--for"))}`);
    return EXIT.usage;
  }
  const connection = await connect(args, io);
  if (!connection.ok) return connection.exitCode;
  const result = await connection.client.ban({ source, duration, note, by: asker(io) });
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  const reply = result.value;
  const isBanned = reply.result === "banned" || reply.result === "already-banned";
  if (!toldAsJson(args, io, reply)) (isBanned ? io.out : io.err)(replyText(reply, read.request.source, io.clock.now()));
  return isBanned ? EXIT.ok : EXIT.problem;
};

function replyText(reply: BanReply, source: string, now: number): string {
  switch (reply.result) {
    case "banned":
      return bannedText(reply.ban);
    case "already-banned":
      return alreadyText(reply.ban, source, now);
    case "refused":
      return `not banned: ${printable(reply.why)}`;
    case "failed":
      return `ban ${source} is decided but not in force: ${printable(reply.detail)}`;
    default:
      return reply satisfies never;
  }
}

function bannedText({ ban, enforcement }: BanStatus): string {
  const until = ban.until === "permanent" ? "permanently" : `for ${banLengthText(ban)}, until ${timeText(ban.until)}`;
  const verb = enforcement === "dry-run" ? "would be banned (dry-run)" : "banned";
  return `${ban.source} ${verb} ${until} (${ordinal(ban.banCount)} offence)`;
}

function alreadyText({ ban }: BanStatus, source: string, now: number): string {
  const until =
    ban.until === "permanent" ? "permanently" : `until ${timeText(ban.until)} (${spanText(ban.until - now)} left)`;
  const wider = ban.source === source ? "" : ` by ${ban.source}`;
  return `${source} is already banned${wider} ${until}: ${printable(causeText(ban))}`;
}
