/** Brings a database to the schema of this program, one version at a time. */
import type { Database } from "bun:sqlite";
import { first } from "./migrations/001-first.ts";
import { slowTargets } from "./migrations/002-slow-targets.ts";
import { breaker } from "./migrations/003-breaker.ts";
import { permits } from "./migrations/004-permits.ts";

/** One step of the schema: what makes version `version` out of the one before. */
export interface Migration {
  readonly version: number;
  readonly statements: readonly string[];
}

/** In order of version, from 1, without a gap. */
export const MIGRATIONS: readonly Migration[] = [first, slowTargets, breaker, permits];

/** The version in a database's header (PRAGMA user_version); 0 for an empty file. */
export function versionOf(database: Database): number {
  return database.query<{ user_version: number }, []>("PRAGMA user_version").get()!.user_version;
}

/** Runs every migration that is missing, each in its own transaction: a crash leaves a whole version behind. */
export function migrate(database: Database, migrations: readonly Migration[] = MIGRATIONS): void {
  for (const { version, statements } of migrations.filter(({ version }) => version > versionOf(database))) {
    database.transaction(() => {
      for (const statement of statements) database.run(statement);
      database.run(`PRAGMA user_version = ${version}`);
    })();
  }
}
