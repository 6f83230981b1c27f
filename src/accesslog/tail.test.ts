import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock, systemClock } from "../clock.ts";
import { Tail, type TailOptions, type TailPosition } from "./tail.ts";

let directory: string;
let log: string;
let clock: ManualClock;
let tails: Tail[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tail-"));
  log = join(directory, "access.log");
  clock = new ManualClock();
  tails = [];
});

afterEach(async () => {
  for (const tail of tails) await tail.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Followed {
  readonly tail: Tail;
  readonly seen: string[];
  /** Reads to the present end and gives the lines delivered since the last call. */
  read(): Promise<string[]>;
}

async function follow(options: Partial<TailOptions> = {}, path = log): Promise<Followed> {
  const seen: string[] = [];
  const tail = new Tail(
    path,
    { pollMs: 50, maxLineBytes: 65_536, start: "beginning", ...options },
    clock,
    (buffer, start, end) => {
      expect(buffer[end - 1]).toBe(10);
      seen.push(...buffer.toString("utf8", start, end - 1).split("\n"));
    },
  );
  tails.push(tail);
  await tail.start(new AbortController().signal);
  return {
    tail,
    seen,
    async read() {
      await tail.drain();
      return seen.splice(0);
    },
  };
}

const numbered = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`);
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
const append = (...lines: string[]) => appendFileSync(log, text(lines));

/** How many of our descriptors are open on files of the test's directory, deleted ones included. */
function openFiles(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(directory);
    } catch {
      return false;
    }
  }).length;
}

test("lines appended are delivered once, in order", async () => {
  append("a");
  const { read } = await follow();
  expect(await read()).toEqual(["a"]);
  append("b", "c");
  expect(await read()).toEqual(["b", "c"]);
  expect(await read()).toEqual([]);
});

test("start at the end passes over what is there, but not over the unfinished line", async () => {
  writeFileSync(log, "old\nhal");
  const { read } = await follow({ start: "end" });
  expect(await read()).toEqual([]);
  appendFileSync(log, "f\nnew\n");
  expect(await read()).toEqual(["half", "new"]);
});

test("start at the end of a file whose only line is long and unfinished", async () => {
  writeFileSync(log, "x".repeat(10_000));
  const { read } = await follow({ start: "end" });
  appendFileSync(log, "y\n");
  expect(await read()).toEqual([`${"x".repeat(10_000)}y`]);
});

test("a half line waits for its other half", async () => {
  const { read } = await follow();
  appendFileSync(log, "one\ntw");
  expect(await read()).toEqual(["one"]);
  appendFileSync(log, "o");
  expect(await read()).toEqual([]);
  appendFileSync(log, "\nthree\n");
  expect(await read()).toEqual(["two", "three"]);
});

test("a log and a directory that are not there yet", async () => {
  const path = join(directory, "sub", "access.log");
  const { read, tail } = await follow({ start: "end" }, path);
  expect(await read()).toEqual([]);
  expect(tail.status()).toMatchObject({ open: false, path });
  expect(tail.status().lastError).toContain("no such file");
  mkdirSync(join(directory, "sub"));
  expect(await read()).toEqual([]);
  writeFileSync(path, "first\n");
  expect(await read()).toEqual(["first"]);
  expect(tail.status()).toMatchObject({ open: true, lastError: null, rotations: 0 });
});

test("rename and create: the old file is read while nginx still writes to it, before the new one", async () => {
  append("a");
  const { read, tail } = await follow();
  renameSync(log, `${log}.1`);
  appendFileSync(`${log}.1`, "b\n");
  writeFileSync(log, "");
  expect(await read()).toEqual(["a", "b"]);
  appendFileSync(`${log}.1`, "c\n");
  append("d");
  expect(await read()).toEqual(["c", "d"]);
  expect(tail.status()).toMatchObject({ rotations: 1, truncations: 0, rotatedOpen: 1, lines: 4, bytes: 8 });
});

test("the log is gone for a while: its descriptor is still read", async () => {
  append("a");
  const { read, tail } = await follow();
  await read();
  renameSync(log, `${log}.1`);
  appendFileSync(`${log}.1`, "b\n");
  expect(await read()).toEqual(["b"]);
  expect(tail.status().lastError).toContain("no such file");
  append("c");
  appendFileSync(`${log}.1`, "b2\n");
  expect(await read()).toEqual(["b2", "c"]);
});

test("a rotated file is closed when it has been quiet for the grace period and nginx writes to the new one", async () => {
  append("a");
  const { read, tail } = await follow({ rotatedGraceMs: 10_000 });
  await read();
  renameSync(log, `${log}.1`);
  writeFileSync(log, "");
  await read();
  await clock.advance(60_000);
  await read();
  expect(tail.status().rotatedOpen).toBe(1); // the new log is empty: nginx has not reopened
  append("b");
  await read();
  await clock.advance(10_000);
  await read();
  expect(tail.status().rotatedOpen).toBe(0);

  renameSync(log, `${log}.2`);
  append("c");
  await read();
  await clock.advance(9_000);
  appendFileSync(`${log}.2`, "late\n");
  expect(await read()).toEqual(["late"]);
  await clock.advance(9_000);
  await read();
  expect(tail.status().rotatedOpen).toBe(1); // quiet for 9 s only
  await clock.advance(1_000);
  await read();
  expect(tail.status().rotatedOpen).toBe(0);
});

test("a last line without a newline is delivered when its file is let go", async () => {
  append("a");
  const { read } = await follow({ rotatedGraceMs: 10_000 });
  appendFileSync(log, "cut");
  renameSync(log, `${log}.1`);
  append("b");
  expect(await read()).toEqual(["a", "b"]);
  await clock.advance(10_000);
  expect(await read()).toEqual(["cut"]);
});

test.each([
  ["logrotate's numbering, shifted each time", (i: number) => shift(i)],
  ["dates", (i: number) => renameSync(log, `${log}-2026010${i}`)],
  ["a date before the extension", (i: number) => renameSync(log, join(directory, `access-2026010${i}.log`))],
])("several rotations between two looks: %s", async (_, rotate) => {
  writeFileSync(`${log}.old`, "long ago\n");
  append("a");
  const { read, tail } = await follow();
  await read();
  for (let i = 1; i <= 5; i++) {
    append(`last of ${i}`);
    rotate(i);
    append(`first of ${i + 1}`);
    await Bun.sleep(5); // file times have the kernel's tick
  }
  expect(await read()).toEqual([1, 2, 3, 4, 5].flatMap((i) => [`last of ${i}`, `first of ${i + 1}`]));
  expect(tail.status()).toMatchObject({ rotations: 5, missedFiles: 0 });
  append("z");
  expect(await read()).toEqual(["z"]);
});

function shift(count: number): void {
  for (let n = count - 1; n >= 1; n--) renameSync(`${log}.${n}`, `${log}.${n + 1}`);
  renameSync(log, `${log}.1`);
}

test("another site's log, a compressed log and an old rotated one are left alone", async () => {
  append("a");
  const { read } = await follow();
  await read();
  writeFileSync(join(directory, "access-api.log"), "other site\n");
  writeFileSync(`${log}.1.gz`, "compressed\n");
  renameSync(log, `${log}.1`);
  append("b");
  expect(await read()).toEqual(["b"]);
});

test("an old log put back beside the new one is left alone", async () => {
  writeFileSync(join(directory, "backup"), "long ago\n");
  await Bun.sleep(10);
  append("a");
  const { read } = await follow();
  await read();
  renameSync(log, `${log}.1`);
  append("b");
  renameSync(join(directory, "backup"), `${log}.5`);
  expect(await read()).toEqual(["b"]);
});

test("a rotated file with the inode of one deleted long ago is read", async () => {
  for (let i = 0; i < 8; i++) writeFileSync(`${log}.old${i}`, "long ago\n");
  append("a");
  const { read } = await follow();
  await read();
  for (let i = 0; i < 8; i++) unlinkSync(`${log}.old${i}`);
  shift(1);
  append("b"); // where the file system reuses inodes, this gets one of the eight
  await Bun.sleep(10);
  shift(2);
  append("c");
  expect(await read()).toEqual(["b", "c"]);
});

test("copytruncate: the copy is not read", async () => {
  append("a", "b", "c");
  const { read, tail } = await follow();
  await read();
  copyFileSync(log, `${log}.1`);
  truncateSync(log, 0);
  append("d");
  expect(await read()).toEqual(["d"]);
  expect(tail.status()).toMatchObject({ rotations: 0, truncations: 1 });
  // and not at a later rename either
  renameSync(log, `${log}.0`);
  append("e");
  expect(await read()).toEqual(["e"]);
});

test("copytruncate, regrown past the old place between two looks", async () => {
  append("a", "b", "c");
  const { read, tail } = await follow();
  await read();
  truncateSync(log, 0);
  append(...numbered(1, 1000));
  expect(await read()).toEqual(numbered(1, 1000));
  expect(tail.status().truncations).toBe(1);
});

test("truncated and regrown to the very same size", async () => {
  append("aaaa", "bbbb");
  const { read, tail } = await follow();
  await read();
  await Bun.sleep(10);
  truncateSync(log, 0);
  append("cccc", "dddd");
  expect(await read()).toEqual(["cccc", "dddd"]);
  expect(tail.status().truncations).toBe(1);
});

test("lines of one length that end alike do not hide a truncation", async () => {
  const like = (n: number) => `${String(n).padStart(6, "0")} ${"same ".repeat(400)}`;
  append(like(1), like(2));
  const { read } = await follow();
  await read();
  truncateSync(log, 0);
  append(like(3), like(4), like(5));
  expect(await read()).toEqual([like(3), like(4), like(5)]);
});

test("copytruncate: what was written since the last look is read from the copy", async () => {
  append("a");
  const { read, tail } = await follow();
  appendFileSync(log, "hal");
  await read();
  appendFileSync(log, "f\nb\n");
  copyFileSync(log, `${log}.1`);
  truncateSync(log, 0);
  append("c");
  expect(await read()).toEqual(["half", "b", "c"]);
  append("d");
  expect(await read()).toEqual(["d"]);
  expect(tail.status()).toMatchObject({ lines: 5, truncations: 1, rotations: 0 });
});

test("copytruncate and rename between two looks", async () => {
  append("a");
  const { read } = await follow();
  await read();
  append("b");
  copyFileSync(log, `${log}.1`);
  truncateSync(log, 0);
  append("c");
  renameSync(log, `${log}.0`);
  append("d");
  expect(await read()).toEqual(["b", "c", "d"]);
});

test("lines of one length that differ in their middle only", async () => {
  const like = (n: number) => `${"same ".repeat(20)}${String(n).padStart(6, "0")} ${"same ".repeat(20)}`;
  append(...[1, 2, 3].map(like));
  const { read } = await follow();
  await read();
  truncateSync(log, 0);
  append(...[4, 5, 6, 7].map(like));
  expect(await read()).toEqual([4, 5, 6, 7].map(like));
});

test("a half line before a truncation is delivered as it is, and its place is not glued to new bytes", async () => {
  const { read } = await follow();
  appendFileSync(log, "whole\nhal");
  await read();
  truncateSync(log, 0);
  append("new");
  expect(await read()).toEqual(["hal", "new"]);
});

test("deleted and created again", async () => {
  append("a");
  const { read, tail } = await follow();
  await read();
  for (let i = 0; i < 20; i++) {
    unlinkSync(log);
    append(`b${i}`);
    expect(await read()).toEqual([`b${i}`]);
  }
  expect(tail.status().rotations).toBe(20);
});

test("what is written to a deleted file is read", async () => {
  append("a");
  const { read } = await follow();
  await read();
  append("b");
  unlinkSync(log);
  append("c");
  expect(await read()).toEqual(["b", "c"]);
});

test.each([1, 10, 1000, 65_535, 65_536])("a line of %i bytes passes a limit of 65,536", async (length) => {
  append("before", "x".repeat(length), "after");
  const { read, tail } = await follow();
  expect(await read()).toEqual(["before", "x".repeat(length), "after"]);
  expect(tail.status().oversized).toBe(0);
});

test.each([65_537, 300_000, 3_000_000])(
  "a line of %i bytes is skipped and counted, its neighbours kept",
  async (length) => {
    append("before", "x".repeat(length), "after");
    const { read, tail } = await follow();
    expect(await read()).toEqual(["before", "after"]);
    append("y");
    expect(await read()).toEqual(["y"]);
    expect(tail.status()).toMatchObject({ oversized: 1, lines: 3 });
  },
);

test("a too long line that arrives in pieces is skipped and counted once", async () => {
  const { read, tail } = await follow({ maxLineBytes: 1024 });
  append("before");
  for (let i = 0; i < 10; i++) {
    appendFileSync(log, "x".repeat(500));
    await read();
  }
  appendFileSync(log, "\nafter\n");
  expect(await read()).toEqual(["after"]);
  expect(tail.status().oversized).toBe(1);
});

test("a symbolic link, pointed to another file", async () => {
  mkdirSync(join(directory, "data"));
  const [first, second] = [join(directory, "data", "one.log"), join(directory, "data", "two.log")];
  writeFileSync(first, "a\n");
  symlinkSync(first, log);
  const { read } = await follow();
  expect(await read()).toEqual(["a"]);
  renameSync(first, `${first}.1`);
  writeFileSync(first, "b\n");
  expect(await read()).toEqual(["b"]);
  appendFileSync(first, "c\n");
  writeFileSync(second, "d\n");
  unlinkSync(log);
  symlinkSync(second, log);
  expect(await read()).toEqual(["c", "d"]);
});

test("the log replaced by a directory, then by a log again", async () => {
  append("a");
  const { read, tail } = await follow();
  await read();
  renameSync(log, `${log}.1`);
  mkdirSync(log);
  appendFileSync(`${log}.1`, "b\n");
  expect(await read()).toEqual(["b"]);
  expect(tail.status().lastError).toContain("is a directory");
  rmSync(log, { recursive: true });
  append("c");
  expect(await read()).toEqual(["c"]);
  expect(tail.status().lastError).toBeNull();
});

test("a pipe at the path neither hangs nor is read", async () => {
  expect(Bun.spawnSync(["mkfifo", log]).exitCode).toBe(0);
  const { read, tail } = await follow();
  expect(await read()).toEqual([]);
  expect(tail.status().lastError).toContain("not a regular file");
});

/** Root may read everything: the case runs as nobody, in a process of its own. */
test.skipIf(process.getuid?.() !== 0)(
  "permission denied, then granted: only what was written since the start",
  async () => {
    chmodSync(directory, 0o755);
    append("before the start");
    chmodSync(log, 0o600);
    const script = `
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    const { Tail } = await import(${JSON.stringify(join(import.meta.dir, "tail.ts"))});
    const { systemClock } = await import(${JSON.stringify(join(import.meta.dir, "../clock.ts"))});
    const tail = new Tail(process.argv[1], { pollMs: 5, maxLineBytes: 65536, start: "end" }, systemClock,
      (buffer, start, end) => process.stdout.write("LINE " + buffer.toString("utf8", start, end)));
    await tail.start(new AbortController().signal);
    await tail.drain();
    console.log("ERROR " + tail.status().lastError);
  `;
    const child = Bun.spawn([process.execPath, "-e", script, log], { stdout: "pipe", stderr: "inherit" });
    try {
      const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const denied = (await output.read()).value!;
      expect(denied).toContain("permission denied");
      append("after the start");
      chmodSync(log, 0o644);
      expect((await output.read()).value).toBe("LINE after the start\n");
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  },
);

test("a huge backlog is read in turns of the event loop", async () => {
  writeFileSync(log, text(numbered(1, 1_000_000)));
  const { tail, seen } = await follow();
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await tail.drain();
  clearInterval(timer);
  expect(seen.length).toBe(1_000_000);
  expect(turns).toBeGreaterThan(5);
});

test("stop ends the reading of a huge backlog", async () => {
  writeFileSync(log, "x\n".repeat(20_000_000));
  const { tail } = await follow();
  await tail.stop();
  expect(tail.status().lines).toBeLessThan(20_000_000);
});

test("files are closed: rotated ones after their grace, all on stop", async () => {
  const { read, tail } = await follow({ rotatedGraceMs: 100 });
  for (let i = 0; i < 50; i++) {
    append(`line ${i}`);
    await read();
    if (i % 2 === 0) renameSync(log, `${log}.1`);
    else unlinkSync(log);
    await clock.advance(60);
  }
  append("z");
  await read();
  await clock.advance(200);
  await read();
  expect(tail.status().rotatedOpen).toBe(0);
  expect(openFiles()).toBe(1);
  await tail.stop();
  expect(openFiles()).toBe(0);
});

test("the number of open rotated files is bounded", async () => {
  append("start");
  const { read, tail } = await follow();
  await read();
  for (let i = 0; i < 60; i++) {
    renameSync(log, `${log}.${i}`);
    append(`line ${i}`);
  }
  const lines = await read();
  expect(lines.toSorted()).toEqual(numbered(0, 59).toSorted());
  expect(tail.status().rotatedOpen).toBe(32);
});

test("an error in onWindow is not swallowed", async () => {
  const tail = new Tail(log, { pollMs: 50, maxLineBytes: 1024, start: "beginning" }, clock, () => {
    throw new Error("broken invariant");
  });
  tails.push(tail);
  await tail.start(new AbortController().signal);
  await tail.drain();
  append("a");
  await expect(tail.drain()).rejects.toThrow("broken invariant");
  await tail.stop();
});

test("the signal ends the looking", async () => {
  const controller = new AbortController();
  const tail = new Tail(log, { pollMs: 50, maxLineBytes: 1024, start: "end" }, clock, () => {});
  await tail.start(controller.signal);
  await tail.drain();
  controller.abort();
  await tail.stop();
  const { wakeups } = tail.status();
  await clock.advance(1000);
  expect(tail.status().wakeups).toBe(wakeups);
});

test("the latency of a line is the poll and a little", async () => {
  append("a");
  const arrived = new Map<string, number>();
  const tail = new Tail(log, { pollMs: 20, maxLineBytes: 1024, start: "end" }, systemClock, (buffer, start, end) => {
    for (const line of buffer.toString("utf8", start, end - 1).split("\n")) arrived.set(line, performance.now());
  });
  tails.push(tail);
  await tail.start(new AbortController().signal);
  await tail.drain();
  const waits: number[] = [];
  for (let i = 0; i < 30; i++) {
    const written = performance.now();
    append(`line ${i}`);
    while (!arrived.has(`line ${i}`)) await Bun.sleep(1);
    waits.push(arrived.get(`line ${i}`)! - written);
  }
  waits.sort((a, b) => a - b);
  // The median leaves room for a busy machine; without a poll it would be the test's limit.
  expect(waits[15]!).toBeLessThan(20 + 30);
});

async function positionAfter(...lines: string[]): Promise<TailPosition> {
  append(...lines);
  const { read, tail } = await follow();
  await read();
  await tail.stop();
  return tail.position()!;
}

test("resume: the log is still the same", async () => {
  const resume = await positionAfter("a", "b");
  append("c");
  const { read, tail } = await follow({ resume, start: "end" });
  expect(await read()).toEqual(["c"]);
  expect(tail.position()).toMatchObject({ inode: statSync(log).ino, offset: 6 });
});

test("resume: an unfinished line is read again from its start", async () => {
  append("a");
  appendFileSync(log, "hal");
  const first = await follow();
  expect(await first.read()).toEqual(["a"]);
  await first.tail.stop();
  appendFileSync(log, "f\n");
  const { read } = await follow({ resume: first.tail.position()! });
  expect(await read()).toEqual(["half"]);
});

test.each(["access.log.1", "access.log.7", "access.log-20260105", "access-20260105.log"])(
  "resume: rotated to %s meanwhile",
  async (name) => {
    writeFileSync(`${log}.9`, "read long ago\n");
    await Bun.sleep(10);
    const resume = await positionAfter("a", "b");
    append("c");
    renameSync(log, join(directory, name));
    append("d");
    const { read } = await follow({ resume, start: "end" });
    expect(await read()).toEqual(["c", "d"]);
  },
);

test("resume: rotated several times, and the new log is not there yet", async () => {
  writeFileSync(`${log}.old`, "read long ago\n");
  await Bun.sleep(10);
  const resume = await positionAfter("a");
  append("b");
  shift(1);
  await Bun.sleep(10);
  append("c");
  shift(2);
  const { read, tail } = await follow({ resume, start: "end" });
  expect(await read()).toEqual(["b", "c"]);
  append("d");
  expect(await read()).toEqual(["d"]);
  expect(tail.status().rotations).toBe(2);
});

test.each([
  ["deleted, another log with the same inode", () => unlinkSync(log)],
  ["compressed", () => renameSync(log, `${log}.1.gz`)],
  ["truncated", () => truncateSync(log, 0)],
])("resume: %s: the present log from its beginning", async (_, replace) => {
  const resume = await positionAfter("a", "b");
  replace();
  append("c", "d", "e");
  const { read } = await follow({ resume: { ...resume, inode: statSync(log).ino }, start: "end" });
  expect(await read()).toEqual(["c", "d", "e"]);
});

test("resume: copytruncate meanwhile: the rest is in the copy", async () => {
  const resume = await positionAfter("a", "b");
  append("c");
  copyFileSync(log, `${log}.1`);
  truncateSync(log, 0);
  append("d");
  const { read } = await follow({ resume, start: "end" });
  expect(await read()).toEqual(["c", "d"]);
});

test.each([-1, 0.5, Number.NaN, 1e300])("resume: an offset of %p is no position", async (offset) => {
  append("a");
  const resume = { inode: statSync(log).ino, offset, fingerprint: "" };
  expect(await (await follow({ resume })).read()).toEqual(["a"]);
});

test("every way of a restart at every line gives every line once", async () => {
  let resume: TailPosition | undefined;
  const got: string[] = [];
  for (let i = 0; i < 60; i++) {
    append(`line ${2 * i}`);
    const { read, tail } = await follow({ resume });
    got.push(...(await read()));
    await tail.stop();
    resume = tail.position()!;
    append(`line ${2 * i + 1}`);
    if (i % 3 === 1) renameSync(log, `${log}.${i}`);
  }
  append("line 120");
  got.push(...(await (await follow({ resume })).read()));
  expect(got).toEqual(numbered(0, 120));
});
