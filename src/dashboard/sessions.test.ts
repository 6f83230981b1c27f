import { expect, test } from "bun:test";
import { ManualClock } from "../clock.ts";
import { Sessions } from "./sessions.ts";

const HOUR = 3_600_000;

function create() {
  const clock = new ManualClock();
  return { clock, sessions: new Sessions(clock) };
}

test("an id has 256 bits and is not kept as it is", () => {
  const { sessions } = create();
  const ids = Array.from({ length: 50 }, () => sessions.begin());
  expect(new Set(ids).size).toBe(50);
  for (const id of ids) expect(Buffer.from(id, "base64url")).toHaveLength(32);
  expect(Bun.inspect(sessions, { depth: 10 })).not.toContain(ids[0]!);
});

test("ends after two hours without a request", async () => {
  const { clock, sessions } = create();
  const id = sessions.begin();
  await clock.advance(2 * HOUR - 1);
  expect(sessions.has(id)).toBe(true);
  await clock.advance(2 * HOUR - 1);
  expect(sessions.has(id)).toBe(true);
  await clock.advance(2 * HOUR);
  expect(sessions.has(id)).toBe(false);
  expect(sessions.size).toBe(0);
});

test("ends after twelve hours however busy", async () => {
  const { clock, sessions } = create();
  const id = sessions.begin();
  for (let i = 0; i < 11; i++) {
    await clock.advance(HOUR);
    expect(sessions.has(id)).toBe(true);
  }
  await clock.advance(HOUR);
  expect(sessions.has(id)).toBe(false);
});

test("a clock that was set back does not make a session longer than its twelve hours", async () => {
  const { clock, sessions } = create();
  const id = sessions.begin();
  expect(sessions.has(id)).toBe(true);
  await clock.advance(-HOUR);
  expect(sessions.has(id)).toBe(true);
  await clock.advance(13 * HOUR);
  expect(sessions.has(id)).toBe(false);
});

test("a hundred at most: the longest unseen one makes room", () => {
  const { sessions } = create();
  const first = sessions.begin();
  const second = sessions.begin();
  for (let i = 0; i < 98; i++) sessions.begin();
  expect(sessions.has(first)).toBe(true);
  sessions.begin();
  expect(sessions.size).toBe(100);
  expect([sessions.has(first), sessions.has(second)]).toEqual([true, false]);
});

test("those that are over make room before any other", async () => {
  const { clock, sessions } = create();
  for (let i = 0; i < 100; i++) sessions.begin();
  await clock.advance(2 * HOUR);
  const id = sessions.begin();
  expect(sessions.size).toBe(1);
  expect(sessions.has(id)).toBe(true);
});

test("one ends, or all", () => {
  const { sessions } = create();
  const [a, b, c] = [sessions.begin(), sessions.begin(), sessions.begin()];
  sessions.end(a);
  expect([a, b, c].map((id) => sessions.has(id))).toEqual([false, true, true]);
  sessions.endAll();
  expect([a, b, c].map((id) => sessions.has(id))).toEqual([false, false, false]);
});
