import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../test/outcomes.ts";
import { Glob } from "./glob.ts";

describe("Glob", () => {
  const rows: [pattern: string, path: string, expected: boolean][] = [
    ["/a", "/a", true],
    ["/a", "/a/", false],
    ["/a", "/ab", false],
    ["/a*", "/a", true],
    ["/a*", "/abc", true],
    ["/a*", "/a/c", false],
    ["/a/*", "/a/", true],
    ["/a/*", "/a/b", true],
    ["/a/*", "/a/b/c", false],
    ["/a/*", "/a", false],
    ["/a/**", "/a/b/c", true],
    ["/a/**", "/a", false],
    ["/**", "/", true],
    ["/**/thumb/*", "/x/y/thumb/1", true],
    ["/**/thumb/*", "/thumb/1", false],
    ["/**thumb/*", "/thumb/1", true],
    ["/a/*/b", "/a//b", true],
    ["/a/*/b", "/a/x/y/b", false],
    ["/a/*.json", "/a/b.json.json", true],
    ["/a/***", "/a/b/c", true],
    ["/a.b", "/aXb", false],
    ["/[a]", "/a", false],
    ["/[a]", "/[a]", true],
    ["/ü*", "/über", true],
  ];
  test.each(rows)("%j and %j: %j", (pattern, path, expected) => {
    expect(new Glob(pattern).matches(path)).toBe(expected);
  });

  test("a glob remembers nothing of the path before", () => {
    const glob = new Glob("/a/*/b");
    expect([glob.matches("/a/x/c"), glob.matches("/b"), glob.matches("/a/x/b")]).toEqual([false, false, true]);
  });

  test("a path of more than 2,048 characters is matched by nothing", () => {
    expect(new Glob("/**").matches(`/${"a".repeat(2047)}`)).toBe(true);
    expect(new Glob("/**").matches(`/${"a".repeat(2048)}`)).toBe(false);
  });
});

/** By definition: each star tries everything that it may stand for. */
function naive(pattern: string, path: string): boolean {
  if (pattern === "") return path === "";
  const stars = /^\*+/.exec(pattern)?.[0].length ?? 0;
  if (stars === 0) return pattern[0] === path[0] && path !== "" && naive(pattern.slice(1), path.slice(1));
  const rest = pattern.slice(stars);
  for (let taken = 0; taken <= path.length; taken++) {
    if (naive(rest, path.slice(taken))) return true;
    if (path[taken] === "/" && stars === 1) return false;
  }
  return false;
}

describe("properties", () => {
  const few = (alphabet: string, most: number) =>
    fc.array(fc.constantFrom(...alphabet), { maxLength: most }).map((list) => list.join(""));

  test("it equals the naive matcher", () => {
    let matched = 0;
    fc.assert(
      fc.property(few("ab/**", 12), few("aab/", 12), (pattern, path) => {
        const expected = naive(pattern, path);
        if (expected) matched++;
        expect(new Glob(pattern).matches(path)).toBe(expected);
      }),
      { seed: SEED, numRuns: 5000 },
    );
    expect(matched).toBeGreaterThan(200);
  });

  test("and so it does where its states fill several words", () => {
    fc.assert(
      fc.property(
        few("a/*", 6),
        fc.integer({ min: 0, max: 70 }),
        few("a/*", 6),
        few("a/", 8),
        (head, gap, tail, end) => {
          const literal = "ab".repeat(gap);
          const pattern = `*${head}${literal}${tail}`;
          for (const path of [`${literal}${end}`, `a${literal}`, `${literal}${literal}${end}`])
            expect(new Glob(pattern).matches(path)).toBe(naive(pattern, path));
        },
      ),
      { seed: SEED, numRuns: 150 },
    );
  });

  test("no path makes it slow: two hundred rows of stars against the longest path there is", () => {
    const globs = Array.from({ length: 200 }, (_, i) => new Glob(`/**a*${"a*b".repeat(48)}**${i}`));
    const path = `/${"a".repeat(2047)}`;
    const began = performance.now();
    for (const glob of globs) expect(glob.matches(path)).toBe(false);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});
