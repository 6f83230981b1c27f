import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Outcome } from "../decision.ts";
import type { HistoryPoint, HistorySpan } from "../status.ts";
import { baselineChart, hourChart, pastChart, rateChart } from "./chart.ts";
import { banStatus, globalVerdict, makeHistory, makeSpans, NOW, normal } from "./fixture.ts";
import { MAX_POINTS, niceScale, spark, thin } from "./geometry.ts";
import { RANGES, type Range } from "./range.ts";
import { createZone } from "./zone.ts";

const utc = createZone("UTC");

function point(at: number, rate: number, part: Partial<HistoryPoint> = {}): HistoryPoint {
  return { at, rate, errorRate: 0, mean: 1, stddev: 0.5, trigger: 2.5, from: "floor", ...part };
}

/** Walks a path of our own kind (M, l, h, v, H, V, Z) and returns its corners. */
function corners(path: string): [number, number][] {
  const out: [number, number][] = [];
  let [x, y] = [0, 0];
  for (const [, command, numbers] of path.matchAll(/([MlhvHVZ])([^MlhvHVZ]*)/g)) {
    const [a = 0, b = 0] = (numbers!.match(/-?[\d.]+/g) ?? []).map(Number);
    if (command === "M") [x, y] = [a, b];
    else if (command === "l") [x, y] = [x + a, y + b];
    else if (command === "h") x += a;
    else if (command === "v") y += a;
    else if (command === "H") x = a;
    else if (command === "V") y = a;
    else continue;
    out.push([Number(x.toFixed(1)), Number(y.toFixed(1))]);
  }
  return out;
}

describe("niceScale", () => {
  const rows: readonly [number, number, number][] = [
    [0, 1, 0.2],
    [Number.NaN, 1, 0.2],
    [1, 1, 0.2],
    [4.7, 5, 1],
    [11.8, 12.5, 2.5],
    [43, 50, 10],
    [50, 50, 10],
    [51, 60, 20],
    [101, 125, 25],
    [0.03, 0.03, 0.01],
    [98_000, 100_000, 20_000],
  ];
  for (const [max, top, step] of rows) test(`${max}`, () => expect(niceScale(max)).toEqual({ top, step }));

  test("any maximum fits under the top, in at most five steps, with at most half the room unused", () => {
    const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), (max) => {
        const { top, step } = niceScale(max);
        expect(top).toBeGreaterThanOrEqual(max * 0.999999);
        expect(top / step).toBeLessThanOrEqual(5.000001);
        expect(top).toBeLessThanOrEqual(max * 2.000001);
      }),
      { seed },
    );
  });
});

describe("thin", () => {
  test("keeps short lists as they are, bounds long ones, and loses neither the peak nor the newest", () => {
    const short = makeHistory(10);
    expect(thin(short, 10)).toBe(short);
    const long = Array.from({ length: 5000 }, (_, i) => point(i, i === 1234 ? 99 : 1));
    const kept = thin(long, MAX_POINTS);
    expect(kept).toHaveLength(MAX_POINTS);
    expect(Math.max(...kept.map((p) => p.rate))).toBe(99);
    expect(kept.at(-1)).toBe(long.at(-1)!);
    expect(kept.map((p) => p.at)).toEqual(kept.map((p) => p.at).toSorted((a, b) => a - b));
  });
});

describe("rateChart", () => {
  test("no history, no chart", () => expect(rateChart([], [], utc)).toBeNull());

  test("one point is a short dash at the right end", () => {
    const chart = rateChart([point(NOW, 2.5)], [], utc)!;
    expect(corners(chart.observed)).toEqual([
      [992, 16.7],
      [1000, 16.7],
    ]);
    expect(chart.x[0]!.text).toBe("18:27:04");
    expect(chart.x.at(-1)!.text).toBe("18:28:04");
  });

  test("two points span the width from their times", () => {
    const chart = rateChart([point(NOW - 60_000, 0), point(NOW, 3)], [], utc)!;
    expect(corners(chart.observed)).toEqual([
      [0, 100],
      [1000, 0],
    ]);
  });

  test("flat zero traffic lies on the floor, under its trigger", () => {
    const chart = rateChart(
      [0, 1, 2].map((i) => point(NOW - (2 - i) * 60_000, 0)),
      [],
      utc,
    )!;
    expect(new Set(corners(chart.observed).map(([, y]) => y))).toEqual(new Set([100]));
    expect(chart.trigger).not.toContain("NaN");
    expect(chart.triggerLabel?.text).toBe("trigger 2.5");
  });

  test("the curve goes through every point and does not drift over relative steps", () => {
    const history = makeHistory(180);
    const chart = rateChart(history, [], utc)!;
    const top = Number(chart.y.at(-1)!.text);
    const drawn = corners(chart.observed);
    expect(drawn).toHaveLength(180);
    history.forEach((p, i) => {
      expect(Math.abs(drawn[i]![0] - (1000 * i) / 179)).toBeLessThanOrEqual(0.51);
      expect(Math.abs(drawn[i]![1] - 100 * (1 - p.rate / top))).toBeLessThanOrEqual(0.06);
    });
  });

  test("the trigger is a staircase, and the clip paths close it above and below", () => {
    const history = [point(NOW - 120_000, 1), point(NOW - 60_000, 1, { trigger: 2 }), point(NOW, 1, { trigger: 2 })];
    const chart = rateChart(history, [], utc)!;
    expect(corners(chart.trigger)).toEqual([
      [0, 16.7],
      [500, 16.7],
      [500, 33.3],
      [1000, 33.3],
    ]);
    expect(chart.above).toBe(`${chart.trigger}V0H0Z`);
    expect(chart.below).toBe(`${chart.trigger}V100H0Z`);
  });

  test("the band is mean ± 3 standard deviations, closed, and never below zero", () => {
    const history = [point(NOW - 60_000, 1, { mean: 2, stddev: 1 }), point(NOW, 5, { mean: 2, stddev: 1 })];
    expect(corners(rateChart(history, [], utc)!.band)).toEqual([
      [0, 0],
      [1000, 0],
      [1000, 100],
      [0, 100],
    ]);
  });

  test("numbers that are none, and endless ones, still give a drawable chart", () => {
    const history = [point(NOW - 60_000, Number.NaN), point(NOW, 4, { trigger: Number.POSITIVE_INFINITY })];
    expect(JSON.stringify(rateChart(history, [], utc))).not.toMatch(/NaN"|MNaN|l-?NaN|vNaN|hNaN/);
  });
});

describe("a time that nobody looked at", () => {
  test("is left empty between the runs of every curve, not drawn as zero nor bridged", () => {
    const history = [point(NOW - 1000_000, 1), point(NOW - 910_000, 1), point(NOW - 90_000, 2), point(NOW, 2)];
    const chart = rateChart(history, [], utc)!;
    for (const path of [chart.observed, chart.trigger, chart.mean]) {
      expect(path.match(/M/g)).toHaveLength(2);
      expect(corners(path).filter(([x]) => x > 90 && x < 910)).toEqual([]);
    }
    expect(chart.area.match(/Z/g)).toHaveLength(2);
    expect(chart.below).toBe("M0 16.7h90V100H0ZM910 16.7h90V100H910Z");
    expect(baselineChart(history, utc)!.mean.match(/M/g)).toHaveLength(2);
  });

  test("ends where the points are 90 s apart; one alone in its run is a dash", () => {
    const runs = (gapMs: number) =>
      rateChart([point(NOW - gapMs - 10_000, 1), point(NOW - gapMs, 1), point(NOW, 1)], [], utc)!.observed;
    expect(runs(90_000).match(/M/g)).toHaveLength(1);
    expect(corners(runs(90_001)).slice(-2)).toEqual([
      [992, 66.7],
      [1000, 66.7],
    ]);
  });
});

describe("the chart of the past", () => {
  const [, day, week, month] = RANGES as [Range, Range, Range, Range];
  const draw = (range: Range, spans: readonly HistorySpan[], outcomes: readonly Outcome[] = [], zone = utc) =>
    pastChart(spans, { range, to: NOW }, outcomes, zone)!;
  const span = (agoMs: number, rate: number, peak: number): HistorySpan => ({
    ...{ at: NOW - agoMs, rate, peak, errorRate: 0 },
    ...{ mean: 1, stddev: 0.5, trigger: 2.5 },
  });
  const past = (range: Range) => makeSpans(NOW - range.spanMs, NOW, range.stepMs);

  test.each(RANGES.slice(1))("$name has at most 360 points, and a span that ends it", ({ spanMs, stepMs }) => {
    expect(spanMs / stepMs).toBeLessThanOrEqual(360);
    expect(past({ spanMs, stepMs } as Range).at(-1)!.at).toBe(NOW);
  });

  test("the curve is the mean, a second one the busiest minute, which fills the area and turns red", () => {
    const chart = draw(day, [span(300_000, 1, 2), span(0, 1, 4)]);
    expect(corners(chart.observed)).toEqual([
      [997, 75],
      [1000, 75],
    ]);
    expect(corners(chart.peak)).toEqual([
      [997, 50],
      [1000, 0],
    ]);
    expect(chart.area).toStartWith(chart.peak);
  });

  test("its frame is the whole range, however little is known of it", () => {
    const chart = draw(week, [span(0, 1, 1)]);
    expect(corners(chart.observed)[0]).toEqual([992, 66.7]);
    expect(chart.x.map(({ text }) => text)).toEqual([
      "14 Nov",
      "15 Nov",
      "16 Nov",
      "17 Nov",
      "18 Nov",
      "19 Nov",
      "20 Nov",
    ]);
  });

  test("days stand at midnight of the page's zone, hours four apart", () => {
    const berlin = createZone("Europe/Berlin");
    const last = draw(week, past(week), [], berlin).x.at(-1)!;
    expect(last).toEqual({ at: "88.41%", text: "20 Nov", anchor: "middle", minor: false });
    expect(draw(month, past(month)).x.map(({ text }) => text)).toEqual([
      ...["26 Oct", "31 Oct", "5 Nov", "10 Nov", "15 Nov", "20 Nov"],
    ]);
    expect(draw(day, past(day)).x.map(({ text }) => text)).toEqual([
      ...["18:28", "22:28", "02:28", "06:28", "10:28", "14:28", "18:28"],
    ]);
  });

  test("a gap is one, also in words", () => {
    const chart = draw(day, [span(7_200_000, 1, 2), span(6_900_000, 1, 9), span(300_000, 1, 2), span(0, 1, 2)]);
    expect(chart.observed.match(/M/g)).toHaveLength(2);
    expect(chart.summary).toBe(
      "The last 24 h: mean 1.0 requests per second, busiest minute 9.0 around 20 Nov 16:30; trigger now 2.5. One gap without any log, 1 h 45 min in all.",
    );
    expect(draw(month, past(month)).summary).toEndWith(" One gap without any log, 3 d in all.");
  });

  test("bans and alerts stand at their time", () => {
    const { ban } = banStatus("203.0.113.47", { banCount: 1, sinceMs: 43_200_000, lengthMs: "permanent" });
    const outcome: Outcome = { decision: { kind: "ban", at: ban.since, ban }, result: "done", at: ban.since };
    expect(draw(day, past(day), [outcome]).markers).toMatchObject([{ kind: "ban", x: "50%" }]);
  });

  test("nothing known, nothing drawn; numbers that are none still give a drawable chart", () => {
    expect(pastChart([], { range: day, to: NOW }, [], utc)).toBeNull();
    const { summary: _, ...drawn } = draw(day, [span(300_000, Number.NaN, Infinity), span(0, -1, Number.NaN)]);
    expect(JSON.stringify(drawn)).not.toMatch(/NaN|Infinity/);
  });
});

describe("markers", () => {
  const history = makeHistory(360);
  const ban = (agoMs: number, result: Outcome["result"] = "done"): Outcome => {
    const { ban } = banStatus("203.0.113.47", { banCount: 1, sinceMs: agoMs, lengthMs: 600_000 });
    return { decision: { kind: "ban", at: NOW - agoMs, ban }, result, at: NOW - agoMs };
  };
  const markers = (outcomes: readonly Outcome[]) => rateChart(history, outcomes, utc)!.markers;

  test("a ban stands at its time, with its address", () => {
    expect(markers([ban(897_500)])).toEqual([
      { kind: "ban", x: "50%", label: { text: "BAN", more: "203.0.113.47", side: "right" } },
    ]);
  });

  test("at the right edge the words stand on the left", () => {
    expect(markers([ban(1000)])[0]!.label?.side).toBe("left");
  });

  test("a ban before the chart begins, and one that failed, are not drawn", () => {
    expect(markers([ban(3_600_000), ban(1000, "failed")])).toEqual([]);
  });

  test("labels never overlap: of two near bans the newer has the words", () => {
    const [older, newer] = markers([ban(920_000), ban(897_500)]);
    expect(older!.label).toBeNull();
    expect(newer!.label).not.toBeNull();
  });

  test("arrows upon each other are one", () => {
    const many = Array.from({ length: 50 }, (_, i) => ban(900_000 - i * 10));
    expect(markers(many).length).toBeLessThanOrEqual(2);
  });

  test("an unban is an arrow without words", () => {
    expect(markers(normal.outcomes).filter((m) => m.kind === "unban")).toEqual([
      { kind: "unban", x: expect.stringMatching(/^3\d\.\d+%$/), label: null },
    ]);
  });

  test("an anomaly is shaded from its start to its end, or to now while it fires", () => {
    const alert = (state: "firing" | "resolved", ago: number): Outcome => ({
      decision: {
        kind: "alert",
        at: NOW - ago,
        alert: { type: "global-anomaly", state, since: NOW - 897_500, verdict: globalVerdict() },
      },
      result: "done",
      at: NOW - ago,
    });
    expect(rateChart(history, [alert("firing", 890_000)], utc)!.surges).toEqual([{ x: 500, width: 500 }]);
    const over = [alert("firing", 890_000), alert("resolved", 448_750)];
    expect(rateChart(history, over, utc)!.surges).toEqual([{ x: 500, width: 250 }]);
  });
});

describe("baselineChart and hourChart", () => {
  test("mean and deviation are steps; the words give their range", () => {
    const history = [point(NOW - 60_000, 1, { mean: 2 }), point(NOW, 1, { mean: 4, stddev: 1 })];
    const chart = baselineChart(history, utc)!;
    expect(corners(chart.mean)).toEqual([
      [0, 50],
      [1000, 50],
      [1000, 0],
      [1000, 0],
    ]);
    expect(chart.summary).toBe(
      "Mean now 4.00, between 2.00 and 4.00 since 18:27; standard deviation now 1.00 requests per second.",
    );
    expect(baselineChart([], utc)).toBeNull();
  });

  test("hours with different means have bars of different height; an empty hour has none", () => {
    const slot = { ...normal.engine.site.baseline, samples: 1800 };
    const hours = Array.from({ length: 24 }, (_, hour) =>
      hour === 3 ? null : { ...slot, hour, mean: 1 + hour, stddev: 1 },
    );
    const chart = hourChart(hours, 18);
    expect(chart.bars).toHaveLength(24);
    expect(chart.bars[3]).toMatchObject({ state: "empty", deviation: "", title: "03:00: not learned yet" });
    expect(chart.bars[18]).toMatchObject({ state: "current", title: "18:00: 19.00 ± 1.00 req/s, 1800 samples" });
    const height = (hour: number) => 100 - corners(chart.bars[hour]!.bar)[1]![1];
    expect(height(20)).toBeCloseTo(100 * (21 / 25), 0);
    expect(height(10)).toBeCloseTo(100 * (11 / 25), 0);
    expect(chart.summary).toBe(
      "23 of 24 hours learned. Quietest 00:00 with 1.00, busiest 23:00 with 24.00 requests per second.",
    );
  });

  test("nothing learned", () => {
    const chart = hourChart(new Array(24).fill(null), undefined);
    expect(chart.summary).toBe("No hour of the day has been learned yet.");
    expect(chart.bars.every((bar) => bar.state === "empty")).toBe(true);
  });
});

describe("spark", () => {
  test("needs two values; zeros lie on the floor", () => {
    expect(spark([], 1)).toBeNull();
    expect(spark([1], 1)).toBeNull();
    expect(corners(spark([0, 0], 0)!.line)).toEqual([
      [0, 25],
      [64, 25],
    ]);
  });
});
