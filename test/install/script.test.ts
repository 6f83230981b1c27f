/** install.sh as a text: what shellcheck and the shells say of it, and its length. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../e2e/process.ts";
import { ROOT } from "./releases.ts";

const SCRIPT = join(ROOT, "install.sh");

test("is at most 400 lines, carries no key and no address of a test", () => {
  const text = readFileSync(SCRIPT, "utf8");
  expect(text.split("\n").length - 1).toBeLessThanOrEqual(400);
  expect(text).toContain("\nPUBLIC_KEY='' ");
  expect(text).toEndWith('\nmain "$@"; exit; }\n');
});

test.skipIf(Bun.which("shellcheck") === null)("shellcheck finds nothing, for POSIX sh", async () => {
  const { code, stdout } = await run(["shellcheck", "--shell=sh", "--severity=style", SCRIPT]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
});

test.each([["dash"], ["bash", "--posix"], ["busybox", "sh"]].filter(([shell]) => Bun.which(shell!) !== null))(
  "%s understands it",
  async (...shell) => {
    const { code, stderr } = await run([...shell, "-n", SCRIPT]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  },
);

test.each([["sh"], ["bash"]])("--help and --version need neither root nor a network: %s", async (shell) => {
  const help = await run([shell, SCRIPT, "--help"]);
  for (const option of ["--dry-run", "--uninstall", "--purge", "--from", "--allow", "--detector-only"])
    expect(help.stdout).toContain(option);
  expect((await run([shell, SCRIPT, "--version"])).stdout).toMatch(/^anomaly-detector installer \S+\n$/);
});
