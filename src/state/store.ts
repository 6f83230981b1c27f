/**
 * The memory between runs, in one SQLite file. Writing never throws: what fails is counted and told, and once
 * the disk lets us write again everything is written anew (`isBehind`, `rewrite`).
 *
 * Bans and offences are written with synchronous=FULL, before anything is done about them: an acknowledged ban
 * survives a loss of power. Checkpoints are NORMAL: they survive a crash of ours, and a power loss takes back the last
 * few; the log then says again what they had said.
 */
import type { Database } from "bun:sqlite";
import { statSync } from "node:fs";
import type { EpochMs } from "../accesslog/record.ts";
import type { Offence } from "../bans/ledger.ts";
import type { Ban, Permit } from "../decision.ts";
import type { Minute } from "../detection/minutes.ts";
import { parseSource, type Source } from "../net/cidr.ts";
import type { HistorySpan } from "../status.ts";
import { distrust, markWhole, type Opened, openFile } from "./file.ts";
import {
  type Checkpoint,
  type Ending,
  engineOf,
  type Parts,
  type Place,
  partsOf,
  type RememberedBan,
} from "./snapshot.ts";

export interface StoreStatus {
  readonly path: string;
  /** Why the last write or open failed; null once writes go through again. */
  readonly lastError: string | null;
  readonly lastSavedAt: EpochMs | null;
  /** Attempts that failed, and rows that could not be read. */
  readonly failures: number;
  /** A database that could not be trusted, and was moved away at the start or since. */
  readonly setAside: { readonly path: string; readonly why: string } | null;
}

/** Anything with an identity that can be written as JSON: a message on its way. */
export interface OutboxItem {
  readonly id: string;
}

/** What an earlier run left. */
export interface Remembered {
  readonly bans: readonly RememberedBan[];
  readonly offences: readonly Offence[];
  /** In the order in which they were given. */
  readonly permits: readonly Permit[];
  readonly checkpoint: Omit<Checkpoint, "whole"> | null;
  /** Oldest first; as they were given to `saveChanges`. */
  readonly outbox: readonly unknown[];
}

/** What happened to bans and messages. */
export interface Changes {
  /** Something here must survive a loss of power. */
  readonly isUrgent: boolean;
  /** Bans and unbans that were decided: the whole row, in order. */
  readonly decided: readonly RememberedBan[];
  /** What the firewall did with a ban. */
  readonly settled: readonly { readonly source: Source; readonly enforcement: RememberedBan["enforcement"] }[];
  /** The firewall has unbanned them. */
  readonly ended: readonly Source[];
  /** Their offences no longer count. */
  readonly forgotten: readonly Source[];
  /** All permits; null where they are as before. */
  readonly permits: readonly Permit[] | null;
  /** All messages now on their way; null where they are as before. */
  readonly outbox: readonly OutboxItem[] | null;
}

/** Everything there is to write. */
export interface Everything {
  readonly bans: readonly RememberedBan[];
  /** Added to those in the database: one that could not be read at the start still counts. */
  readonly offences: readonly Offence[];
  readonly forgotten: readonly Source[];
  /** Laid over those in the database where these could not be read at the start. */
  readonly permits: readonly Permit[];
  readonly checkpoint: Checkpoint | null;
  readonly outbox: readonly OutboxItem[];
}

const MINUTE_MS = 60_000;
const MINUTES_KEPT_MS = 30 * 86_400_000;
const POINTS_KEPT_MS = 30 * 60_000;
const PRUNE_EVERY_MS = 3_600_000;
const MOST_OFFENCES = 200_000;
/** A store in trouble is tried again this often: each attempt may take a while. */
const RETRY_MS = 5_000;

type Durability = "FULL" | "NORMAL";
type Row = Record<string, string | number | null>;

/** Opens the store; a database that cannot be had leaves a store that forgets, says why, and tries again. */
export function openStore(path: string, now: EpochMs): Store {
  const store = new Store(path);
  store.open(now);
  return store;
}

export class Store {
  #database: Database | null = null;
  #inode = 0;
  #isNew = true;
  #isBehind = true;
  #isRead = false;
  #synchronous: Durability | null = null;
  #failures = 0;
  #lastError: string | null = null;
  #lastSavedAt: EpochMs | null = null;
  #setAside: StoreStatus["setAside"] = null;
  #triedAt = Number.NEGATIVE_INFINITY;
  #prunedAt = Number.NEGATIVE_INFINITY;

  constructor(readonly path: string) {}

  /** Opens or reopens the database; false when that is not possible now. */
  open(now: EpochMs): boolean {
    this.#triedAt = now;
    this.#drop();
    try {
      this.#take(openFile(this.path, now));
      return true;
    } catch (error) {
      this.#fail("open", error);
      return false;
    }
  }

  /** True when there was nothing to remember: a first start, a lost file, or one that cannot be read. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** Something is not in the database: `rewrite` must follow. So it is, too, until the first one. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** What an earlier run left was read, at the start or since; until then `rewrite` keeps its permits. */
  get isRead(): boolean {
    return this.#isRead;
  }

  status(): StoreStatus {
    return {
      path: this.path,
      lastError: this.#lastError,
      lastSavedAt: this.#lastSavedAt,
      failures: this.#failures,
      setAside: this.#setAside,
    };
  }

  /** What an earlier run left; rows that cannot be read are left out and counted. */
  load(): Remembered {
    this.#isRead = this.#database !== null;
    return {
      bans: this.#read("SELECT * FROM bans ORDER BY since", banOfRow),
      offences: this.#read(
        `SELECT * FROM (SELECT * FROM offences ORDER BY last_at DESC LIMIT ${MOST_OFFENCES}) ORDER BY last_at`,
        offenceOfRow,
      ),
      permits: this.permits(),
      checkpoint: this.#loadCheckpoint(),
      outbox: this.#read("SELECT message FROM outbox ORDER BY place", (row) => JSON.parse(String(row.message))),
    };
  }

  /** Those in the database, in the order in which they were given. */
  permits(): Permit[] {
    return this.#read("SELECT * FROM permits ORDER BY place", permitOfRow);
  }

  /** What happened since the last call, in one transaction; durable when this returns true. */
  saveChanges(changes: Changes, now: EpochMs): boolean {
    // Before the first are read they must not be replaced: the rewrite that follows lays these over them.
    const safe = this.#isRead ? changes : { ...changes, permits: null };
    return this.#write(changes.isUrgent ? "FULL" : "NORMAL", now, (database) => writeChanges(database, safe));
  }

  /** All of it or nothing: what was learned and the place in the log it was learned up to. */
  saveCheckpoint(checkpoint: Checkpoint): boolean {
    return this.#write("NORMAL", checkpoint.at, (database) => this.#writeCheckpoint(database, checkpoint));
  }

  /** Writes everything anew: at the start, and when an earlier write failed. At most every five seconds while it fails. */
  rewrite(everything: Everything, now: EpochMs): boolean {
    if (this.#lastError !== null && now - this.#triedAt < RETRY_MS && now >= this.#triedAt) return false;
    // In trouble it is opened anew: a file opened on a read-only file system stays read-only.
    if ((this.#database === null || this.#lastError !== null) && !this.open(now)) return false;
    this.#triedAt = now;
    const permits = this.#isRead ? everything.permits : laidOver(this.permits(), everything.permits);
    const isDone = this.#write("FULL", now, (database) => {
      database.run("DELETE FROM bans");
      for (const ban of everything.bans) writeBan(database, ban);
      for (const offence of everything.offences) writeOffence(database, offence);
      for (const source of everything.forgotten) database.query("DELETE FROM offences WHERE source = ?").run(source);
      if (everything.checkpoint !== null) this.#writeCheckpoint(database, everything.checkpoint);
      writePermits(database, permits);
      writeOutbox(database, everything.outbox);
      markWhole(database);
    });
    if (!isDone) return false;
    this.#isBehind = false;
    this.#isRead = true;
    return true;
  }

  /**
   * The minutes from `from` up to `to`, in spans of `stepMs` (whole minutes), oldest first; the last span may be cut.
   * Spans without a minute are left out; so is everything where the database cannot be read.
   */
  spans(from: EpochMs, to: EpochMs, stepMs: number): HistorySpan[] {
    const step = Math.max(MINUTE_MS, Math.floor(stepMs));
    const sql = `SELECT at / ${step} AS span, count(*) AS minutes, sum(requests) AS requests, max(requests) AS busiest,
      sum(errors) AS errors, avg(mean) AS mean, avg(stddev) AS stddev, avg("trigger") AS "trigger"
      FROM minutes WHERE at >= ${Math.floor(from)} AND at < ${Math.floor(to)} GROUP BY span ORDER BY span`;
    return this.#read(sql, (row) => spanOfRow(row, step, to));
  }

  /** Puts the WAL into the database and lets go of the file. */
  close(): void {
    try {
      this.#database?.run("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (error) {
      this.#fail("close", error);
    }
    this.#drop();
  }

  #take({ database, inode, isNew, setAside }: Opened): void {
    this.#database = database;
    this.#inode = inode;
    this.#isNew = isNew;
    this.#isBehind = true;
    this.#synchronous = null;
    this.#setAside = setAside ?? this.#setAside;
  }

  #drop(): void {
    try {
      this.#database?.close();
    } catch {
      // A database that cannot even be closed is the operating system's to clean up.
    }
    this.#database = null;
    this.#isBehind = true;
  }

  #write(durability: Durability, now: EpochMs, write: (database: Database) => unknown): boolean {
    if (this.#database !== null && !this.#isStillThere()) this.open(now);
    const database = this.#database;
    if (database === null) return false;
    try {
      if (this.#synchronous !== durability) database.run(`PRAGMA synchronous = ${durability}`);
      this.#synchronous = durability;
      database.transaction(() => void write(database)).immediate();
      this.#lastError = null;
      this.#lastSavedAt = now;
      return true;
    } catch (error) {
      this.#fail("write", error);
      if (distrust(error) !== null) this.open(now);
      return false;
    }
  }

  /** A deleted database goes on taking writes that nobody will ever read. */
  #isStillThere(): boolean {
    try {
      return statSync(this.path).ino === this.#inode;
    } catch {
      return false;
    }
  }

  #read<T>(sql: string, take: (row: Row) => T | null): T[] {
    try {
      return (this.#database?.query<Row, []>(sql).all() ?? []).flatMap((row) => this.#taken(row, take));
    } catch (error) {
      this.#fail("read", error);
      return [];
    }
  }

  #taken<T>(row: Row, take: (row: Row) => T | null): T[] {
    try {
      const taken = take(row);
      if (taken !== null) return [taken];
    } catch {
      // Counted below: a row that is not what we wrote.
    }
    this.#failures++;
    return [];
  }

  #loadCheckpoint(): Remembered["checkpoint"] {
    const [row] = this.#read<Row>("SELECT * FROM checkpoint", (row) => row);
    if (row === undefined) return null;
    const number = (name: string) => (row: Row) => Number(row[name]);
    const pair =
      <A, B>(a: (row: Row) => A, b: (row: Row) => B) =>
      (row: Row): [A, B] => [a(row), b(row)];
    const text = (name: string) => (row: Row) => String(row[name]);
    const parts: Parts = {
      rest: String(row.engine),
      seconds: this.#read("SELECT * FROM seconds", (row) => [
        Number(row.slot),
        Number(row.requests),
        Number(row.errors),
      ]),
      visitHours: this.#read("SELECT * FROM visit_hours ORDER BY hour DESC", pair(number("hour"), text("visits"))),
      trust: this.#read("SELECT * FROM trust ORDER BY until", (row) => [
        sourceOfRow(row),
        Number(row.until),
        Number(row.since),
      ]),
      slow: this.#read("SELECT * FROM slow_failures ORDER BY at", (row) => [
        sourceOfRow(row),
        Number(row.level),
        Number(row.at),
        Number(row.target),
      ]),
      points: this.#read("SELECT * FROM points ORDER BY at", pair(number("at"), text("point"))),
      minutes: this.#read("SELECT * FROM (SELECT * FROM minutes ORDER BY at DESC LIMIT 1)", minuteOfRow),
    };
    try {
      const places = JSON.parse(String(row.places)) as Place[];
      return { at: Number(row.at), places, engine: row.engine === null ? null : engineOf(parts) };
    } catch (error) {
      // What was learned is lost, and learned again; the bans are not.
      this.#fail("read", error);
      return null;
    }
  }

  #writeCheckpoint(database: Database, { at, whole, places, engine }: Checkpoint): void {
    if (whole)
      for (const table of ["seconds", "visit_hours", "trust", "slow_failures", "points"])
        database.run(`DELETE FROM ${table}`);
    const parts = engine && partsOf(engine);
    if (parts !== null) writeParts(database, parts);
    const row = [at, JSON.stringify(places), parts?.rest ?? null];
    database.run("INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?)", row);
    if (engine === null || Math.abs(at - this.#prunedAt) < PRUNE_EVERY_MS) return;
    this.#prunedAt = at;
    prune(database, engine.now);
  }

  #fail(doing: string, error: unknown): void {
    this.#failures++;
    this.#isBehind = true;
    this.#lastError = describe(doing, this.path, error);
  }
}

function writeChanges(database: Database, { decided, settled, ended, forgotten, permits, outbox }: Changes): void {
  for (const row of decided) {
    writeBan(database, row);
    const { source, banCount, since } = row.ban;
    if (row.ending === null) writeOffence(database, { source, banCount, lastAt: since });
  }
  const settle = database.query("UPDATE bans SET enforcement = ? WHERE source = ? AND ending IS NULL");
  for (const { source, enforcement } of settled) settle.run(enforcement, source);
  const end = database.query("DELETE FROM bans WHERE source = ? AND ending IS NOT NULL");
  for (const source of ended) end.run(source);
  const forget = database.query("DELETE FROM offences WHERE source = ?");
  for (const source of forgotten) forget.run(source);
  if (permits !== null) writePermits(database, permits);
  if (outbox !== null) writeOutbox(database, outbox);
}

function writeBan(database: Database, { ban, enforcement, ending }: RememberedBan): void {
  const until = ban.until === "permanent" ? null : ban.until;
  const row = [ban.source, ban.banCount, ban.since, until, JSON.stringify(ban.cause), enforcement];
  database
    .query("INSERT OR REPLACE INTO bans VALUES (?, ?, ?, ?, ?, ?, ?)")
    .run(...row, ending === null ? null : JSON.stringify(ending));
}

function writeOffence(database: Database, { source, banCount, lastAt }: Offence): void {
  database.query("INSERT OR REPLACE INTO offences VALUES (?, ?, ?)").run(source, banCount, lastAt);
}

function writeOutbox(database: Database, items: readonly OutboxItem[]): void {
  database.run("DELETE FROM outbox");
  const insert = database.query("INSERT INTO outbox VALUES (?, ?, ?)");
  for (const [place, item] of items.entries()) insert.run(item.id, place, JSON.stringify(item));
}

function writeParts(database: Database, { seconds, visitHours, trust, slow, points, minutes }: Parts): void {
  const put = (sql: string, rows: readonly (readonly (string | number)[])[]) => {
    const query = database.query(sql);
    for (const row of rows) query.run(...row);
  };
  put("INSERT OR REPLACE INTO seconds VALUES (?, ?, ?)", seconds);
  put("INSERT OR REPLACE INTO visit_hours VALUES (?, ?)", visitHours);
  put("INSERT OR REPLACE INTO points VALUES (?, ?)", points);
  for (const [source, until, since] of trust) {
    if (until === null) put("DELETE FROM trust WHERE source = ?", [[source]]);
    else put("INSERT OR REPLACE INTO trust (source, until, since) VALUES (?, ?, ?)", [[source, until, since]]);
  }
  for (const [source, level, at, target] of slow) {
    if (level === null) put("DELETE FROM slow_failures WHERE source = ?", [[source]]);
    else put("INSERT OR REPLACE INTO slow_failures VALUES (?, ?, ?, ?)", [[source, level, at, target]]);
  }
  put(
    "INSERT OR REPLACE INTO minutes VALUES (?, ?, ?, ?, ?, ?)",
    minutes.map((minute) => [minute.at, minute.requests, minute.errors, minute.mean, minute.stddev, minute.trigger]),
  );
}

function prune(database: Database, now: EpochMs): void {
  database.run("DELETE FROM minutes WHERE at < ?", [now - MINUTES_KEPT_MS]);
  database.run("DELETE FROM points WHERE at < ?", [now - POINTS_KEPT_MS]);
  database.run("DELETE FROM visit_hours WHERE hour <= ?", [Math.floor(now / 3_600_000) - 24]);
  const count = database.query<{ n: number }, []>("SELECT count(*) AS n FROM offences").get()!.n;
  if (count > MOST_OFFENCES)
    database.run("DELETE FROM offences WHERE source IN (SELECT source FROM offences ORDER BY last_at LIMIT ?)", [
      count - MOST_OFFENCES,
    ]);
}

/** There are few, and they change by hand: all of them each time. */
function writePermits(database: Database, permits: readonly Permit[]): void {
  database.run("DELETE FROM permits");
  const put = database.query("INSERT INTO permits VALUES (?, ?, ?, ?, ?, ?)");
  for (const [place, { source, since, until, by, note }] of permits.entries())
    put.run(source, place, since, until === "permanent" ? null : until, by, note ?? null);
}

/** A person's word is known nowhere else: what could not be read at the start stays, unless there is a newer one. */
function laidOver(before: readonly Permit[], since: readonly Permit[]): Permit[] {
  const renewed = new Set(since.map(({ source }) => source));
  return [...before.filter(({ source }) => !renewed.has(source)), ...since];
}

function permitOfRow(row: Row): Permit {
  return {
    source: sourceOfRow(row),
    since: Number(row.since),
    until: row.until === null ? "permanent" : Number(row.until),
    by: String(row.said_by),
    note: row.note === null ? undefined : String(row.note),
  };
}

function banOfRow(row: Row): RememberedBan | null {
  const cause = JSON.parse(String(row.cause)) as Ban["cause"];
  const enforcement = String(row.enforcement) as RememberedBan["enforcement"];
  if (!["source", "manual", "adopted"].includes(cause.scope)) return null;
  if (!["pending", "in-force", "dry-run", "failed"].includes(enforcement)) return null;
  const ban: Ban = {
    source: sourceOfRow(row),
    banCount: Number(row.ban_count),
    since: Number(row.since),
    until: row.until === null ? "permanent" : Number(row.until),
    cause,
  };
  const ending = row.ending === null ? null : (JSON.parse(String(row.ending)) as Ending);
  return { ban, enforcement, ending };
}

function offenceOfRow(row: Row): Offence {
  return { source: sourceOfRow(row), banCount: Number(row.ban_count), lastAt: Number(row.last_at) };
}

function minuteOfRow(row: Row): Minute {
  const { at, requests, errors, mean, stddev, trigger } = row as unknown as Minute;
  return { at, requests, errors, mean, stddev, trigger };
}

function spanOfRow(row: Row, step: number, to: EpochMs): HistorySpan {
  const seconds = 60 * Number(row.minutes);
  return {
    at: Math.min(to, (Number(row.span) + 1) * step),
    rate: Number(row.requests) / seconds,
    errorRate: Number(row.errors) / seconds,
    peak: Number(row.busiest) / 60,
    mean: Number(row.mean),
    stddev: Number(row.stddev),
    trigger: Number(row.trigger),
  };
}

/** Only a canonical address or range may ever reach the firewall, whoever wrote the file. */
function sourceOfRow(row: Row): Source {
  const source = parseSource(String(row.source));
  if (source === null || source !== row.source) throw new TypeError("not a source");
  return source;
}

function describe(doing: string, path: string, error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  const hint = HINTS[code ?? ""];
  return `${doing} ${path}: ${message ?? String(error)}${hint === undefined ? "" : ` (${hint})`}`;
}

const HINTS: Readonly<Record<string, string>> = {
  SQLITE_FULL: "the disk is full",
  SQLITE_READONLY: "is the path among the unit's ReadWritePaths, and may this user write there?",
  SQLITE_CANTOPEN: "may this user write in its directory?",
  SQLITE_BUSY: "another process holds it; does a second detector run?",
  EACCES: "may this user write there?",
  EPERM: "may this user write there?",
  EROFS: "the file system is read-only; is the path among the unit's ReadWritePaths?",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is a file",
};
