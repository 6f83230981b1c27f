import { describe, expect, test } from "bun:test";
import { record } from "../../test/records.ts";
import { surgingPaths, TrafficSketch } from "./traffic-sketch.ts";
import { TUNING } from "./tuning.ts";

function sketch(paths: Readonly<Record<string, number>>): TrafficSketch {
  const made = new TrafficSketch();
  for (const [path, count] of Object.entries(paths)) made.add(record({ path }), count);
  return made;
}

const CALM = sketch({ "/": 20, "/about/": 10, "/poll": 60, "/c": 10 });
const surging = (now: TrafficSketch, rates = { calm: 1, surge: 50 }, calm: TrafficSketch | null = CALM) =>
  [...surgingPaths(now, calm, rates, TUNING)].sort();

describe("surgingPaths", () => {
  test("one target, or a handful", () => {
    expect(surging(sketch({ "/a": 900, "/": 20 }))).toEqual(["/a"]);
    expect(surging(sketch({ "/a": 300, "/b": 300, "/": 300 }))).toEqual(["/", "/a", "/b"]);
  });

  test("not what is asked for beside it", () => {
    expect(surging(sketch({ "/a": 900, "/b": 90 }))).toEqual(["/a"]);
  });

  test("nothing, when the excess is spread over the site", () => {
    expect(surging(sketch(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`/${i}`, 25]))))).toEqual([]);
    // One page of a crowd, and the files that come with it.
    const files = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`/theme/${i}.css`, 50]));
    expect(surging(sketch({ "/article/": 130, ...files }))).toEqual([]);
  });

  test("nothing that grows with its clients: sixty in a hundred before, and now", () => {
    expect(surging(sketch({ "/poll": 700, "/": 200, "/about/": 100 }), { calm: 6, surge: 40 })).toEqual([]);
  });

  test("nothing while little is known of it, or without an excess", () => {
    expect(surging(sketch({ "/a": 59 }))).toEqual([]);
    expect(surging(sketch({ "/a": 900 }), { calm: 50, surge: 50 })).toEqual([]);
  });

  test("what was calm need not be known", () => {
    expect(surging(sketch({ "/a": 900 }), undefined, null)).toEqual(["/a"]);
    expect(surging(sketch({ "/a": 900 }), undefined, sketch({ "/a": 5 }))).toEqual(["/a"]);
  });

  test("the query is no part of a path, and hostile lengths are cut", () => {
    const made = new TrafficSketch();
    for (let i = 0; i < 100; i++) made.add(record({ path: `/a?${i}`, userAgent: "x".repeat(60_000) }), 1);
    made.add(record({ path: `/${"a".repeat(60_000)}` }), 1);
    expect(made.paths.top(2).map(({ key, count }) => [key.length, count])).toEqual([
      [2, 100],
      [200, 1],
    ]);
    expect(made.agents.top(5).map(({ key }) => key.length)).toEqual([200]);
  });
});
