import { describe, expect, test } from "bun:test";
import { sourceNumber } from "../../test/outcomes.ts";
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
