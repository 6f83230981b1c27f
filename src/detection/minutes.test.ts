import { describe, expect, test } from "bun:test";
import { START } from "../../test/records.ts";
import type { BaselineSnapshot } from "../decision.ts";
import { Minutes } from "./minutes.ts";

const BASELINE: BaselineSnapshot = { at: START, mean: 2, stddev: 1, errorRate: 0, samples: 9, from: "rolling" };
const SECOND = START / 1000;
const add = (minutes: Minutes, second: number, requests: number, errors = 0) =>
  minutes.add(SECOND + second, requests, errors, BASELINE, 5);
const counts = (minutes: Minutes) =>
  minutes.save().map(({ at, requests, errors }) => [(at - START) / 60_000, requests, errors]);

describe("Minutes", () => {
  test("adds up the seconds of each minute; one nobody looked at has no row, an idle one has zeros", () => {
    const minutes = new Minutes();
    for (const second of [0, 30, 59]) add(minutes, second, 2, 1);
    add(minutes, 60, 7);
    add(minutes, 125, 0);
    add(minutes, 245, 1);
    expect(counts(minutes)).toEqual([
      [0, 6, 3],
      [1, 7, 0],
      [2, 0, 0],
      [4, 1, 0],
    ]);
  });

  test("a saved minute that was still open is saved again when it has grown", () => {
    const minutes = new Minutes();
    add(minutes, 0, 2);
    expect(counts(minutes)).toEqual([[0, 2, 0]]);
    add(minutes, 5, 3);
    add(minutes, 60, 1);
    expect(counts(minutes)).toEqual([
      [0, 5, 0],
      [1, 1, 0],
    ]);
  });

  test("goes on with the open minute of an earlier run", () => {
    const earlier = new Minutes();
    add(earlier, 3, 4, 1);
    const minutes = new Minutes();
    minutes.restore(earlier.save());
    add(minutes, 20, 5, 1);
    expect(counts(minutes)).toEqual([[0, 9, 2]]);
  });

  test("keeps about a day where nobody saves", () => {
    const minutes = new Minutes();
    for (let minute = 0; minute < 3000; minute++) add(minutes, minute * 60, 1);
    const saved = minutes.save();
    expect(saved).toHaveLength(1501);
    expect(saved.at(-1)!.at).toBe(START + 2999 * 60_000);
  });
});
