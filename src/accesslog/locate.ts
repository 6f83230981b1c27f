/** Whether a remembered place of the log can still be found: by the rules a Tail resumes by. */
import { type Stats, statSync } from "node:fs";
import { LogFile, type TailPosition } from "./logfile.ts";
import { findSiblings } from "./siblings.ts";

/** True when a Tail of `path` would continue exactly at `position`, in the log or in what rotation made of it. */
export function canResume(path: string, position: TailPosition): boolean {
  const isSame = (stats: Stats | undefined) => stats?.ino === position.inode && stats.dev === position.device;
  const isTruncated = isSame(statSync(path, { throwIfNoEntry: false }));
  if (isTruncated && holds(path, position)) return true;
  const siblings = findSiblings(path);
  return siblings.some(({ path, stats }) => (isTruncated || isSame(stats)) && holds(path, position));
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
