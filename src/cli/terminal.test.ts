import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { columns, counted, paint, printable, printableJson, spanText, timeText } from "./terminal.ts";

describe("printable", () => {
  test.each([
    ["/index.php?a=ü", "/index.php?a=ü"],
    ["日本語 👍", "日本語 👍"],
    ["\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"],
    ["a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"],
    ["\x9b2J", "\\x9b2J"],
    ["evil\u202egnp.exe", "evil\\u{202e}gnp.exe"],
    ["zero\u200bwidth", "zero\\u{200b}width"],
    ["\ud83d", "\\u{d83d}"],
    ["tag\u{e0041}", "tag\\u{e0041}"],
    ["a\u2028b", "a\\u{2028}b"],
  ])("%j reads %p", (text, shown) => expect(printable(text)).toBe(shown));

  test("cuts what is long", () => {
    expect(printable("x".repeat(600))).toBe(`${"x".repeat(499)}…`);
    expect(printable("x".repeat(10), 4)).toBe("xxx…");
  });

  test("leaves nothing that a terminal obeys, whatever came in", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });
});

test("printableJson reads back as the same value, with nothing hidden in the text", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: "binary" }), (value, text) => {
      const json = printableJson({ value, text });
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ value, text })));
      expect(json).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/);
    }),
  );
  expect(printableJson("\u202e\u{e0041}")).toBe('"\\u202e\\udb40\\udc41"');
});

test("paint colours only where there is colour", () => {
  expect(paint({ color: true }, "red", "FAIL")).toBe("\x1b[31mFAIL\x1b[0m");
  expect(paint({ color: false }, "red", "FAIL")).toBe("FAIL");
});

test("columns align by what a terminal shows, not by code units", () => {
  const red = paint({ color: true }, "red", "a");
  expect(
    columns([
      ["日本", "x"],
      [red, "y"],
      ["abcde", ""],
    ]),
  ).toEqual(["日本   x", `${red}      y`, "abcde"]);
  expect(columns([])).toEqual([]);
});

test.each([
  [0, "0 s"],
  [-5_000, "0 s"],
  [499, "0 s"],
  [8_000, "8 s"],
  [60_000, "1 min"],
  [816_000, "13 min 36 s"],
  [3_600_000, "1 h"],
  [3_601_000, "1 h"],
  [1_051_200_000, "12 d 4 h"],
])("spanText(%p) is %p", (ms, text) => expect(spanText(ms)).toBe(text));

test("timeText and counted", () => {
  expect(timeText(Date.UTC(2026, 3, 25, 12, 0, 0, 999))).toBe("2026-04-25 12:00:00Z");
  expect([counted(0, "ban"), counted(1, "ban"), counted(2, "ban")]).toEqual(["0 bans", "1 ban", "2 bans"]);
});
