import { describe, expect, test } from "bun:test";
import { config, START } from "../test/records.ts";
import { createParser } from "./accesslog/parse.ts";
import { Engine } from "./engine.ts";
import { Refill } from "./refill.ts";

const parser = createParser({ fields: {} });
const line = (n: number) =>
  `{"source_ip":"203.0.113.9","msec":"${(START / 1000 + n / 10).toFixed(3)}","method":"GET","path":"/${n}","status":200,"response_size":1}\n`;

/** An engine that is restored after ten lines, to be refilled. */
function restored(): Engine {
  const earlier = new Engine(config());
  parser.parseWindow(bytes(lines(0, 10)), 0, bytes(lines(0, 10)).length, {
    record: (record) => earlier.observe(record, () => {}),
    failure: () => {},
  });
  const engine = new Engine(config());
  engine.recall(earlier.save(true)!, START + 60_000);
  return engine;
}

const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i)).join("");
const bytes = (text: string) => Buffer.from(text);

describe("Refill", () => {
  test.each([
    ["one window", [[0, 14]]],
    [
      "a window that ends with the last old line",
      [
        [0, 10],
        [10, 14],
      ],
    ],
    ["line by line", Array.from({ length: 14 }, (_, i) => [i, i + 1])],
    [
      "windows that cross the border",
      [
        [0, 7],
        [7, 13],
        [13, 14],
      ],
    ],
  ])("%s: ten old lines go to the windows, four new ones are handed back", (_, windows) => {
    const engine = restored();
    const refill = new Refill(engine, parser, 10);
    let fresh = "";
    for (const [from, to] of windows) {
      const buffer = bytes(`junk${lines(from!, to!)}`);
      const start = refill.window(buffer, 4, buffer.length);
      fresh += buffer.toString("utf8", start);
    }
    expect(fresh).toBe(lines(10, 14));
    expect(engine.status().site.requests).toBe(10);
    expect(engine.counters().records).toBe(10);
    expect(engine.save(false)).not.toBeNull();
  });

  test("bad and blank lines count as lines", () => {
    const engine = restored();
    const refill = new Refill(engine, parser, 4);
    const buffer = bytes(`{bad\n\n${line(1)}\xff\n${line(2)}`);
    expect(buffer.toString("utf8", refill.window(buffer, 0, buffer.length))).toBe(line(2));
    expect(engine.status().site.requests).toBe(1);
  });

  test("while lines are missing nothing is saved and no time passes; the end of the log ends it", () => {
    const engine = restored();
    const refill = new Refill(engine, parser, 100);
    const buffer = bytes(lines(0, 10));
    expect(refill.window(buffer, 0, buffer.length)).toBe(buffer.length);
    engine.tick(START + 50_000, () => {});
    expect(engine.save(false)).toBeNull();
    refill.end();
    refill.end();
    expect(engine.save(false)).not.toBeNull();
    const more = bytes(lines(10, 11));
    expect(refill.window(more, 0, more.length)).toBe(0);
  });
});
