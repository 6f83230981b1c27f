/** Whether a remembered place of the log can still be found: by the rules a Tail resumes by. */
import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { LogFile, type TailPosition } from "./logfile.ts";
import { findSiblings } from "./siblings.ts";

/** True when a Tail of `path` would continue exactly at `position`, in the log or in what rotation made of it. */
export function canResume(path: string, position: TailPosition): boolean {
  const isSame = (stats: Stats | undefined) => stats?.ino === position.inode;
  const isTruncated = isSame(statSync(path, { throwIfNoEntry: false }));
  if (isTruncated && holds(path, position)) return true;
  const siblings = findSiblings(path);
  return siblings.some(({ path, stats }) => (isTruncated || isSame(stats)) && holds(path, position));
}

const STEP_BYTES = 1 << 20;
const NEWLINE = 10;

/**
 * How many whole lines the log holds from `offset` on, when it is the file of `position` and ends before it: after a loss
 * of power, what was written last may not have reached the disk. Null when it does not end there, or cannot be read.
 */
export function linesLeft(path: string, offset: number, position: TailPosition): number | null {
  try {
    const { ino, size } = statSync(path);
    return ino === position.inode && size < position.offset ? linesFrom(path, offset) : null;
  } catch {
    return null;
  }
}

function linesFrom(path: string, offset: number): number {
  const file = openSync(path, "r");
  try {
    const step = Buffer.allocUnsafe(STEP_BYTES);
    let lines = 0;
    for (let at = offset; ; ) {
      const read = step.subarray(0, readSync(file, step, 0, step.length, at));
      if (read.length === 0) return lines;
      for (let next = read.indexOf(NEWLINE); next >= 0; next = read.indexOf(NEWLINE, next + 1)) lines++;
      at += read.length;
    }
  } finally {
    closeSync(file);
  }
}

function holds(path: string, position: TailPosition): boolean {
  try {
    const file = LogFile.open(path, 1, () => {});
    try {
      return file.resume(position);
    } finally {
      file.close();
    }
  } catch {
    return false;
  }
}
