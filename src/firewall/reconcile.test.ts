import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseSource, type Source } from "../net/cidr.ts";
import type { FirewallEntry } from "./firewall.ts";
import { reconcile } from "./reconcile.ts";

type Left = FirewallEntry["remainingMs"];
const A = parseSource("203.0.113.9")!;
const B = parseSource("2001:db8:66:1::/64")!;
const DAY = 86_400_000;
const entry = (source: Source, remainingMs: Left): FirewallEntry => ({ source, remainingMs });

describe("reconcile", () => {
  test.each<[string, Left | null, Left | null, "nothing" | "add" | "remove" | "refresh"]>([
    ["both the same", 60_000, 60_000, "nothing"],
    ["wanted, absent", 60_000, null, "add"],
    ["wanted for ever, absent", "permanent", null, "add"],
    ["present, not wanted", null, 60_000, "remove"],
    ["present for ever, not wanted", null, "permanent", "remove"],
    ["ended, still present", 0, 1_000, "remove"],
    ["ended, absent", 0, null, "nothing"],
    ["difference at the tolerance", 60_000, 65_000, "nothing"],
    ["difference above the tolerance", 60_000, 65_001, "refresh"],
    ["would end too early", 60_000, 54_999, "refresh"],
    ["permanent on both sides", "permanent", "permanent", "nothing"],
    ["permanent wanted, ends in the kernel", "permanent", 60_000, "refresh"],
    ["should end, permanent in the kernel", 60_000, "permanent", "refresh"],
    ["longer than the kernel counts, freshly set", 90 * DAY, 2_147_483_000, "nothing"],
    ["longer than the kernel counts, running down", 90 * DAY, 13 * DAY, "nothing"],
    ["longer than the kernel counts, half run down", 90 * DAY, 12 * DAY, "refresh"],
  ])("%s", (_, want, held, expected) => {
    const result = reconcile(want === null ? [] : [entry(A, want)], held === null ? [] : [entry(A, held)], 5_000);
    expect(result).toEqual({
      add: expected === "add" ? [entry(A, want!)] : [],
      remove: expected === "remove" ? [A] : [],
      refresh: expected === "refresh" ? [entry(A, want!)] : [],
    });
  });

  test("sources do not mix", () => {
    expect(reconcile([entry(A, 1_000)], [entry(B, 1_000)], 5_000)).toEqual({
      add: [entry(A, 1_000)],
      remove: [B],
      refresh: [],
    });
  });

  test("carried out, it leaves nothing to do", () => {
    const left = fc.oneof(fc.constant("permanent" as const), fc.integer({ min: 1, max: 2_000_000_000 }));
    const entries = fc.uniqueArray(
      fc.record({ source: fc.integer({ min: 0, max: 30 }).map((n) => parseSource(`10.0.0.${n}`)!), remainingMs: left }),
      { selector: (e) => e.source },
    );
    fc.assert(
      fc.property(entries, entries, (wanted, present) => {
        const { add, remove, refresh } = reconcile(wanted, present, 5_000);
        const held = new Map(present.map((e) => [e.source, e]));
        for (const source of remove) held.delete(source);
        for (const e of [...add, ...refresh]) held.set(e.source, e);
        expect(reconcile(wanted, [...held.values()], 5_000)).toEqual({ add: [], remove: [], refresh: [] });
        expect([...held.keys()].sort()).toEqual(wanted.map((e) => e.source).sort());
      }),
      { seed: 20_261_120, numRuns: 300 },
    );
  });
});
