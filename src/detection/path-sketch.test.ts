import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../test/records.ts";
import { hashText } from "./hash.ts";
import { headOf, PathSketch, queryStart } from "./path-sketch.ts";
import { Classifier } from "./request-class.ts";

/** Bytes in use, texts included. */
const heap = () => heapStats().heapSize + heapStats().extraMemorySize;

describe("PathSketch", () => {
  test("the most asked path first, whatever its query; the last user agent", () => {
    const sketch = new PathSketch();
    sketch.add("/a", 200, "one", 1);
    sketch.add("/b?x=1", 404, undefined, 1);
    sketch.add("/b?x=2", 404, "two", 1);
    expect(sketch.paths()).toEqual([
      { path: "/b", count: 2 },
      { path: "/a", count: 1 },
    ]);
    expect(sketch.statuses()).toEqual([
      { status: 404, count: 2 },
      { status: 200, count: 1 },
    ]);
    expect(sketch.userAgent).toBe("two");
  });

  test("a sampled request stands for as many as its weight", () => {
    const sketch = new PathSketch();
    sketch.add("/a", 200, undefined, 8);
    sketch.add("/a", 200, undefined, 1);
    expect([sketch.paths()[0]?.count, sketch.statuses()[0]?.count]).toEqual([9, 9]);
  });

  test("at most five of each, and of each text two hundred characters", () => {
    const sketch = new PathSketch();
    for (let i = 0; i < 50; i++) sketch.add(`/${i}`, 200 + i, undefined, 1);
    const long = new PathSketch();
    long.add(`/${"a".repeat(70_000)}?q`, 200, "b".repeat(70_000), 1);
    expect([sketch.paths().length, sketch.statuses().length]).toEqual([5, 5]);
    expect(sketch.paths(2).length).toBe(2);
    expect([long.paths()[0]?.path.length, long.userAgent?.length]).toEqual([200, 200]);
  });

  test("what is asked for more than half the time is named, among any noise, with a count not too low", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 300 }), (noise) => {
        const sketch = new PathSketch();
        for (const n of noise) {
          sketch.add(`/noise/${n}`, 200, undefined, 1);
          sketch.add("/target", 200, undefined, 1);
        }
        sketch.add("/target", 200, undefined, 1);
        const [top] = sketch.paths();
        expect(top?.path).toBe("/target");
        expect(top?.count).toBeGreaterThanOrEqual(noise.length + 1);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});

const look = (sketch: PathSketch, path: string, second = 0) =>
  sketch.addLook(hashText(path, path.length, 0), path.endsWith(".js"), second);

describe("variety", () => {
  test.each([1, 6, 12, 40, 60, 130])("of %d paths in turn is about that, however often they come", (count) => {
    const sketch = new PathSketch();
    for (let n = 0; n < 400; n++) look(sketch, `/page/${n % count}`);
    expect(sketch.variety).toBeWithin(0.75 * count - 0.5, 1.25 * count + 1.5);
  });

  test("of nothing is nothing, and of thousands a number", () => {
    const sketch = new PathSketch();
    expect(Math.abs(sketch.variety)).toBe(0);
    for (let n = 0; n < 5000; n++) look(sketch, `/page/${n}`);
    expect(sketch.variety).toBeGreaterThan(200);
    expect(sketch.variety).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});

test("parts: what only pages ask for, of all looks", () => {
  const sketch = new PathSketch();
  expect(sketch.parts).toBe(0);
  for (const path of ["/a.js", "/b", "/c", "/d"]) look(sketch, path);
  expect(sketch.parts).toBe(0.25);
});

test("spread: different seconds, for each request", () => {
  const sketch = new PathSketch();
  expect(sketch.spread).toBe(0);
  for (const second of [5, 5, 5, 6]) look(sketch, "/a", second);
  expect(sketch.spread).toBe(0.5);
  for (const second of [7, 8, 9, 10]) look(sketch, "/a", second);
  expect(sketch.spread).toBe(0.75);
});

test.each([
  ["/a?b", 2],
  ["/a", 2],
  ["", 0],
  ["?", 0],
  ["/a?b?c", 2],
])("the query of %j begins at %d", (path, at) => {
  expect(queryStart(path)).toBe(at);
});

describe("headOf", () => {
  const texts = ["", "/a", "x".repeat(300), "\ud800".repeat(300), `${"é".repeat(250)}€`];

  test.each(texts)("is what slice gives (%#)", (text) => {
    for (const length of [0, 1, 200, 400]) expect(headOf(text, length)).toBe(text.slice(0, length));
  });

  // A few thousand sources with long paths and agents would else take all the memory that the service may have.
  test("keeps nothing of the rest: neither do sketches, nor the memory of targets", () => {
    const longText = (i: number, start: string) => Buffer.alloc(16_000, `${start}${i}?`).toString("latin1");
    const kept: unknown[] = [];
    Bun.gc(true);
    const before = heap();
    for (let i = 0; i < 200; i++) {
      const sketch = new PathSketch();
      for (let n = 0; n < 6; n++) sketch.add(longText(n, "/a/path/to/"), 200, longText(i, "Agent"), 1);
      kept.push(sketch);
    }
    const classifier = new Classifier();
    for (let i = 0; i < 1000; i++) {
      classifier.targetOf(longText(i, "/a/path/to/"));
      classifier.targetOf(longText(i, "/a/path/to/").replaceAll("?", "/"));
    }
    kept.push(classifier);
    Bun.gc(true);
    expect(heap() - before).toBeLessThan(8 * 2 ** 20);
    expect(kept.length).toBe(201);
  });
});
