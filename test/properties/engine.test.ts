/** What holds for the engine whatever the log says. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createParser } from "../../src/accesslog/parse.ts";
import type { AccessRecord } from "../../src/accesslog/record.ts";
import type { Decision } from "../../src/decision.ts";
import { Engine } from "../../src/engine.ts";
import { overlaps, parseRange } from "../../src/net/cidr.ts";
import { Pump } from "../../src/pump.ts";
import { hostileText } from "../outcomes.ts";
import { anyGap, config, ip, MINUTE, record, SEED, START, seeded, visitor } from "../records.ts";

const ALLOWED = ["198.18.0.0/30", "2001:db8:a::/48"];
const PROTECTED = "2001:db8:b:1::1";

/** Short bans, low bars: much happens in a short log. */
const LIVELY = {
  baseline: { warm_up: "10s" },
  bans: { durations: ["5s", "20s", "permanent"], circuit_breaker: { bans_per_minute: 2 } },
  allowlist: ALLOWED,
};
const PROFILES = [
  ["adaptive", config({ ...LIVELY, detection: { profile: "adaptive", window: "5s" } })],
  ["contract", config({ ...LIVELY, detection: { profile: "contract", window: "5s" } })],
] as const;

const SOURCES = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].map(visitor),
  "2001:db8:a:1::9",
  "2001:db8:b:1::9",
  PROTECTED,
  "2001:db8:c::9",
];
const PATHS = [
  "/",
  "/a?b=1",
  "/login",
  "/.env",
  "/core/x.css",
  "/remote.php/dav/f/a",
  "/core/preview?f=1",
  "/status.php",
];

/** Some requests of one source at once, after a pause; `late`: dated back. */
const anyBurst = fc.record({
  gap: anyGap,
  count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 60 })),
  source: fc.constantFrom(...SOURCES),
  path: fc.constantFrom(...PATHS),
  method: fc.constantFrom("GET", "POST", "PROPFIND", "PUT"),
  status: fc.constantFrom(200, 201, 207, 303, 304, 401, 403, 404, 408, 429, 499, 503),
  late: fc.oneof({ arbitrary: fc.constant(0), weight: 8 }, fc.integer({ min: 0, max: 90_000 })),
});
const anyLog = fc.array(anyBurst, { minLength: 1, maxLength: 60 }).map((bursts) => {
  let at = START;
  return bursts.flatMap(({ gap, count, source, path, method, status, late }): AccessRecord[] => {
    at += gap;
    return Array.from({ length: count }, (_, i) =>
      record({ at: at - late, source, path: path === "/" ? `/${i % 3}` : path, method, status }),
    );
  });
});

/** All decisions on a log; after each record and each decision `look` may check something. */
function run(
  settings: ReturnType<typeof config>,
  log: readonly AccessRecord[],
  look: (engine: Engine, decision: Decision | null) => void = () => {},
): Decision[] {
  const engine = new Engine(settings);
  const decisions: Decision[] = [];
  const emit = (decision: Decision) => {
    decisions.push(decision);
    look(engine, decision);
  };
  engine.protect([{ range: parseRange(PROTECTED)!, why: "own address" }], emit);
  for (const one of log) {
    engine.observe(one, emit);
    look(engine, null);
  }
  engine.tick(engine.now + 10 * MINUTE, emit);
  look(engine, null);
  return decisions;
}

describe.each(PROFILES)("%s", (_, settings) => {
  const check = (property: (log: AccessRecord[]) => void, numRuns = 60) =>
    fc.assert(fc.property(anyLog, property), { seed: SEED, numRuns, endOnFailure: true });

  test("the lively logs are lively: bans, unbans, alerts and withheld bans happen", () => {
    const kinds = new Set<string>();
    check((log) => {
      for (const decision of run(settings, log)) kinds.add(decision.kind);
    });
    expect([...kinds].sort()).toEqual(["alert", "ban", "baseline", "unban"]);
  });

  test("nobody allowed or protected is ever banned, nor a range that holds one", () => {
    const never = [...ALLOWED, PROTECTED].map((text) => parseRange(text)!);
    check((log) => {
      run(settings, log, (engine) => {
        for (const { ban } of engine.bans())
          for (const range of never) expect(overlaps(range, parseRange(ban.source)!)).toBe(false);
      });
    });
  });

  test("a ban has one unban, at its end, or is permanent; no source is banned twice at once", () => {
    check((log) => {
      const active = new Map<string, Decision & { kind: "ban" }>();
      for (const decision of run(settings, log)) {
        if (decision.kind === "ban") {
          expect(active.has(decision.ban.source)).toBe(false);
          active.set(decision.ban.source, decision);
        } else if (decision.kind === "unban") {
          expect(active.get(decision.ban.source)?.ban).toBe(decision.ban);
          expect(decision.at).toBe(decision.ban.until as number);
          active.delete(decision.ban.source);
        }
      }
      for (const { ban } of active.values()) expect(ban.until).toBe("permanent");
    });
  });

  test("the counters, the ledger and the decisions tell the same story", () => {
    check((log) => {
      let last: Engine | null = null;
      const decisions = run(settings, log, (engine) => {
        last = engine;
      });
      const count = (kind: Decision["kind"]) => decisions.filter((decision) => decision.kind === kind).length;
      const counters = last!.counters();
      expect(counters).toMatchObject({ records: log.length, bans: count("ban"), unbans: count("unban") });
      expect(last!.banCount).toBe(counters.bans - counters.unbans);
    });
  });

  test("every verdict holds together: above its trigger, with reasons, in its time", () => {
    check((log) => {
      run(settings, log, (engine, decision) => {
        if (decision?.kind !== "ban" || decision.ban.cause.scope !== "source") return;
        const { cause } = decision.ban;
        expect(cause.at).toBe(engine.now);
        expect(cause.reasons.length).toBeGreaterThan(0);
        expect(cause.comparedRate).toBeGreaterThan(cause.triggerRate);
        expect(cause.errors).toBeLessThanOrEqual(cause.requests);
        expect(cause.topPaths.length).toBeLessThanOrEqual(5);
      });
    });
  });

  test("event time and the times of a kind of decision never go back", () => {
    check((log) => {
      let now = Number.NEGATIVE_INFINITY;
      const times = new Map<string, number>();
      run(settings, log, (engine, decision) => {
        expect(engine.now).toBeGreaterThanOrEqual(now);
        now = engine.now;
        if (decision === null) return;
        expect(decision.at).toBeGreaterThanOrEqual(times.get(decision.kind) ?? 0);
        times.set(decision.kind, decision.at);
      });
    });
  });

  // Unbans come out after the baselines of the same jump: see "after a pause" in engine.test.ts.
  test("the times of all decisions never go back", () => {
    check((log) => {
      const times = run(settings, log).map((decision) => decision.at);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    });
  });

  test("ticks in between change nobody's fate", () => {
    check((log) => {
      const bans = (decisions: readonly Decision[]) =>
        decisions.flatMap((decision) =>
          decision.kind === "ban" || decision.kind === "unban"
            ? [`${decision.kind} ${decision.at} ${decision.ban.source} ${decision.ban.banCount}`]
            : [],
        );
      const ticked = new Engine(settings);
      const decisions: Decision[] = [];
      const emit = (decision: Decision) => decisions.push(decision);
      ticked.protect([{ range: parseRange(PROTECTED)!, why: "own address" }], emit);
      for (const one of log) {
        for (let at = Math.max(START, ticked.now) + 700; at < one.at; at += 700) ticked.tick(at, emit);
        ticked.observe(one, emit);
      }
      ticked.tick(ticked.now + 10 * MINUTE, emit);
      expect(bans(decisions)).toEqual(bans(run(settings, log)));
    }, 25);
  });

  test("hostile text, any status, any time: it never throws, and status is always plain data", () => {
    const anyRecord = fc.record({
      at: fc.oneof(
        fc.integer({ min: START, max: START + 90_000 }),
        fc.constantFrom(86_400_000, START + 86_400_000, 4e12),
      ),
      source: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom(...SOURCES)).map(ip),
      method: fc.oneof(fc.constantFrom("GET", "POST", "PUT", "PROPFIND"), hostileText),
      path: fc.oneof(fc.constantFrom(...PATHS), hostileText, fc.webPath()),
      status: fc.integer({ min: 100, max: 999 }),
      bytes: fc.nat(),
      userAgent: fc.option(hostileText, { nil: undefined }),
      host: fc.option(hostileText, { nil: undefined }),
      requestSeconds: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 40 }), (log) => {
        const engine = new Engine(settings);
        for (const one of log) engine.observe(one, () => {});
        expect(JSON.parse(JSON.stringify(engine.status()))).toMatchObject({ counters: { records: log.length } });
      }),
      { seed: SEED, numRuns: 60 },
    );
  });
});

// Classifier looks a method up in an object literal: "constructor" on a WebDAV path is a TypeError.
test.each(["constructor", "__proto__", "toString", "hasOwnProperty"])(
  "it does not throw at a method that every object has: %s",
  (method) => {
    const engine = new Engine(config());
    engine.observe(record({ method, path: "/remote.php/dav/files/a", status: 400 }), () => {});
    expect(engine.counters().records).toBe(1);
  },
);

test("the same log, cut into windows anywhere between its lines: the same decisions", () => {
  const random = seeded(SEED);
  let at = START;
  const lines = Array.from({ length: 6000 }, (_, i) => {
    at += Math.floor(random() * 120);
    if (i % 500 === 499) return "this is no line\n";
    const status = random() < 0.2 ? 404 : 200;
    const source_ip = visitor(Math.floor(random() ** 6 * 40));
    const path = `/${Math.floor(random() * 30)}?q="${i}\u00e9`;
    const timestamp = new Date(at).toISOString();
    return `${JSON.stringify({ source_ip, timestamp, method: "GET", path, status, response_size: 5 })}\n`;
  });
  const buffer = Buffer.from(lines.join(""));
  const ends: number[] = [];
  for (const line of lines) ends.push((ends.at(-1) ?? 0) + Buffer.byteLength(line));
  const decide = (cuts: readonly number[]): Decision[] => {
    const engine = new Engine(config({ baseline: { warm_up: "10s" } }));
    const decisions: Decision[] = [];
    const pump = new Pump(engine, createParser({ fields: {} }), (decision) => decisions.push(decision), {
      confirmJumpsOverMs: 60 * MINUTE,
    });
    let from = 0;
    for (const end of [...cuts, buffer.length]) {
      if (end > from) pump.window(buffer, from, end);
      from = Math.max(from, end);
    }
    pump.end();
    expect(pump.status().failures).toEqual({ "not-json": 12 });
    return decisions;
  };
  const whole = decide([]);
  expect(whole.some((decision) => decision.kind === "ban")).toBe(true);
  expect(decide(ends)).toEqual(whole);
  fc.assert(
    fc.property(fc.subarray(ends, { maxLength: 40 }), (cuts) => {
      expect(decide(cuts)).toEqual(whole);
    }),
    { seed: SEED, numRuns: 12 },
  );
});
