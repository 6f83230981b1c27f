/** The commands that README and operations.md tell a reader to type, as they stand there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { RELEASES } from "../lab/vps.ts";
import { ROOT } from "./releases.ts";

/**
 * The indented lines below a heading, without their comments; the address of the releases is the test's. Throws when
 * there are none: a renamed heading must not make a test empty.
 */
export function commandsOf(document: string, heading: string): string[] {
  const [, section] = readFileSync(join(ROOT, document), "utf8").split(new RegExp(`^#+ ${heading}$`, "m"));
  const lines = (section ?? "").split(/^#+ /m)[0]!.match(/(?<=^ {4})[a-z].*$/gm) ?? [];
  if (lines.length === 0) throw new Error(`${document}: no commands below "${heading}"`);
  return lines.map((line) => line.replace(/\s+# .*$/, "").replaceAll("URL/", `${RELEASES}/`));
}
