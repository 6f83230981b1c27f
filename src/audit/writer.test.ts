import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { banDecision, baselineDecision, outcome, sourceNumber, unbanDecision } from "../../test/outcomes.ts";
import { ManualClock, systemClock } from "../clock.ts";
import type { Outcome } from "../decision.ts";
import { parseAuditLine } from "./line.ts";
import { AuditWriter } from "./writer.ts";

const isRoot = process.getuid?.() === 0;
const banNumber = (n: number): Outcome => outcome(banDecision({ source: sourceNumber(n) }));

let directory: string;
let path: string;
let clock: ManualClock;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "audit-"));
  path = join(directory, "audit.log");
  clock = new ManualClock();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const lines = (file = path) => readFileSync(file, "utf8").split("\n").slice(0, -1);
const sources = (file = path) => lines(file).map((line) => parseAuditLine(line)?.ip ?? line);
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => sourceNumber(from + i));

/** Real files answer in real time: looks again until it holds, at most two seconds. */
async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 2000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error("not within two seconds");
    await systemClock.sleep(5);
  }
}

describe("AuditWriter", () => {
  test("writes the same outcomes to both files, in order, mode 0640, in a directory it makes", async () => {
    path = join(directory, "not/yet/there/audit.log");
    const writer = new AuditWriter(path, clock);
    await writer.start();
    for (const decision of [banDecision(), unbanDecision(), baselineDecision()]) writer.write(outcome(decision));
    await writer.flush();
    expect(lines().map((line) => parseAuditLine(line)?.action)).toEqual(["BAN", "UNBAN", "BASELINE"]);
    expect(lines(`${path}.jsonl`).map((line) => JSON.parse(line).action)).toEqual(["BAN", "UNBAN", "BASELINE"]);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(statSync(`${path}.jsonl`).mode & 0o777).toBe(0o640);
    expect(writer.status()).toEqual({ path, written: 3, failed: 0, dropped: 0, buffered: 0, lastError: null });
    await writer.stop();
  });

  test("a line is on its way to the disk at once, without a flush and without a timer", async () => {
    const writer = new AuditWriter(path, clock);
    await writer.start();
    writer.write(banNumber(1));
    await until(() => lines().length === 1);
    await writer.stop();
  });

  test("20,000 outcomes in bursts are all written, in order", async () => {
    const writer = new AuditWriter(path, clock);
    await writer.start();
    for (let i = 0; i < 20_000; i++) {
      writer.write(banNumber(i));
      if (i % 1000 === 999) await writer.flush();
      else if (i % 37 === 0) await Promise.resolve();
    }
    await writer.stop();
    expect(sources()).toEqual(numbers(0, 20_000));
    expect(lines(`${path}.jsonl`).map((line) => JSON.parse(line).ip)).toEqual(numbers(0, 20_000));
  });

  test("appends to what is there, and ends a line that a crash cut short", async () => {
    writeFileSync(path, "[2026-04-25T12:00:00Z] BAN 203.0.1");
    const writer = new AuditWriter(path, clock);
    await writer.start();
    writer.write(banNumber(1));
    await writer.stop();
    expect(sources()).toEqual(["[2026-04-25T12:00:00Z] BAN 203.0.1", sourceNumber(1)]);
  });

  test("zeros at the end, which a loss of power can leave, are cut off", async () => {
    writeFileSync(path, `a whole line\n${"\0".repeat(3000)}`);
    writeFileSync(`${path}.jsonl`, `{"half${"\0".repeat(3000)}`);
    const writer = new AuditWriter(path, clock);
    await writer.start();
    writer.write(banNumber(1));
    await writer.stop();
    expect(sources()).toEqual(["a whole line", sourceNumber(1)]);
    expect(lines(`${path}.jsonl`)).toEqual(['{"half', expect.stringContaining(sourceNumber(1))]);
  });

  test("reopen() after a rotation: earlier lines in the old file, later ones in the new, none lost", async () => {
    const writer = new AuditWriter(path, clock);
    await writer.start();
    for (let i = 0; i < 300; i++) writer.write(banNumber(i));
    await until(() => existsSync(path) && lines().length === 300);
    renameSync(path, `${path}.1`);
    for (let i = 300; i < 600; i++) writer.write(banNumber(i));
    await writer.reopen();
    for (let i = 600; i < 900; i++) writer.write(banNumber(i));
    await writer.stop();
    expect([...sources(`${path}.1`), ...sources()]).toEqual(numbers(0, 900));
    expect(sources()).toContain(sourceNumber(899));
  });

  test("a file renamed or deleted without a word is noticed at the next line", async () => {
    const writer = new AuditWriter(path, clock);
    await writer.start();
    writer.write(banNumber(1));
    await writer.flush();
    renameSync(path, `${path}.1`);
    writer.write(banNumber(2));
    await writer.flush();
    rmSync(path);
    writer.write(banNumber(3));
    await writer.stop();
    expect(sources(`${path}.1`)).toEqual([sourceNumber(1)]);
    expect(sources()).toEqual([sourceNumber(3)]);
  });

  test("a file that logrotate made anew is noticed at the next line", async () => {
    const writer = new AuditWriter(path, clock);
    await writer.start();
    writer.write(banNumber(1));
    await writer.flush();
    renameSync(path, `${path}.1`);
    writeFileSync(path, "");
    writer.write(banNumber(2));
    await writer.stop();
    expect([sources(`${path}.1`), sources()]).toEqual([[sourceNumber(1)], [sourceNumber(2)]]);
  });

  test("a strict umask does not hide the log from its readers", async () => {
    const before = process.umask(0o077);
    try {
      const writer = new AuditWriter(path, clock);
      await writer.start();
      await writer.stop();
      expect(statSync(path).mode & 0o777).toBe(0o640);
    } finally {
      process.umask(before);
    }
  });

  test("lines that come while the files are reopened are kept, once and in order", async () => {
    const writer = new AuditWriter(path, clock);
    await writer.start();
    let next = 0;
    for (let round = 0; round < 40; round++) {
      const reopening = writer.reopen();
      let isOpen = false;
      void reopening.then(() => {
        isOpen = true;
      });
      // A disk that is busy with others takes its time; more lines than are kept for it would be dropped.
      for (const end = next + 1000; !isOpen; await new Promise(setImmediate))
        if (next < end) writer.write(banNumber(next++));
    }
    await writer.stop();
    expect(sources()).toEqual(numbers(0, next));
    expect(writer.status()).toMatchObject({ failed: 0, written: next });
  });

  test("copytruncate: the next line stands at the new end, without a hole", async () => {
    const writer = new AuditWriter(path, clock);
    await writer.start();
    writer.write(banNumber(1));
    await writer.flush();
    writeFileSync(path, "");
    writer.write(banNumber(2));
    await writer.stop();
    expect(sources()).toEqual([sourceNumber(2)]);
  });

  test("a path that cannot be written is said, lines wait in order, and go out when it can", async () => {
    mkdirSync(path);
    const writer = new AuditWriter(path, clock);
    await writer.start();
    for (let n = 0; n < 50; n++) {
      writer.write(banNumber(n));
      await new Promise(setImmediate);
    }
    expect(writer.status()).toMatchObject({ failed: 1, written: 0, dropped: 0, buffered: 50 });
    await clock.advance(1000);
    await until(() => writer.status().failed === 2);
    expect(writer.status().lastError).toBe(`append to ${path}: EISDIR (the path is a directory)`);
    rmSync(path, { recursive: true });
    await clock.advance(1000);
    await until(() => writer.status().written === 50);
    expect(sources()).toEqual(numbers(0, 50));
    expect(writer.status().lastError).toBeNull();
    await writer.stop();
  });

  test("when the buffer is full the oldest lines are dropped and counted", async () => {
    mkdirSync(path);
    const writer = new AuditWriter(path, clock, 10);
    await writer.start();
    for (let i = 0; i < 25; i++) writer.write(banNumber(i));
    await writer.flush();
    rmSync(path, { recursive: true });
    await writer.flush();
    expect(sources()).toEqual(numbers(15, 25));
    // Each file has its own buffer, and the burst came faster than either could be written.
    expect(lines(`${path}.jsonl`)).toHaveLength(10);
    expect(writer.status()).toMatchObject({ written: 10, dropped: 30, buffered: 0 });
    await writer.stop();
  });

  test.skipIf(!existsSync("/dev/full"))("a full device is an error that is named, not a crash", async () => {
    symlinkSync("/dev/full", path);
    const writer = new AuditWriter(path, clock);
    await writer.start();
    writer.write(banNumber(1));
    await writer.flush();
    expect(writer.status()).toMatchObject({ written: 0, buffered: 1 });
    expect(writer.status().lastError).toBe(`append to ${path}: ENOSPC (the disk is full)`);
    rmSync(path);
    await writer.stop();
    expect(sources()).toEqual([sourceNumber(1)]);
  });

  describe.skipIf(!isRoot)("on a disk that fills up in the middle of a line, then has room again", () => {
    let disk: string;
    let ballast: string;
    beforeEach(() => {
      disk = join(directory, "disk");
      mkdirSync(disk);
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]).status).toBe(0);
      ballast = join(disk, "ballast");
      writeFileSync(ballast, Buffer.alloc(480_000));
      path = join(disk, "audit.log");
    });
    afterEach(() => expect(spawnSync("umount", ["--lazy", disk]).status).toBe(0));

    /** Writes until a JSON line is torn, with lines coming in while a write is on its way; how many were written. */
    async function fill(writer: AuditWriter): Promise<number> {
      let next = 0;
      for (let isTorn = false; !isTorn; ) {
        for (let n = 0; n < 8; n++) writer.write(banNumber(next++));
        await new Promise(setImmediate);
        const isFull = writer.status().lastError?.includes("ENOSPC") ?? false;
        isTorn = isFull && !readFileSync(`${path}.jsonl`, "utf8").endsWith("\n");
        if (next > 10_000) throw new Error("the disk does not fill up");
      }
      await writer.flush();
      return next;
    }

    test("every line comes out whole, once and in order", async () => {
      const writer = new AuditWriter(path, clock);
      await writer.start();
      const count = await fill(writer);
      rmSync(ballast);
      await writer.stop();
      expect(sources()).toEqual(numbers(0, count));
      expect(lines(`${path}.jsonl`).map((line) => JSON.parse(line).ip)).toEqual(numbers(0, count));
      expect(writer.status()).toMatchObject({ written: count, dropped: 0, buffered: 0, lastError: null });
    });

    test("rotated meanwhile: the torn line stands whole in the new file", async () => {
      const writer = new AuditWriter(path, clock);
      await writer.start();
      const count = await fill(writer);
      renameSync(`${path}.jsonl`, `${path}.jsonl.1`);
      rmSync(ballast);
      await writer.stop();
      const whole = lines(`${path}.jsonl.1`).map((line) => JSON.parse(line).ip);
      const rest = lines(`${path}.jsonl`).map((line) => JSON.parse(line).ip);
      expect([...whole, ...rest]).toEqual(numbers(0, count));
    });

    test("when the buffer overflows, too, lines are missing but none is damaged", async () => {
      const writer = new AuditWriter(path, clock, 20);
      await writer.start();
      const count = await fill(writer);
      for (let n = count; n < count + 100; n++) writer.write(banNumber(n));
      rmSync(ballast);
      await writer.stop();
      const seen = lines(`${path}.jsonl`).map((line) => JSON.parse(line).ip);
      expect(seen.slice(-19)).toEqual(numbers(count + 81, count + 100));
      expect(seen).toEqual([...new Set(seen)]);
      expect(writer.status().dropped).toBeGreaterThanOrEqual(80);
    });
  });

  test("another writer's lines in the same file are kept", async () => {
    const writer = new AuditWriter(path, clock);
    await writer.start();
    writer.write(banNumber(1));
    await writer.flush();
    appendFileSync(path, "a note by hand\n");
    writer.write(banNumber(2));
    await writer.stop();
    expect(sources()).toEqual([sourceNumber(1), "a note by hand", sourceNumber(2)]);
  });

  test("an empty path keeps no log", async () => {
    const writer = new AuditWriter("", clock);
    await writer.start();
    writer.write(banNumber(1));
    await writer.reopen();
    await writer.stop();
    expect(writer.status()).toEqual({ path: "", written: 0, failed: 0, dropped: 0, buffered: 0, lastError: null });
  });
});
