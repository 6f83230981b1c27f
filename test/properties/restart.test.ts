/** A restart changes no verdict: saved as text, restored, its windows read again from the log, an engine decides the same. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { AccessRecord } from "../../src/accesslog/record.ts";
import type { Decision } from "../../src/decision.ts";
import { Engine, type SavedEngine } from "../../src/engine.ts";
import { engineOf, partsOf } from "../../src/state/snapshot.ts";
import { config, MINUTE, record, SECOND, START, seeded, visitor } from "../records.ts";

const PARAMETERS = { seed: 20260105, numRuns: 40 };
/** The longest window and its grain: what a restart reads again. */
const SPAN_MS = 610_000;

/**
 * Some minutes of a small site: calm visitors, a few floods, storms of them, a guesser, a scanner, people who look
 * around for a while before they log in. Each flood has its own page: that a source saw a page more than ten minutes
 * before the restart is forgotten, so that its next look weighs less.
 */
function traffic(random: () => number, minutes: number): AccessRecord[] {
  const records: AccessRecord[] = [];
  const end = START + minutes * MINUTE;
  const put = (at: number, source: string, path: string, status: number, method = "GET") =>
    at < end && records.push(record({ at: Math.floor(at), source, path, status, method }));
  for (let at = START; at < end; at += random() * 900)
    put(at, visitor(Math.floor(random() * 30)), `/page/${Math.floor(random() * 50)}`, random() < 0.05 ? 404 : 200);
  for (let n = 0; n < minutes / 4; n++) {
    const from = START + random() * minutes * MINUTE;
    const source = visitor(100 + Math.floor(random() * 4));
    const everyMs = 20 + random() * 200;
    for (let i = 0; i < 300 + random() * 900; i++)
      put(from + i * everyMs, source, `/flood-${n}?${i}`, random() < 0.3 ? 503 : 200);
  }
  for (let n = 0; n < minutes / 6; n++) {
    const from = START + random() * minutes * MINUTE;
    for (let i = 0; i < 5 * 300; i++)
      put(from + Math.floor(i / 300) * 9000 + (i % 300) * 20, visitor(110 + Math.floor(i / 300)), `/storm-${n}`, 200);
  }
  for (let n = 0; n < minutes; n++) {
    const from = START + n * MINUTE + random() * 20_000;
    for (let i = 0; i < 40; i++) put(from + i * 500, account(n), `/account-${n}/${i}`, 200);
    put(from + 20_250, account(n), "/remote.php/dav/files/b", 207, "PROPFIND");
    for (let i = 40; i < 60; i++) put(from + i * 600, account(n), `/account-${n}/${i}`, 200);
  }
  for (let at = START; at < end; at += 4000 + random() * 9000)
    put(at, visitor(200), "/login", random() < 0.5 ? 401 : 200, "POST");
  for (let at = START; at < end; at += 2000 + random() * 30_000)
    put(at, visitor(201), `/${Math.floor(random() * 500)}.php`, 404);
  for (let at = START; at < end; at += 5000 + random() * 30_000)
    put(at, visitor(202), "/remote.php/dav/files/a", random() < 0.4 ? 401 : 207, "PROPFIND");
  return records.sort((a, b) => a.at - b.at);
}

const account = (n: number) => `198.51.101.${n}`;

/** What is held against people who logged in lately, or are about to. */
function accounts(engine: Engine): unknown {
  const rows = engine.status(200).sources.top.filter(({ source }) => source.startsWith("198.51.101."));
  return rows.map(({ source, requests, comparedRate, trusted }) => [source, requests, comparedRate, trusted]).sort();
}

/** What matters of a decision, without the sketches: those of the last window only are rebuilt. */
function told(decision: Decision): unknown {
  const { kind, at } = decision;
  switch (kind) {
    case "ban":
    case "unban": {
      const { source, banCount, since, until, cause } = decision.ban;
      const evidence =
        cause.scope === "source" ? [cause.reasons, cause.requests, cause.errors, cause.comparedRate] : [];
      return [
        kind,
        at,
        source,
        banCount,
        since,
        until,
        cause.scope,
        ...evidence,
        decision.kind === "unban" && decision.why,
      ];
    }
    case "alert":
      return [kind, at, decision.alert.type, "state" in decision.alert && decision.alert.state];
    case "baseline":
      return [kind, at, decision.site, decision.sources];
    case "mode":
      return [kind, at, decision.mode];
    case "permit":
      return [kind, at, decision.change, decision.permit];
    default:
      return decision satisfies never;
  }
}

/** Another engine that goes on where `engine` is, after `seen`. */
function restarted(engine: Engine, file: Record<string, unknown>, seen: readonly AccessRecord[]): Engine {
  const saved = throughText(engine.save(true)!);
  const next = new Engine(config(file));
  next.restore(engine.bans().reverse(), engine.offences(), engine.permits());
  next.recall(saved, Number.NEGATIVE_INFINITY);
  const from = seen.at(-1)!.at - SPAN_MS;
  for (const old of seen) if (old.at >= from) next.refill(old);
  next.resume();
  return next;
}

/** As the database keeps it. */
function throughText(saved: SavedEngine): SavedEngine {
  return engineOf(JSON.parse(JSON.stringify(partsOf(saved))));
}

/** So few that the floods of some runs open the circuit breaker. */
const bans = { circuit_breaker: { bans_per_minute: 3 } };
const FILES = {
  contract: { detection: { profile: "contract" }, bans },
  adaptive: { detection: { profile: "adaptive" }, bans },
};

describe("a restart changes no verdict", () => {
  for (const [profile, file] of Object.entries(FILES)) {
    test(`${profile}: the rest of the log brings the same decisions`, () => {
      let bans = 0;
      fc.assert(
        fc.property(
          fc.integer(),
          fc.integer({ min: 3, max: 40 }),
          fc.double({ min: 0.05, max: 0.98, noNaN: true }),
          (seed, minutes, share) => {
            const random = seeded(seed);
            const records = traffic(random, minutes);
            const cut = Math.max(1, Math.floor(records.length * share));
            const first = new Engine(config(file));
            for (const one of records.slice(0, cut)) first.observe(one, () => {});
            const second = restarted(first, file, records.slice(0, cut));
            expect(accounts(second)).toEqual(accounts(first));
            const went: unknown[] = [];
            const goes: unknown[] = [];
            for (const one of records.slice(cut)) {
              first.observe(one, (decision) => went.push(told(decision)));
              second.observe(one, (decision) => goes.push(told(decision)));
            }
            bans += goes.filter((decision) => (decision as unknown[])[0] === "ban").length;
            expect(goes).toEqual(went);
            expect(second.counters().records).toBe(first.counters().records);
            expect(second.bans().map(({ ban }) => ban)).toEqual(first.bans().map(({ ban }) => ban));
          },
        ),
        PARAMETERS,
      );
      // Or it would be true of nothing.
      expect(bans).toBeGreaterThan(20);
    }, 60_000);
  }

  test("the changes since the last save, laid over it, are the whole", () => {
    const random = seeded(7);
    const records = traffic(random, 45);
    const engine = new Engine(config({ detection: { profile: "adaptive" } }));
    let rows: SavedEngine | null = null;
    for (const [i, one] of records.entries()) {
      engine.observe(one, () => {});
      if (i % 97 !== 0) continue;
      const change: SavedEngine = engine.save(rows === null)!;
      rows = rows === null ? change : laidOver(rows, change);
    }
    const change = engine.save(false)!;
    expect(sorted(laidOver(rows!, change))).toEqual(sorted(engine.save(true)!));
  });

  test("warm-up is not begun again, and time nobody looked at teaches nothing", () => {
    const file = { detection: { profile: "contract" } };
    const engine = new Engine(config(file));
    const seen: AccessRecord[] = [];
    for (let s = 0; s < 600; s++)
      for (let i = 0; i < 6; i++) seen.push(record({ at: START + s * SECOND + i * 150, source: visitor(i) }));
    for (const one of seen) engine.observe(one, () => {});
    const next = restarted(engine, file, seen);
    const before = engine.status();
    next.observe(record({ at: START + 9 * 3600 * SECOND, source: visitor(1) }), () => {});
    const { warmUp, site } = next.status();
    expect(warmUp.learnedMs).toBe(warmUp.neededMs);
    expect(next.status().state).toBe("armed");
    expect(site.baseline.mean).toBeCloseTo(before.site.baseline.mean, 10);
    expect(site.baseline.mean).toBeGreaterThan(5);
    expect(site.requests).toBe(1);
  });

  test("a line from before a ban of the earlier run does not count again after the unban", () => {
    const file = { detection: { profile: "contract" }, bans: { durations: ["1h"] } };
    const engine = new Engine(config(file));
    const flood = Array.from({ length: 2000 }, (_, i) => record({ at: START + i * 20, source: "203.0.113.66" }));
    let bannedAt = 0;
    for (const one of flood) engine.observe(one, (decision) => decision.kind === "ban" && (bannedAt = decision.at));
    expect(bannedAt).toBeGreaterThan(0);
    const next = new Engine(config(file));
    next.restore([], engine.offences());
    next.recall(throughText(engine.save(true)!), START + 40_000);
    for (const one of flood.filter(({ at }) => at <= bannedAt)) next.refill(one);
    next.resume();
    // They are still in the site's window, as they were before.
    const { site, sources } = engine.status();
    expect(next.status().site.requests).toBe(site.requests);
    expect([sources.active, next.status().sources.active]).toEqual([0, 0]);
  });
});

function laidOver(rows: SavedEngine, change: SavedEngine): SavedEngine {
  const over = <T extends readonly [unknown, ...unknown[]]>(old: readonly T[], fresh: readonly T[]): T[] => {
    const byKey = new Map(old.map((row) => [row[0], row]));
    for (const row of fresh) byKey.set(row[0], row);
    return [...byKey.values()];
  };
  return {
    ...change,
    baseline: { ...change.baseline, ring: over(rows.baseline.ring, change.baseline.ring) },
    sourceBaseline: { ...change.sourceBaseline, hours: over(rows.sourceBaseline.hours, change.sourceBaseline.hours) },
    trust: over(rows.trust, change.trust).filter(([, until]) => until !== null),
    slow: over(rows.slow, change.slow).filter(([, level]) => level !== null),
    history: { ...change.history, points: [...rows.history.points, ...change.history.points].slice(-180) },
  };
}

function sorted(saved: SavedEngine): unknown {
  const byKey = (a: readonly unknown[], b: readonly unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);
  const { hour } = saved.sourceBaseline;
  return {
    ...saved,
    minutes: saved.minutes.slice(-1),
    baseline: { ...saved.baseline, ring: saved.baseline.ring.toSorted(byKey) },
    sourceBaseline: {
      ...saved.sourceBaseline,
      hours: saved.sourceBaseline.hours.filter(([at, visits]) => at > hour - 24 && visits.length > 0).toSorted(byKey),
    },
    trust: saved.trust.toSorted(byKey),
    slow: saved.slow.toSorted(byKey),
  };
}
