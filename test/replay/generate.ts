/**
 * Writes the directories of test/replay/: access.log.gz, config.yaml, expected.jsonl and README.md of every case.
 *
 *   bun test/replay/generate.ts [CASE]…
 *
 * A new false ban or missed attack from the field becomes a case in traffic/ first, and a fix second.
 */
import { mkdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { accessLog, CASES, type Case } from "./cases.ts";

const CONFIG = `# The defaults: what a fresh installation does.
detection:
  profile: adaptive
`;

/** What the case needs besides. */
function configOf({ config }: Case): string {
  if (config === undefined) return CONFIG;
  return `${CONFIG.replace("# The defaults: what a fresh installation does.", "# The defaults, and what the case is about.")}${config}`;
}

const wanted = process.argv.slice(2);
let total = 0;
for (const one of CASES) {
  if (wanted.length > 0 && !wanted.includes(one.name)) continue;
  const directory = `${import.meta.dir}/${one.name}`;
  const log = gzipSync(accessLog(one), { level: 9 });
  mkdirSync(directory, { recursive: true });
  await Bun.write(`${directory}/access.log.gz`, log);
  await Bun.write(`${directory}/config.yaml`, configOf(one));
  await Bun.write(`${directory}/expected.jsonl`, one.expected.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await Bun.write(`${directory}/README.md`, `# ${one.name}\n\n${one.why}\n`);
  total += log.length;
  console.log(`${one.name.padEnd(24)} ${(log.length / 1024).toFixed(1)} KB`);
}
console.log(`${(total / 1024).toFixed(0)} KB in all`);
