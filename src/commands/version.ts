import { type CommandRun, EXIT } from "../cli/command.ts";
import { printableJson } from "../cli/terminal.ts";
import { VERSION_TEXT } from "../version.ts";

/** `version`: one line, or JSON with the runtime. */
export const run: CommandRun = async (args, io) => {
  const { platform, arch } = process;
  if (args.flags.has("json")) {
    io.out(printableJson({ name: "anomaly-detector", version: VERSION_TEXT, bun: Bun.version, platform, arch }));
  } else {
    io.out(`anomaly-detector ${VERSION_TEXT} (bun ${Bun.version}, ${platform} ${arch})`);
  }
  return EXIT.ok;
};
