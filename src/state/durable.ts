/** What a loss of power must not take back: a file's bytes, and that it is there at all. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";

const DIRECTORY_MODE = 0o750;

/** Makes a directory and those above it that are missing; their names are on the disk when it returns. */
export function makeDirectory(path: string): void {
  const last = resolve(path);
  const first = mkdirSync(last, { recursive: true, mode: DIRECTORY_MODE });
  if (first === undefined) return;
  for (let made = last; made.length >= first.length; made = dirname(made)) syncDirectory(dirname(made));
}

/** The names in a directory, as they are now, are on the disk when it returns: a new file's, a renamed one's. */
export function syncDirectory(path: string): void {
  let directory: number | null = null;
  try {
    directory = openSync(path, "r");
    fsyncSync(directory);
  } catch {
    // Where we may not, or the file system cannot, the names reach the disk in its own time.
  } finally {
    if (directory !== null) closeSync(directory);
  }
}

/** Puts a file in place of the one before: whoever reads it, whenever the power fails, sees the one or the other whole. */
export function replaceFile(path: string, text: string, mode: number): void {
  const half = `${path}.new`;
  const file = openSync(half, "w", mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(half, path);
  syncDirectory(dirname(path));
}
