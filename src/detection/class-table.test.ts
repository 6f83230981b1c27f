import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SEED } from "../../test/outcomes.ts";
import { BUILT_IN, type ClassRow, type RequestClass } from "./class-table.ts";
import { Classifier } from "./request-class.ts";

/** The table as it reads: row by row, the first that matches. */
function byHand(method: string, path: string, status: number): RequestClass {
  return BUILT_IN.find((row) => holds(row, method, path, status))!.kind;
}

function holds({ path: shape, answers }: ClassRow, method: string, path: string, status: number): boolean {
  if (answers !== undefined && !answers.get(method)?.includes(status)) return false;
  switch (shape.by) {
    case "expression":
      return shape.matches.test(path) && !shape.except?.test(path);
    case "extension":
      return shape.words.some((word) => path.toLowerCase().endsWith(`.${word}`));
    case "whole path":
      return shape.words.includes(path);
    case "anything":
      return true;
  }
}

const PARTS =
  "/login /v2 /flow /s/ abcdefgh12 /authenticate .css .PNG .txt /remote.php /dav /public- /core /preview /avatar/ /thumb/ /status.php /wp-login.php /index.php / /x".split(
    " ",
  );

describe("the built-in table", () => {
  test("is what the classifier does, in its order", () => {
    const seen = new Set<RequestClass>();
    fc.assert(
      fc.property(
        fc.constantFrom("GET", "POST", "PROPFIND", "PUT", "constructor"),
        fc
          .array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 4 })
          .map((parts) => `/a${parts.join("")}`.slice(2)),
        fc.constantFrom(200, 201, 207, 401, 404),
        (method, path, status) => {
          const expected = byHand(method, path, status);
          seen.add(expected);
          expect([method, path, status, new Classifier().classify({ method, path: `${path}?q=1`, status })]).toEqual([
            method,
            path,
            status,
            expected,
          ]);
        },
      ),
      { seed: SEED, numRuns: 5000 },
    );
    expect([...seen].sort()).toEqual([...new Set(BUILT_IN.map(({ kind }) => kind))].sort());
  });

  test("ends with everything else", () => expect(BUILT_IN.at(-1)?.path.by).toBe("anything"));
});
