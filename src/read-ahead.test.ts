import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ArchiveProgress, readArchive } from "./accesslog/archive.ts";
import type { Batch } from "./accesslog/batch.ts";
import { createParser, type LineSink } from "./accesslog/parse.ts";
import { ReadAhead } from "./read-ahead.ts";
import type { FromThread, ToThread } from "./read-ahead-thread.ts";

const OPTIONS = { fields: {}, maxLineBytes: 1000 };

let directory: string;
const at = (name: string) => join(directory, name);
let reader: ReadAhead | null = null;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-read-ahead-"));
});
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => reader?.close());

const line = (i: number) =>
  `{"source_ip":"198.18.${(i >> 8) & 255}.${i & 255}","timestamp":"2026-01-05T08:00:00Z","method":"GET",` +
  `"path":"/page/${i % 700}?v=${i}","status":${i % 50 === 0 ? 404 : 200},"user_agent":"agent ${i % 9}"}\n`;

/** Good lines, bad, blank and overlong ones, and half of one at the end: `pieces` megabytes or so. */
function log(pieces: number): string {
  const text: string[] = [];
  for (let i = 0; i < pieces * 7000; i++) {
    text.push(line(i));
    if (i % 1000 === 7) text.push("no JSON\n", "\n", `${"x".repeat(2000)}\n`, '{"source_ip":"here"}\n');
  }
  return `${text.join("")}${line(1).slice(0, 60)}`;
}

/** Everything that a sink is shown, and how far it was when. */
class Seen implements LineSink {
  readonly lines: unknown[] = [];
  readonly progress: (readonly [lines: number, bytes: number, oversized: number])[] = [];

  record: LineSink["record"] = (record, address) => this.lines.push([{ ...record }, address]);
  failure: LineSink["failure"] = (kind, text) => this.lines.push([kind, text]);
  onProgress = ({ bytes, oversized }: ArchiveProgress) =>
    void this.progress.push([this.lines.length, bytes, oversized]);
}

async function readHere(files: readonly string[]): Promise<Seen> {
  const seen = new Seen();
  const parser = createParser({ fields: {} });
  const progress = { bytes: 0, oversized: 0 };
  for (const file of files)
    await readArchive(file, OPTIONS.maxLineBytes, progress, (buffer, start, end) =>
      parser.parseWindow(buffer, start, end, seen),
    );
  seen.onProgress(progress);
  return seen;
}

async function readThere(files: readonly string[]): Promise<Seen> {
  const seen = new Seen();
  reader = new ReadAhead(OPTIONS);
  for (const file of files) await reader.read(file, seen, seen.onProgress);
  return seen;
}

describe("what is read ahead", () => {
  test("is line for line what is read here: plain and packed files, one after the other", async () => {
    const text = log(4);
    const cut = text.indexOf("\n", text.length / 2) + 1;
    writeFileSync(at("old.gz"), Bun.gzipSync(text.slice(0, cut)));
    writeFileSync(at("new"), text.slice(cut));
    writeFileSync(at("empty"), "");
    const files = [at("old.gz"), at("empty"), at("new"), at("new")];
    const [here, there] = [await readHere(files), await readThere(files)];
    expect(here.lines.length).toBeGreaterThan(40_000);
    expect(Bun.deepEquals(there.lines, here.lines)).toBe(true);
    expect(there.progress.at(-1)).toEqual(here.progress.at(-1)!);
    // Told while it went on, and never less than before.
    expect(there.progress.length).toBeGreaterThan(8);
    for (const i of [0, 1, 2]) {
      const course = there.progress.map((one) => one[i]!);
      expect(course).toEqual(course.toSorted((a, b) => a - b));
    }
  });

  test("waits for who takes it: a few batches go out, and no more until one comes back", async () => {
    writeFileSync(at("long"), log(40));
    const thread = new Worker(new URL("./read-ahead-thread.ts", import.meta.url).href);
    const tell = (message: ToThread) => thread.postMessage(message);
    const batches: Batch[] = [];
    let bytes = 0;
    thread.onmessage = ({ data }: MessageEvent<FromThread>) => {
      if (data.kind === "lines") batches.push(data.batch);
      bytes = data.progress.bytes;
    };
    tell({ kind: "options", options: OPTIONS });
    tell({ kind: "read", file: at("long") });
    const settled = async () => {
      for (let before = -1; before !== batches.length; await Bun.sleep(400)) before = batches.length;
      return batches.length;
    };
    const first = await settled();
    expect(first).toBeWithin(8, 16);
    expect(bytes).toBeLessThan(4_000_000);
    for (const buffers of batches.slice(0, first - 7)) tell({ kind: "taken", buffers });
    expect(await settled()).toBeWithin(first + 1, first + 5);
    thread.terminate();
  });
});

describe("what goes wrong", () => {
  test("a file that cannot be read is the system's error, and the next one is read all the same", async () => {
    writeFileSync(at("good"), log(1));
    writeFileSync(at("cut.gz"), Bun.gzipSync(log(1)).subarray(0, 5000));
    reader = new ReadAhead(OPTIONS);
    const seen = new Seen();
    const read = (name: string) => reader!.read(at(name), seen, seen.onProgress);
    await expect(read("absent")).rejects.toMatchObject({ code: "ENOENT" });
    await expect(read("")).rejects.toMatchObject({ code: "EISDIR" });
    await expect(read("cut.gz")).rejects.toMatchObject({ code: "Z_BUF_ERROR" });
    seen.lines.length = 0;
    await read("good");
    expect(seen.lines).toEqual((await readHere([at("good")])).lines);
  });

  test("what the sink throws is thrown here", async () => {
    writeFileSync(at("good"), log(1));
    reader = new ReadAhead(OPTIONS);
    const failing: LineSink = {
      record() {
        throw new Error("no more");
      },
      failure() {},
    };
    await expect(reader.read(at("good"), failing, () => {})).rejects.toThrow("no more");
  });

  test.each([
    ["that throws", "self.onmessage = () => { throw new TypeError('out of luck') }", "TypeError: out of luck"],
    ["that ends", "self.onmessage = ({ data }) => { if (data.kind === 'read') process.exit(3) }", "it ended"],
    ["that is not there", null, "ModuleNotFound resolving "],
  ])("a thread %s is one clear error, now and later", async (_, source, why) => {
    const module = at(`thread-${why.length}.ts`);
    const said = new RegExp(`^the thread that reads the log died: .*${why}.*$`);
    if (source !== null) writeFileSync(module, source);
    reader = new ReadAhead(OPTIONS, pathToFileURL(module));
    const read = () => reader!.read(at("good"), new Seen(), () => {});
    await expect(read()).rejects.toThrow(said);
    await expect(read()).rejects.toThrow(said);
  });
});
