/** canResume says what a Tail then does: checked against one. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, copyFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "../clock.ts";
import { canResume, linesLeft } from "./locate.ts";
import { Tail, type TailPosition } from "./tail.ts";

let directory: string;
let path: string;
const FIRST = Array.from({ length: 20 }, (_, i) => `line ${i} of the first file\n`).join("");

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-locate-"));
  path = join(directory, "access.log");
  writeFileSync(path, FIRST);
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Reads to the end from `resume` on; what was read, and where the tail stands. */
async function read(resume?: TailPosition): Promise<{ text: string; position: TailPosition }> {
  let text = "";
  const options = { pollMs: 100, maxLineBytes: 1000, start: "beginning" as const, resume };
  const tail = new Tail(path, options, new ManualClock(), (buffer, start, end) => {
    text += buffer.toString("utf8", start, end);
  });
  await tail.start(new AbortController().signal);
  await tail.drain();
  await tail.stop();
  return { text, position: tail.position()! };
}

const rotate = () => renameSync(path, `${path}.1`);
const begin = () => writeFileSync(path, "new\n");
const truncate = () => {
  truncateSync(path, 0);
  appendFileSync(path, "new\n");
};

/** What happens to the log after it was read, in order; is its place still to be found? */
const CASES: readonly [what: string, happens: readonly (() => void)[], found: boolean][] = [
  ["nothing happened", [], true],
  ["it grew", [() => appendFileSync(path, "more\n")], true],
  ["it was rotated", [rotate, begin], true],
  ["it was rotated and no new one is there yet", [rotate], true],
  ["it was rotated twice", [() => renameSync(path, `${path}.2`), begin, rotate, begin], true],
  ["it was copied and truncated", [() => copyFileSync(path, `${path}.1`), truncate], true],
  ["it was truncated", [truncate], false],
  ["it was compressed", [() => renameSync(path, `${path}.1.gz`), begin], false],
  ["it was overwritten in place", [() => writeFileSync(path, "another\n".repeat(200))], false],
  ["it is gone", [() => rmSync(path)], false],
];

describe("canResume", () => {
  test.each(CASES)("%s", async (_, happens, found) => {
    const { position } = await read();
    for (const step of happens) step();
    expect(canResume(path, position)).toBe(found);
    const { text } = await read(position);
    // Found: nothing that was read before is read again.
    expect(text.includes("of the first file")).toBe(false);
    if (found) expect(text).not.toContain("line 19");
  });
});

describe("linesLeft", () => {
  test("a log that lost its end in a loss of power: the lines that are there after a place", async () => {
    const { position } = await read();
    expect(linesLeft(path, 0, position)).toBeNull();
    truncateSync(path, FIRST.indexOf("line 12") + 3);
    expect(linesLeft(path, FIRST.indexOf("line 5"), position)).toBe(7);
    expect(linesLeft(path, FIRST.length, position)).toBe(0);
  });

  test("another file, or none, has lost nothing", async () => {
    const { position } = await read();
    rotate();
    expect(linesLeft(path, 0, position)).toBeNull();
    begin();
    expect(linesLeft(path, 0, position)).toBeNull();
  });
});
