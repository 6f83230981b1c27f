import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../test/records.ts";
import { MOST_POINTS, Timeline } from "./timeline.ts";

const T0 = Date.UTC(2026, 1, 9, 9);
const BEFORE = { mean: 1, stddev: 0.5, trigger: 2.5 };

/** Average over each point times its length: the requests it stands for. */
function total(timeline: Timeline): number {
  const points = timeline.points(BEFORE);
  const width = timeline.widthMs;
  return points.reduce((sum, point, i) => {
    const start = i === points.length - 1 ? point.at - ((point.at - T0) % width || width) : point.at - width;
    return sum + (point.rate * (point.at - start)) / 1000;
  }, 0);
}

describe("Timeline", () => {
  test("of nothing is nothing", () => {
    const timeline = new Timeline();
    timeline.learn(T0, BEFORE);
    expect([timeline.points(BEFORE), timeline.span]).toEqual([[], null]);
  });

  test("ten seconds a point, what was learned from when it was learned", () => {
    const timeline = new Timeline();
    for (let second = 0; second < 60; second++) timeline.add(T0 + second * 1000);
    for (let i = 0; i < 40; i++) timeline.add(T0 + 60_000 + i * 100);
    timeline.learn(T0 + 60_000, { mean: 1, stddev: 0.1, trigger: 1.3 });
    const points = timeline.points(BEFORE);
    expect(points.map(({ at }) => (at - T0) / 1000)).toEqual([10, 20, 30, 40, 50, 60, 63.901]);
    expect(points.slice(0, 6).every(({ rate, trigger }) => rate === 1 && trigger === 2.5)).toBe(true);
    expect(points[6]).toMatchObject({ trigger: 1.3, stddev: 0.1 });
    expect(points[6]!.rate).toBeCloseTo(10.3, 1);
  });

  test("a month: few points, nothing lost, and the one busy minute is still seen", () => {
    const timeline = new Timeline();
    for (let minute = 0; minute < 30 * 1440; minute++) timeline.add(T0 + minute * 60_000);
    for (let i = 0; i < 6000; i++) timeline.add(T0 + 30 * 86_400_000 + i * 10);
    const points = timeline.points(BEFORE);
    expect(points.length).toBeWithin(MOST_POINTS / 2, MOST_POINTS + 1);
    expect(Math.max(...points.map(({ peak }) => peak))).toBe(100);
    expect(points.filter(({ peak }) => peak > 1).length).toBe(1);
    expect(total(timeline)).toBeCloseTo(30 * 1440 + 6000, 0);
  });

  test("whatever is added: never too many points, never a request lost, peaks at least the average", () => {
    const gaps = fc.array(fc.oneof(fc.nat(2000), fc.nat(600_000), fc.nat(86_400_000)), {
      minLength: 1,
      maxLength: 300,
    });
    fc.assert(
      fc.property(gaps, (steps) => {
        const timeline = new Timeline();
        let at = T0;
        for (const step of steps) timeline.add((at += step));
        const points = timeline.points(BEFORE);
        expect(points.length).toBeLessThanOrEqual(MOST_POINTS);
        const first = Math.floor((T0 + steps[0]!) / 60_000) * 60_000;
        const counted = points.reduce((sum, { at, rate }, i) => {
          const start = first + i * timeline.widthMs;
          return sum + (rate * (at - start)) / 1000;
        }, 0);
        expect(counted).toBeCloseTo(steps.length, 3);
        expect(points.every(({ rate, peak }) => peak >= rate)).toBe(true);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  test("a request from before the first is not drawn", () => {
    const timeline = new Timeline();
    timeline.add(T0);
    timeline.add(T0 - 86_400_000);
    expect(timeline.points(BEFORE).length).toBe(1);
  });
});
