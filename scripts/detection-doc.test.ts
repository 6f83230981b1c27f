import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { configKeys } from "../src/config/keys.ts";
import { TUNING, TUNING_NAMES } from "../src/detection/tuning.ts";
import { renderDetectionDoc } from "./detection-doc.ts";

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
const page = read("docs/detection.md");
const tuning = read("src/detection/tuning.ts");

/** What stands in the column of keys without being one. */
const VALUES = new Set(["site", "[]", "0s", "left-out"]);

/** "the weights", in the row of the failures. */
const OF_FAILURES = [
  ...["probeShare", "answerMs", "excusedBySuccess", "exploitWeight", "blatantWeight", "probeWeight"],
  ...["siblingWeight", "loginFormWeight", "secondChance"],
];

describe("docs/detection.md", () => {
  test("says what the code does (else: bun scripts/generate-detection.ts)", () => {
    expect(page).toBe(renderDetectionDoc(page, tuning));
  });

  test("names every number of TUNING, each with a reason or the one it shares", () => {
    const leaves = (value: object): string[] =>
      Object.entries(value).flatMap(([key, entry]) => (typeof entry === "number" ? [key] : leaves(entry as object)));
    for (const name of leaves(TUNING)) expect(page).toContain(`| \`${name}\` |`);
  });

  /** The rows of the table of differences: everything between its head and the next empty line. */
  const differences = page
    .slice(page.indexOf("| | `contract` |"))
    .split("\n\n")[0]!
    .split("\n")
    .slice(2)
    .map((row) => row.split(" | "));

  test.each(differences.map((cells): [string, string] => [cells[0]!, cells.at(-1)!]))(
    "a difference of the profiles has its key: %s",
    (_, cell) => {
      const keys = new Set([...configKeys().map(({ path }) => path.join(".")), ...TUNING_NAMES, "cost.*", "visits.*"]);
      const named = [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
      const [values, names] = [named.filter((text) => VALUES.has(text)), named.filter((text) => !VALUES.has(text))];
      expect(names.filter((name) => !keys.has(name))).toEqual([]);
      expect(names.length).toBeGreaterThan(0);
      expect(values.length).toBeLessThanOrEqual(names.length);
    },
  );

  test("every tuned number is of a row of the differences, or of the failures and their weights", () => {
    const keys = differences.map((cells) => cells.at(-1)!).join();
    const told = (name: string) => keys.includes(`\`${name.replace(/\..*/, ".*")}\``) || keys.includes(`\`${name}\``);
    expect(TUNING_NAMES.filter((name) => !told(name))).toEqual(OF_FAILURES);
  });

  test("a table nobody makes is an error, not a hole", () => {
    expect(() => renderDetectionDoc("<!-- made: nonsense -->\n<!-- end -->", tuning)).toThrow("nonsense");
  });
});
