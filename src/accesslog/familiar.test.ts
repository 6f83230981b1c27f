import { expect, test } from "bun:test";
import { FamiliarStrings } from "./familiar.ts";

const REACH = 8;

/** The bytes of a line from where the string stands; nothing of the line is before it. */
const viewOf = (text: string): DataView => {
  const bytes = new TextEncoder().encode(text);
  return new DataView(bytes.buffer);
};

const REST = '","status":200}\n';

test.each(["GET", "POST", "PROPFIND", "example", "exampl", "cloud.example.org", "A".repeat(255)])(
  "found where it stands, with its end: %s",
  (text) => {
    const strings = new FamiliarStrings(REACH);
    const view = viewOf(text + REST);
    expect(strings.find(view, 0, view.byteLength)).toBeNull();
    strings.keep(text, view, 0);
    expect(strings.find(view, 0, view.byteLength)).toBe(text);
    expect(strings.end).toBe(text.length);
  },
);

test.each([
  ["longer", "example.org", "example.org.uk"],
  ["shorter", "example.org", "example.o"],
  ["another last byte", "example.org", "example.orh"],
  ["another byte in the middle", "a.very.long.example.org", "a.very.lonk.example.org"],
  ["an escaped quote", "example.org", 'example.org\\"'],
  ["not ASCII", "example.org", "example.\u00f6rg"],
  ["zeros", "example.org", "example.\0\0\0"],
])("what is not the same is not found: %s", (_, kept, other) => {
  const strings = new FamiliarStrings(4);
  strings.keep(kept, viewOf(kept + REST), 0);
  const view = viewOf(other + REST);
  expect(strings.find(view, 0, view.byteLength)).toBeNull();
});

test.each(["", "-", "A".repeat(256)])("never a familiar one: %s", (text) => {
  const strings = new FamiliarStrings(4);
  const view = viewOf(text + REST);
  strings.keep(text, view, 0);
  expect(strings.find(view, 0, view.byteLength)).toBeNull();
});

test("the end of the window is not passed", () => {
  const strings = new FamiliarStrings(REACH);
  const view = viewOf(`example.org${REST}`);
  strings.keep("example.org", view, 0);
  expect([4, 10, 11, 12].map((limit) => strings.find(view, 0, limit))).toEqual([null, null, null, "example.org"]);
});
