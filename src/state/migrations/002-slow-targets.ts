import type { Migration } from "../migrate.ts";

/** What a source asked for when it last tried a known weakness: the same again is no second failure. */
export const slowTargets: Migration = {
  version: 2,
  statements: ["ALTER TABLE slow_failures ADD COLUMN target INTEGER NOT NULL DEFAULT 0"],
};
