import { expect, test } from "bun:test";
import { source } from "../../test/outcomes.ts";
import { DAY, HOUR, START } from "../../test/records.ts";
import { Trust } from "./trust.ts";

const A = source("203.0.113.1");

test("a proof gives trust for its duration; a later one renews it", () => {
  const trust = new Trust(DAY);
  expect(trust.until(A)).toBe(0);
  expect(trust.prove(A, START)).toBe(START + DAY);
  expect(trust.prove(A, START + HOUR)).toBe(START + HOUR + DAY);
  expect(trust.until(A)).toBe(START + HOUR + DAY);
  expect(trust.size).toBe(1);
});

test("trusted since the first proof of an unbroken row; saved and restored with it", () => {
  const trust = new Trust(HOUR);
  trust.prove(A, START);
  trust.prove(A, START + HOUR / 2);
  expect(trust.since(A)).toBe(START);
  const next = new Trust(HOUR);
  next.restore(trust.save(true));
  expect([next.since(A), next.until(A)]).toEqual([START, START + 1.5 * HOUR]);
  next.prove(A, START + 2 * HOUR);
  expect(next.since(A)).toBe(START + 2 * HOUR);
  next.revoke(A);
  expect(next.since(A)).toBe(0);
});

test("revoked is not trusted", () => {
  const trust = new Trust(DAY);
  trust.prove(A, START);
  trust.revoke(A);
  expect([trust.until(A), trust.size]).toEqual([0, 0]);
});

test("a duration of nothing turns trust off", () => {
  const trust = new Trust(0);
  expect(trust.prove(A, START)).toBe(0);
  expect(trust.until(A)).toBe(0);
});

test("a new duration holds for proofs from then on", () => {
  const trust = new Trust(DAY);
  trust.configure(HOUR);
  expect(trust.prove(A, START)).toBe(START + HOUR);
});

test("bounded: the one unproven for longest is forgotten first", () => {
  const trust = new Trust(DAY);
  const numbered = (n: number) => source(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
  for (let n = 0; n < 50_000; n++) trust.prove(numbered(n), START);
  trust.prove(numbered(0), START + 1);
  for (let n = 50_000; n < 60_000; n++) trust.prove(numbered(n), START);
  expect(trust.size).toBe(50_000);
  expect([0, 1, 10_000, 10_001, 59_999].map((n) => trust.until(numbered(n)) > 0)).toEqual([
    true,
    false,
    false,
    true,
    true,
  ]);
});
