/** When what is written, and what the next run makes of it. The store is real; tail, firewall and Slack are not. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { config, MINUTE, record, START, visitor } from "../../test/records.ts";
import { createParser } from "../accesslog/parse.ts";
import { ManualClock } from "../clock.ts";
import type { Outcome } from "../decision.ts";
import { Effects } from "../effects.ts";
import { Engine } from "../engine.ts";
import { FakeFirewall } from "../firewall/fake.ts";
import type { FirewallEntry } from "../firewall/firewall.ts";
import { FirewallWorker } from "../firewall/worker.ts";
import { parseSource, type Source } from "../net/cidr.ts";
import type { QueuedMessage } from "../notify/queue.ts";
import { Memory } from "./memory.ts";

const source = (text: string): Source => parseSource(text)!;
const ATTACKER = source("203.0.113.9");
const parser = createParser({ fields: {} });

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-memory-"));
  path = join(directory, "state.db");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** The rows as another process sees them: what is committed. */
function rows(sql: string): Record<string, unknown>[] {
  const database = new Database(path, { readonly: true });
  const found = database.query<Record<string, unknown>, []>(sql).all();
  database.close();
  return found;
}

/** One run of the daemon, as far as memory is concerned. */
class Run {
  readonly clock: ManualClock;
  readonly engine: Engine;
  readonly memory: Memory;
  readonly effects: Effects;
  readonly worker: FirewallWorker;
  readonly told: Outcome[] = [];
  readonly pending: QueuedMessage[] = [];
  /** What the database said of the attacker when the firewall was asked, and when the outcome was told. */
  readonly whenAsked: unknown[] = [];
  readonly whenTold: unknown[] = [];
  readonly tail = { offset: 100, lines: 1, rotatedOpen: 0, rotations: 0, unreadBytes: 0 };

  /** `isStarting`: it never came as far as to the log. `fail`: the first bans that the firewall refuses. */
  constructor(now = START, { isStarting = false, fail = 0 } = {}) {
    const { clock, engine } = { clock: new ManualClock(now), engine: new Engine(config()) };
    this.clock = clock;
    this.engine = engine;
    this.memory = new Memory({ path, clock, engine });
    const firewall = new FakeFirewall(() => clock.now());
    if (fail > 0) firewall.failNext("ban", "ipset exited 1: refused", fail);
    const ask = firewall.ban.bind(firewall);
    firewall.ban = async (entries: readonly FirewallEntry[]) => {
      this.whenAsked.push(...rows("SELECT source, enforcement FROM bans"));
      await ask(entries);
    };
    this.worker = new FirewallWorker(firewall, clock, (result) => this.effects.onResult(result));
    this.effects = new Effects({
      clock,
      worker: this.worker,
      journal: this.memory.journal,
      sinks: [
        (outcome) => engine.settle(outcome),
        this.memory.sink,
        (outcome) => {
          this.told.push(outcome);
          // The audit log writes in a later turn.
          setImmediate(() => this.whenTold.push(...rows("SELECT source, enforcement FROM bans")));
        },
      ],
      onEscalated: () => {},
    });
    if (isStarting) return;
    this.memory.watch({
      queue: { pending: () => [...this.pending] },
      tail: {
        position: () => ({ inode: 1, device: 1, offset: this.tail.offset, fingerprint: `f${this.tail.offset}` }),
        status: () => this.tail as never,
      },
    });
  }

  ban(of = ATTACKER): void {
    this.engine.ban(of, { scope: "manual", at: this.clock.now(), by: "ada" }, undefined, this.effects.submit);
  }

  async settled(): Promise<void> {
    await this.worker.idle();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** The process is gone: nothing of it is written any more. */
  die(): void {
    this.worker.stop();
  }
}

const message = (id: string): QueuedMessage => ({
  id,
  message: { text: `<${id}>`, blocks: [] },
  tally: { bans: 1 },
  messages: 1,
  queuedAt: START,
});

describe("the order of things", () => {
  test("a ban is in the database before the firewall is asked, and done in it before anybody is told", async () => {
    const run = new Run();
    run.ban();
    await run.settled();
    expect(run.whenAsked).toEqual([{ source: ATTACKER, enforcement: "pending" }]);
    expect(run.told).toHaveLength(1);
    expect(run.whenTold).toEqual([{ source: ATTACKER, enforcement: "in-force" }]);
    expect(rows("SELECT source, ban_count FROM offences")).toEqual([{ source: ATTACKER, ban_count: 1 }]);
  });

  test("an unban keeps its row until the firewall has done it", async () => {
    const run = new Run();
    run.ban();
    await run.settled();
    run.engine.unban(ATTACKER, START, "ada", false, run.effects.submit);
    await Promise.resolve();
    expect(JSON.parse(String(rows("SELECT ending FROM bans")[0]!.ending))).toEqual({
      at: START,
      why: "manual",
      by: "ada",
    });
    await run.settled();
    expect(rows("SELECT * FROM bans")).toEqual([]);
    expect(rows("SELECT ban_count FROM offences")).toEqual([{ ban_count: 1 }]);
  });

  test("a message is saved together with the outcome it tells about; its delivery with the next save", async () => {
    const run = new Run();
    run.pending.push(message("a"));
    run.ban();
    await run.settled();
    expect(rows("SELECT id FROM outbox")).toEqual([{ id: "a" }]);
    run.memory.save();
    run.pending.length = 0;
    run.memory.save();
    expect(rows("SELECT id FROM outbox")).toEqual([]);
  });

  test("forgotten offences are gone with the next save, unless there are new ones", async () => {
    const run = new Run();
    const other = source("203.0.113.10");
    run.memory.save();
    for (const of of [ATTACKER, other]) run.ban(of);
    await run.settled();
    for (const of of [ATTACKER, other]) run.engine.unban(of, START, "ada", true, run.effects.submit);
    run.ban(other);
    await run.settled();
    run.memory.save();
    expect(rows("SELECT source FROM offences")).toEqual([{ source: other }]);
  });
});

describe("the next run", () => {
  test("knows the bans, tells nobody again, and confirms them once the firewall holds them", async () => {
    const first = new Run();
    first.memory.save();
    first.ban();
    await first.settled();
    first.die();
    const next = new Run(START + MINUTE);
    expect(next.memory.isLost).toBe(false);
    expect(next.memory.unfinished(true)).toEqual([]);
    expect(next.engine.banOf(ATTACKER)).toMatchObject({ enforcement: "pending", ban: { since: START } });
    next.memory.confirm(next.effects, false);
    expect(next.engine.banOf(ATTACKER)!.enforcement).toBe("in-force");
  });

  test("carries out what was decided and never confirmed", async () => {
    const first = new Run(START, { fail: 50 });
    first.memory.save();
    first.ban();
    await first.settled();
    expect(first.told.map(({ result }) => result)).toEqual(["failed"]);
    first.die();
    const next = new Run(START + MINUTE);
    for (const decision of next.memory.unfinished(true)) next.effects.submit(decision);
    next.memory.confirm(next.effects, false);
    expect(next.engine.banOf(ATTACKER)!.enforcement).toBe("pending");
    await next.settled();
    expect(next.told.map(({ result }) => result)).toEqual(["done"]);
    expect(next.engine.banOf(ATTACKER)!.enforcement).toBe("in-force");
  });

  test("adopts what the firewall holds only when nothing was ever written in full", async () => {
    const first = new Run(START, { isStarting: true });
    expect(first.memory.isLost).toBe(true);
    first.ban();
    await first.settled();
    first.die();
    const second = new Run();
    expect(second.memory.isLost).toBe(true);
    expect(second.engine.banCount).toBe(1);
    expect(new Run().memory.isLost).toBe(false);
  });

  test("misses in the audit log only bans of the last minute, of those that were told", async () => {
    const first = new Run();
    first.engine.tick(START, () => {});
    first.memory.save();
    first.ban();
    await first.settled();
    await first.clock.advance(10 * MINUTE);
    first.engine.tick(START + 5 * MINUTE, () => {});
    const late = source("203.0.113.10");
    first.ban(late);
    await first.settled();
    first.memory.close();
    const next = new Run(START + 11 * MINUTE);
    expect(next.memory.unaudited(() => true)).toEqual([]);
    expect(next.memory.unaudited(() => false)).toMatchObject([
      { decision: { kind: "ban", ban: { source: late } }, result: "done" },
    ]);
  });

  test("sends the messages that were waiting; what is no message is left out", () => {
    const first = new Run();
    first.pending.push(message("a"), { id: "b" } as QueuedMessage, message("c"));
    first.memory.save();
    expect(new Run().memory.outbox.map(({ id }) => id)).toEqual(["a", "c"]);
  });
});

describe("permits", () => {
  const allow = ({ engine, clock, effects }: Run, range: string) =>
    engine.allow({ source: source(range), since: clock.now(), until: "permanent", by: "ada" }, effects.submit);
  const permitted = ({ engine }: Run) => engine.permits().map((permit) => String(permit.source));

  test("are in the database before anybody is told, given and taken back", async () => {
    const run = new Run();
    allow(run, "198.51.100.7");
    await Promise.resolve();
    expect(rows("SELECT source FROM permits")).toEqual([{ source: "198.51.100.7" }]);
    run.engine.disallow(source("198.51.100.7"), run.clock.now(), "ada", run.effects.submit);
    await Promise.resolve();
    expect(rows("SELECT source FROM permits")).toEqual([]);
    expect(run.told.map(({ decision }) => decision.kind)).toEqual(["permit", "permit"]);
  });

  test("given while the file cannot be written are in it once it can", async () => {
    const run = new Run();
    const other = new Database(path);
    other.run("BEGIN IMMEDIATE");
    allow(run, "198.51.100.7");
    await run.settled();
    other.run("ROLLBACK");
    other.close();
    expect(rows("SELECT source FROM permits")).toEqual([]);
    await run.clock.advance(5000);
    run.memory.save();
    expect(permitted(new Run())).toEqual(["198.51.100.7"]);
  });

  test("that could not be read at the start count once they can, before those given since", async () => {
    const first = new Run();
    allow(first, "198.51.100.7");
    allow(first, "198.51.100.8");
    await first.settled();
    first.memory.close();
    renameSync(path, `${path}.away`);
    mkdirSync(path);
    const second = new Run();
    rmdirSync(path);
    renameSync(`${path}.away`, path);
    allow(second, "198.51.100.9");
    allow(second, "198.51.100.8");
    await second.settled();
    for (let i = 0; i < 2; i++) {
      await second.clock.advance(5000);
      second.memory.save();
    }
    expect(permitted(second).sort()).toEqual(["198.51.100.7", "198.51.100.8", "198.51.100.9"]);
    second.memory.close();
    expect(permitted(new Run()).sort()).toEqual(["198.51.100.7", "198.51.100.8", "198.51.100.9"]);
  });
});

describe("what was learned", () => {
  const places = () =>
    JSON.parse(String(rows("SELECT places FROM checkpoint")[0]!.places)) as {
      position: { offset: number };
      refill: number;
    }[];
  const at = () => rows("SELECT at FROM checkpoint")[0]?.at;

  /** Some lines are read. */
  function read(run: Run, lines: number): void {
    for (let i = 0; i < lines; i++) run.engine.observe(record({ at: run.clock.now(), source: visitor(i) }), () => {});
    run.tail.lines += lines;
    run.tail.offset += lines * 100;
  }

  test("is saved each five seconds while lines come, each thirty in silence, and soon after something was told", async () => {
    const run = new Run();
    expect(at()).toBe(START);
    for (const [afterMs, lines, saved] of [
      [4000, 5, START],
      [1000, 5, START + 5000],
      [10_000, 0, START + 5000],
      [19_000, 0, START + 5000],
      [1000, 0, START + 35_000],
    ] as const) {
      await run.clock.advance(afterMs);
      read(run, lines);
      run.memory.save();
      expect(at()).toBe(saved);
    }
    await run.clock.advance(1000);
    run.memory.sink({ decision: { kind: "baseline" } as never, result: "done", at: START });
    run.memory.save();
    expect(at()).toBe(START + 36_000);
  });

  test("while a rotated file may still grow, the place stays before the rotation; the lines since then are counted", async () => {
    const run = new Run();
    await run.clock.advance(6000);
    read(run, 3);
    run.memory.save();
    await run.clock.advance(6000);
    Object.assign(run.tail, { rotatedOpen: 1, rotations: 1, offset: 0, lines: run.tail.lines + 4 });
    run.memory.save();
    expect(places().at(-1)).toMatchObject({ position: { offset: 400 }, refill: 4 });
    await run.clock.advance(6000);
    read(run, 2);
    run.memory.save();
    expect(places().at(-1)).toMatchObject({ position: { offset: 200 }, refill: 0 });
  });

  test("a place that cannot be found any more is handed to the tail all the same, and nothing waits for old lines", async () => {
    const first = new Run();
    await first.clock.advance(5000);
    read(first, 3);
    first.memory.save();
    const next = new Run();
    const log = join(directory, "access.log");
    writeFileSync(log, "something else\n");
    expect(next.memory.resume(log, parser)).toMatchObject({ offset: 400 });
    expect(next.memory.window(Buffer.from("x\n"), 0, 2)).toBe(0);
    expect(next.engine.save(false)).not.toBeNull();
  });

  test("nothing is saved with lines whose place was never seen", async () => {
    const run = new Run();
    const blind = new Memory({ path: join(directory, "other.db"), clock: run.clock, engine: run.engine });
    const tail = { position: () => null as never, status: () => ({ ...run.tail, lines: 7, rotatedOpen: 1 }) as never };
    blind.watch({ tail, queue: { pending: () => [] } });
    await run.clock.advance(60_000);
    read(run, 3);
    tail.position = () => ({ inode: 1, device: 1, offset: 0, fingerprint: "" }) as never;
    blind.save();
    expect(blind.status().lastSavedAt).toBe(START);
  });
});
