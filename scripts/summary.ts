/** Reads the counts that `bun test` prints at its end. [pure] */

export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Counts of one `bun test` run from what it printed; null when it never came to its end. A file that does not
 * load counts as a failure there, though the JUnit report leaves it out: hence the printed text. A test may print
 * anything, so only the lines just above the last "Ran … tests across … files" count.
 */
export function parseSummary(output: string): Summary | null {
  const lines = output.split("\n");
  const end = lines.findLastIndex((line) => /^Ran \d+ tests? across \d+ files?\./.test(line));
  if (end < 0) return null;
  const counts: Record<string, number> = {};
  for (let i = end - 1; i >= 0; i--) {
    const match = /^ *(\d+) (pass|fail|skip|todo|errors?|filtered out|expect\(\) calls|snapshots?.*)$/.exec(lines[i]!);
    if (!match) break;
    counts[match[2]!] = Number(match[1]);
  }
  return {
    passed: counts.pass ?? 0,
    failed: counts.fail ?? 0,
    skipped: (counts.skip ?? 0) + (counts.todo ?? 0),
  };
}

/** Sums `bun test` runs and the steps that are none (a check, the build); by each exit code no failure is ever lost. */
export function total(
  runs: readonly { readonly tests: Summary | null; readonly code: number }[],
  steps: readonly boolean[],
): Summary {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const done of steps) done ? sum.passed++ : sum.failed++;
  for (const { tests, code } of runs) {
    const told = tests?.failed ?? 0;
    sum.passed += tests?.passed ?? 0;
    sum.failed += told + (code !== 0 && told === 0 ? 1 : 0);
    sum.skipped += tests?.skipped ?? 0;
  }
  return sum;
}

/** Most lines of what a failed test printed that are told again. */
const EXCERPT_LINES = 30;

/** Each test that failed, with the last lines that were printed for it: to be read beneath hours of others' output. */
export function failureExcerpts(output: string): string[] {
  const all = output.split("\n");
  // Bun lists them again at its end, without what was printed.
  const again = all.findLastIndex((line) => /^\d+ tests? failed:$/.test(line));
  const lines = again < 0 ? all : all.slice(0, again);
  const excerpts: string[] = [];
  let since = 0;
  lines.forEach((line, i) => {
    if (!/^\((pass|fail|skip|todo)\) /.test(line)) return;
    if (line.startsWith("(fail)"))
      excerpts.push(
        lines
          .slice(Math.max(since, i - EXCERPT_LINES), i + 1)
          .join("\n")
          .trim(),
      );
    since = i + 1;
  });
  return excerpts;
}

/** "12 passed, 0 failed, 3 skipped" */
export function summaryText(summary: Summary): string {
  const skipped = summary.skipped > 0 ? `, ${summary.skipped} skipped` : "";
  return `${summary.passed} passed, ${summary.failed} failed${skipped}`;
}
