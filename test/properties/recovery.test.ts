/** After an attack of any shape the baselines are back to what is normal within half an hour, and alerts are over. */
import { describe, expect, test } from "bun:test";
import { HOUR, MINUTE, SECOND, Site, type Sketch, visitor } from "../records.ts";

/** Four requests in three seconds, of people who stay for a few pages each. */
const PER_SECOND = 4 / 3;
const reader = (i: number): Sketch => ({ source: visitor(Math.floor(i / 5) % 4000), path: `/page/${i % 40}` });

interface Attack {
  readonly minutes: number;
  /** Requests a second at this second of the attack. */
  readonly rate: (second: number) => number;
  readonly request: (i: number) => Sketch;
}

const botnet = (size: number) => (i: number) => ({ source: `203.0.${(i % size) >> 8}.${(i % size) & 255}`, path: "/" });

const ATTACKS: readonly (readonly [name: string, attack: Attack])[] = [
  ["a flood of one source", { minutes: 10, rate: () => 40, request: botnet(1) }],
  ["pulses of one source", { minutes: 20, rate: (s) => (s % 60 < 10 ? 25 : 0), request: botnet(1) }],
  ["a ramp of three sources", { minutes: 50, rate: (s) => 0.15 * 2 ** Math.floor(s / 300), request: botnet(3) }],
  ["a ramp of a botnet", { minutes: 50, rate: (s) => 0.5 * 2 ** Math.floor(s / 400), request: botnet(400) }],
  ["five minutes of 500 sources", { minutes: 5, rate: () => 50, request: botnet(500) }],
  ["an hour of 500 sources", { minutes: 60, rate: () => 50, request: botnet(500) }],
  [
    "guessing by sixty sources",
    {
      minutes: 15,
      rate: () => 6,
      request: (i) => ({ source: visitor(5000 + (i % 60)), method: "POST", path: "/login", status: 401 }),
    },
  ],
];

/** Plays readers and, while it lasts, the attack, each second's requests in one go. */
function play(site: Site, seconds: number, attack?: Attack): void {
  const begun = site.at;
  let [read, sent, due] = [0, 0, 0];
  for (let second = 0; second < seconds; second++) {
    site.at = begun + second * SECOND;
    site.engine.tick(site.at, site.emit);
    for (; read < second * PER_SECOND; read++) site.send(reader(read + begun / SECOND));
    if (attack === undefined) continue;
    for (due += attack.rate(second); sent < due; sent++) site.send(attack.request(sent));
  }
  site.at = begun + seconds * SECOND;
}

describe("the baseline", () => {
  test.each(ATTACKS)("after %s", (_, attack) => {
    const site = new Site();
    play(site, HOUR / SECOND);
    const before = site.engine.status();
    play(site, attack.minutes * 60, attack);
    play(site, (30 * MINUTE) / SECOND);
    const after = site.engine.status();
    const ratio = after.site.baseline.mean / before.site.baseline.mean;
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
    expect(after.site.baseline.stddev).toBeLessThan(1.2 * before.site.baseline.stddev);
    expect(after.state).toBe("armed");
  });
});
