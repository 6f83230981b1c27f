import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { source } from "../../test/outcomes.ts";
import { config, record, SEED, Site, START, seeded, visitor } from "../../test/records.ts";
import type { RequestClass } from "./class-table.ts";
import { hashText } from "./hash.ts";
import { Participants } from "./participants.ts";
import { TUNING } from "./tuning.ts";

const NOBODY = () => false;
const SURGING = new Set(["/a", "/b"]);

/** Participants that know this site's readers to load files from it. */
function known(limit?: number): Participants {
  const participants = new Participants(TUNING, limit);
  for (let i = 0; i < TUNING.company; i++)
    look(participants, `192.0.2.${i}`, "/x.css", START, { kind: "asset", calm: true });
  return participants;
}

interface Look {
  readonly kind?: RequestClass;
  readonly calm?: boolean;
  readonly status?: number;
}

function look(
  participants: Participants,
  from: string,
  path: string,
  at: number,
  { kind, calm, status }: Look = {},
): void {
  const asked = record({ at, source: from, path, status: status ?? 200 });
  participants.observe(asked, source(from), hashText(from, from.length, 0), kind ?? "page", at, calm ? null : START);
}

/** `count` sources that look `looks` times at /a, a second apart. */
function flood(participants: Participants, count: number, looks: number): Participants {
  for (let n = 0; n < count; n++)
    for (let i = 0; i < looks; i++) look(participants, visitor(n), "/a?q=1", START + i * 1000);
  return participants;
}

const names = (
  participants: Participants,
  surging: ReadonlySet<string> = SURGING,
  isTrusted = NOBODY as (s: string) => boolean,
) => participants.suspects(surging, isTrusted, 10).map((one) => one.source as string);

const N = TUNING.participantLooks;
const A = "203.0.113.9";

describe("who is suspect", () => {
  test("a source that looks often enough at what surges, in a crowd of its like", () => {
    const participants = flood(known(), 20, N);
    expect(names(participants).length).toBe(20);
    const [first] = participants.suspects(SURGING, NOBODY, 10);
    expect(first).toMatchObject({ looks: N, requests: N, crowd: 20, paths: [{ path: "/a", count: N, kind: "page" }] });
  });

  test("not one look earlier", () => expect(names(flood(known(), 20, N - 1))).toEqual([]));

  test.each<[string, (participants: Participants) => void]>([
    ["asked for something else", (p) => look(p, A, "/c", START + 9000)],
    ["loaded a file", (p) => look(p, A, "/x.css", START + 9000, { kind: "asset" })],
    ["read a document in parts", (p) => look(p, A, "/a", START + 9000, { status: 206 })],
  ])("not who %s", (_, act) => {
    const participants = flood(known(), 20, N);
    for (let i = 0; i < N; i++) look(participants, A, "/a", START + i * 1000);
    expect(names(participants)).toContain(A);
    act(participants);
    expect(names(participants)).not.toContain(A);
  });

  test("not who was here in calm times, nor who is trusted", () => {
    const participants = known();
    look(participants, A, "/a", START, { calm: true });
    look(participants, "203.0.113.10", "/", START + 130_000, { calm: true });
    flood(participants, 20, N);
    for (let i = 0; i < N; i++) look(participants, A, "/a", START + i * 1000);
    expect(names(participants)).not.toContain(A);
    expect(names(participants, SURGING, (one) => one === visitor(3))).not.toContain(visitor(3));
  });

  test("requests of one second are one look", () => {
    const participants = known();
    for (let n = 0; n < 20; n++) for (let i = 0; i < 30; i++) look(participants, visitor(n), "/a", START + i * 20);
    expect(names(participants)).toEqual([]);
  });

  test("nobody, in a crowd that looks once", () => {
    const participants = flood(known(), 20, N);
    for (let n = 100; n < 300; n++) look(participants, visitor(n), "/a", START + 5000);
    expect(names(participants)).toEqual([]);
  });

  test("nobody, among fewer sources than make an anomaly", () => expect(names(flood(known(), 9, N))).toEqual([]));

  test("nobody, where files lie on another host", () =>
    expect(names(flood(new Participants(TUNING), 20, N))).toEqual([]));

  test("nobody, when nothing surges", () => expect(names(flood(known(), 20, N), new Set())).toEqual([]));

  test("not again until it has looked anew; and it stays part of the crowd", () => {
    const participants = flood(known(), 20, N);
    for (let n = 0; n < 15; n++) participants.forget(source(visitor(n)));
    const left = participants.suspects(SURGING, NOBODY, 10);
    expect(left.map((one) => [one.source as string, one.crowd])).toEqual(
      Array.from({ length: 5 }, (_, i) => [visitor(15 + i), 20]),
    );
    for (let i = 0; i < N; i++) look(participants, visitor(0), "/a", START + 60_000 + i * 1000);
    expect(names(participants)).toContain(visitor(0));
  });

  test("a new surge begins with nobody", () => {
    const participants = flood(known(), 20, N);
    look(participants, A, "/", START + 60_000, { calm: true });
    expect(names(participants)).toEqual([]);
  });

  test("who comes beyond the bound is counted, not watched", () => {
    const participants = flood(known(15), 20, N);
    expect([names(participants).length, participants.missed]).toEqual([15, 5 * N]);
  });
});

const OPTIONS = { detection: { global: { ban_participants: true } }, baseline: { warm_up: "60s" } };

/** A quiet site whose readers load files, then `sources` that ask for one page at `rate` a second in all. */
function underFlood(seed: number, sources: number, rate: number, seconds: number, each: (site: Site) => void): Site {
  const chance = seeded(seed);
  const site = new Site(OPTIONS);
  site.flow(1, 180, (i) => ({ source: visitor(i % 60), path: i % 2 === 0 ? `/page/${i % 9}` : "/theme/style.css" }));
  for (let second = 0; second < seconds; second++) {
    site.flow(rate, rate, () => ({ source: visitor(2000 + Math.floor(chance() * sources)), path: "/target" }));
    each(site);
  }
  return site;
}

describe("in the whole", () => {
  test("a flood's sources are banned for it, with its evidence, and nobody is without the option", () => {
    const site = underFlood(1, 60, 12, 90, () => {});
    const bans = site.bans.filter(({ cause }) => cause.scope === "source" && cause.reasons.includes("participant"));
    expect(bans.length).toBeGreaterThan(30);
    expect(bans.every((ban) => ban.source.startsWith("198.18."))).toBe(true);
    expect(bans[0]?.cause).toMatchObject({
      stream: "requests",
      trusted: false,
      topPaths: [{ path: "/target", kind: "page" }],
    });
  });

  test("who loads one page, with its files or without, once or coming back to it, is never banned", () => {
    let floods = 0;
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          sources: fc.integer({ min: 10, max: 200 }),
          rate: fc.integer({ min: 5, max: 30 }),
          looks: fc.integer({ min: 1, max: N - 1 }),
          at: fc.integer({ min: 0, max: 50 }),
          path: fc.constantFrom("/target", "/target?from=feed", "/page/3"),
          files: fc.boolean(),
        }),
        ({ seed, sources, rate, looks, at, path, files }) => {
          const innocent = "203.0.113.77";
          let second = 0;
          const site = underFlood(seed, sources, rate, 60, (present) => {
            if (second++ < at || second > at + looks) return;
            present.send({ source: innocent, path });
            if (files) present.send({ source: innocent, path: "/theme/style.css" });
          });
          expect(site.bans.filter((ban) => ban.source === source(innocent))).toEqual([]);
          if (site.bans.length > 0) floods++;
        },
      ),
      { seed: SEED, numRuns: 60 },
    );
    expect(floods).toBeGreaterThan(20);
  });

  test("a reload turns it off", () => {
    let second = 0;
    const site = underFlood(1, 60, 12, 90, (present) => {
      if (second++ === 10) present.engine.configure(config({ baseline: OPTIONS.baseline }), present.emit);
    });
    expect(site.told("global-anomaly").length).toBe(1);
    expect(site.bans).toEqual([]);
  });

  test("they have a circuit breaker of their own: a single attacker is still banned", () => {
    const breaker = { participants_per_minute: 5, bans_per_minute: 5 };
    const site = new Site({ ...OPTIONS, bans: { circuit_breaker: breaker } });
    const chance = seeded(3);
    site.flow(1, 180, (i) => ({ source: visitor(i % 60), path: i % 2 === 0 ? `/page/${i % 9}` : "/theme/style.css" }));
    for (let second = 0; second < 90; second++) {
      site.flow(12, 12, () => ({ source: visitor(2000 + Math.floor(chance() * 60)), path: "/target" }));
      if (second > 60)
        for (let i = 0; i < 3; i++) site.send({ source: "203.0.113.66", method: "POST", path: "/login", status: 401 });
    }
    const participants = site.bans.filter(
      ({ cause }) => cause.scope === "source" && cause.reasons[0] === "participant",
    );
    expect(participants.length).toBe(5);
    expect(site.bans.map((ban) => ban.source as string)).toContain("203.0.113.66");
    const told = site.alerts.flatMap(({ alert }) => (alert.type === "circuit-breaker" ? [alert] : []));
    expect(told[0]).toMatchObject({ state: "open", of: "participants", limit: 5 });
    expect(site.engine.status().state).toBe("armed");
  });
});
