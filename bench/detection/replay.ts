/** One trace through the product's own pump and engine. */
import { readArchive } from "../../src/accesslog/archive.ts";
import { createParser } from "../../src/accesslog/parse.ts";
import { configSchema } from "../../src/config/schema.ts";
import { Engine } from "../../src/engine.ts";
import { type ReplayEvent, replayEvent } from "../../src/events.ts";
import { Pump } from "../../src/pump.ts";

/** The events of a closed-loop replay with the defaults of a profile, but for the tuned numbers that are named. */
export async function replayTrace(
  file: string,
  profile: string,
  tuning: Readonly<Record<string, number>> = {},
): Promise<ReplayEvent[]> {
  const config = configSchema.parse({ detection: { profile, tuning } });
  const events: ReplayEvent[] = [];
  const engine = new Engine(config);
  const pump = new Pump(engine, createParser({ fields: {} }), (decision) => {
    const event = replayEvent(decision);
    if (event !== null) events.push(event);
  });
  await readArchive(file, config.log.max_line_bytes, { bytes: 0, oversized: 0 }, (buffer, start, end) =>
    pump.window(buffer, start, end),
  );
  pump.end();
  return events;
}
