import type { Migration } from "../migrate.ts";

/** Who is not banned by a person's word, besides the configuration's list. `until` is NULL for good. */
export const permits: Migration = {
  version: 4,
  statements: [
    `CREATE TABLE permits (
      source TEXT PRIMARY KEY,
      place INTEGER NOT NULL,
      since REAL NOT NULL,
      until REAL,
      said_by TEXT NOT NULL,
      note TEXT
    ) WITHOUT ROWID`,
  ],
};
