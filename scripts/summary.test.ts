import { describe, expect, test } from "bun:test";
import { failureExcerpts, parseSummary, summaryText, total } from "./summary.ts";

const OUTPUT = `x/b.test.ts:
 99 fail
Ran 99 tests across 9 files. [1.00ms]

# Unhandled error between tests

 1 pass
 2 skip
 1 todo
 2 fail
 1 error
 2 expect() calls
Ran 6 tests across 2 files. [6.00ms]
`;

describe("parseSummary", () => {
  test("takes the last summary, not what a test printed", () => {
    expect(parseSummary(OUTPUT)).toEqual({ passed: 1, failed: 2, skipped: 3 });
  });
  test("a run that did not come to its end has no counts", () => {
    expect(parseSummary(" 5 pass\n 0 fail\nSegmentation fault")).toBeNull();
  });
  test("counts only what stands directly above the last line", () => {
    expect(parseSummary(" 7 fail\nnoise\n 3 pass\n 0 fail\nRan 3 tests across 1 file. [1.00ms]")).toEqual({
      passed: 3,
      failed: 0,
      skipped: 0,
    });
  });
});

describe("total", () => {
  const fine = { passed: 10, failed: 0, skipped: 1 };
  test.each([
    ["all well", fine, 0, [true, true], "12 passed, 0 failed, 1 skipped"],
    ["a failed step counts", fine, 0, [true, false], "11 passed, 1 failed, 1 skipped"],
    ["an exit code nobody explains is a failure", fine, 1, [], "10 passed, 1 failed, 1 skipped"],
    ["a failure is counted once", { passed: 9, failed: 1, skipped: 0 }, 1, [], "9 passed, 1 failed"],
    ["no summary at all is a failure", null, 137, [true], "1 passed, 1 failed"],
  ] as const)("%s", (_name, tests, code, steps, text) => {
    expect(summaryText(total([{ tests, code }], steps))).toBe(text);
  });
});

test("several runs are summed; one that ended badly without saying why is a failure", () => {
  const tests = { passed: 5, failed: 0, skipped: 1 };
  const runs = [
    { tests, code: 0 },
    { tests: { passed: 2, failed: 1, skipped: 0 }, code: 1 },
    { tests: null, code: 137 },
    { tests, code: 1 },
  ];
  expect(total(runs, [true, false])).toEqual({ passed: 13, failed: 4, skipped: 2 });
});

test("what failed is told again with what was printed for it, not for others", () => {
  const output = `a.test.ts:
printed for the first
(pass) first [1.00ms]
error: expected 1
(fail) second > inner [2.00ms]
(skip) third
${Array.from({ length: 60 }, (_, i) => `line ${i}`).join("\n")}
(fail) fourth

2 tests failed:
(fail) second > inner [2.00ms]
(fail) fourth

 1 pass`;
  const [second, fourth, ...others] = failureExcerpts(output);
  expect(second).toBe("error: expected 1\n(fail) second > inner [2.00ms]");
  expect(fourth!.split("\n")).toHaveLength(31);
  expect(fourth).toEndWith("line 59\n(fail) fourth");
  expect(others).toEqual([]);
});
