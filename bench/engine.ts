/**
 * The whole path of a replay (read, parse, windows, verdicts) over a log, both profiles.
 *
 *   bun bench/engine.ts FILE [--profile adaptive|contract] [--max-sources N]
 */
import { parseArgs } from "node:util";
import { readArchive } from "../src/accesslog/archive.ts";
import { createParser } from "../src/accesslog/parse.ts";
import { configSchema } from "../src/config/schema.ts";
import { Engine } from "../src/engine.ts";
import { Pump } from "../src/pump.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { profile: { type: "string" }, "max-sources": { type: "string" } },
});
const [file] = positionals;
if (file === undefined)
  throw new Error("usage: bun bench/engine.ts FILE [--profile adaptive|contract] [--max-sources N]");
const limit = values["max-sources"] === undefined ? {} : { max_sources: Number(values["max-sources"]) };
for (const profile of values.profile === undefined ? ["adaptive", "contract"] : [values.profile]) {
  const config = configSchema.parse({ detection: { profile, ...limit } });
  const engine = new Engine(config);
  let decisions = 0;
  const pump = new Pump(engine, createParser({ fields: {} }), () => decisions++);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await readArchive(file, config.log.max_line_bytes, { bytes: 0, oversized: 0 }, (buffer, start, end) =>
    pump.window(buffer, start, end),
  );
  pump.end();
  const seconds = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  const { records } = pump.status();
  const micros = (used.user + used.system) / records;
  const rss = process.memoryUsage.rss() / 1e6;
  console.log(
    `${profile.padEnd(9)} ${(records / seconds / 1e6).toFixed(2)} M lines/s  ${micros.toFixed(2)} µs CPU a line  ` +
      `${engine.counters().bans} bans  ${decisions} decisions  RSS ${rss.toFixed(0)} MB`,
  );
}
