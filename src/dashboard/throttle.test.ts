import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Client } from "./client.ts";
import { Throttle } from "./throttle.ts";

const MINUTE = 60_000;
const client = (source: string, isLocal = false): Client => ({ address: source, source, isHttps: false, isLocal });

function failed(throttle: Throttle, source: string, times: number, at = 0): void {
  for (let i = 0; i < times; i++) throttle.fail(client(source), at);
}

test("five from one place, then none until the first is 15 minutes old", () => {
  const throttle = new Throttle();
  for (let i = 0; i < 5; i++) {
    expect(throttle.waitMs(client("a"), i * MINUTE)).toBe(0);
    throttle.fail(client("a"), i * MINUTE);
  }
  expect(throttle.waitMs(client("a"), 5 * MINUTE)).toBe(10 * MINUTE);
  expect(throttle.waitMs(client("b"), 5 * MINUTE)).toBe(0);
  expect(throttle.waitMs(client("a"), 15 * MINUTE - 1)).toBe(1);
  expect(throttle.waitMs(client("a"), 15 * MINUTE)).toBe(0);
  throttle.fail(client("a"), 15 * MINUTE);
  expect(throttle.waitMs(client("a"), 15 * MINUTE)).toBe(MINUTE);
});

test("fifty from everywhere, and not even a new place may try; this host itself may", () => {
  const throttle = new Throttle();
  for (let i = 0; i < 50; i++) failed(throttle, `s${i}`, 1);
  expect(throttle.waitMs(client("new"), MINUTE)).toBe(14 * MINUTE);
  expect(throttle.waitMs(client("127.0.0.1", true), MINUTE)).toBe(0);
  failed(throttle, "127.0.0.1", 5);
  expect(throttle.waitMs(client("127.0.0.1", true), MINUTE)).toBe(14 * MINUTE);
});

test("who got it right in the end begins anew, the others do not", () => {
  const throttle = new Throttle();
  failed(throttle, "a", 5);
  failed(throttle, "b", 5);
  throttle.forgive(client("a"));
  expect(throttle.waitMs(client("a"), 0)).toBe(0);
  expect(throttle.waitMs(client("b"), 0)).toBe(15 * MINUTE);
});

test("no 15 minutes hold more than 5 failures of one place or 50 in all, whoever comes when", () => {
  const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);
  const tries = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: MINUTE })), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(tries, (all) => {
      const throttle = new Throttle();
      const done: { at: number; source: string }[] = [];
      let now = 0;
      for (const [n, gap] of all) {
        now += gap;
        const source = `s${n}`;
        if (throttle.waitMs(client(source), now) > 0) continue;
        throttle.fail(client(source), now);
        done.push({ at: now, source });
        const recent = done.filter(({ at }) => now - at < 15 * MINUTE);
        expect(recent.length).toBeLessThanOrEqual(50);
        expect(recent.filter((one) => one.source === source).length).toBeLessThanOrEqual(5);
      }
    }),
    { seed, numRuns: 100 },
  );
});

test("whoever waits as long as told may try", () => {
  const throttle = new Throttle();
  for (let i = 0; i < 70; i++) throttle.fail(client(`s${i % 9}`), i * 1000);
  const wait = throttle.waitMs(client("s3"), 70_000);
  expect(throttle.waitMs(client("s3"), 70_000 + wait - 1)).toBe(1);
  expect(throttle.waitMs(client("s3"), 70_000 + wait)).toBe(0);
});
