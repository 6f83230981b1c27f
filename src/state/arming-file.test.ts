import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ArmingMemory } from "../arming.ts";
import { armingPath, readArming, writeArming } from "./arming-file.ts";

const NOW = Date.UTC(2026, 0, 5, 8);
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-arming-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

test("what is written is read, in a directory that was not there", () => {
  const path = armingPath(join(directory, "new", "state.db"));
  const said: ArmingMemory = {
    firstStartAt: NOW - 5,
    said: { mode: "watch-only", over: { mode: "enforce", arm_after: 0 } },
  };
  expect(writeArming(path, said)).toBeNull();
  expect(readArming(path, NOW)).toEqual(said);
});

test.each([
  ["half a line", '{"firstStartAt":12'],
  ["another shape", '{"firstStartAt":"yesterday","said":null}'],
  ["a mode that is none", `{"firstStartAt":1,"said":{"mode":"off","over":{"mode":"enforce","arm_after":0}}}`],
  ["a start in the future", `{"firstStartAt":${NOW + 1},"said":null}`],
])("%s means a first start", (_, text) => {
  const path = join(directory, "damaged.json");
  writeFileSync(path, text);
  expect(readArming(path, NOW)).toEqual({ firstStartAt: NOW, said: null });
});

test("a clock that was set back begins the waiting anew, and does not take back a person's word", () => {
  const path = join(directory, "ahead.json");
  const said = { mode: "watch-only", over: { mode: "enforce", arm_after: 0 } } as const;
  writeArming(path, { firstStartAt: NOW + 1, said });
  expect(readArming(path, NOW)).toEqual({ firstStartAt: NOW, said });
});

test("a place that cannot be written is told", () => {
  expect(writeArming("/proc/nowhere/state.json", { firstStartAt: NOW, said: null })).toBeInstanceOf(Error);
});
