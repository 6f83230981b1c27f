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

  test("banned again before it was empty, it has half as many left; after that as many as at first", () => {
    const slow = new SlowFailures(24);
    for (const left of [4, 2, 2]) {
      slow.add(A, 30, START);
      slow.afterBan(A, 4, START);
      expect([slow.levelOf(A, START), slow.wasBanned(A, START)]).toEqual([24 - left, true]);
    }
    expect(slow.wasBanned(A, START + SLOW_MS)).toBe(false);
    slow.add(A, 30, START + SLOW_MS);
    expect(slow.wasBanned(A, START + SLOW_MS)).toBe(false);
    slow.afterBan(A, 4, START + SLOW_MS);
    expect(slow.levelOf(A, START + SLOW_MS)).toBe(20);
  });

  test("that it was banned is known beside what it tried, until the bucket is empty", () => {
    const slow = new SlowFailures(24);
    slow.addExploit(A, 3, START, 0xabcdef, true);
    slow.afterBan(A, 4, START);
    slow.addExploit(A, 3, START, 0xabcdef, true);
    expect([slow.levelOf(A, START), slow.wasBanned(A, START), slow.isLikeBotnet(A)]).toEqual([3, true, true]);
    expect(slow.wasBanned(A, START + SLOW_MS)).toBe(false);
    slow.addExploit(A, 3, START + SLOW_MS, 0xabcdef, true);
    expect([slow.levelOf(A, START + SLOW_MS), slow.wasBanned(A, START + SLOW_MS)]).toEqual([3, false]);
  });

  test("a source can be forgotten, in what is saved too", () => {
    const slow = new SlowFailures(24);
    slow.add(A, 20, START);
    slow.save(true);
    slow.forget(A);
    slow.forget(source("203.0.113.2"));
    expect([slow.levelOf(A, START), slow.save(false)]).toEqual([0, [[A, null, 0, 0]]]);
  });

  test("a failure that turned out to be none is taken back, never below nothing", () => {
    const slow = new SlowFailures(24);
    slow.add(A, 1, START);
    slow.forgive(A, START);
    expect(slow.levelOf(A, START)).toBe(0);
    slow.forgive(A, START);
    expect(slow.levelOf(A, START)).toBe(0);
    const other = source("203.0.113.2");
    slow.forgive(other, START);
    expect(slow.size).toBe(1);
  });

  test("a new limit empties at its own pace", () => {
    const slow = new SlowFailures(24);
    slow.add(A, 12, START);
    slow.configure(6);
    expect(slow.levelOf(A, START + SLOW_MS / 6)).toBe(11);
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

  test("the same exploit again adds nothing, another one does, and then the first one again", () => {
    const slow = new SlowFailures(24);
    const levels = [6, 6, 8, 8, 6].map((target) => slow.addExploit(A, 3, START, target, false));
    expect(levels).toEqual([3, 3, 6, 6, 9]);
    slow.add(A, 1, START);
    expect(slow.addExploit(A, 3, START, 6, false)).toBe(10);
  });

  test("what it asked for last is saved with the level", () => {
    const slow = new SlowFailures(24);
    slow.addExploit(A, 3, START, 6, false);
    const other = new SlowFailures(24);
    other.restore(slow.save(true));
    expect(other.addExploit(A, 3, START, 6, false)).toBe(3);
  });
});

describe("a surge of failures", () => {
  const failing = (count: number, times: number, at = START) => {
    const slow = new SlowFailures(24);
    for (let i = 0; i < count; i++) for (let n = 0; n < times; n++) slow.add(source(`198.18.0.${i}`), 1, at);
    return slow;
  };

  test("is many sources that failed more than once within the hour", () => {
    expect(failing(6, 2).isSurging(6, START)).toBe(true);
    expect(failing(5, 9).isSurging(6, START)).toBe(false);
    expect(failing(60, 1).isSurging(6, START)).toBe(false);
    expect(failing(6, 2).isSurging(6, START + HOUR)).toBe(true);
    expect(failing(6, 2).isSurging(6, START + HOUR + 1)).toBe(false);
  });

  test("lowers the bar of who guesses, or tries a hole that no mistake explains, from then on", () => {
    const slow = new SlowFailures(24);
    expect(slow.isLikeBotnet(A)).toBe(true);
    slow.add(A, 1, START);
    expect(slow.isLikeBotnet(A)).toBe(true);
    slow.addExploit(A, 3, START, 6, false);
    expect(slow.isLikeBotnet(A)).toBe(false);
    slow.addExploit(A, 5, START, 8, true);
    slow.addExploit(A, 3, START, 6, false);
    expect(slow.isLikeBotnet(A)).toBe(true);
    const other = new SlowFailures(24);
    other.restore(slow.save(true));
    expect(other.isLikeBotnet(A)).toBe(true);
  });

  test("looking for it has an end", () => {
    const slow = failing(6, 2);
    for (let i = 0; i < 512; i++) slow.add(source(`198.19.${i >> 8}.${i & 255}`), 1, START);
    expect(slow.isSurging(6, START)).toBe(false);
  });
});
