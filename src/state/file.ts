/** The database file: opened safely, or moved aside when it cannot be trusted. */
import { Database } from "bun:sqlite";
import { closeSync, existsSync, fchmodSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { makeDirectory, syncDirectory } from "./durable.ts";
import { MIGRATIONS, migrate, versionOf } from "./migrate.ts";

export interface Opened {
  readonly database: Database;
  /** Identity of the file, to notice when another takes its name. */
  readonly inode: number;
  /** True when there was no database before, none that could be read, or one that was never written in full. */
  readonly isNew: boolean;
  /** Where an unreadable one was put, and why; null in the usual case. */
  readonly setAside: { readonly path: string; readonly why: string } | null;
}

const MODE = 0o640;
/** Longest wait for another process that reads or writes it. The event loop stands still meanwhile. */
const BUSY_MS = 200;
/** Databases moved aside that are kept; older ones are removed. */
const MOST_ASIDE = 5;

/** "anom": in the header (PRAGMA application_id) of a database that was once written in full. */
const APPLICATION_ID = 0x616e6f6d;

/** Inside a transaction: from its commit on, what is not in the database did not exist. */
export function markWhole(database: Database): void {
  database.run(`PRAGMA application_id = ${APPLICATION_ID}`);
}

/** Opens the database, making directory and file where they are missing. Throws where not even a new one can be had. */
export function openFile(path: string, now: number): Opened {
  makeDirectory(dirname(path));
  try {
    return { ...open(path), setAside: null };
  } catch (error) {
    const verdict = distrust(error);
    if (verdict === null) throw error;
    const aside = moveAside(path, `${verdict}-${stamp(now)}`);
    return { ...open(path), setAside: { path: aside, why: messageOf(error) } };
  }
}

/** "corrupt" when an error says that the file itself is bad, "newer" when a later version wrote it; else null. */
export function distrust(error: unknown): "corrupt" | "newer" | null {
  if (error instanceof NewerSchemaError) return "newer";
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" && /^SQLITE_(CORRUPT|NOTADB)/.test(code) ? "corrupt" : null;
}

class NewerSchemaError extends Error {
  override readonly name = "NewerSchemaError";
}

class CorruptError extends Error {
  override readonly name = "CorruptError";
  readonly code = "SQLITE_CORRUPT";
}

function open(path: string): Omit<Opened, "setAside"> {
  createWithMode(path);
  const database = new Database(path, { readwrite: true, create: false, strict: true });
  try {
    database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
    const version = versionOf(database);
    const known = MIGRATIONS.at(-1)!.version;
    if (version > known) throw new NewerSchemaError(`schema ${version} is newer than this program's ${known}`);
    const found = database.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get()?.quick_check;
    if (found !== "ok") throw new CorruptError(`quick_check: ${found}`);
    database.run("PRAGMA journal_mode = WAL");
    migrate(database);
    const id = database.query<{ application_id: number }, []>("PRAGMA application_id").get()!.application_id;
    return { database, inode: statSync(path).ino, isNew: id !== APPLICATION_ID };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The WAL and its index take the mode of the database (sqlite.org/wal.html). */
function createWithMode(path: string): void {
  if (existsSync(path)) return;
  const file = openSync(path, "a", MODE);
  // Against a umask that would hide it from its group.
  fchmodSync(file, MODE);
  closeSync(file);
  syncDirectory(dirname(path));
}

function moveAside(path: string, suffix: string): string {
  const aside = `${path}.${suffix}`;
  for (const part of ["", "-wal", "-shm"]) if (existsSync(path + part)) renameSync(path + part, aside + part);
  for (const old of asideFiles(path).slice(0, -MOST_ASIDE))
    for (const part of ["", "-wal", "-shm"]) rmSync(old + part, { force: true });
  return aside;
}

/** Oldest first. */
function asideFiles(path: string): string[] {
  const pattern = /\.(?:corrupt|newer)-(\d{8}T\d{9}Z)$/;
  const stampOf = (name: string) => pattern.exec(name)?.[1] ?? "";
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(`${basename(path)}.`) && pattern.test(name))
    .sort((a, b) => (stampOf(a) < stampOf(b) ? -1 : 1))
    .map((name) => join(dirname(path), name));
}

/** 20260105T080000000Z */
function stamp(now: number): string {
  return new Date(now).toISOString().replace(/[-:.]/g, "");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
