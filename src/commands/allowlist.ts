import { type CommandRun, EXIT } from "../cli/command.ts";
import { connect, tellNoAnswer, toldAsJson } from "../cli/control.ts";
import { columns, printable, spanText, timeText } from "../cli/terminal.ts";
import type { AllowlistReply } from "../control/protocol.ts";

/** `allowlist`: who is never banned, by a person's word, the configuration, or for the host's own sake. */
export const run: CommandRun = async (args, io) => {
  const connection = await connect(args, io);
  if (!connection.ok) return connection.exitCode;
  const result = await connection.client.allowlist();
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  if (!toldAsJson(args, io, result.value)) io.out(allowlistLines(result.value).join("\n"));
  return EXIT.ok;
};

function allowlistLines({ at, permits, fixed }: AllowlistReply): string[] {
  const given = permits.map(({ source, since, until, by, note }) => [
    source,
    until === "permanent" ? "for good" : spanText(until - at),
    printable(`${note ? `${note}, ` : ""}by ${by}, ${timeText(since)}`, 300),
  ]);
  const others = fixed.map(({ range, why }) => [range, "for good", printable(why, 300)]);
  return columns([["RANGE", "LEFT", "WHY"], ...given, ...others]);
}
