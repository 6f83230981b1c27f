/** The Engine in the contract profile beside the naive implementation of the contract. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Config } from "../../src/config/schema.ts";
import type { Decision } from "../../src/decision.ts";
import { TUNING } from "../../src/detection/tuning.ts";
import { Engine } from "../../src/engine.ts";
import { sourceOf } from "../../src/net/cidr.ts";
import { config, ip, record, START, seeded } from "../records.ts";
import { decide, type Request, type Told } from "./contract.ts";

const CONTRACT_BANS = { circuit_breaker: { bans_per_minute: 1_000_000 }, max_active: 1_000_000 };

const CONTRACT = config({
  detection: { profile: "contract" },
  baseline: { warm_up: "0s" },
  bans: CONTRACT_BANS,
});

/** The adaptive profile with every key of docs/detection.md's table turned to the contract's side. */
const TURNED = config({
  detection: {
    profile: "adaptive",
    source_norm: "site",
    failures: { enabled: false, not_blamed: [] },
    trust: { duration: "0s" },
    global: { persistence: "0s", min_sources: 1 },
    tuning: {
      ...Object.fromEntries(Object.keys(TUNING.cost).map((name) => [`cost.${name}`, 1])),
      peopleCounted: 1,
      sustainedShare: 1,
      rampGrowth: 100,
      surgeShare: 0,
      freezeMs: 0,
    },
  },
  baseline: { warm_up: "0s", spikes: "left-out", forget_banned: false },
  bans: CONTRACT_BANS,
});

function tell(decision: Decision): Told | null {
  switch (decision.kind) {
    case "ban": {
      const { source, since, until } = decision.ban;
      const duration = until === "permanent" ? Number.POSITIVE_INFINITY : (until - since) / 1000;
      return `BAN ${decision.at} ${source} ${duration}`;
    }
    case "unban":
      return `UNBAN ${decision.at} ${decision.ban.source}`;
    case "alert":
      return decision.alert.type === "global-anomaly" ? `ALERT ${decision.at} ${decision.alert.state}` : null;
    case "baseline":
    case "mode":
    case "permit":
      return null;
    default:
      return decision satisfies never;
  }
}

function engineDecides(requests: readonly Request[], settings = CONTRACT): Told[] {
  const engine = new Engine(settings);
  const told: Told[] = [];
  // Each asks for another path: the adaptive profile counts a failing one once.
  for (const [i, { at, source, status }] of requests.entries())
    engine.observe(record({ at, source: source.split("/")[0]!, status, path: `/${i}` }), (decision) => {
      const text = tell(decision);
      if (text !== null) told.push(text);
    });
  return told;
}

/** By time, then by text: decisions of one moment have no order of their own. */
const sorted = (told: readonly Told[]): Told[] =>
  told.toSorted((a, b) => Number(a.split(" ")[1]) - Number(b.split(" ")[1]) || (a < b ? -1 : a > b ? 1 : 0));

function compare(requests: readonly Request[]): Told[] {
  const naive = sorted(decide(requests));
  expect(sorted(engineDecides(requests))).toEqual(naive);
  return naive;
}

const isAlert = (told: Told): boolean => told.startsWith("ALERT");

/** How often each word was told. */
const tally = (told: readonly Told[]): Record<string, number> =>
  told.reduce<Record<string, number>>((counts, text) => {
    const [word] = text.split(" ") as [string];
    counts[word] = (counts[word] ?? 0) + 1;
    return counts;
  }, {});

/** A site of `sources` visitors with bursts, floods, errors and (in ms) pauses, as its seed has it. */
function generate(seed: number, seconds: number, perSecond: number, sources: number, pauseMs = 0): Request[] {
  const random = seeded(seed);
  const requests: Request[] = [];
  let at = START + Math.floor(random() * 3_600_000);
  const end = at + seconds * 1000;
  const flooders = Array.from({ length: 6 }, () => ({ from: 0, to: 0, source: "", perSecond: 0, errors: 0 }));
  const address = (n: number) =>
    n % 5 === 0 ? `2001:db8:${(n + 1).toString(16)}::/64` : `198.51.${n >> 8}.${n & 255}`;
  for (let quietUntil = 0; at < end; at += Math.floor(-Math.log(1 - random()) * (1000 / perSecond))) {
    if (pauseMs > 0 && random() < 0.0005) at += Math.floor(random() * pauseMs);
    if (at > quietUntil && random() < 0.02) {
      quietUntil = at + 20_000;
      flooders[Math.floor(random() * flooders.length)] = {
        from: at,
        to: at + Math.floor(random() * 40_000),
        source: address(Math.floor(random() * 8)),
        perSecond: 2 + random() * 50,
        errors: random() < 0.4 ? random() : 0,
      };
    }
    requests.push({ at, source: address(10 + Math.floor(random() * sources)), status: random() < 0.04 ? 404 : 200 });
    for (const flooder of flooders) {
      if (at < flooder.from || at >= flooder.to) continue;
      const count = Math.round((flooder.perSecond / perSecond) * random() * 2);
      for (let i = 0; i < count; i++)
        requests.push({ at, source: flooder.source, status: random() < flooder.errors ? 403 : 200 });
    }
  }
  return requests;
}

describe("generated logs", () => {
  test.each([
    ["a quiet site", 1, 3 * 3600, 0.3, 20, 0],
    ["a quiet site, another", 2, 3 * 3600, 0.4, 5, 0],
    ["a busy site", 3, 2 * 3600, 4, 400, 0],
    ["a busy site of few", 4, 2 * 3600, 3, 12, 0],
    ["a site with pauses of minutes", 5, 4 * 3600, 1, 40, 600_000],
    ["over midnight and many hours", 6, 30 * 3600, 0.1, 30, 0],
  ] as const)("%s: the same bans, unbans and alerts", (_, seed, seconds, perSecond, sources, pauseMs) => {
    const told = compare(generate(seed, seconds, perSecond, sources, pauseMs));
    const { BAN = 0, UNBAN = 0, ALERT = 0 } = tally(told);
    // A log that decides nothing would compare nothing.
    expect(BAN + UNBAN + ALERT).toBeGreaterThan(8);
  });

  test.each([
    ["a quiet site", 1, 3 * 3600, 0.3, 20],
    ["a busy site", 3, 2 * 3600, 4, 400],
    ["a busy site of few", 4, 2 * 3600, 3, 12],
  ] as const)(
    "%s: the adaptive profile bans the same when all its keys are turned",
    (_, seed, seconds, perSecond, sources) => {
      const requests = generate(seed, seconds, perSecond, sources);
      const bans = (settings: Config) => sorted(engineDecides(requests, settings)).filter((text) => !isAlert(text));
      const contract = bans(CONTRACT);
      expect(contract.length).toBeGreaterThan(4);
      expect(bans(TURNED)).toEqual(contract);
      // It looks at the site once a second, the contract at each request.
      const alerts = (settings: Config) =>
        sorted(engineDecides(requests, settings))
          .filter(isAlert)
          .map((text) => Math.ceil(Number(text.split(" ")[1]) / 1000));
      expect(alerts(TURNED)).toEqual(alerts(CONTRACT));
    },
  );

  test("growth from 2 to 40 requests a second by many", () => {
    const requests: Request[] = [];
    const random = seeded(7);
    for (let at = START; at < START + 4_200_000; ) {
      const isGrown = at > START + 1_800_000;
      requests.push({ at, source: `198.51.${Math.floor(random() * 8)}.${Math.floor(random() * 250)}`, status: 200 });
      at += Math.floor(random() * 2 * (isGrown ? 25 : 500));
    }
    const { ALERT = 0 } = tally(compare(requests));
    expect(ALERT).toBeGreaterThan(1);
  });

  test("every edge of the rates: one source at each rate around its trigger, by the millisecond", () => {
    for (let gap = 300; gap < 480; gap += 7) {
      const requests = Array.from({ length: 400 }, (_, i) => ({
        at: START + i * gap,
        source: "203.0.113.1",
        status: i % 9 === 0 ? 404 : 200,
      }));
      compare(requests);
    }
  });
});

const TRACES = join(import.meta.dir, "..", "..", "..", "shared", "traces");

function readTrace(name: string): Request[] {
  const text = gunzipSync(readFileSync(join(TRACES, `${name}.jsonl.gz`))).toString();
  const requests: Request[] = [];
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf("\n", from);
    const { source_ip, timestamp, status } = JSON.parse(text.slice(from, end < 0 ? undefined : end));
    requests.push({ at: Date.parse(timestamp), source: sourceOf(ip(source_ip), 64), status });
    from = end < 0 ? text.length : end + 1;
  }
  return requests;
}

describe.skipIf(!existsSync(TRACES))("real logs", () => {
  test.each(["cold-shop", "cold-wiki", "nasa", "wordpress", "wiki", "joomla", "nextcloud", "busy"])(
    "%s, every line",
    (name) => {
      const told = compare(readTrace(name));
      expect(tally(told).BAN).toBeGreaterThan(0);
    },
    60_000,
  );
});
