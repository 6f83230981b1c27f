import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { source, sourceNumber } from "../../test/outcomes.ts";
import { SEED } from "../../test/records.ts";
import type { Source } from "../net/cidr.ts";
import { Mark } from "./event-ring.ts";
import { SourceTable } from "./source-table.ts";

/** A table with one request of each of the first `count` sources; returns their slots. */
function filled(table: SourceTable, count: number): number[] {
  return Array.from({ length: count }, (_, n) => {
    const slot = table.claim(sourceNumber(n % 60_000), 0);
    table.add(slot, 1, Mark.request);
    return slot;
  });
}

const WEIGHTS = { exploitWeight: 2, blatantWeight: 3 };

const empty = (table: SourceTable, slot: number) => {
  table.remove(slot, 1, Mark.request);
  return table.releaseIfEmpty(slot);
};

describe("SourceTable", () => {
  test("a source has one slot for as long as something of it is in a window", () => {
    const table = new SourceTable(1000, WEIGHTS);
    const slot = table.claim(sourceNumber(1), 0);
    table.add(slot, 1, Mark.request);
    expect(table.claim(sourceNumber(1), 0)).toBe(slot);
    expect(table.slotOf(sourceNumber(1))).toBe(slot);
    expect(table.sourceOf(slot)).toBe(sourceNumber(1));
    expect(empty(table, slot)).toBe(true);
    expect(table.slotOf(sourceNumber(1))).toBeUndefined();
    expect(table.size).toBe(0);
  });

  test.each([
    ["request", Mark.request, { requests: 1 }],
    ["error", Mark.request | Mark.error, { requests: 1, errors: 1 }],
    ["blamed", Mark.request | Mark.error | Mark.blamed, { requests: 1, errors: 1, blamed: 1 }],
    ["certain", Mark.certain, { certain: 1 }],
    ["exploit, with its weight", Mark.exploit, { certain: 2 }],
    ["probe", Mark.request | Mark.probe, { requests: 1, probes: 1 }],
    ["sibling", Mark.probe | Mark.sibling, { probes: 1, siblings: 1 }],
    ["excused", Mark.excused, { certain: -1 }],
  ] as const)("a mark counts where it should: %s", (_, marks, expected) => {
    const table = new SourceTable(1000, WEIGHTS);
    const slot = table.claim(sourceNumber(1), 0);
    const counts = () => {
      const { rows } = table;
      return [rows.requests(slot), rows.errors(slot), rows.blamed(slot), rows.certain(slot)].concat([
        rows.probes(slot),
        rows.siblings(slot),
      ]);
    };
    table.add(slot, 0.25, marks);
    const all = { requests: 0, errors: 0, blamed: 0, certain: 0, probes: 0, siblings: 0, ...expected };
    expect(counts()).toEqual(Object.values(all));
    expect(table.rows.cost(slot)).toBe(0.25);
    table.remove(slot, 0.25, marks);
    expect(counts()).toEqual([0, 0, 0, 0, 0, 0]);
    expect(table.rows.cost(slot)).toBe(0);
  });

  test("100,000 sources one after another use one slot and no memory beyond it", () => {
    const table = new SourceTable(1000, WEIGHTS);
    const { doubles } = table.rows;
    for (let n = 0; n < 100_000; n++) {
      const [slot] = [table.claim(sourceNumber(n % 60_000), 0)];
      table.add(slot, 1, Mark.request);
      expect(slot).toBe(0);
      empty(table, slot);
    }
    expect(table.size).toBe(0);
    expect(table.rows.doubles).toBe(doubles);
  });

  test("more sources than it began with room for", () => {
    const table = new SourceTable(10_000, WEIGHTS);
    const slots = filled(table, 3000);
    expect(new Set(slots).size).toBe(3000);
    slots.forEach((slot, n) => {
      expect([table.sourceOf(slot), table.rows.requests(slot)]).toEqual([sourceNumber(n), 1]);
    });
    for (const slot of slots) empty(table, slot);
    expect(table.size).toBe(0);
  });

  test("a forgotten source gives its slot back at once, and nothing of it is left there", () => {
    const table = new SourceTable(1000, WEIGHTS);
    const [slot] = filled(table, 1) as [number];
    table.add(slot, 0.3, Mark.request | Mark.error | Mark.probe);
    const visit = table.rows.visit(slot);
    table.forget(slot);
    expect([table.size, table.isLive(slot), table.active, table.forgotten]).toEqual([0, false, 0, 2]);
    expect(table.claim(sourceNumber(0), 0)).toBe(slot);
    expect(table.rows.visit(slot)).not.toBe(visit);
    const { rows } = table;
    expect([rows.requests(slot), rows.errors(slot), rows.probes(slot), rows.cost(slot)]).toEqual([0, 0, 0, 0]);
  });

  test("forgetting twice, or what is not there, does nothing", () => {
    const table = new SourceTable(1000, WEIGHTS);
    const [slot] = filled(table, 1) as [number];
    table.forget(slot);
    table.forget(slot);
    table.forget(77);
    expect(table.forgotten).toBe(1);
    expect(table.claim(sourceNumber(1), 0)).toBe(slot);
    expect(table.claim(sourceNumber(2), 0)).not.toBe(slot);
  });

  test("at its limit the quietest of those looked at is shed and counted, the busiest never", () => {
    const table = new SourceTable(1000, WEIGHTS);
    const slots = filled(table, 1000);
    const busy = slots[500]!;
    for (let i = 0; i < 50; i++) table.add(busy, 1, Mark.request);
    for (let n = 1000; n < 3000; n++) table.add(table.claim(sourceNumber(n % 60_000), 0), 1, Mark.request);
    expect(table.size).toBe(1000);
    expect(table.shed).toBe(2000);
    expect(table.isLive(busy)).toBe(true);
  });

  test("top: the best first, no more than asked for, nothing without a score", () => {
    const table = new SourceTable(1000, WEIGHTS);
    const slots = filled(table, 50);
    slots.forEach((slot, n) => {
      for (let i = 0; i < (n * 37) % 50; i++) table.add(slot, 1, Mark.request);
    });
    const requests = (slot: number) => table.rows.requests(slot);
    const best = slots.toSorted((a, b) => requests(b) - requests(a));
    expect(table.top(5, requests)).toEqual(best.slice(0, 5));
    expect(table.top(100, requests)).toEqual(best);
    expect(table.top(5, () => 0)).toEqual([]);
  });

  test("top: of equals, the one that came first, whatever slot it was given", () => {
    const table = new SourceTable(1000, WEIGHTS);
    const [first] = filled(table, 3) as [number];
    table.forget(first);
    const last = table.claim(sourceNumber(9), 0);
    expect(last).toBe(first);
    expect(table.top(3, () => 1)).toEqual([1, 2, last]);
    expect(table.top(2, () => 1)).toEqual([1, 2]);
    expect(table.inOrder()).toEqual([1, 2, last]);
  });

  // best[count - 1] is read before anything is in it.
  test("top of nobody is nobody", () => {
    const table = new SourceTable(1000, WEIGHTS);
    filled(table, 3);
    expect(table.top(0, () => 1)).toEqual([]);
  });

  test("forEach visits every live source", () => {
    const table = new SourceTable(1000, WEIGHTS);
    const slots = filled(table, 3);
    table.forget(slots[1]!);
    const seen: string[] = [];
    table.forEach((slot, source) => {
      seen.push(`${slot} ${source}`);
    });
    expect(seen).toEqual([`${slots[0]} ${sourceNumber(0)}`, `${slots[2]} ${sourceNumber(2)}`]);
  });

  test("a sketch belongs to the visit, not to the slot", () => {
    const table = new SourceTable(1000, WEIGHTS);
    const [slot] = filled(table, 1) as [number];
    table.openSketch(slot).add("/a", 200, undefined, 1);
    expect(table.openSketch(slot)).toBe(table.sketchOf(slot)!);
    empty(table, slot);
    expect(table.claim(sourceNumber(9), 0)).toBe(slot);
    expect(table.sketchOf(slot)).toBeUndefined();
  });
});

/** IPv4 and IPv6 sources, the outermost addresses and a range among them. */
const CAST = [
  "0.0.0.0",
  "255.255.255.255",
  "127.255.255.255",
  "128.0.0.0",
  "2001:db8::/64",
  "2001:db8::1",
  "10.0.0.0/8",
]
  .map(source)
  .concat(Array.from({ length: 13 }, (_, n) => sourceNumber(n)));

/** What the table should know of one source. */
interface Known {
  readonly slot: number;
  readonly visit: number;
  requests: number;
  errors: number;
}

/** The table beside a Map that is told the same. */
class Mirrored {
  readonly known = new Map<Source, Known>();
  forgotten = 0;

  constructor(readonly table: SourceTable) {}

  /** A request, of a new source when it is none yet; whoever is shed for it was the quietest. */
  ask(one: Source, marks: number): void {
    const isNew = !this.known.has(one);
    const isFull = isNew && this.known.size === this.table.limit;
    const slot = this.table.claim(one, 0);
    if (isFull) this.#shed();
    if (isNew) this.known.set(one, { slot, visit: this.table.rows.visit(slot), requests: 0, errors: 0 });
    this.table.add(slot, 1, marks);
    this.#count(this.known.get(one)!, marks, 1);
  }

  /** Its requests leave the window, one or all of them. */
  leave(one: Source): void {
    const entry = this.known.get(one);
    if (entry === undefined) return;
    const marks = entry.errors > 0 ? Mark.request | Mark.error : Mark.request;
    this.table.remove(entry.slot, 1, marks);
    this.#count(entry, marks, -1);
    expect(this.table.releaseIfEmpty(entry.slot)).toBe(entry.requests === 0);
    if (entry.requests === 0) this.known.delete(one);
  }

  forget(one: Source): void {
    const entry = this.known.get(one);
    if (entry === undefined) return;
    this.table.forget(entry.slot);
    this.#drop(one, entry);
  }

  #count(entry: Known, marks: number, by: 1 | -1): void {
    entry.requests += by;
    if (marks & Mark.error) entry.errors += by;
  }

  #shed(): void {
    const least = Math.min(...[...this.known.values()].map(({ requests }) => requests));
    const gone = [...this.known].filter(([one]) => this.table.slotOf(one) === undefined);
    expect(gone.map(([, { requests }]) => requests)).toEqual([least]);
    for (const [one, entry] of gone) this.#drop(one, entry);
  }

  #drop(one: Source, { requests }: Known): void {
    this.forgotten += requests;
    this.known.delete(one);
  }
}

test("any claims, requests and departures: the same as a plain map", () => {
  const step = fc.record({
    one: fc.constantFrom(...CAST),
    kind: fc.constantFrom("ask", "ask", "fail", "leave", "leave", "forget"),
  });
  const property = fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 12 }), (steps, limit) => {
    const table = new SourceTable(limit, WEIGHTS);
    const mirrored = new Mirrored(table);
    for (const { one, kind } of steps) {
      if (kind === "leave") mirrored.leave(one);
      else if (kind === "forget") mirrored.forget(one);
      else mirrored.ask(one, kind === "fail" ? Mark.request | Mark.error : Mark.request);
      const { known, forgotten } = mirrored;
      expect([table.size, table.active, table.forgotten]).toEqual([known.size, known.size, forgotten]);
    }
    for (const one of CAST) expect(table.slotOf(one)).toBe(mirrored.known.get(one)?.slot);
    for (const [one, { slot, visit, requests, errors }] of mirrored.known) {
      const { rows } = table;
      expect([table.sourceOf(slot), rows.visit(slot), rows.requests(slot), rows.cost(slot), rows.errors(slot)]).toEqual(
        [one, visit, requests, requests, errors],
      );
    }
    const seeds = new Set([...mirrored.known.values()].map(({ slot }) => table.seedOf(slot)));
    expect(seeds.size).toBe(mirrored.known.size);
    expect(table.inOrder().map((slot) => table.sourceOf(slot))).toEqual([...mirrored.known.keys()]);
  });
  fc.assert(property, { seed: SEED, numRuns: 150 });
});
