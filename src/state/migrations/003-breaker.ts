import type { Migration } from "../migrate.ts";

/** Before: a restart began a new minute of the circuit breaker, and did not know since when a source is trusted. */
export const breaker: Migration = {
  version: 3,
  statements: [
    // 0: longer ago than anybody asks.
    `ALTER TABLE trust ADD COLUMN since REAL NOT NULL DEFAULT 0`,
    `UPDATE checkpoint
      SET engine = json_set(
        engine,
        '$.breaker', json('{"isOpen":false,"wishes":[]}'),
        '$.crowdBreaker', json('{"isOpen":false,"wishes":[]}'),
        '$.withheld', json('[]')
      )
      WHERE json_valid(engine)`,
  ],
};
