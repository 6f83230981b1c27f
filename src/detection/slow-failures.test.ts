import { describe, expect, test } from "bun:test";
import { source } from "../../test/outcomes.ts";
import { HOUR, START } from "../../test/records.ts";
import { SLOW_MS, SlowFailures } from "./slow-failures.ts";

const A = source("203.0.113.1");

describe("SlowFailures", () => {
  test("failures fill the bucket, time empties it at the limit per span", () => {
    const slow = new SlowFailures(24);
    expect(slow.add(A, 6, START)).toBe(6);
    expect(slow.levelOf(A, START + SLOW_MS / 4)).toBe(0);
    expect(slow.levelOf(A, START + SLOW_MS / 8)).toBe(3);
    expect(slow.add(A, 2, START + SLOW_MS / 8)).toBe(5);
  });

  test("a pace at the limit never goes over it; twice the pace does within the span", () => {
    const over = (pauseMs: number) => {
      const slow = new SlowFailures(24);
      for (let i = 0; i < 200; i++) if (slow.add(A, 1, START + i * pauseMs) > 24) return i;
      return null;
    };
    expect(over(SLOW_MS / 24)).toBeNull();
    const twice = over(SLOW_MS / 48)!;
    expect(twice).toBeGreaterThan(24);
    expect(twice * (SLOW_MS / 48)).toBeLessThanOrEqual(SLOW_MS);
  });

  test("after its ban a source has as many failures left as it is given; one without failures starts empty", () => {
    const slow = new SlowFailures(24);
    slow.add(A, 30, START);
    slow.afterBan(A, 4, START);
    expect(slow.levelOf(A, START)).toBe(20);
    const other = source("203.0.113.2");
    slow.afterBan(other, 4, START);
    expect([slow.levelOf(other, START), slow.size]).toEqual([0, 1]);
    slow.add(other, 3, START);
    slow.afterBan(other, 4, START);
    expect(slow.levelOf(other, START)).toBe(3);
  });

  test("a failure that turned out to be none is taken back, never below nothing", () => {
    const slow = new SlowFailures(24);
    slow.add(A, 1, START);
    expect(slow.add(A, -1, START)).toBe(0);
    expect(slow.add(A, -1, START)).toBe(0);
  });

  test("a new limit empties at its own pace", () => {
    const slow = new SlowFailures(24);
    slow.add(A, 12, START);
    slow.configure(6);
    expect(slow.levelOf(A, START + HOUR)).toBe(11);
  });

  test("bounded: the source whose last failure is oldest is forgotten first", () => {
    const slow = new SlowFailures(24);
    const numbered = (n: number) => source(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    for (let n = 0; n < 50_000; n++) slow.add(numbered(n), 1, START);
    slow.add(numbered(0), 1, START);
    slow.add(numbered(50_000), 1, START);
    expect(slow.size).toBe(50_000);
    expect([0, 1, 50_000].map((n) => slow.levelOf(numbered(n), START))).toEqual([2, 0, 1]);
  });
});
