import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createExec, findProgram } from "./exec.ts";

const exec = createExec({
  timeoutMs: 5_000,
  maxOutputBytes: 1_000_000,
  env: { XTABLES_LOCKFILE: "/run/x.lock", SECRET: "s" },
});
const sh = (script: string, options?: { stdin?: string; timeoutMs?: number }) => exec(["sh", "-c", script], options);

describe("createExec", () => {
  test("captures both outputs and the exit code", async () => {
    expect(await sh("echo out; echo err >&2; exit 3")).toEqual({
      exitCode: 3,
      stdout: "out\n",
      stderr: "err\n",
      timedOut: false,
    });
  });

  test("arguments are words, not shell text", async () => {
    expect((await exec(["echo", "$(id)", "; rm x", "a b"])).stdout).toBe("$(id) ; rm x a b\n");
  });

  test("hands over a megabyte of standard input, and an empty one when there is none", async () => {
    expect((await exec(["wc", "-c"], { stdin: "x".repeat(1_000_000) })).stdout.trim()).toBe("1000000");
    expect((await exec(["wc", "-c"])).stdout.trim()).toBe("0");
  });

  test("a program that does not read its input is no error", async () => {
    expect((await exec(["true"], { stdin: "x".repeat(1_000_000) })).exitCode).toBe(0);
  });

  test("the environment is made here: path, plain language, and the xtables lock", async () => {
    const lines = (await exec(["env"])).stdout.trim().split("\n").sort();
    expect(lines).toEqual([
      "LC_ALL=C",
      "PATH=/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin",
      "XTABLES_LOCKFILE=/run/x.lock",
    ]);
  });

  test("whatever PATH leads to is not started", async () => {
    const trap = mkdtempSync(join(tmpdir(), "anomaly-detector-path-"));
    const before = process.env.PATH;
    try {
      for (const name of ["true", "only-there"])
        writeFileSync(join(trap, name), "#!/bin/sh\nexit 7\n", { mode: 0o755 });
      process.env.PATH = trap;
      const trapped = createExec({ timeoutMs: 5_000 });
      expect((await trapped(["true"])).exitCode).toBe(0);
      expect((await trapped(["only-there"])).exitCode).toBe(127);
    } finally {
      process.env.PATH = before;
      rmSync(trap, { recursive: true });
    }
  });

  test("a missing program is a value", async () => {
    expect(await exec(["no-such-program"])).toMatchObject({ exitCode: 127, timedOut: false });
  });

  test("a program that takes too long is killed, and a grandchild that holds the pipe is not waited for", async () => {
    const began = performance.now();
    const result = await sh("echo begun; sleep 3 & sleep 3", { timeoutMs: 200 });
    expect(result).toEqual({ exitCode: 137, stdout: "begun\n", stderr: "", timedOut: true });
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test("too much output is a failure, not half an answer", async () => {
    const result = await sh("yes | head -c 2000000");
    expect(result).toMatchObject({ exitCode: 137, stdout: "", stderr: "printed more than 1000000 bytes" });
  });

  test("too much complaint is cut and never blocks the program", async () => {
    const result = await sh("yes | head -c 2000000 >&2; echo end");
    expect(result.stdout).toBe("end\n");
    expect(result.stderr.length).toBeLessThanOrEqual(16 * 1024);
  });
});

test.each(["../bin/sh", "/bin/sh", "sh -c", ""])("only bare names are looked up: %p", (name) => {
  expect(findProgram(name)).toBeNull();
});
