import { expect, test } from "bun:test";
import { LAG_BYTES, LagWatch } from "./lag.ts";

const T = 1_700_000_000_000;
const MORE = LAG_BYTES + 1;

/** Looks of [second, unread bytes]; what each but the silent ones told, "behind 12 s". */
function told(looks: readonly (readonly [second: number, unread: number])[]): string[] {
  const watch = new LagWatch();
  return looks.flatMap(([second, unread]) => {
    const alert = watch.note(unread, T, T + second * 1000);
    return alert === null ? [] : [`${second}: ${alert.state}`];
  });
}

test.each([
  [
    "no lag",
    [
      [0, 0],
      [20, LAG_BYTES],
      [40, 0],
    ],
    [],
  ],
  [
    "a backlog that is worked off in time",
    [
      [0, MORE],
      [9, MORE],
      [10, 0],
      [25, 0],
      [26, MORE],
    ],
    [],
  ],
  [
    "a lag is told once, after ten seconds",
    [
      [0, MORE],
      [5, MORE],
      [10, MORE],
      [11, MORE],
      [60, MORE],
    ],
    ["10: behind"],
  ],
  [
    "nothing unread between two looks at the log is no end",
    [
      [0, MORE],
      [5, 0],
      [10, MORE],
      [15, 0],
      [19, 0],
    ],
    ["10: behind"],
  ],
  [
    "its end is told when it has been gone for ten seconds",
    [
      [0, MORE],
      [10, MORE],
      [15, 0],
      [20, 0],
      [21, 0],
    ],
    ["10: behind", "20: caught-up"],
  ],
  [
    "and it may begin again",
    [
      [0, MORE],
      [10, MORE],
      [20, 0],
      [21, MORE],
      [31, MORE],
    ],
    ["10: behind", "20: caught-up", "31: behind"],
  ],
  [
    "a clock that is set back an hour ends no lag early and begins none",
    [
      [0, MORE],
      [-3600, MORE],
      [-3599, MORE],
    ],
    ["-3600: behind"],
  ],
] as const)("%s", (_, looks, expected) => {
  expect(told(looks)).toEqual([...expected]);
});

test("the alert says how much is unread and how old the newest line read is", () => {
  const watch = new LagWatch();
  watch.note(MORE, T - 5000, T);
  expect(watch.isBehind).toBe(false);
  expect(watch.note(9e6, T - 5000, T + 10_000)).toEqual({
    type: "log-lag",
    state: "behind",
    unreadBytes: 9e6,
    behindMs: 15_000,
  });
  expect(watch.isBehind).toBe(true);
});
