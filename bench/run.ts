/**
 * Every benchmark on generated logs, one after the other: `npm run bench`. Figures are for comparing two states of
 * this repository on one quiet machine; they say nothing across machines. `bench/detection/run.ts` scores quality.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = import.meta.dir;
const directory = mkdtempSync(join(tmpdir(), "anomaly-detector-bench-"));

function bun(script: string, ...args: string[]): void {
  const { exitCode } = Bun.spawnSync([process.execPath, join(here, script), ...args], {
    stdout: "inherit",
    stderr: "inherit",
  });
  if (exitCode !== 0) process.exit(exitCode ?? 1);
}

try {
  const logs = [
    { name: "10,000 sources at 200 req/s", file: join(directory, "a.log"), args: ["--sources", "10000"] },
    {
      name: "100,000 sources at 20,000 req/s",
      file: join(directory, "b.log"),
      args: ["--sources", "100000", "--rate", "20000"],
    },
    {
      name: "1,170,000 sources in one minute, 200,000 of them kept (max_sources)",
      file: join(directory, "c.log"),
      args: ["--sources", "1500000", "--rate", "50000", "--lines", "3000000"],
    },
  ];
  for (const { file, args } of logs) bun("gen-log.ts", file, ...args);
  console.log("parse, 10,000 sources");
  bun("parse.ts", logs[0]!.file);
  for (const { name, file } of logs) {
    console.log(`\nread, parse, judge: ${name}`);
    bun("engine.ts", file);
  }
  console.log("\nread, parse, judge: the same sources, all of them kept");
  bun("engine.ts", logs[2]!.file, "--profile", "adaptive", "--max-sources", "2000000");
} finally {
  rmSync(directory, { recursive: true, force: true });
}
