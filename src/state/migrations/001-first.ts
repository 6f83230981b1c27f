import type { Migration } from "../migrate.ts";

/** Before: an empty file. After: everything the first release remembers. */
export const first: Migration = {
  version: 1,
  statements: [
    // The ledger. `until` is NULL for permanent; `ending` holds an unban that the firewall has not confirmed yet.
    `CREATE TABLE bans (
      source TEXT PRIMARY KEY,
      ban_count INTEGER NOT NULL,
      since REAL NOT NULL,
      until REAL,
      cause TEXT NOT NULL,
      enforcement TEXT NOT NULL,
      ending TEXT
    ) WITHOUT ROWID`,
    `CREATE TABLE offences (source TEXT PRIMARY KEY, ban_count INTEGER NOT NULL, last_at REAL NOT NULL) WITHOUT ROWID`,
    // One row: the tail's places and the small parts of what was learned up to it. Always written with the rest.
    `CREATE TABLE checkpoint (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL, places TEXT NOT NULL, engine TEXT)`,
    // The baseline's per-second ring, and the visits of the last 24 absolute hours.
    `CREATE TABLE seconds (slot INTEGER PRIMARY KEY, requests REAL NOT NULL, errors REAL NOT NULL)`,
    `CREATE TABLE visit_hours (hour INTEGER PRIMARY KEY, visits TEXT NOT NULL)`,
    `CREATE TABLE trust (source TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE slow_failures (source TEXT PRIMARY KEY, level REAL NOT NULL, at REAL NOT NULL) WITHOUT ROWID`,
    // Charts: the last half hour in points, thirty days in minutes.
    `CREATE TABLE points (at REAL PRIMARY KEY, point TEXT NOT NULL) WITHOUT ROWID`,
    `CREATE TABLE minutes (
      at INTEGER PRIMARY KEY,
      requests INTEGER NOT NULL,
      errors INTEGER NOT NULL,
      mean REAL NOT NULL,
      stddev REAL NOT NULL,
      "trigger" REAL NOT NULL
    )`,
    // Slack messages on their way, in order.
    `CREATE TABLE outbox (id TEXT PRIMARY KEY, place INTEGER NOT NULL, message TEXT NOT NULL) WITHOUT ROWID`,
  ],
};
