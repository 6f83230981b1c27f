import { describe, expect, test } from "bun:test";
import { source } from "../../test/outcomes.ts";
import { config, HOUR, MINUTE, record, START, seeded, visitor } from "../../test/records.ts";
import type { GlobalVerdict, SourceVerdict } from "../decision.ts";
import { Detector, type DetectorEvents } from "./detector.ts";

/** A detector, and what it said. */
class Watched implements DetectorEvents {
  readonly detector: Detector;
  readonly verdicts: SourceVerdict[] = [];
  readonly globals: { change: string; since: number; verdict: GlobalVerdict }[] = [];
  readonly recalculations: number[] = [];

  constructor(file: Record<string, unknown> = {}) {
    this.detector = new Detector(config(file));
  }

  elapsed(): void {}

  verdict(verdict: SourceVerdict): void {
    this.verdicts.push(verdict);
  }

  global(change: "firing" | "still-firing" | "resolved", since: number, verdict: GlobalVerdict): void {
    this.globals.push({ change, since, verdict });
  }

  baseline(): void {
    this.recalculations.push(this.detector.now);
  }

  ask(at: number, from: string, path = "/", status = 200, isExempt = false, bytes = 512): void {
    this.detector.advance(at, this);
    this.detector.observe(record({ at, source: from, path, status, bytes }), source(from), isExempt, this);
  }
}

const A = "203.0.113.1";
const ARMED = { baseline: { warm_up: "0s" } };
const CONTRACT = { detection: { profile: "contract" }, baseline: { warm_up: "0s" } };

describe("recalculation", () => {
  test("each minute after the first record, on whole seconds, also when no request comes", () => {
    const watched = new Watched();
    watched.ask(START + 250, A);
    for (let s = 1; s <= 200; s++) watched.detector.advance(START + 250 + s * 1000, watched);
    expect(watched.recalculations).toEqual([61, 121, 181].map((s) => START + s * 1000));
    expect(watched.detector.nextRecalculationAt).toBe(START + 240_250);
  });

  test("a first tick begins the grid as well as a first record does", () => {
    const watched = new Watched();
    watched.detector.advance(START, watched);
    watched.detector.advance(START + 61_000, watched);
    expect(watched.recalculations).toEqual([START + 60_000]);
  });

  test("a jump over an hour recalculates at each minute of it", () => {
    const watched = new Watched();
    watched.ask(START, A);
    watched.detector.advance(START + 60 * MINUTE, watched);
    expect(watched.recalculations).toEqual(Array.from({ length: 60 }, (_, i) => START + (i + 1) * MINUTE));
  });

  test("as often as it is told to", () => {
    const watched = new Watched({ baseline: { recalculate_every: "7s" } });
    watched.ask(START, A);
    watched.detector.advance(START + 30_000, watched);
    expect(watched.recalculations.map((at) => at - START)).toEqual([7000, 14_000, 21_000, 28_000]);
  });
});

describe("long silence", () => {
  test.each([
    ["an hour", 3600],
    ["a day", 86_400],
    ["a month", 30 * 86_400],
  ])("of %s: quick, and all of it zeros", (_, seconds) => {
    const watched = new Watched();
    for (let i = 0; i < 1200; i++) watched.ask(START + i * 500, visitor(i % 7));
    const end = START + 600_000 + seconds * 1000;
    const began = performance.now();
    watched.detector.advance(end, watched);
    expect(performance.now() - began).toBeLessThan(3000);
    expect(watched.detector.now).toBe(end);
    expect(watched.detector.site).toEqual({ requests: 0, errors: 0, active: 0 });
    // The rolling history (and in the end every hour's slot) holds nothing but idle seconds.
    expect(watched.detector.siteBaseline).toMatchObject({ mean: 1, stddev: 0.5 });
    expect(watched.detector.siteBaseline.samples).toBeGreaterThan(0);
    expect(watched.recalculations.at(-1)).toBeGreaterThan(end - 61_000);
  });

  test("the first request after it finds an empty window", () => {
    const watched = new Watched();
    for (let i = 0; i < 100; i++) watched.ask(START + i, A);
    watched.ask(START + 5 * 86_400_000, A);
    expect(watched.detector.read(source(A))?.requests).toBe(1);
    expect(watched.detector.site.requests).toBe(1);
  });
});

describe("warm-up", () => {
  test("it learns for as long as it is told, then it is armed", () => {
    const watched = new Watched({ baseline: { warm_up: "5m" } });
    expect(watched.detector.isLearning).toBe(true);
    watched.ask(START, A);
    watched.detector.advance(START + 5 * MINUTE - 1, watched);
    expect(watched.detector.isLearning).toBe(true);
    watched.detector.advance(START + 5 * MINUTE, watched);
    expect(watched.detector.isLearning).toBe(false);
  });

  test.each(["adaptive", "contract"])(
    "below the ceiling nothing is a verdict, above it everything is (%s)",
    (profile) => {
      const flood = (count: number) => {
        const watched = new Watched({ detection: { profile, ceiling: 5 } });
        for (let i = 0; i < count; i++) watched.ask(START + i * 100, A, "/same");
        return watched.verdicts;
      };
      expect(flood(300)).toEqual([]);
      const [verdict] = flood(320);
      expect(verdict).toMatchObject({ reasons: ["ceiling"], triggerRate: 5, source: A });
      expect(verdict!.comparedRate).toBeGreaterThan(5);
    },
  );
});

describe("the contract's verdict", () => {
  /** The requests in one window at which the first verdict falls; `isError` by number. */
  function firesAt(isError: (i: number) => boolean, file: Record<string, unknown> = CONTRACT): number | null {
    const watched = new Watched(file);
    for (let i = 1; i <= 1000; i++) {
      watched.ask(START + i * 20, A, "/", isError(i) ? 404 : 200);
      if (watched.verdicts.length > 0) return i;
    }
    return null;
  }

  test("at the floors: the 151st request of a minute", () => {
    expect(firesAt(() => false)).toBe(151);
  });

  test("errors at three times the floor of their rate halve both thresholds: 1 + 1.5 × 0.5 per second", () => {
    expect(firesAt((i) => i % 2 === 0)).toBe(106);
    expect(firesAt((i) => i <= 19)).toBe(106);
    expect(firesAt((i) => i <= 17)).toBe(151);
  });

  // 18 errors in a minute are exactly 3 × 0.1 a second, but 3 * 0.1 is 0.30000000000000004 and 18 / 60 is 0.3.
  test("exactly three times the floor is a surge", () => {
    expect(firesAt((i) => i <= 18)).toBe(106);
  });

  test("thresholds are keys", () => {
    expect(firesAt(() => false, { ...CONTRACT, detection: { profile: "contract", z_score: 1 } })).toBe(91);
    expect(firesAt(() => false, { ...CONTRACT, detection: { profile: "contract", rate_multiple: 2 } })).toBe(121);
    const surge = { profile: "contract", error_surge: { multiple: 1, tighten: 0.1, floor: 0.1 } };
    expect(firesAt((i) => i <= 6, { ...CONTRACT, detection: surge })).toBe(31);
  });

  test("a window of its own length: the rate is per second all the same", () => {
    expect(firesAt(() => false, { ...CONTRACT, detection: { profile: "contract", window: "10s" } })).toBe(26);
  });

  test("the evidence is complete", () => {
    const watched = new Watched(CONTRACT);
    for (let i = 0; watched.verdicts.length === 0; i++)
      watched.ask(START + i * 20, A, i % 3 ? "/a?x=1" : "/b", i % 2 ? 404 : 200);
    const [verdict] = watched.verdicts;
    expect(verdict).toEqual({
      scope: "source",
      source: source(A),
      at: START + 105 * 20,
      firstAt: START,
      profile: "contract",
      stream: "requests",
      windowMs: MINUTE,
      requests: 106,
      errors: 53,
      rate: 106 / 60,
      comparedRate: 106 / 60,
      baseline: { at: 0, mean: 1, stddev: 0.5, errorRate: 0, samples: 0, from: "floor" },
      zScore: (106 / 60 - 1) / 0.5,
      multiple: 106 / 60,
      thresholds: { zScore: 1.5, rateMultiple: 2.5 },
      triggerRate: 1.75,
      reasons: ["z-score"],
      tightenedBy: "error-surge",
      trusted: false,
      topPaths: expect.any(Array),
      statuses: expect.any(Array),
      userAgent: undefined,
    });
    expect(verdict!.topPaths.map(({ path }) => path)).toEqual(["/a", "/b"]);
    expect(verdict!.statuses.map(({ status }) => status).sort()).toEqual([200, 404]);
  });
});

describe("the adaptive verdict", () => {
  test("its evidence holds together: rate, trigger, reasons, thresholds", () => {
    const watched = new Watched(ARMED);
    for (let i = 0; watched.verdicts.length === 0 && i < 1000; i++) watched.ask(START + i * 50, A, "/one");
    const verdict = watched.verdicts[0]!;
    expect(verdict.comparedRate).toBeGreaterThan(verdict.triggerRate);
    expect(verdict.comparedRate).toBeLessThanOrEqual(verdict.rate);
    expect(verdict.reasons.length).toBeGreaterThan(0);
    expect(verdict.rate).toBe(verdict.requests / 60);
    expect(verdict.zScore).toBeCloseTo((verdict.comparedRate - verdict.baseline.mean) / verdict.baseline.stddev, 12);
    expect(verdict.multiple).toBeCloseTo(verdict.comparedRate / verdict.baseline.mean, 12);
    expect(verdict).toMatchObject({ profile: "adaptive", stream: "requests", trusted: false, tightenedBy: undefined });
    expect(verdict.topPaths[0]?.path).toBe("/one");
    expect(verdict.statuses[0]?.status).toBe(200);
  });

  test("failures carry their own stream, and a baseline that fires at their bar", () => {
    const watched = new Watched(ARMED);
    for (let i = 0; watched.verdicts.length === 0 && i < 100; i++) {
      watched.detector.advance(START + i * 1000, watched);
      const login = record({ at: START + i * 1000, method: "POST", path: "/login", status: 200 });
      watched.detector.observe(login, source("203.0.113.10"), false, watched);
    }
    const verdict = watched.verdicts[0]!;
    expect(verdict.stream).toBe("failures");
    expect(verdict.comparedRate).toBeGreaterThan(verdict.triggerRate);
    expect(verdict.triggerRate).toBeCloseTo(config().detection.failures.per_minute / 60, 12);
    expect(verdict.reasons).toEqual(["z-score"]);
  });

  test.each([
    ["", ARMED],
    [" in the warm-up", { baseline: { warm_up: "10m" } }],
  ])("a bar that a surge of failures has halved is told as one%s", (_, file) => {
    const watched = new Watched(file);
    // One or two holes each, of the kind that no mistake explains.
    for (let n = 0; n < 12; n++) watched.ask(START + n * 1000, visitor(n), "/.git/config", 404);
    for (let n = 0; n < 12; n++) watched.ask(START + (20 + n) * 1000, visitor(n), "/.env", 404);
    expect(watched.verdicts[0]).toMatchObject({
      stream: "failures",
      windowMs: 72 * HOUR,
      tightenedBy: "failure-surge",
    });
  });

  test("an exempt source is counted and never judged", () => {
    const watched = new Watched(ARMED);
    for (let i = 0; i < 2000; i++) watched.ask(START + i * 10, A, "/one", 404, true);
    expect(watched.verdicts).toEqual([]);
    expect(watched.detector.site).toEqual({ requests: 2000, errors: 2000, active: 1 });
  });
});

describe("a ramp", () => {
  /** Requests of one page in each minute. */
  const TRIPLING = [3, 3, 3, 3, 3, 8, 8, 8, 8, 8, 20, 22, 24, 26, 28];
  const END = START + TRIPLING.length * MINUTE;

  const fetch = (watched: Watched, at: number) => watched.ask(at, A, "/a", 200, false, 9000);
  const fetchIn = (watched: Watched, minute: number, count: number) => {
    for (let i = 0; i < count; i++) fetch(watched, START + minute * MINUTE + 500 + Math.floor((i * MINUTE) / count));
  };
  /** Seen by everything but the look that would find it. */
  const ramped = (file: Record<string, unknown> = ARMED): Watched => {
    const watched = new Watched(file);
    TRIPLING.forEach((count, minute) => {
      fetchIn(watched, minute, count);
    });
    return watched;
  };

  test("is banned at the first request after the look that finds it", () => {
    const watched = ramped();
    expect(watched.verdicts).toEqual([]);
    fetch(watched, END + 600);
    expect(watched.verdicts).toMatchObject([{ reasons: ["ramp"], ramp: [15, 40, 120], requests: 120 }]);
  });

  test("is told in whole requests, whatever the window", () => {
    const watched = new Watched({ ...ARMED, detection: { window: "90s" } });
    [...TRIPLING, 60, 60, 60].forEach((count, minute) => {
      fetchIn(watched, minute, count);
    });
    const { ramp, requests } = watched.verdicts[0]!;
    expect([...ramp!, requests].every(Number.isInteger)).toBe(true);
  });

  test("is nothing to the contract, from the reload on", () => {
    const watched = ramped();
    watched.detector.advance(END, watched);
    watched.detector.configure(config(CONTRACT));
    fetch(watched, END + 600);
    expect(watched.verdicts).toEqual([]);
    // And back again: what lies between is not known.
    watched.detector.configure(config(ARMED));
    fetch(watched, END + 700);
    expect(watched.verdicts).toEqual([]);
  });

  test("is not looked for in windows shorter than a minute, in which a steady source grows by chance", () => {
    const watched = new Watched({ ...ARMED, detection: { window: "10s" } });
    const random = seeded(5);
    for (let at = START; at < START + 8 * HOUR; at += Math.ceil(-Math.log(1 - random()) * 4000)) fetch(watched, at);
    expect(watched.verdicts).toEqual([]);
  });

  test("begins anew after a ban, also when that is taken back at once", () => {
    const watched = ramped();
    fetch(watched, END + 600);
    watched.detector.forget(source(A));
    watched.verdicts.length = 0;
    for (let minute = 15; minute < 25; minute++) fetchIn(watched, minute, 40);
    expect(watched.verdicts).toEqual([]);
  });

  test.each([
    ["ticks", true],
    ["nothing at all", false],
  ])("is made of minutes one after the other: in a silent log with %s between its lines, too", (_, isTicking) => {
    const watched = new Watched(ARMED);
    const wait = (until: number) => {
      const from = Math.max(START, watched.detector.now);
      for (let at = from; isTicking && at < until; at += 1000) watched.detector.advance(at, watched);
    };
    // Now and then in ten hours, and then for five minutes again and again.
    for (let hour = 0; hour < 10; hour++) {
      wait(START + hour * HOUR);
      fetchIn(watched, hour * 60, hour < 5 ? 3 : 6);
    }
    for (let minute = 0; minute < 6; minute++) fetchIn(watched, 600 + minute, 24);
    expect(watched.verdicts).toEqual([]);
  });
});

describe("forgetting a source", () => {
  test("it starts from nothing; the site's window keeps what it did", () => {
    const watched = new Watched();
    for (let i = 0; i < 50; i++) watched.ask(START + i, A);
    watched.detector.forget(source(A));
    expect(watched.detector.read(source(A))).toBeNull();
    expect(watched.detector.site).toEqual({ requests: 50, errors: 0, active: 0 });
    watched.ask(START + 60, A);
    expect(watched.detector.read(source(A))?.requests).toBe(1);
    expect(watched.detector.site).toEqual({ requests: 51, errors: 0, active: 1 });
    watched.detector.advance(START + MINUTE + 61, watched);
    expect(watched.detector.site).toEqual({ requests: 0, errors: 0, active: 0 });
  });

  test("a stranger may be forgotten", () => {
    const watched = new Watched();
    watched.detector.forget(source(A));
    expect(watched.detector.site.active).toBe(0);
  });
});

describe("a full table of sources", () => {
  const crowd = (): Watched => {
    const watched = new Watched({ detection: { max_sources: 1000 } });
    for (let n = 0; n < 3000; n++) watched.ask(START + n, visitor(n));
    return watched;
  };

  test("sheds the quietest, counts them, and keeps exact totals for the site", () => {
    const watched = crowd();
    expect(watched.detector.shed).toBe(2000);
    expect(watched.detector.site.requests).toBe(3000);
  });

  // SourceTable sheds without telling the detector: each one shed stays in `active` for ever.
  test("a shed source is not active for ever", () => {
    const watched = crowd();
    watched.detector.advance(START + 20 * MINUTE, watched);
    expect(watched.detector.site.active).toBe(0);
  });
});

describe("configure", () => {
  test("keeps windows and history; new thresholds hold at once", () => {
    const watched = new Watched(CONTRACT);
    for (let i = 0; i < 100; i++) watched.ask(START + i * 20, A);
    expect(watched.verdicts).toEqual([]);
    watched.detector.configure(config({ ...CONTRACT, detection: { profile: "contract", z_score: 1 } }));
    expect(watched.detector.read(source(A))?.requests).toBe(100);
    watched.ask(START + 2000, A);
    expect(watched.verdicts.length).toBe(1);
  });

  test("which statuses are blamed holds from the next request, for failures and for the surge", () => {
    const watched = new Watched(ARMED);
    const ask = (from: number, count: number) => {
      for (let i = 0; i < count; i++) watched.ask(START + (from + i) * 100, A, `/${from + i}`, 404);
    };
    const setBlame = (notBlamed: number[]) =>
      watched.detector.configure(config({ ...ARMED, detection: { failures: { not_blamed: notBlamed } } }));
    const ratio = () => watched.detector.explain(source(A))!.surge.ratio;
    setBlame([404]);
    ask(0, 60);
    expect([watched.verdicts.length, ratio()]).toEqual([0, 0]);
    setBlame([429]);
    ask(60, 10);
    expect(ratio()).toBeGreaterThan(1);
    ask(70, 40);
    expect(watched.verdicts[0]).toMatchObject({ stream: "failures" });
  });

  test("source_norm: a source is held against the busy sources or the site, from the next request on", () => {
    const watched = new Watched(ARMED);
    // Fifty sources make ten requests a second: the site is busier than any source.
    for (let i = 0; i < 12_000; i++) watched.ask(START + i * 100, visitor(i % 50), `/${i}`);
    const { detector } = watched;
    const { siteBaseline } = detector;
    expect(siteBaseline.mean).toBeCloseTo(10, 0);
    expect(detector.sourceBaseline.mean).toBeLessThanOrEqual(3);
    detector.configure(config({ ...ARMED, detection: { source_norm: "site" } }));
    expect(detector.sourceBaseline).toBe(siteBaseline);
    expect(detector.read(source(visitor(1)))!.comparison.multiple).toBeLessThan(0.1);
    detector.configure(config(ARMED));
    expect(detector.sourceBaseline.mean).toBeLessThanOrEqual(3);
  });

  test("a shorter window drops what is too old for it", () => {
    const watched = new Watched();
    for (let s = 0; s < 60; s++) watched.ask(START + s * 1000, A);
    watched.detector.configure(config({ detection: { window: "10s" } }));
    watched.ask(START + 60_000, A);
    expect(watched.detector.read(source(A))?.requests).toBe(10);
    expect(watched.detector.site.requests).toBe(10);
  });
});

test("top: the nearest to their trigger first, no more than asked for", () => {
  const watched = new Watched();
  for (let n = 0; n < 20; n++) for (let i = 0; i <= n; i++) watched.ask(START + n, visitor(n), `/${i}`);
  const top = watched.detector.top(3);
  expect(top.map((reading) => reading.source)).toEqual([19, 18, 17].map((n) => source(visitor(n))));
  expect(top[0]?.requests).toBe(20);
  expect(watched.detector.countAbove(0)).toBe(20);
  expect(watched.detector.countAbove(100)).toBe(0);
});
