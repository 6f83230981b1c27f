import { describe, expect, test } from "bun:test";
import { MINUTE, START } from "../../test/records.ts";
import { Breaker } from "./breaker.ts";

/** A breaker of this limit after a wish to ban at each of these seconds: who was let through. */
function wishes(limit: number, seconds: readonly number[]) {
  const breaker = new Breaker(limit);
  return { breaker, admitted: seconds.map((second) => breaker.admit(START + second * 1000)) };
}

describe("opening", () => {
  test.each([
    ["as many bans as the limit", 3, [0, 1, 2], [true, true, true]],
    ["one more than the limit", 3, [0, 1, 2, 3], [true, true, true, false]],
    ["all at one instant", 2, [5, 5, 5], [true, true, false]],
    ["a limit of one", 1, [0, 59.999], [true, false]],
    ["a ban a minute ago no longer counts", 1, [0, 60], [true, true]],
    ["open stays open for those after", 2, [0, 1, 2, 3, 4], [true, true, false, false, false]],
  ] as [string, number, number[], boolean[]][])("%s", (_, limit, seconds, admitted) => {
    const run = wishes(limit, seconds);
    expect(run.admitted).toEqual(admitted);
    expect(run.breaker.isOpen).toBe(admitted.includes(false));
  });
});

describe("closing", () => {
  test("it closes once, when the last minute held no more than the limit", () => {
    const { breaker } = wishes(1, [0, 1]);
    expect(breaker.tick(START + MINUTE - 1)).toBe(false);
    expect(breaker.tick(START + 1000 + MINUTE)).toBe(true);
    expect(breaker.isOpen).toBe(false);
    expect(breaker.tick(START + 1000 + MINUTE + 1)).toBe(false);
  });

  test("a storm that goes on keeps it open, in bounded memory", () => {
    const breaker = new Breaker(10);
    for (let i = 0; i < 5000; i++) breaker.admit(START + i * 100);
    expect(breaker.isOpen).toBe(true);
    expect(breaker.bansInMinute).toBe(600);
    expect(breaker.tick(START + 5000 * 100)).toBe(false);
  });

  // Closes only after a minute without any wish at all: one source that asks for a ban every 50 s holds it open for ever.
  test("a minute with no more wishes than the limit is calm enough", () => {
    const breaker = new Breaker(5);
    for (let i = 0; i < 6; i++) breaker.admit(START + i);
    let closed = false;
    for (let second = 50; second < 600 && !closed; second += 50) {
      closed = breaker.tick(START + second * 1000);
      if (!closed) breaker.admit(START + second * 1000);
    }
    expect(closed).toBe(true);
  });

  test("a raised limit counts from the next wish", () => {
    const { breaker } = wishes(1, [0]);
    breaker.configure(2);
    expect(breaker.admit(START + 1000)).toBe(true);
    expect(breaker.admit(START + 2000)).toBe(false);
  });
});

describe("restored", () => {
  const through = (breaker: Breaker, limit: number, bannedAt: readonly number[] = []) => {
    const next = new Breaker(limit);
    next.restore(JSON.parse(JSON.stringify(breaker.save())) as ReturnType<Breaker["save"]>, bannedAt);
    return next;
  };

  test("before any wish it is as a new one", () => {
    expect(new Breaker(1).save()).toEqual({ isOpen: false, wishes: [] });
    expect(through(new Breaker(1), 1).admit(START)).toBe(true);
  });

  test("at any moment of any storm it goes on as if nothing had happened", () => {
    const seconds = Array.from({ length: 400 }, (_, i) => (i * i * 7) % 300).toSorted((a, b) => a - b);
    for (let cut = 0; cut < seconds.length; cut += 13) {
      const { breaker } = wishes(60, seconds.slice(0, cut));
      const next = through(breaker, 60);
      expect(next.bansInMinute).toBe(breaker.bansInMinute);
      for (const second of seconds.slice(cut)) {
        const at = START + second * 1000;
        expect(next.tick(at)).toBe(breaker.tick(at));
        expect(next.admit(at)).toBe(breaker.admit(at));
      }
    }
  });

  test("what was banned after it was saved counts too; what is a minute old does not", () => {
    const { breaker } = wishes(4, [0, 10]);
    const next = through(breaker, 4, [START + 12_000, START + 11_000]);
    expect(next.bansInMinute).toBe(4);
    expect(next.admit(START + 59_999)).toBe(false);
    const later = through(breaker, 4, [START + 65_000]);
    expect(later.bansInMinute).toBe(2);
  });
});
