import { describe, expect, test } from "bun:test";
import type { EpochMs } from "../accesslog/record.ts";
import type { Source } from "../net/cidr.ts";
import { v4Of } from "../net/ip.ts";
import { Mark } from "./event-ring.ts";
import { hashText } from "./hash.ts";
import { Ramps } from "./ramps.ts";
import { DOUBLES, Double, WORDS, Word } from "./source-rows.ts";
import { SourceWindows } from "./source-windows.ts";
import { TUNING } from "./tuning.ts";

const SOURCE = "192.0.2.1" as Source;
const ADDRESS = v4Of(SOURCE);
const START = Date.UTC(2026, 1, 9, 9) as EpochMs;

interface Pace {
  /** Requests in each minute, one after the other. */
  readonly minutes: readonly number[];
  /** What request number n of a minute costs; 1 is a page asked for again. */
  readonly cost?: (n: number) => number;
  readonly path?: (n: number) => string;
  readonly agent?: (n: number) => string;
  /** Bytes of a page that is fetched; null where it is something else that is asked. */
  readonly bytes?: (n: number) => number | null;
  /** Requests that come in one second, one after the other. */
  readonly together?: number;
  readonly isTrusted?: boolean;
  readonly people?: number;
}

/** What is found of a source at each minute's end. */
function follow({
  minutes,
  cost = () => 1,
  path = () => "/a",
  agent = () => "x",
  bytes = () => 9000,
  together = 1,
  isTrusted = false,
  people = 1,
}: Pace) {
  const windows = new SourceWindows({ windowMs: 60_000, isSustained: true }, 100, TUNING, () => {});
  const ramps = new Ramps(windows.table, TUNING);
  let now = START;
  return minutes.map((requests, minute) => {
    for (let n = 0; n < requests; n++) {
      const at = (now + Math.floor(((n - (n % together)) * 60_000) / requests)) as EpochMs;
      windows.evict(at);
      const slot = windows.slotOf(SOURCE, ADDRESS) ?? windows.claim(SOURCE, at, ADDRESS);
      if (isTrusted) windows.table.rows.doubles[slot * DOUBLES + Double.trustedUntil] = Number.POSITIVE_INFINITY;
      windows.table.rows.words[slot * WORDS + Word.people] = people;
      windows.count(slot, at, cost(n), cost(n), Mark.request);
      if (windows.table.rows.requests(slot) < 8) continue;
      const sketch = windows.table.openSketch(slot);
      const asked = path(n);
      sketch.add(asked, 200, agent(n), 1);
      sketch.addLook(hashText(asked, asked.length, 0), asked.endsWith(".js"), Math.floor(at / 1000));
      const fetched = bytes(n);
      if (fetched !== null) sketch.addFetch(fetched, 1);
    }
    now = (now + 60_000) as EpochMs;
    windows.evict((now - 1) as EpochMs);
    ramps.look(START / 60_000 + minute, 60_000);
    const slot = windows.slotOf(SOURCE, ADDRESS);
    return slot === undefined ? null : ramps.of(slot);
  });
}

/** Doubles every five minutes: 16, 32, 64, 128 … in five. */
const DOUBLING = [3, 3, 4, 3, 3, 6, 7, 6, 7, 6, 13, 12, 13, 13, 13, 25, 26, 25, 26, 26];

const firstFound = (found: ReturnType<typeof follow>) => found.findIndex((ramp) => ramp !== null);

/** A dozen things, in an order that looks like none; most are files, which cost little. */
const DOZEN = { path: (n: number) => `/theme/${(n * 7 + (n >> 2)) % 12}.js`, cost: () => 0.1 };

const camera = (n: number) => DOZEN.path(n).replace(".js", ".jpg");

const minutesOf = (count: number, requests: number) => new Array<number>(count).fill(requests);

/** So many requests in each of three spans; in the last minute of the last one `end` times as many as in its first. */
function spans([before, then, now]: readonly [number, number, number], end: number): number[] {
  const share = (minute: number) => (1 + ((end - 1) * minute) / 4) / (5 * (1 + (end - 1) / 2));
  const upTo = (minute: number) =>
    Math.round(Array.from({ length: minute }, (_, i) => now * share(i)).reduce((sum, n) => sum + n, 0));
  const last = [0, 1, 2, 3, 4].map((minute) => upTo(minute + 1) - upTo(minute));
  return [...evenly(before), ...evenly(then), ...last];
}

/** So many requests over five minutes. */
const evenly = (count: number) =>
  [0, 1, 2, 3, 4].map((minute) => Math.round((count * (minute + 1)) / 5) - Math.round((count * minute) / 5));

/** Three hours of ten a minute, and then faster and faster. */
const LONG = [...new Array<number>(180).fill(10), 12, 14, 16, 18, 20, 23, 26, 29, 33, 37, 42, 47];

const mostlyOne = (n: number) => (n % 2 === 0 ? "/live" : DOZEN.path(n));

function newEachTime(): () => string {
  let last = 0;
  return () => `/archive/${++last}.html`;
}

describe("Ramps", () => {
  test("a page asked for twice as often every five minutes is found before it is ten times as often", () => {
    const found = follow({ minutes: DOUBLING });
    expect(firstFound(found)).toBeWithin(14, 19);
    expect(found[firstFound(found)]).toEqual({ spans: [23, 44, 90], paths: 1 });
  });

  test("each test of growth is met by what is a little more", () => {
    for (const grown of [spans([20, 32, 80], 1.5), spans([30, 42, 80], 1.5), spans([20, 52, 96], 1.5)])
      expect(firstFound(follow({ minutes: grown }))).toBe(14);
  });

  test("so are several things, each again and again and for itself", () => {
    const found = follow({ minutes: DOUBLING, ...DOZEN });
    expect(firstFound(found)).toBeWithin(14, 19);
    const { spans, paths } = found[firstFound(found)]!;
    expect(spans).toEqual([23, 44, 90]);
    expect(paths).toBeWithin(10, 15);
  });

  test.each<[string, Pace]>([
    ["is steady", { minutes: new Array<number>(60).fill(40) }],
    ["begins at once", { minutes: [...new Array<number>(5).fill(0), ...new Array<number>(30).fill(60)] }],
    ["grows by as much each minute", { minutes: Array.from({ length: 60 }, (_, i) => 2 + i * 2) }],
    ["grows by a tenth each five minutes", { minutes: Array.from({ length: 60 }, (_, i) => 20 * 1.1 ** (i / 5)) }],
    ["doubles but stays rare", { minutes: DOUBLING.map((n) => Math.ceil(n / 4)) }],
    ["brings its files", { minutes: DOUBLING, cost: (n) => (n % 3 === 0 ? 0.1 : 1) }],
    ["looks at new pages", { minutes: DOUBLING, cost: () => 0.45 }],
    ["asks for two pages", { minutes: DOUBLING, path: (n) => (n % 8 === 0 ? "/b" : "/a") }],
    ["fetches little", { minutes: DOUBLING, bytes: () => 700 }],
    ["posts", { minutes: DOUBLING, bytes: (n) => (n % 4 === 0 ? null : 9000) }],
    // Each of the tests of growth by itself: the others hold.
    ["multiplies in its last step alone", { minutes: spans([20, 24, 80], 1.5) }],
    ["multiplies in its first step alone", { minutes: spans([20, 68, 85], 1.5) }],
    ["multiplies too little over both", { minutes: spans([40, 58, 84], 1.5) }],
    ["adds less in the end than before", { minutes: spans([20, 56, 92], 1.5) }],
    ["has levelled off", { minutes: spans([20, 40, 90], 1) }],
    ["is three times as busy from one minute on", { minutes: [...minutesOf(60, 10), ...minutesOf(60, 30)] }],
    ["is two programs", { minutes: DOUBLING, agent: (n) => (n % 2 === 0 ? "x" : "y") }],
    ["has proved an account", { minutes: DOUBLING, isTrusted: true }],
    ["asks for several things, three at once", { minutes: DOUBLING, ...DOZEN, together: 3 }],
    ["asks for a new thing each time", { minutes: DOUBLING, ...DOZEN, path: newEachTime() }],
    ["asks for several things, too fast to tell", { minutes: DOUBLING.map((n) => 3 * n), ...DOZEN }],
    ["asks for several things, not one of them part of a page", { minutes: DOUBLING, ...DOZEN, path: camera }],
    ["asks for too many things to tell new ones", { minutes: LONG, ...DOZEN, path: newEachTime() }],
    ["is several people", { minutes: DOUBLING, people: 2 }],
    ["asks for several things, and for one of them mostly", { minutes: DOUBLING, ...DOZEN, path: mostlyOne }],
    ["asks for several things that are small", { minutes: DOUBLING, ...DOZEN, bytes: () => 700 }],
    ["asks for several things with two programs", { minutes: DOUBLING, ...DOZEN, agent: (n) => `${n % 2}` }],
    ["asks for several things and posts", { minutes: DOUBLING, ...DOZEN, bytes: (n) => (n % 4 === 0 ? null : 9000) }],
  ])("a source that %s is not", (_, pace) => {
    expect(firstFound(follow(pace))).toBe(-1);
  });

  test("a minute without a request is part of it; several begin it anew", () => {
    expect(firstFound(follow({ minutes: [3, 3, 0, 5, 5, ...DOUBLING.slice(5)] }))).toBeWithin(14, 19);
    expect(firstFound(follow({ minutes: [...DOUBLING.slice(0, 12), 0, 0, 0, 0, ...DOUBLING.slice(12)] }))).toBe(-1);
  });

  test("only so many are followed; the others are counted", () => {
    const windows = new SourceWindows({ windowMs: 60_000, isSustained: true }, 20_000, TUNING, () => {});
    const ramps = new Ramps(windows.table, TUNING);
    for (let i = 0; i < 17_000; i++) {
      const slot = windows.claim(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` as Source, START, 0x0a000000 + i);
      for (let n = 0; n < 3; n++) windows.count(slot, START, 1, 1, Mark.request);
    }
    ramps.look(0, 60_000);
    expect(ramps.missed).toBe(17_000 - 16_384);
  });
});
