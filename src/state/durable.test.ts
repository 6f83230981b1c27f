import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), "anomaly-detector-durable-"));
});
afterEach(() => rmSync(cwd, { recursive: true }));

/** Its exit code and what it complained of; a program that does not end is ended. */
function script(text: string): { readonly code: number | null; readonly err: string } {
  const module = JSON.stringify(join(import.meta.dir, "durable.ts"));
  const source = `const { makeDirectory, replaceFile } = await import(${module}); ${text}`;
  const child = Bun.spawnSync([process.execPath, "-e", source], { cwd, timeout: 3000 });
  return { code: child.exitCode, err: child.stderr.toString() };
}

test.each(["q", "q/", "state/of/it", "a/../b"])("a directory is made where %p says, seen from where we are", (path) => {
  expect(script(`makeDirectory(${JSON.stringify(path)})`)).toEqual({ code: 0, err: "" });
  expect(statSync(join(cwd, path)).mode & 0o7777).toBe(0o750);
});

test.skipIf(process.getuid?.() !== 0)("a directory that we may change but not read is no failure (needs root)", () => {
  chownSync(cwd, 65534, 65534);
  chmodSync(cwd, 0o300);
  const asNobody = "process.setgid(65534); process.setuid(65534);";
  const { code, err } = script(`${asNobody} makeDirectory("made"); replaceFile("file", "text", 0o640)`);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(statSync(join(cwd, "made")).isDirectory()).toBe(true);
  expect(readFileSync(join(cwd, "file"), "utf8")).toBe("text");
});
