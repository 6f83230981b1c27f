/**
 * The whole test suite: packages the tests need, `npm run check`, the build, then every bun test (unit, property,
 * browser, end to end). The last line says what came of it. Arguments go to `bun test`.
 */
import { rmSync } from "node:fs";
import { installPackages } from "./packages.ts";
import { parseSummary, type Summary, summaryText, total } from "./summary.ts";

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

/** Runs `bun test`, showing its output as it comes and reading the counts from it. */
async function runTests(args: readonly string[]): Promise<{ tests: Summary | null; code: number; skips: string[] }> {
  console.log("\n== bun test");
  const argv = [process.execPath, "test", "--timeout", "20000", ...args];
  const child = Bun.spawn(argv, { stdin: "ignore", stdout: "inherit", stderr: "pipe" });
  const limit = setTimeout(() => {
    console.error(`bun test: ended after ${TESTS_LIMIT_MS / 60_000} minutes`);
    child.kill("SIGKILL");
  }, TESTS_LIMIT_MS);
  let output = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    process.stderr.write(chunk);
    output += decoder.decode(chunk, { stream: true });
  }
  const code = await child.exited;
  clearTimeout(limit);
  const skips = output.split("\n").filter((line) => /^\((skip|todo)\) /.test(line));
  return { tests: parseSummary(output), code, skips };
}

await installPackages();
// A build that fails must not leave the end-to-end tests an older binary to prove.
rmSync("dist", { recursive: true, force: true });
const steps = [
  await step("check", ["npm", "run", "--silent", "check"]),
  await step("build", ["npm", "run", "--silent", "build"]),
];
const { tests, code, skips } = await runTests(process.argv.slice(2));
if (skips.length > 0) console.log(`\nnot run:\n${skips.join("\n")}`);
const result = total(tests, code, steps);
console.log(`\n${summaryText(result)}`);
process.exit(result.failed === 0 ? 0 : 1);
