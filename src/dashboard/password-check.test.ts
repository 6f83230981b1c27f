import { describe, expect, test } from "bun:test";
import { ManualClock } from "../clock.ts";
import type { Client } from "./client.ts";
import { PasswordCheck } from "./password-check.ts";

const client = (n: number | string): Client => ({
  address: `198.51.100.${n}`,
  source: `198.51.100.${n}`,
  isHttps: false,
  isLocal: false,
});

/** Verifications that end when told; "right" is right. */
class Slow {
  atOnce = 0;
  most = 0;
  calls = 0;
  #ends: (() => void)[] = [];

  readonly verify = async (password: string): Promise<boolean> => {
    this.calls++;
    this.most = Math.max(this.most, ++this.atOnce);
    await new Promise<void>((resolve) => this.#ends.push(resolve));
    this.atOnce--;
    return password === "right";
  };

  async finish(): Promise<void> {
    for (let i = 0; i < 200; i++) {
      await Bun.sleep(0);
      this.#ends.shift()?.();
    }
  }
}

describe("tries at the same moment", () => {
  test("a thousand from one place get five guesses, one after the other", async () => {
    const slow = new Slow();
    const check = new PasswordCheck("hash", new ManualClock(), slow.verify);
    const tries = Array.from({ length: 1000 }, () => check.try("wrong", client(1)));
    await slow.finish();
    const kinds = Map.groupBy(await Promise.all(tries), ({ kind }) => kind);
    expect(slow.calls).toBe(5);
    expect(slow.most).toBe(1);
    expect(kinds.get("wrong")).toHaveLength(5);
    expect(kinds.get("throttled")).toHaveLength(27);
    expect(kinds.get("busy")).toHaveLength(968);
  });

  test("from everywhere they get fifty", async () => {
    const slow = new Slow();
    const check = new PasswordCheck("hash", new ManualClock(), slow.verify);
    const kinds: string[] = [];
    for (let round = 0; round < 10; round++) {
      const tries = Array.from({ length: 30 }, (_, i) => check.try("wrong", client(round * 30 + i)));
      await slow.finish();
      kinds.push(...(await Promise.all(tries)).map(({ kind }) => kind));
    }
    expect(slow.calls).toBe(50);
    expect(kinds.filter((kind) => kind === "wrong")).toHaveLength(50);
    expect(kinds.filter((kind) => kind === "throttled")).toHaveLength(250);
  });

  test("one in the queue of a flood is still heard", async () => {
    const slow = new Slow();
    const check = new PasswordCheck("hash", new ManualClock(), slow.verify);
    const flood = Array.from({ length: 31 }, () => check.try("wrong", client(1)));
    const owner = check.try("right", client(2));
    await slow.finish();
    expect((await owner).kind).toBe("right");
    await Promise.all(flood);
    expect(slow.calls).toBe(6);
  });
});

test("the right password is refused, unread, while its place is throttled; later it is taken", async () => {
  const clock = new ManualClock();
  let calls = 0;
  const check = new PasswordCheck("hash", clock, async (password) => {
    calls++;
    return password === "right";
  });
  for (let i = 0; i < 5; i++) await check.try("wrong", client(1));
  expect(await check.try("right", client(1))).toEqual({ kind: "throttled", waitMs: 900_000 });
  expect(calls).toBe(5);
  await clock.advance(900_000);
  expect((await check.try("right", client(1))).kind).toBe("right");
});

test("the right password many times at once is right many times", async () => {
  const check = new PasswordCheck("hash", new ManualClock(), async () => true);
  const kinds = await Promise.all(Array.from({ length: 20 }, () => check.try("right", client(1))));
  expect(kinds.every(({ kind }) => kind === "right")).toBe(true);
});

test("a password that is changed while it is verified is wrong", async () => {
  const slow = new Slow();
  const check = new PasswordCheck("old", new ManualClock(), slow.verify);
  const under = check.try("right", client(1));
  await Bun.sleep(0);
  expect(check.change("new")).toBe(true);
  await slow.finish();
  expect((await under).kind).toBe("wrong");
  expect(check.change("new")).toBe(false);
});

test("a verification that throws fails its own try and nobody else's", async () => {
  let calls = 0;
  const check = new PasswordCheck("hash", new ManualClock(), async () => {
    if (calls++ === 0) throw new Error("no memory");
    return true;
  });
  const first = check.try("right", client(1)).catch((error: Error) => error.message);
  const second = check.try("right", client(1));
  expect(await first).toBe("no memory");
  expect((await second).kind).toBe("right");
});

test("real argon2id: right is right, anything near is wrong, and it runs beside the event loop", async () => {
  const hash = await Bun.password.hash("correct horse", { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 });
  const check = new PasswordCheck(hash, new ManualClock());
  let beats = 0;
  const timer = setInterval(() => beats++, 1);
  const begun = performance.now();
  expect((await check.try("correct horse", client(1))).kind).toBe("right");
  const took = performance.now() - begun;
  clearInterval(timer);
  expect(beats).toBeGreaterThan(took / 20);
  for (const [i, near] of ["correct horse ", "Correct horse", "", "\0"].entries()) {
    expect((await check.try(near, client(10 + i))).kind).toBe("wrong");
  }
});
