/** LICENSES.txt: the licences of what the binary embeds. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { EmbeddedPackage } from "./packages.ts";

const BUN = `bun ${Bun.version}: MIT, with parts under other licences (JavaScriptCore and WebKit: LGPL-2 and BSD;
boringssl, brotli, c-ares, libarchive, libdeflate, lol-html, ls-hpack, mimalloc, picohttpparser, simdutf, sqlite,
tinycc, uSockets, zlib, zstd and more). Their texts and how to relink: https://bun.sh/docs/project/licensing`;

export function licencesText(packages: readonly EmbeddedPackage[]): string {
  const parts = packages.map(
    ({ name, version, licence, directory }) => `${name} ${version}: ${licence}\n\n${textOf(directory)}`,
  );
  const rule = `\n\n${"-".repeat(100)}\n\n`;
  return `The program is one file that embeds these.${rule}${[BUN, ...parts].join(rule)}\n`;
}

function textOf(directory: string): string {
  const names = readdirSync(directory).filter((name) => /^(licen[cs]e|copying|notice)/i.test(name));
  if (names.length === 0) return "(the package holds no text of its licence)";
  return names
    .sort()
    .map((name) => readFileSync(join(directory, name), "utf8").trim())
    .join("\n\n");
}
