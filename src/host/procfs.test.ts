import { describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { createHostSampler, parseCpu, parseMemory, parseProcessTicks } from "./procfs.ts";

const fixtures = join(import.meta.dir, "fixtures");

describe("createHostSampler", () => {
  test("tells shares since the previous sample", () => {
    const root = mkdtempSync(join(tmpdir(), "procfs-"));
    try {
      cpSync(join(fixtures, "proc"), root, { recursive: true });
      const sampler = createHostSampler(root);
      const first = sampler.sample(1_000);
      expect(first.cpu).toBeCloseTo((27237 + 100 + 5753 + 7 + 137 + 20) / (33254 + 292295 + 621), 6);
      expect(first.processCpu).toBe(0);
      cpSync(join(fixtures, "proc-later"), root, { recursive: true });
      // 200 ticks of both CPUs, 150 of them busy; 25 ticks of ours in one second.
      expect(sampler.sample(2_000)).toEqual({
        cpu: 0.75,
        processCpu: 0.25,
        cpus: 2,
        load1: 1.53,
        memoryTotalBytes: 2_048_000 * 1024,
        memoryUsedBytes: 1_024_000 * 1024,
        processMemoryBytes: 46_080 * 1024,
      });
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  test("two samples at the same moment divide by nothing", () => {
    const sampler = createHostSampler(join(fixtures, "proc"));
    sampler.sample(1_000);
    expect(sampler.sample(1_000)).toMatchObject({ cpu: 0, processCpu: 0 });
  });

  test("what cannot be read is zero", () => {
    expect(createHostSampler("/no/such/directory").sample(0)).toEqual({
      cpu: 0,
      processCpu: 0,
      cpus: 0,
      load1: 0,
      memoryTotalBytes: 0,
      memoryUsedBytes: 0,
      processMemoryBytes: 0,
    });
  });

  test.skipIf(process.platform !== "linux")("agrees with the real host", () => {
    const status = createHostSampler().sample(Date.now());
    expect(status.cpus).toBe(cpus().length);
    expect(status.memoryTotalBytes).toBe(totalmem());
    expect(status.memoryUsedBytes).toBeWithin(1, status.memoryTotalBytes);
    expect(status.processMemoryBytes / process.memoryUsage.rss()).toBeWithin(0.5, 2);
  });
});

test("guest time is not counted twice and waiting for a disk is idle", () => {
  expect(parseCpu("cpu  10 0 0 80 10 0 0 0 10 0\ncpu0 10 0 0 80 10 0 0 0 10 0\n")).toEqual({
    busy: 10,
    total: 100,
    cpus: 1,
  });
});

test("a process name with parentheses and spaces does not shift the fields", () => {
  expect(parseProcessTicks("1 (a) S (x) R 1 1 1 0 -1 0 0 0 0 0 30 12 0 0")).toBe(42);
  expect(parseProcessTicks("")).toBe(0);
});

test("kernels without MemAvailable count free memory and caches", () => {
  expect(parseMemory("MemTotal: 100 kB\nMemFree: 20 kB\nBuffers: 5 kB\nCached: 25 kB\n")).toEqual({
    total: 102_400,
    used: 51_200,
  });
});
