/** The other files of a log: what rotation made of it, in the directory where it lives. */
import { readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** A file that may be an earlier part of the log. */
export interface Sibling {
  readonly path: string;
  readonly name: string;
  readonly stats: Stats;
}

const COMPRESSED = /\.(gz|bz2|xz|zst|lz4|lzo|br|Z|zip|tmp|swp)$/;

/**
 * The rotated files beside `path`, oldest first: access.log.1, access.log-20260105, access-20260105.log, not
 * compressed ones. A symbolic link is followed: the files lie beside its target. Empty when the directory is gone.
 */
export function findSiblings(path: string): readonly Sibling[] {
  const own = realPathOf(path);
  const directory = dirname(own);
  const name = basename(own);
  return listNames(directory)
    .filter((other) => isRotatedName(other, name))
    .flatMap((other): Sibling[] => {
      const full = join(directory, other);
      const stats = statSync(full, { throwIfNoEntry: false });
      return stats?.isFile() ? [{ path: full, name: other, stats }] : [];
    })
    .sort(oldestFirst);
}

/** When the names in the directory of `path` last changed; null when it cannot be told. */
export function directoryChangedAt(path: string): number | null {
  try {
    return statSync(dirname(realPathOf(path)), { throwIfNoEntry: false })?.mtimeMs ?? null;
  } catch {
    return null;
  }
}

/**
 * What a rotated file is recognised by when it is met again. Renaming and writing change none of it; the time of birth
 * tells a file from one that was given the same inode later.
 */
export function identityOf(stats: Pick<Stats, "dev" | "ino" | "birthtimeMs">): string {
  return `${stats.dev}:${stats.ino}:${stats.birthtimeMs}`;
}

function isRotatedName(other: string, name: string): boolean {
  if (other === name || COMPRESSED.test(other)) return false;
  if (other.startsWith(name)) return /^[-._~]/.test(other.slice(name.length));
  const dot = name.lastIndexOf(".");
  if (dot <= 0) return false;
  // access-20260105.log beside access.log, but not access-api.log: that is another site's.
  const stem = name.slice(0, dot);
  return other.startsWith(stem) && other.endsWith(name.slice(dot)) && /^[-._]\d/.test(other.slice(stem.length));
}

/** By the time of the last write; within one tick of the kernel's clock by birth, and then the higher .N is the older. */
function oldestFirst(a: Sibling, b: Sibling): number {
  const later = a.stats.mtimeMs - b.stats.mtimeMs || a.stats.birthtimeMs - b.stats.birthtimeMs;
  return later || b.name.localeCompare(a.name, "en", { numeric: true });
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function listNames(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
