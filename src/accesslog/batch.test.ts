import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ip, record, seeded } from "../../test/records.ts";
import { v4Of } from "../net/ip.ts";
import { type Batch, BatchReader, BatchWriter } from "./batch.ts";
import type { FailureKind } from "./fields.ts";
import type { AccessRecord } from "./record.ts";

const SEED = 20_260_106;

type Line = AccessRecord | readonly [kind: FailureKind, line: string];

const isBad = (line: Line): line is readonly [FailureKind, string] => Array.isArray(line);

/** The lines as they come out at the other end; the buffers go back and forth as between threads. */
function sent(lines: readonly Line[]): { lines: unknown[]; batches: number; bytes: number } {
  const seen: unknown[] = [];
  const reader = new BatchReader();
  let batches = 0;
  let bytes = 0;
  const writer = new BatchWriter((batch) => {
    batches++;
    bytes += batch.texts.byteLength;
    const moved: Batch = structuredClone(batch, { transfer: [batch.columns, batch.texts] });
    reader.read(moved, {
      record: (one, address) => seen.push([{ ...one }, address]),
      failure: (kind, line) => seen.push([kind, line]),
    });
    writer.reuse(moved);
  });
  for (const line of lines) {
    if (isBad(line)) writer.failure(...line);
    else writer.record(line, v4Of(line.source));
  }
  writer.flush();
  return { lines: seen, batches, bytes };
}

const whole = (line: AccessRecord): AccessRecord => ({
  userAgent: undefined,
  host: undefined,
  requestSeconds: undefined,
  peer: undefined,
  ...line,
});
const expected = (lines: readonly Line[]) =>
  lines.map((line) => (isBad(line) ? [...line] : [whole(line), v4Of(line.source)]));

const text = fc.oneof(
  fc.constantFrom("", "/", "GET", "/a", "\ud800", "\u0080", "\u00ff", "/caf\u00e9/\u4e2d\u6587", "x".repeat(3000)),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const address = fc
  .oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("0.0.0.0", "255.255.255.255", "128.0.0.1", "::1"))
  .map(ip);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const good = fc.record({
  at: fc.nat(253_402_300_799_999),
  source: address,
  method: text,
  path: text,
  status: fc.integer({ min: 100, max: 999 }),
  bytes: fc.maxSafeNat(),
  userAgent: maybe(text),
  host: maybe(text),
  requestSeconds: maybe(fc.double({ min: 0, max: 1e9, noNaN: true })),
  peer: maybe(address),
});
const bad = fc.tuple(fc.constantFrom<FailureKind>("not-json", "bad-source"), text);

describe("a batch", () => {
  test("gives every line back as it was, in order", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(good, good, bad), { maxLength: 60 }), (some) => {
        // Three times: a text is new, then kept, then known.
        const lines = [...some, ...some, ...some];
        expect(sent(lines).lines).toEqual(expected(lines));
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("so it does when far more texts return than both sides can keep", () => {
    const random = seeded(1);
    const below = (limit: number) => Math.floor(random() * limit);
    const lines = Array.from({ length: 120_000 }, () =>
      record({
        source:
          random() < 0.2 ? `2001:db8::${below(30_000).toString(16)}` : `10.${below(4)}.${below(256)}.${below(256)}`,
        path: `/files/${below(40_000)}?x=${below(3)}`,
        userAgent: `agent ${below(5000)} of many`,
      }),
    );
    const { lines: seen, batches } = sent(lines);
    expect(Bun.deepEquals(seen, expected(lines))).toBe(true);
    expect(batches).toBeGreaterThan(28);
  });

  test("sends a text that returns once: ten thousand lines alike are next to nothing", () => {
    const alike = Array.from({ length: 4096 + 8000 }, () => record({ path: `/${"a".repeat(200)}` }));
    const texts: number[] = [];
    const writer = new BatchWriter(({ rows, columns, texts: all }) => {
      texts.push(new Uint8Array(all).findLastIndex((byte) => byte !== 0) + 1);
      expect(rows).toBeGreaterThan(0);
      writer.reuse({ columns, texts: new ArrayBuffer(all.byteLength) });
    });
    for (const line of alike) writer.record(line, v4Of(line.source));
    writer.flush();
    expect(texts.reduce((sum, n) => sum + n, 0)).toBeLessThan(500);
  });

  test("is handed on early when its texts are long, and holds a text of any length", () => {
    const lines = Array.from({ length: 200 }, (_, i) => record({ path: `/${i}${"\u00e9".repeat(i * 1000)}` }));
    const { lines: seen, batches, bytes } = sent(lines);
    expect(seen).toEqual(expected(lines));
    expect(batches).toBeGreaterThan(40);
    expect(bytes / batches).toBeLessThan(2_000_000);
  });

  test("nothing written is no batch", () => {
    expect(sent([]).batches).toBe(0);
  });
});
