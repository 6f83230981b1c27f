/**
 * The whole test suite: packages the tests need, `npm run check`, the build, then every bun test (unit, property,
 * browser, end to end). The last line says what came of it. Arguments go to `bun test`.
 */
import { rmSync } from "node:fs";
import { installPackages } from "./packages.ts";
import { failureExcerpts, parseSummary, type Summary, summaryText, total } from "./summary.ts";

/** Longest the bun tests may take before they are ended and counted as failed. */
const TESTS_LIMIT_MS = 35 * 60_000;

/** Runs one step with its output on the screen; true when it exits 0. */
async function step(title: string, argv: string[]): Promise<boolean> {
  console.log(`\n== ${title}`);
  const child = Bun.spawn(argv, { stdin: "ignore", stdout: "inherit", stderr: "inherit" });
  const code = await child.exited;
  if (code !== 0) console.log(`${title}: failed (exit ${code})`);
  return code === 0;
}

interface Run {
  readonly tests: Summary | null;
  readonly code: number;
  readonly skips: readonly string[];
  readonly failures: readonly string[];
}

/**
 * Test files that run beside one another, in a `bun test` each: most of them wait (for a container, a browser, a ban
 * to end) far longer than they work. Whatever no lane names is in the first one.
 */
function lanes(): string[][] {
  const files = [...new Bun.Glob("{src,views,scripts,test,bench}/**/*.test.{ts,tsx}").scanSync(".")].sort();
  const named = [
    ["test/install/", "test/compose/", "scripts/"],
    ["test/faults/", "test/login/", "test/modes/"],
  ];
  const isIn = (lane: readonly string[], file: string) => lane.some((prefix) => file.startsWith(prefix));
  const rest = files.filter((file) => !named.some((lane) => isIn(lane, file)));
  const all = [rest, ...named.map((lane) => files.filter((file) => isIn(lane, file)))];
  return all.map((lane) => lane.map((file) => `./${file}`));
}

/** Runs `bun test`, reading the counts from its output, which is shown as it comes or, `late`, all at the end. */
async function runTests(args: readonly string[], late: boolean): Promise<Run> {
  const argv = [process.execPath, "test", "--timeout", "20000", ...args];
  const child = Bun.spawn(argv, { stdin: "ignore", stdout: late ? "pipe" : "inherit", stderr: "pipe" });
  const limit = setTimeout(() => {
    console.error(`bun test: ended after ${TESTS_LIMIT_MS / 60_000} minutes`);
    child.kill("SIGKILL");
  }, TESTS_LIMIT_MS);
  const printed = late ? new Response(child.stdout as ReadableStream).text() : "";
  let output = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    if (!late) process.stderr.write(chunk);
    output += decoder.decode(chunk, { stream: true });
  }
  const code = await child.exited;
  clearTimeout(limit);
  if (late) process.stderr.write((await printed) + output);
  const skips = output.split("\n").filter((line) => /^\((skip|todo)\) /.test(line));
  return { tests: parseSummary(output), code, skips, failures: failureExcerpts(output) };
}

await installPackages();
// A build that fails must not leave the end-to-end tests an older binary to prove.
rmSync("dist", { recursive: true, force: true });
const steps = [
  await step("check", ["npm", "run", "--silent", "check"]),
  await step("build", ["npm", "run", "--silent", "build"]),
];
console.log("\n== bun test");
const args = process.argv.slice(2);
const wanted = args.length > 0 ? [args] : lanes();
const runs = await Promise.all(wanted.map((lane, i) => runTests(lane, i > 0)));
const skips = runs.flatMap((run) => run.skips);
if (skips.length > 0) console.log(`\nnot run:\n${skips.join("\n")}`);
const failures = runs.flatMap((run) => run.failures);
if (failures.length > 0) console.log(`\nfailed:\n\n${failures.join("\n\n")}`);
const result = total(runs, steps);
console.log(`\n${summaryText(result)}`);
process.exit(result.failed === 0 ? 0 : 1);
