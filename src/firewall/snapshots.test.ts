import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, ManualClock } from "../clock.ts";
import { SnapshotWriter, snapshotName } from "./snapshots.ts";

const NOON = Date.UTC(2026, 10, 20, 12);
let root: string;
let directory: string;
let clock: ManualClock;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "snapshots-"));
  directory = join(root, "made", "when-missing");
  clock = new ManualClock(NOON);
});
afterEach(() => rmSync(root, { recursive: true }));

/** Lets the files be written (real I/O), then moves the clock past the spacing. */
async function settle(writer: SnapshotWriter, clock: ManualClock): Promise<void> {
  const total = () => writer.written + writer.failures;
  const before = total();
  const deadline = performance.now() + 2_000;
  while (total() === before && performance.now() < deadline) await Bun.sleep(1);
  await clock.advance(250);
}

test("writes the rules in force, named by time, action and source", async () => {
  const writer = new SnapshotWriter({ directory, kept: 10 }, clock, async () => "rules\n");
  writer.note("BAN", "203.0.113.9");
  await settle(writer, clock);
  await writer.idle();
  expect(readdirSync(directory)).toEqual(["2026-11-20T12-00-00.000Z-BAN-203.0.113.9.rules"]);
  expect(readFileSync(join(directory, readdirSync(directory)[0]!), "utf8")).toBe("rules\n");
});

test("of a burst: the first at once, then the last, 250 ms apart", async () => {
  let asked = 0;
  const writer = new SnapshotWriter({ directory, kept: 10 }, clock, async () => `rules ${++asked}\n`);
  writer.note("BAN", "10.0.0.1");
  for (let i = 2; i <= 50; i++) writer.note("BAN", `10.0.0.${i}`);
  await settle(writer, clock);
  await settle(writer, clock);
  await writer.idle();
  expect(asked).toBeLessThanOrEqual(2);
  expect(readdirSync(directory).at(-1)).toEndWith("-BAN-10.0.0.50.rules");
  writer.note("UNBAN", "10.0.0.50");
  await settle(writer, clock);
  expect(readdirSync(directory).at(-1)).toEndWith("-UNBAN-10.0.0.50.rules");
});

test("keeps the newest files, and other people's", async () => {
  const writer = new SnapshotWriter({ directory: root, kept: 3 }, clock, async () => "rules\n");
  writeFileSync(join(root, "notes.txt"), "mine");
  writeFileSync(join(root, "2025-01-01T00-00-00.000Z-BAN-10.9.9.9.rules"), "old");
  for (let i = 1; i <= 5; i++) {
    writer.note("BAN", `10.0.0.${i}`);
    await settle(writer, clock);
  }
  await writer.idle();
  expect(
    readdirSync(root)
      .map((name) => name.split("-BAN-")[1] ?? name)
      .sort(),
  ).toEqual(["10.0.0.3.rules", "10.0.0.4.rules", "10.0.0.5.rules", "notes.txt"]);
});

test("a failure is counted, told, leaves no half file, and the next one works", async () => {
  let broken = true;
  const writer = new SnapshotWriter({ directory, kept: 3 }, clock, async () => {
    if (broken) throw new Error("ipset exited 1");
    return "rules\n";
  });
  writer.note("BAN", "10.0.0.1");
  await settle(writer, clock);
  expect(writer).toMatchObject({ failures: 1, written: 0, lastFailure: "ipset exited 1" });
  broken = false;
  writer.note("BAN", "10.0.0.2");
  await settle(writer, clock);
  await writer.idle();
  expect(readdirSync(directory)).toHaveLength(1);
});

test("a directory that cannot be made is a counted failure", async () => {
  writeFileSync(join(root, "file"), "");
  const now: Clock = clock;
  const writer = new SnapshotWriter({ directory: join(root, "file", "x"), kept: 3 }, now, async () => "rules\n");
  writer.note("BAN", "10.0.0.1");
  await settle(writer, clock);
  expect(writer.failures).toBe(1);
  expect(writer.lastFailure).toContain("ENOTDIR");
});

test.each([
  ["2001:db8:66:1::/64", "2026-11-20T12-00-00.000Z-BAN-2001-db8-66-1--_64.rules"],
  ["../../etc/passwd\n", "2026-11-20T12-00-00.000Z-BAN-.._.._etc_passwd-.rules"],
])("the name of %p means nothing to a path", (source, name) => {
  expect(snapshotName(NOON, "BAN", source)).toBe(name);
});
