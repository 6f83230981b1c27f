import { type CommandRun, EXIT } from "../cli/command.ts";
import { connect, tellNoAnswer, toldAsJson } from "../cli/control.ts";
import { columns, printable, spanText, timeText } from "../cli/terminal.ts";
import type { BanList, ListedBan } from "../control/protocol.ts";
import { causeText, ordinal } from "../wording.ts";

/** `bans`: the list of bans in force, latest first, as a table or as JSON. */
export const run: CommandRun = async (args, io) => {
  const connection = await connect(args, io);
  if (!connection.ok) return connection.exitCode;
  const result = await connection.client.bans();
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  if (!toldAsJson(args, io, result.value.bans)) io.out(banLines(result.value, io.width).join("\n"));
  return EXIT.ok;
};

/** One line a ban, the newest first; the reason last, cut where the terminal ends. */
export function banLines({ at, bans }: BanList, width: number | null): string[] {
  if (bans.length === 0) return ["no bans"];
  const rows = bans.toSorted((a, b) => b.ban.since - a.ban.since).map((listed) => banRow(listed, at));
  const lines = columns([["SOURCE", "OFFENCE", "SINCE", "LEFT", "STATE", "DROPPED", "LEAKED", "WHY"], ...rows]);
  return lines.map((line) => (width !== null && line.length > width ? `${line.slice(0, width - 1)}…` : line));
}

function banRow({ ban, enforcement, leakedRequests, droppedPackets }: ListedBan, at: number): string[] {
  return [
    ban.source,
    ordinal(ban.banCount),
    timeText(ban.since),
    ban.until === "permanent" ? "permanent" : spanText(ban.until - at),
    enforcement.replace("-", " "),
    droppedPackets === null ? "-" : String(droppedPackets),
    String(leakedRequests),
    printable(causeText(ban), 300),
  ];
}
