import { describe, expect, test } from "bun:test";
import { accessLogLine, attackers, FLOOD_AT, FLOODER, ordinaryPeople, Player, SCAN_AT, SCANNER } from "./player.ts";

const MINUTE = 60_000;

describe("Player", () => {
  test("hands out every request once, in order, however it is asked", () => {
    const whole = new Player(ordinaryPeople(1)).due(5 * MINUTE);
    const steps = new Player(ordinaryPeople(1));
    const pieces = Array.from({ length: 300 }, (_, i) => steps.due((i + 1) * 1_000)).flat();
    expect(pieces).toEqual(whole);
    expect(whole.every((r, i) => i === 0 || whole[i - 1]!.at <= r.at)).toBe(true);
  });

  test("the same seed plays the same, another seed does not", () => {
    const play = (seed: number) => JSON.stringify(new Player(ordinaryPeople(seed)).due(MINUTE));
    expect(play(7)).toBe(play(7));
    expect(play(7)).not.toBe(play(8));
  });

  test("ordinary traffic has some 30 sources at a few requests a second", () => {
    const requests = new Player(ordinaryPeople(1)).due(10 * MINUTE);
    expect(new Set(requests.map((r) => r.source)).size).toBe(30);
    const rate = requests.length / 600;
    expect(rate).toBeGreaterThan(4);
    expect(rate).toBeLessThan(20);
  });

  test("attackers stay quiet until their time", () => {
    const attack = new Player(attackers());
    expect(attack.due(FLOOD_AT - 1)).toEqual([]);
    expect(new Set(attack.due(SCAN_AT - 1).map((r) => r.source))).toEqual(new Set([FLOODER]));
    const later = attack.due(SCAN_AT + 10_000).filter((r) => r.source === SCANNER);
    expect(later.length).toBe(51);
    expect(new Set(later.map((r) => r.path)).size).toBe(51);
  });
});

test("a line has the contract's fields and the moment to the millisecond", () => {
  const start = Date.UTC(2026, 0, 5, 8);
  const request = new Player(attackers()).due(FLOOD_AT)[0]!;
  expect(JSON.parse(accessLogLine(request, start))).toMatchObject({
    source_ip: FLOODER,
    timestamp: "2026-01-05T08:00:40+00:00",
    msec: "1767600040.000",
    method: "GET",
    path: "/login",
    status: 200,
    response_size: 10_520,
  });
});
