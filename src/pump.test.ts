import { describe, expect, test } from "bun:test";
import { config, DAY, HOUR, MINUTE, SECOND, START } from "../test/records.ts";
import { createParser } from "./accesslog/parse.ts";
import type { AccessRecord } from "./accesslog/record.ts";
import type { Decision } from "./decision.ts";
import { Engine } from "./engine.ts";
import { Pump, type PumpOptions } from "./pump.ts";

function pump(options: PumpOptions = {}) {
  const engine = new Engine(config({ detection: { profile: "contract" }, baseline: { warm_up: "0s" } }));
  const decisions: Decision[] = [];
  const made = new Pump(engine, createParser({ fields: {} }), (decision) => decisions.push(decision), options);
  const feed = (text: string) => made.window(Buffer.from(text), 0, Buffer.byteLength(text));
  return { engine, decisions, pump: made, feed };
}

const line = (at: number, over: Record<string, unknown> = {}): string =>
  `${JSON.stringify({ source_ip: "203.0.113.10", timestamp: new Date(at).toISOString(), method: "GET", path: "/", status: 200, response_size: 1, ...over })}\n`;

describe("Pump", () => {
  test("feeds records in order and hands decisions on before it returns", () => {
    const { feed, decisions, pump: made } = pump();
    feed(Array.from({ length: 151 }, (_, i) => line(START + i * 10)).join(""));
    expect(decisions.map((decision) => decision.kind)).toContain("ban");
    expect(made.status()).toMatchObject({ records: 151, failures: {}, newestAt: START + 1500 });
  });

  test("only the named part of a buffer is read", () => {
    const { engine, pump: made } = pump();
    const [a, b, c] = [line(START), line(START + 1), line(START + 2)];
    made.window(Buffer.from(a + b + c), a.length, a.length + b.length);
    expect(engine.now).toBe(START + 1);
    expect(made.status().records).toBe(1);
  });

  test("bad lines are counted by kind, a sample is kept, and the stream goes on", () => {
    const { feed, pump: made, engine } = pump();
    feed(`${line(START)}nonsense\n{"status":200}\n${line(START + 5, { status: "abc" })}${line(START + 9)}`);
    const { records, failures, failureSample } = made.status();
    expect(records).toBe(2);
    expect(Object.values(failures).reduce((sum, n) => sum + n, 0)).toBe(3);
    expect(failures["not-json"]).toBe(1);
    expect(failureSample).toContain("abc");
    expect(engine.now).toBe(START + 9);
  });

  test("who asked sees every good record before the engine does", () => {
    const seen: [AccessRecord, number][] = [];
    const { feed, engine } = pump({ onRecord: (record) => seen.push([record, engine.counters().records]) });
    feed(line(START) + line(START + 1));
    expect(seen.map(([record, before]) => [record.at, before])).toEqual([
      [START, 0],
      [START + 1, 1],
    ]);
  });

  test("a tick moves the engine's time and its decisions come the same way", () => {
    const { feed, pump: made, decisions } = pump();
    feed(line(START));
    made.tick(START + MINUTE);
    expect(decisions.map((decision) => [decision.kind, decision.at])).toEqual([["baseline", START + MINUTE]]);
  });
});

describe("a jump ahead in a log without a wall clock", () => {
  const jumpy = () => pump({ confirmJumpsOverMs: HOUR });

  test("is taken back when the next line contradicts it", () => {
    const { feed, pump: made, engine } = jumpy();
    feed(line(START) + line(START + 3650 * DAY) + line(START + SECOND) + line(START + 2 * SECOND));
    expect(made.unconfirmed).toBe(1);
    expect(engine.counters()).toMatchObject({ records: 3, late: 0 });
    expect(engine.now).toBe(START + 2 * SECOND);
  });

  test("is believed when the next line confirms it, and no line is lost", () => {
    const { feed, pump: made, engine } = jumpy();
    feed(line(START) + line(START + DAY) + line(START + DAY + 1));
    expect([made.unconfirmed, engine.counters().records, engine.now]).toEqual([0, 3, START + DAY + 1]);
  });

  test("is believed at the end of the log", () => {
    const { feed, pump: made, engine } = jumpy();
    feed(line(START) + line(START + DAY));
    expect(engine.now).toBe(START);
    made.end();
    made.end();
    expect([engine.now, engine.counters().records]).toEqual([START + DAY, 2]);
  });

  test("of no more than the limit needs nobody's word", () => {
    const { feed, engine } = jumpy();
    feed(line(START) + line(START + HOUR));
    expect(engine.now).toBe(START + HOUR);
  });

  test("the first line is a beginning, not a jump", () => {
    const { feed, engine } = jumpy();
    feed(line(START) + line(START + 1000));
    expect(engine.now).toBe(START + 1000);
  });

  // Before the first record there is no time to jump from, so whatever it says is believed and all the rest is late.
  test("a first line with a mad date does not cost the rest of the log", () => {
    const { feed, engine } = jumpy();
    feed(line(START + 3650 * DAY) + line(START) + line(START + 1));
    expect(engine.now).toBe(START + 1);
  });

  test("several mad dates in a row, each contradicted", () => {
    const { feed, pump: made, engine } = jumpy();
    for (let i = 0; i < 5; i++) feed(line(START + i * SECOND) + line(START + 3650 * DAY));
    feed(line(START + 5 * SECOND));
    expect([engine.now, made.unconfirmed]).toEqual([START + 5 * SECOND, 5]);
  });

  test("a confirmation across two windows", () => {
    const { feed, engine } = jumpy();
    feed(line(START));
    feed(line(START + DAY));
    feed(line(START + DAY + 1));
    expect(engine.counters().records).toBe(3);
  });

  test("without the option every date is believed at once", () => {
    const { feed, engine } = pump();
    feed(line(START) + line(START + DAY) + line(START + 1));
    expect(engine.counters()).toMatchObject({ records: 3, late: 1 });
  });
});
