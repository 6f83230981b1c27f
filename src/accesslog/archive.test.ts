import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { readArchive } from "./archive.ts";

const directory = mkdtempSync(join(tmpdir(), "anomaly-detector-archive-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** The lines that come out, and how many were too long. */
async function read(text: string, isPacked: boolean, maxLineBytes: number) {
  const path = join(directory, isPacked ? "log.gz" : "log");
  writeFileSync(path, isPacked ? gzipSync(text) : text);
  return readFrom(path, maxLineBytes);
}

async function readFrom(path: string, maxLineBytes: number) {
  const progress = { bytes: 0, oversized: 1 };
  let out = "";
  await readArchive(path, maxLineBytes, progress, (buffer, start, end) => {
    out += buffer.toString("latin1", start, end);
  });
  return { lines: out.split("\n").slice(0, -1), oversized: progress.oversized };
}

describe.each([false, true])("readArchive (packed: %p)", (isPacked) => {
  test("a line that is too long is left out and counted, wherever it stands", async () => {
    const long = "x".repeat(101);
    expect(await read(`a\n${long}\nb\n${long}\n`, isPacked, 100)).toEqual({ lines: ["a", "b"], oversized: 3 });
    expect(await read(`${"y".repeat(100)}\n${long}`, isPacked, 100)).toEqual({
      lines: ["y".repeat(100)],
      oversized: 2,
    });
  });

  test("a last line without a newline is one; pieces are joined", async () => {
    const lines = Array.from({ length: 150_000 }, (_, i) => `line ${i} of many`);
    expect(await read(lines.join("\n"), isPacked, 100)).toEqual({ lines, oversized: 1 });
    expect(await read("", isPacked, 100)).toEqual({ lines: [], oversized: 1 });
  });

  test("a pipe, which cannot be read twice, is read like a file", async () => {
    const lines = Array.from({ length: 150_000 }, (_, i) => `line ${i} of many`);
    const expected = await read(lines.join("\n"), isPacked, 100);
    const pipe = join(directory, `pipe-${isPacked}`);
    expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
    Bun.spawn(["sh", "-c", 'cat "$0" > "$1"', join(directory, isPacked ? "log.gz" : "log"), pipe]);
    expect(await readFrom(pipe, 100)).toEqual(expected);
  });
});
