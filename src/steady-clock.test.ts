import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Clock, ManualClock } from "./clock.ts";
import { SteadyClock } from "./steady-clock.ts";

const HOUR = 3_600_000;

/** A wall clock that is where the test puts it. */
class SetClock extends ManualClock implements Clock {
  offset = 0;
  override now(): number {
    return super.now() + this.offset;
  }
}

function setUp() {
  const wall = new SetClock();
  const clock = new SteadyClock(wall);
  clock.now();
  /** Lets time pass, looked at five times a second as the daemon does. */
  const pass = async (seconds: number) => {
    for (let i = 0; i < seconds * 5; i++) {
      await wall.advance(200);
      clock.now();
    }
  };
  return { wall, clock, pass };
}

test("is the wall clock as long as that only goes forward, by steps too", async () => {
  const { wall, clock, pass } = setUp();
  await pass(3);
  expect(clock.now()).toBe(wall.now());
  wall.offset = HOUR;
  expect(clock.now()).toBe(wall.now());
  expect(clock.aheadMs).toBe(0);
});

test("a step back is no step; a tenth of the time is given back", async () => {
  const { wall, clock, pass } = setUp();
  const before = clock.now();
  wall.offset = -HOUR;
  expect(clock.now()).toBe(before);
  expect(clock.aheadMs).toBe(HOUR);
  await pass(10);
  expect(clock.now()).toBeCloseTo(before + 9000, -1);
  wall.offset = 0;
  wall.offset = -2000;
  await pass(60);
  expect(clock.aheadMs).toBe(0);
});

test("an hour forward and back again: right at once when it is set forward a second time", async () => {
  const { wall, clock, pass } = setUp();
  wall.offset = HOUR;
  await pass(1);
  wall.offset = 0;
  await pass(1);
  expect(clock.aheadMs).toBeGreaterThan(HOUR - 1000);
  wall.offset = HOUR;
  await pass(1);
  expect(clock.now()).toBe(wall.now());
});

test("goes on from a remembered time that is later", () => {
  const { wall, clock } = setUp();
  clock.notBefore(wall.now() + HOUR);
  expect(clock.now()).toBe(wall.now() + HOUR);
  clock.notBefore(wall.now() - HOUR);
  expect(clock.now()).toBe(wall.now() + HOUR);
});

test("whatever the wall clock does: never back, never behind it", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -10_000_000, max: 10_000_000 }), { maxLength: 60 }), (steps) => {
      const wall = new SetClock();
      const clock = new SteadyClock(wall);
      let before = clock.now();
      for (const step of steps) {
        wall.offset += step;
        const now = clock.now();
        expect(now).toBeGreaterThanOrEqual(Math.max(before, wall.now()));
        expect(clock.aheadMs).toBe(now - wall.now());
        before = now;
      }
    }),
    { seed: 20_260_105, numRuns: 300 },
  );
});
