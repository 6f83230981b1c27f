import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { editDistance, nearest } from "./nearest.ts";

describe("editDistance", () => {
  test.each([
    ["", "", 0],
    ["ban", "ban", 0],
    ["", "ban", 3],
    ["ban", "bans", 1],
    ["bna", "ban", 1],
    ["mutiplier", "multiple", 3],
    ["ca", "abc", 3],
  ])("%p to %p takes %p edits", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });

  test("is between the difference and the greater of the lengths, and 0 only for the same word", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance === 0).toBe(a === b);
      }),
    );
  });
});

describe("nearest", () => {
  const keys = ["window", "z_score", "rate_multiple", "ceiling", "history"];
  test.each([
    ["rate_mutiplier", "rate_multiple"],
    ["rate_multiplier", "rate_multiple"],
    ["rate-multiple", "rate_multiple"],
    ["ZScore", "z_score"],
    ["windwo", "window"],
    ["hist", "history"],
    ["steps", null],
    ["", null],
    ["w".repeat(10_000), null],
  ])("%p is meant as %p", (word, meant) => expect(nearest(word, keys)).toBe(meant));

  test("of two equally near words takes the one that begins alike", () => {
    expect(nearest("fsh", ["zsh", "fish"])).toBe("fish");
    expect(nearest("unbam", ["ban", "unban"])).toBe("unban");
  });
});
