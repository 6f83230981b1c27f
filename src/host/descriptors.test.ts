import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, readdirSync } from "node:fs";
import { resolve } from "node:path";
import { DescriptorReserve } from "./descriptors.ts";

const count = () => readdirSync("/proc/self/fd").length;

describe("DescriptorReserve", () => {
  let before: number;
  let shortages: number[];
  let reserve: DescriptorReserve;

  beforeEach(() => {
    before = count();
    shortages = [];
    reserve = new DescriptorReserve((n) => shortages.push(n));
  });
  afterEach(() => expect(shortages).toEqual([]));

  test("holds some from the first look on, no more with each, and lends them all", () => {
    reserve.look();
    const held = count() - before;
    reserve.look();
    expect(count() - before).toBe(held);
    expect(held).toBeGreaterThanOrEqual(10);
    expect(reserve.lend(() => count() - before)).toBe(0);
    expect(count() - before).toBe(held);
  });

  test("a take that throws leaves the reserve full", () => {
    reserve.look();
    const held = count();
    expect(() => reserve.lend(() => closeSync(-1))).toThrow();
    expect(count()).toBe(held);
  });
});

test("with none left the doors are reset, each time that is seen, and what was lent is there", async () => {
  const script = `
    const { DescriptorReserve } = await import(${JSON.stringify(resolve(import.meta.dir, "descriptors.ts"))});
    const { openSync, closeSync } = await import("node:fs");
    const told = [];
    const reserve = new DescriptorReserve((n) => told.push(n));
    let taken = [];
    const takeAll = () => { try { for (;;) taken.push(openSync("/dev/null", "r")); } catch {} };
    reserve.guard({ reset() { for (const descriptor of taken.splice(0)) closeSync(descriptor); } });
    reserve.look();
    takeAll();
    const isStarted = reserve.lend(() => Bun.spawnSync(["true"]).success);
    takeAll();
    reserve.look();
    reserve.look();
    console.log(JSON.stringify({ told, isStarted }));
  `;
  const child = Bun.spawnSync(["prlimit", "--nofile=64:64", "--", process.execPath, "-e", script]);
  expect(JSON.parse(child.stdout.toString() || child.stderr.toString())).toEqual({ told: [1, 2], isStarted: true });
});
