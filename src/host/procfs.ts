import { readFileSync } from "node:fs";
import type { HostStatus } from "../status.ts";

/** Reads how busy the host is. Shares of CPU are over the time since the previous sample. */
export interface HostSampler {
  sample(nowMs: number): HostStatus;
}

/** Ticks a second in /proc/stat and /proc/PID/stat: USER_HZ, 100 on every Linux we run on (proc_stat(5)). */
const TICKS_PER_SECOND = 100;

/** One reading of /proc/stat; a share is the difference of two. */
export interface CpuTimes {
  /** Ticks since boot, all CPUs together. */
  readonly busy: number;
  readonly total: number;
  readonly cpus: number;
}

/**
 * A sampler over /proc, or over a copy of it in `root`. The first sample tells the CPU share since boot and no
 * share of this process. A file that cannot be read (ProcSubset=pid) makes zeros, not an error.
 */
export function createHostSampler(root = "/proc"): HostSampler {
  let before: { readonly at: number; readonly cpu: CpuTimes; readonly processTicks: number } | null = null;
  return {
    sample(nowMs) {
      const cpu = parseCpu(read(`${root}/stat`));
      const processTicks = parseProcessTicks(read(`${root}/self/stat`));
      const memory = parseMemory(read(`${root}/meminfo`));
      const elapsedTicks = before ? ((nowMs - before.at) / 1000) * TICKS_PER_SECOND : 0;
      const status: HostStatus = {
        cpu: share(cpu.busy - (before?.cpu.busy ?? 0), cpu.total - (before?.cpu.total ?? 0)),
        processCpu: before && elapsedTicks > 0 ? Math.max(0, (processTicks - before.processTicks) / elapsedTicks) : 0,
        cpus: cpu.cpus,
        load1: Number(read(`${root}/loadavg`).split(" ")[0]) || 0,
        memoryTotalBytes: memory.total,
        memoryUsedBytes: memory.used,
        processMemoryBytes: kilobytes(read(`${root}/self/status`), "VmRSS"),
      };
      before = { at: nowMs, cpu, processTicks };
      return status;
    },
  };
}

/** /proc/stat: guest time is part of user time already; waiting for a disk is idle; time stolen from us is not. */
export function parseCpu(stat: string): CpuTimes {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] =
    /^cpu +(.*)$/m.exec(stat)?.[1]?.split(/ +/).map(Number) ?? [];
  const busy = user + nice + system + irq + softirq + steal;
  return { busy, total: busy + idle + iowait, cpus: stat.match(/^cpu\d+ /gm)?.length ?? 0 };
}

/** utime + stime of /proc/PID/stat. The name in parentheses may hold anything, so fields count from the last ")". */
export function parseProcessTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) || 0) + (Number(fields[12]) || 0);
}

/** Bytes of /proc/meminfo. Used is what is not available: caches that can be dropped are not in use. */
export function parseMemory(meminfo: string): { readonly total: number; readonly used: number } {
  const total = kilobytes(meminfo, "MemTotal");
  const available = /^MemAvailable:/m.test(meminfo)
    ? kilobytes(meminfo, "MemAvailable")
    : kilobytes(meminfo, "MemFree") + kilobytes(meminfo, "Buffers") + kilobytes(meminfo, "Cached");
  return { total, used: Math.max(0, total - available) };
}

function kilobytes(text: string, key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
