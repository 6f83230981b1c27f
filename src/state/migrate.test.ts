import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { MIGRATIONS, type Migration, migrate, versionOf } from "./migrate.ts";

const CURRENT = MIGRATIONS.at(-1)!.version;

/** The tables and their columns, however they came to be. */
function schemaOf(database: Database): unknown {
  const tables = database.query<{ name: string }, []>(
    "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
  );
  return tables.all().map(({ name }) => [name, database.query(`PRAGMA table_info(${name})`).all()]);
}

function upTo(version: number): Database {
  const database = new Database(":memory:");
  migrate(
    database,
    MIGRATIONS.filter((migration) => migration.version <= version),
  );
  return database;
}

test("the versions count from one without a gap", () => {
  expect(MIGRATIONS.map((migration) => migration.version)).toEqual(MIGRATIONS.map((_, i) => i + 1));
});

describe("from every earlier version", () => {
  for (let version = 0; version <= CURRENT; version++) {
    test(`version ${version} becomes version ${CURRENT}`, () => {
      const database = upTo(version);
      expect(versionOf(database)).toBe(version);
      const tables = ["bans", "offences", "minutes", "outbox"];
      if (version > 0)
        for (const table of tables) {
          const columns = database.query<{ type: string }, []>(`PRAGMA table_info(${table})`).all();
          const values = columns.map(({ type }, i) => (type === "TEXT" ? `text ${i}` : i));
          database.query(`INSERT INTO ${table} VALUES (${values.map(() => "?").join()})`).run(...values);
        }
      const rows = () => tables.map((table) => database.query(`SELECT * FROM ${table}`).all());
      const before = version > 0 ? rows() : tables.map(() => []);
      migrate(database);
      expect(versionOf(database)).toBe(CURRENT);
      expect(rows()).toEqual(before);
      expect(schemaOf(database)).toEqual(schemaOf(upTo(CURRENT)));
      migrate(database);
      expect(versionOf(database)).toBe(CURRENT);
    });
  }
});

test("a step that fails leaves the version before it, whole", () => {
  const steps: Migration[] = [
    { version: 1, statements: ["CREATE TABLE a (x)", "INSERT INTO a VALUES (1)"] },
    { version: 2, statements: ["CREATE TABLE b (x)", "INSERT INTO nowhere VALUES (1)"] },
  ];
  const database = new Database(":memory:");
  expect(() => migrate(database, steps)).toThrow("nowhere");
  expect(versionOf(database)).toBe(1);
  expect(schemaOf(database)).toHaveLength(1);
  migrate(database, [steps[0]!, { version: 2, statements: ["ALTER TABLE a ADD COLUMN y DEFAULT 7"] }]);
  expect(database.query("SELECT * FROM a").all()).toEqual([{ x: 1, y: 7 }]);
});

test("what version 2 remembered is there in version 3: bans, trust, what was learned; the breaker's minute is empty", () => {
  const database = upTo(2);
  database.run("INSERT INTO bans VALUES ('203.0.113.1', 2, 5, NULL, '{}', 'in-force', NULL)");
  database.run("INSERT INTO trust VALUES ('203.0.113.2', 77)");
  database.run(`INSERT INTO checkpoint VALUES (1, 9, '[]', '{"now":8,"counters":{"records":3}}')`);
  migrate(database, MIGRATIONS.slice(0, 3));
  expect(database.query("SELECT source, ban_count FROM bans").all()).toEqual([{ source: "203.0.113.1", ban_count: 2 }]);
  expect(database.query("SELECT * FROM trust").all()).toEqual([{ source: "203.0.113.2", until: 77, since: 0 }]);
  const calm = { isOpen: false, wishes: [] };
  const { engine } = database.query<{ engine: string }, []>("SELECT engine FROM checkpoint").get()!;
  expect(JSON.parse(engine)).toEqual({
    now: 8,
    counters: { records: 3 },
    breaker: calm,
    crowdBreaker: calm,
    withheld: [],
  });
});

test.each([
  ["nothing learned yet", null],
  ["text that is no JSON", "{"],
])("a checkpoint of version 2 with %s does not stop the step to version 3", (_, engine) => {
  const database = upTo(2);
  database.run("INSERT INTO checkpoint VALUES (1, 9, '[]', ?)", [engine]);
  migrate(database);
  expect(database.query("SELECT engine FROM checkpoint").get()).toEqual({ engine });
});
