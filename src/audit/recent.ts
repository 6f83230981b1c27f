/** Looks back into the audit log: was this already written? */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { EpochMs } from "../accesslog/record.ts";

/** As much of each file's end as is looked at. */
const LOOK_BACK_BYTES = 1 << 20;

/** The BAN events at the end of the audit log `path` and of its last rotated file, as `bannedKey` names them. */
export function recentBans(path: string): Set<string> {
  const keys = new Set<string>();
  for (const file of [`${path}.jsonl.1`, `${path}.jsonl`])
    for (const line of lastLines(file)) {
      const { action, ip, ts } = parsed(line);
      if (action === "BAN") keys.add(`${ts} ${ip}`);
    }
  return keys;
}

/** What names one ban among others: when it was decided, and of whom. */
export function bannedKey(at: EpochMs, source: string): string {
  return `${new Date(at).toISOString()} ${source}`;
}

function lastLines(path: string): string[] {
  try {
    const file = openSync(path, "r");
    try {
      const { size } = fstatSync(file);
      const bytes = Buffer.alloc(Math.min(size, LOOK_BACK_BYTES));
      const length = readSync(file, bytes, 0, bytes.length, size - bytes.length);
      return bytes.toString("utf8", 0, length).split("\n");
    } finally {
      closeSync(file);
    }
  } catch {
    // No file, no events; that it cannot be written is told elsewhere.
    return [];
  }
}

function parsed(line: string): { action?: unknown; ip?: unknown; ts?: unknown } {
  try {
    return (JSON.parse(line) ?? {}) as object;
  } catch {
    return {};
  }
}
