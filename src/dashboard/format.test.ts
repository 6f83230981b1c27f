import { describe, expect, test } from "bun:test";
import { spanText } from "../wording.ts";
import {
  bytesText,
  countdownText,
  countText,
  percentFigure,
  plural,
  rateFigure,
  signed,
  visibleText,
} from "./format.ts";
import { createZone } from "./zone.ts";

const S = "\u202f";

function table<A>(name: string, run: (input: A) => string, rows: readonly [A, string][]) {
  describe(name, () => {
    for (const [input, expected] of rows) {
      test(`${JSON.stringify(input)} is ${JSON.stringify(expected)}`, () => expect(run(input)).toBe(expected));
    }
  });
}

table("countText", countText, [
  [0, "0"],
  [999, "999"],
  [1000, `1${S}000`],
  [1204, `1${S}204`],
  [9999, `9${S}999`],
  [10_000, `10.0${S}k`],
  [38_100, `38.1${S}k`],
  [99_949, `99.9${S}k`],
  [99_950, `100${S}k`],
  [254_000, `254${S}k`],
  [999_499, `999${S}k`],
  [999_500, `1.0${S}M`],
  [2_500_000_000, `2.5${S}G`],
  [Number.NaN, "—"],
  [Number.POSITIVE_INFINITY, "—"],
]);

table("bytesText", bytesText, [
  [0, `0${S}B`],
  [999, `999${S}B`],
  [1000, `1.0${S}kB`],
  [15_300_000, `15.3${S}MB`],
  [58_200_000, `58${S}MB`],
  [999_400_000, `999${S}MB`],
  [999_600_000, `1.0${S}GB`],
  [1_900_000_000, `1.9${S}GB`],
  [3e15, `3${S}PB`],
]);

table("rateFigure", rateFigure, [
  [0, "0"],
  [0.016, "0.02"],
  [0.994, "0.99"],
  [0.996, "1.0"],
  [13.24, "13.2"],
  [999.4, "999.4"],
  [1204, `1${S}204`],
  [Number.NaN, "—"],
]);

table("percentFigure", percentFigure, [
  [0, "0"],
  [0.021, "2.1"],
  [0.0994, "9.9"],
  [0.0996, "10"],
  [0.49, "49"],
  [1, "100"],
  [Number.NaN, "—"],
]);

table("signed", signed, [
  [0, "0.0"],
  [-0.04, "0.0"],
  [2.34, "+2.3"],
  [-0.12, "−0.1"],
  [Number.POSITIVE_INFINITY, "—"],
]);

table("spanText", spanText, [
  [-5, "0 s"],
  [999, "0 s"],
  [40_000, "40 s"],
  [60_000, "1 min"],
  [72_000, "1 min 12 s"],
  [3_605_000, "1 h"],
  [11_100_000, "3 h 5 min"],
  [1_051_200_000, "12 d 4 h"],
]);

table("countdownText", countdownText, [
  [-1, "0:00"],
  [1, "0:01"],
  [9_000, "0:09"],
  [816_000, "13:36"],
  [3_600_000, "1:00:00"],
  [5_472_000, "1:31:12"],
  [172_799_000, "47:59:59"],
  [172_800_000, "2 d"],
]);

table("visibleText", (text: string) => visibleText(text, 12), [
  ["/apps/files", "/apps/files"],
  ["<script>", "<script>"],
  ["a\u202eb", "a\\u202eb"],
  ["a\nb\0", "a\\u000ab\\u0000"],
  ["x".repeat(13), `${"x".repeat(12)}…`],
  [`${"x".repeat(11)}😀`, `${"x".repeat(11)}\ufffd…`],
]);

test("plural", () => {
  expect([0, 1, 2, 1200].map((n) => plural(n, "source"))).toEqual([
    "no sources",
    "one source",
    "2 sources",
    `1${S}200 sources`,
  ]);
});

test("a zone shifts the words and leaves the machine time in UTC", () => {
  const at = Date.UTC(2026, 10, 20, 23, 5, 9);
  const berlin = createZone("Europe/Berlin");
  expect(berlin.stamp(at)).toEqual({ text: "00:05:09", iso: "2026-11-20T23:05:09.000Z" });
  expect(berlin.minute(at)).toBe("00:05");
  expect(berlin.day(at).text).toBe("21 Nov 00:05:09");
  expect(createZone("UTC").stamp(at).text).toBe("23:05:09");
  expect([berlin.date(at), berlin.midnight(at)]).toEqual(["21 Nov", Date.UTC(2026, 10, 20, 23)]);
  // Clocks went back, and forward, at 01:00 UTC: those days have 25 and 23 hours.
  expect(berlin.midnight(Date.UTC(2026, 9, 25, 20, 0, 0, 7))).toBe(Date.UTC(2026, 9, 24, 22));
  expect(berlin.midnight(Date.UTC(2026, 2, 29, 20))).toBe(Date.UTC(2026, 2, 28, 23));
  expect(() => createZone("Mars/Olympus")).toThrow(RangeError);
});
