/** The database: what goes in comes out, one transaction at a time, and what a bad file does. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { config, DAY, HOUR, MINUTE, record, SECOND, START, visitor } from "../../test/records.ts";
import type { Ban } from "../decision.ts";
import { Engine } from "../engine.ts";
import { parseSource, type Source } from "../net/cidr.ts";
import { MIGRATIONS } from "./migrate.ts";
import type { Checkpoint, Place, RememberedBan } from "./snapshot.ts";
import { type Changes, type Everything, openStore, type Store } from "./store.ts";

let directory: string;
let path: string;
let store: Store;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-state-"));
  path = join(directory, "state", "state.db");
  store = openStore(path, START);
});

afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true, force: true });
});

const source = (text: string): Source => parseSource(text)!;

function ban(text: string, over: Partial<Ban> = {}): Ban {
  const cause = { scope: "manual" as const, at: START, by: "ada", note: "'); DROP TABLE bans; --" };
  return { source: source(text), banCount: 1, since: START, until: START + 10 * MINUTE, cause, ...over };
}

const remembered = (ban: Ban, over: Partial<RememberedBan> = {}): RememberedBan => ({
  ban,
  enforcement: "in-force",
  ending: null,
  ...over,
});

const changes = (over: Partial<Changes>): Changes => ({
  isUrgent: false,
  decided: [],
  settled: [],
  ended: [],
  forgotten: [],
  permits: null,
  outbox: null,
  ...over,
});

const everything = (over: Partial<Everything> = {}): Everything => ({
  bans: [],
  offences: [],
  forgotten: [],
  permits: [],
  checkpoint: null,
  outbox: [],
  ...over,
});

const PLACES: Place[] = [
  { position: { inode: 7, offset: 0, fingerprint: "" }, refill: 12 },
  { position: { inode: 7, offset: 4096, fingerprint: "aGVsbG8=" }, refill: 0 },
];

/** An engine that has seen some minutes of a small site. */
function learned(seconds = 300): Engine {
  const engine = new Engine(config({ detection: { profile: "adaptive" } }));
  for (let s = 0; s < seconds; s++)
    for (let i = 0; i < 4; i++)
      engine.observe(record({ at: START + s * SECOND + i * 200, source: visitor(i * 7 + (s % 5)) }), () => {});
  return engine;
}

const checkpoint = (engine: Engine, whole: boolean): Checkpoint => ({
  at: START,
  whole,
  places: PLACES,
  engine: engine.save(whole)!,
});

/** The same file, opened by the next run. */
function reopened(): Store {
  store.close();
  store = openStore(path, START + MINUTE);
  return store;
}

describe("bans", () => {
  test("a decided ban comes back whole, hostile text and all; what became of it, too", () => {
    const one = ban("203.0.113.9");
    const two = ban("2001:db8:66:1::/64", { banCount: 4, until: "permanent", since: START + 1 });
    store.saveChanges(
      changes({ isUrgent: true, decided: [remembered(one, { enforcement: "pending" }), remembered(two)] }),
      START,
    );
    store.saveChanges(changes({ settled: [{ source: one.source, enforcement: "in-force" }] }), START);
    const { bans, offences } = reopened().load();
    expect(bans).toEqual([remembered(one), remembered(two)]);
    expect(offences).toEqual([
      { source: one.source, banCount: 1, lastAt: START },
      { source: two.source, banCount: 4, lastAt: START + 1 },
    ]);
  });

  test("an unban stays until the firewall has done it; the offence stays for good, unless it is forgotten", () => {
    const one = ban("203.0.113.9");
    const ending = { at: START + 5, why: "manual" as const, by: "ada" };
    store.saveChanges(changes({ decided: [remembered(one)] }), START);
    store.saveChanges(changes({ decided: [remembered(one, { ending })] }), START);
    expect(reopened().load().bans).toEqual([remembered(one, { ending })]);
    store.saveChanges(changes({ ended: [one.source] }), START);
    expect(reopened().load()).toMatchObject({ bans: [], offences: [{ source: one.source, banCount: 1 }] });
    store.saveChanges(changes({ forgotten: [one.source] }), START);
    expect(reopened().load().offences).toEqual([]);
  });

  test("an outcome that comes after a newer word does not touch it", () => {
    const one = ban("203.0.113.9");
    const again = ban("203.0.113.9", { banCount: 2, since: START + 9 });
    const ending = { at: START + 5, why: "expired" as const };
    store.saveChanges(changes({ decided: [remembered(one, { ending })] }), START);
    store.saveChanges(changes({ settled: [{ source: one.source, enforcement: "failed" }] }), START);
    expect(store.load().bans[0]).toMatchObject({ enforcement: "in-force", ending });
    store.saveChanges(changes({ decided: [remembered(again, { enforcement: "pending" })] }), START);
    store.saveChanges(changes({ ended: [one.source] }), START);
    expect(store.load().bans).toEqual([remembered(again, { enforcement: "pending" })]);
  });

  test("a row that no run of ours wrote does not reach the firewall, and does not hide the others", () => {
    store.saveChanges(changes({ decided: [remembered(ban("203.0.113.9"))] }), START);
    const other = new Database(path);
    const insert = other.query("INSERT INTO bans VALUES (?, 1, 1, NULL, ?, ?, NULL)");
    const cause = JSON.stringify({ scope: "manual", at: 1, by: "x" });
    insert.run("203.0.113.9; reboot", cause, "in-force");
    insert.run("::ffff:203.0.113.7", cause, "in-force");
    insert.run("203.0.113.77", "{", "in-force");
    insert.run("203.0.113.78", '{"scope":"?"}', "in-force");
    insert.run("203.0.113.79", cause, "sort of");
    other.close();
    expect(
      reopened()
        .load()
        .bans.map((row) => row.ban.source),
    ).toEqual([source("203.0.113.9")]);
    expect(store.status().failures).toBe(5);
  });

  test("20,000 of them are loaded in less than a second", () => {
    const bans = Array.from({ length: 20_000 }, (_, i) =>
      remembered(ban(`198.18.${i >> 8}.${i & 255}`, { since: START + i })),
    );
    store.rewrite(everything({ bans, offences: bans.map(({ ban }) => ({ ...ban, lastAt: ban.since })) }), START);
    const begun = performance.now();
    expect(reopened().load().bans).toHaveLength(20_000);
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});

describe("what was learned", () => {
  test("a checkpoint comes back with its place; the changes after it are laid over it", () => {
    const engine = learned();
    store.saveCheckpoint(checkpoint(engine, true));
    for (let s = 300; s < 700; s++) {
      engine.observe(record({ at: START + s * SECOND, source: visitor(3) }), () => {});
      if (s % 50 === 0) store.saveCheckpoint(checkpoint(engine, false));
    }
    store.saveCheckpoint({ ...checkpoint(engine, false), at: START + 700 * SECOND });
    const found = reopened().load().checkpoint!;
    expect(found.places).toEqual(PLACES);
    expect(found.at).toBe(START + 700 * SECOND);
    const expected = engine.save(true)!;
    const bySlot = (a: readonly number[], b: readonly number[]) => a[0]! - b[0]!;
    expect(found.engine!.baseline.ring.toSorted(bySlot)).toEqual(expected.baseline.ring.toSorted(bySlot));
    expect({ ...found.engine, baseline: null, minutes: null }).toEqual({
      ...expected,
      baseline: null,
      minutes: null,
    } as never);
  });

  test("one that cannot be read is forgotten, counted and told; the bans are not", () => {
    store.saveChanges(changes({ decided: [remembered(ban("203.0.113.9"))] }), START);
    store.saveCheckpoint(checkpoint(learned(), true));
    const other = new Database(path);
    other.run("DELETE FROM seconds WHERE slot = 17");
    other.close();
    const { bans, checkpoint: found } = reopened().load();
    expect(found).toBeNull();
    expect(bans).toHaveLength(1);
    expect(store.status()).toMatchObject({ failures: 1, lastError: expect.stringContaining("baseline is missing") });
  });

  test("minutes are kept for thirty days, points for half an hour", () => {
    const engine = learned(4000);
    store.saveCheckpoint(checkpoint(engine, true));
    const minutes = (from: number) => store.spans(from, START + 40 * DAY, MINUTE);
    const total = minutes(START).reduce((sum, { rate }) => sum + rate * 60, 0);
    expect(total).toBeCloseTo(4 * 3999, 3);
    for (let day = 1; day <= 31; day++) {
      const at = START + day * 86_400_000;
      for (let i = 0; i < 3; i++) engine.observe(record({ at: at + i * SECOND }), () => {});
      store.saveCheckpoint({ ...checkpoint(engine, false), at });
    }
    const kept = minutes(0);
    expect(kept.every(({ at }) => at > START + DAY)).toBe(true);
    expect(kept.filter(({ rate }) => rate > 0).length).toBeGreaterThanOrEqual(29);
  });

  test("spans have the mean and the busiest minute; idle minutes count, those nobody looked at do not", () => {
    const engine = learned(5);
    engine.tick(START + 10 * MINUTE, () => {});
    store.saveCheckpoint(checkpoint(engine, true));
    const later = new Engine(config({ detection: { profile: "adaptive" } }));
    later.recall(engine.save(true)!, START + 40 * MINUTE);
    later.resume();
    for (let s = 0; s < 120; s++) later.observe(record({ at: START + 40 * MINUTE + s * SECOND }), () => {});
    store.saveCheckpoint(checkpoint(later, false));
    expect(store.spans(START, START + HOUR, 10 * MINUTE).map(({ at, rate, peak }) => [at - START, rate, peak])).toEqual(
      [
        [10 * MINUTE, 20 / 600, 20 / 60],
        [20 * MINUTE, 0, 0],
        [50 * MINUTE, 119 / 120, 1],
      ],
    );
    const [cut] = store.spans(START, START + 5 * MINUTE, 10 * MINUTE);
    expect([cut!.at - START, cut!.rate]).toEqual([5 * MINUTE, 20 / 300]);
    expect([cut!.mean, cut!.trigger].every((n) => n > 0)).toBe(true);
    expect(store.spans(START + 20 * MINUTE, START + 40 * MINUTE, MINUTE)).toEqual([]);
    expect(later.status().history.filter(({ at }) => at > START + 11 * MINUTE && at <= START + 40 * MINUTE)).toEqual(
      [],
    );
  });
});

test("the outbox keeps its order and is replaced as a whole", () => {
  const items = ["c", "a", "b"].map((id) => ({ id, message: { text: `<${id}>`, blocks: [] } }));
  store.saveChanges(changes({ outbox: items }), START);
  expect(reopened().load().outbox).toEqual(items);
  store.saveChanges(changes({ outbox: items.slice(1) }), START);
  expect(reopened().load().outbox).toEqual(items.slice(1));
});

describe("the file", () => {
  test("is made with its directory, readable by its group alone", () => {
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(statSync(join(directory, "state")).mode & 0o777).toBe(0o750);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o640);
  });

  test("is new until everything was written once: until then the firewall knows more", () => {
    expect(store.isNew).toBe(true);
    store.saveChanges(changes({ decided: [remembered(ban("203.0.113.9"))] }), START);
    expect(reopened().isNew).toBe(true);
    expect(store.isBehind).toBe(true);
    expect(store.rewrite(everything(), START)).toBe(true);
    expect(store.isBehind).toBe(false);
    expect(reopened().isNew).toBe(false);
  });

  test("leaves nothing but itself behind after a clean end", () => {
    store.rewrite(everything(), START);
    store.close();
    expect(readdirSync(join(directory, "state"))).toEqual(["state.db"]);
  });

  const spoilt = {
    "no database at all": () =>
      writeFileSync(path, "this is not a database, but it is long enough to be read as one\n".repeat(50)),
    "a page overwritten": () => {
      const bytes = new Uint8Array(4096).fill(0x5a);
      const file = Bun.file(path);
      const half = Math.floor(file.size / 4096 / 2) * 4096;
      const fd = openSync(path, "r+");
      for (let at = 4096; at <= half; at += 4096) writeSync(fd, bytes, 0, 4096, at);
      closeSync(fd);
    },
    "cut off": () => {
      truncateSync(path, 5000);
    },
  };
  for (const [what, spoil] of Object.entries(spoilt)) {
    test(`${what}: moved aside, begun anew, told`, () => {
      store.rewrite(
        everything({ bans: [remembered(ban("203.0.113.9"))], checkpoint: checkpoint(learned(), true) }),
        START,
      );
      store.close();
      spoil();
      store = openStore(path, START);
      expect(store.isNew).toBe(true);
      expect(store.load()).toEqual({ bans: [], offences: [], permits: [], checkpoint: null, outbox: [] });
      expect(store.status()).toMatchObject({
        lastError: null,
        setAside: { path: `${path}.corrupt-20260105T080000000Z` },
      });
      expect(existsSync(store.status().setAside!.path)).toBe(true);
      expect(store.rewrite(everything(), START)).toBe(true);
    });
  }

  test("permits come back in their order; a change replaces them all", () => {
    const permit = { source: source("198.51.100.0/24"), since: START, until: START + MINUTE, by: "ada", note: "x'y" };
    const other = { source: source("2001:db8::1"), since: START, until: "permanent" as const, by: "bob" };
    store.rewrite(everything({ permits: [permit] }), START);
    store.saveChanges(changes({ permits: [other, permit] }), START);
    store.saveChanges(changes({}), START);
    store.close();
    store = openStore(path, START);
    expect(store.load().permits).toEqual([other, permit]);
    store.rewrite(everything(), START);
    store.saveChanges(changes({ permits: [] }), START);
    expect(store.load().permits).toEqual([]);
  });

  test("of the first version: brought up to this one; what it had learned goes on", () => {
    const engine = learned();
    store.rewrite(everything({ bans: [remembered(ban("203.0.113.9"))], checkpoint: checkpoint(engine, true) }), START);
    store.close();
    const first = new Database(path);
    first.run("ALTER TABLE trust DROP COLUMN since");
    first.run("ALTER TABLE slow_failures DROP COLUMN target");
    first.run("UPDATE checkpoint SET engine = json_remove(engine, '$.breaker', '$.crowdBreaker', '$.withheld')");
    first.run("DROP TABLE permits");
    first.run("PRAGMA user_version = 1");
    first.close();
    store = openStore(path, START);
    expect(store.status()).toMatchObject({ lastError: null, setAside: null });
    const { bans, checkpoint: kept } = store.load();
    expect(bans.map((row) => row.ban.source as string)).toEqual(["203.0.113.9"]);
    const next = new Engine(config({ detection: { profile: "adaptive" } }));
    next.recall(kept!.engine!, START);
    next.resume();
    expect(next.status().site.baseline).toEqual(engine.status().site.baseline);
    expect(next.status().breaker).toMatchObject({ open: false, bansInMinute: 0 });
  });

  test("of a newer version: moved aside under that name, never changed", () => {
    store.rewrite(everything({ bans: [remembered(ban("203.0.113.9"))] }), START);
    store.close();
    const other = new Database(path);
    other.run("PRAGMA user_version = 99");
    other.close();
    store = openStore(path, START);
    const { setAside } = store.status();
    expect(setAside).toEqual({
      path: `${path}.newer-20260105T080000000Z`,
      why: `schema 99 is newer than this program's ${MIGRATIONS.length}`,
    });
    const kept = new Database(setAside!.path);
    expect(kept.query("SELECT source FROM bans").all()).toEqual([{ source: "203.0.113.9" }]);
    kept.close();
  });

  test("only the five latest that were moved aside are kept", () => {
    for (let i = 0; i < 8; i++) {
      store.close();
      writeFileSync(path, "x".repeat(9000));
      store = openStore(path, START + i * 1000);
    }
    const aside = readdirSync(join(directory, "state")).filter((name) => name.includes("corrupt"));
    expect(aside.sort()).toEqual([3, 4, 5, 6, 7].map((i) => `state.db.corrupt-20260105T08000${i}000Z`));
  });
});

describe("trouble while running", () => {
  test("a deleted file is noticed at the next write and written anew", () => {
    store.rewrite(everything(), START);
    rmSync(join(directory, "state"), { recursive: true });
    expect(store.saveChanges(changes({ decided: [remembered(ban("203.0.113.9"))] }), START)).toBe(true);
    expect(store.isBehind).toBe(true);
    store.rewrite(everything({ bans: [remembered(ban("203.0.113.9")), remembered(ban("203.0.113.10"))] }), START);
    expect(reopened().load().bans).toHaveLength(2);
  });

  test("a directory that cannot be made: it says so, forgets, tries again and recovers", () => {
    store.close();
    rmSync(join(directory, "state"), { recursive: true });
    writeFileSync(join(directory, "state"), "a file, where the directory should be");
    store = openStore(path, START);
    expect(store.isNew).toBe(true);
    expect(store.load()).toEqual({ bans: [], offences: [], permits: [], checkpoint: null, outbox: [] });
    expect(store.status().lastError).toMatch(/^open .*state\.db: .*(EEXIST|ENOTDIR)/);
    expect(store.saveChanges(changes({}), START)).toBe(false);
    rmSync(join(directory, "state"));
    // Not at once: each attempt may take a while.
    expect(store.rewrite(everything(), START + 4999)).toBe(false);
    expect(store.rewrite(everything(), START + 5000)).toBe(true);
    expect(store.status()).toMatchObject({ lastError: null, lastSavedAt: START + 5000 });
  });

  test("a database that another process holds fails within its patience and goes on afterwards", () => {
    store.rewrite(everything(), START);
    const other = new Database(path);
    other.run("BEGIN IMMEDIATE");
    const begun = performance.now();
    expect(store.saveChanges(changes({ decided: [remembered(ban("203.0.113.9"))] }), START)).toBe(false);
    expect(performance.now() - begun).toBeLessThan(1500);
    expect(store.status().lastError).toContain("does a second detector run?");
    other.run("COMMIT");
    other.close();
    expect(store.isBehind).toBe(true);
    expect(store.rewrite(everything({ bans: [remembered(ban("203.0.113.9"))] }), START + 6000)).toBe(true);
    expect(reopened().load().bans).toHaveLength(1);
  });

  test("a clock that was set back does not keep it from trying", () => {
    store.close();
    writeFileSync(path, "");
    rmSync(join(directory, "state"), { recursive: true });
    writeFileSync(join(directory, "state"), "");
    store = openStore(path, START);
    rmSync(join(directory, "state"));
    expect(store.rewrite(everything(), START - 3_600_000)).toBe(true);
  });
});
