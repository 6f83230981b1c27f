import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { TUNING } from "../src/detection/tuning.ts";
import { renderDetectionDoc } from "./detection-doc.ts";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const page = read("docs/detection.md");
const tuning = read("src/detection/tuning.ts");

describe("docs/detection.md", () => {
  test("says what the code does (else: bun scripts/generate-detection.ts)", () => {
    expect(page).toBe(renderDetectionDoc(page, tuning));
  });

  test("names every number of TUNING, each with a reason or the one it shares", () => {
    const leaves = (value: object): string[] =>
      Object.entries(value).flatMap(([key, entry]) => (typeof entry === "number" ? [key] : leaves(entry as object)));
    for (const name of leaves(TUNING)) expect(page).toContain(`| \`${name}\` |`);
  });

  test("a table nobody makes is an error, not a hole", () => {
    expect(() => renderDetectionDoc("<!-- made: nonsense -->\n<!-- end -->", tuning)).toThrow("nonsense");
  });
});
