import { describe, expect, test } from "bun:test";
import { source } from "../test/outcomes.ts";
import { config, DAY, HOUR, ip, MINUTE, SECOND, Site, type Sketch, START, visitor } from "../test/records.ts";
import type { Ban, Decision } from "./decision.ts";
import type { Engine } from "./engine.ts";
import { parseRange } from "./net/cidr.ts";

const A = "203.0.113.10";
const ARMED = { baseline: { warm_up: "0s" } };
const CONTRACT = { detection: { profile: "contract" }, baseline: { warm_up: "0s" } };
/** The contract with a guard so strict that no flood is learned: the floors stay in force once `idle` has passed. */
const FLOORS = { detection: { profile: "contract" }, baseline: { warm_up: "0s", spike_guard: 1 } };
const idle = (site: Site): Site => site.send({ source: "192.0.2.1" }).wait(15 * SECOND);
const ALICE = (at: number) => ({ scope: "manual" as const, at, by: "alice" });

const range = (text: string, why: string) => ({ range: parseRange(text)!, why });
/** Enough to be banned for in any profile. */
const flood = (site: Site, from = A, sketch: Sketch = {}): Site =>
  site.flow(50, 600, () => ({ source: from, ...sketch }));
const settle = (engine: Engine, ban: Ban, at: number) =>
  engine.settle({ decision: { kind: "ban", at: ban.since, ban }, result: "done", at });

describe("state", () => {
  test("learning, then armed after the warm-up, by the log's own time", () => {
    const site = new Site();
    expect(site.engine.status().state).toBe("learning");
    site.send().wait(5 * MINUTE - 1);
    expect(site.engine.status()).toMatchObject({
      state: "learning",
      warmUp: { learnedMs: 299_999, neededMs: 300_000 },
    });
    site.wait(1);
    expect(site.engine.status()).toMatchObject({ state: "armed", warmUp: { learnedMs: 300_000 } });
  });

  test("watch-only says so, and decides all the same", () => {
    const site = new Site({ ...ARMED, detection: { mode: "watch-only" } });
    flood(site);
    expect(site.engine.status().state).toBe("watch-only");
    expect(site.bans.length).toBe(1);
  });

  test("paused while the breaker is open", () => {
    const site = new Site({ ...ARMED, bans: { circuit_breaker: { bans_per_minute: 1 } } });
    for (const from of [A, "203.0.113.11"]) flood(site, from);
    expect(site.engine.status()).toMatchObject({ state: "paused", breaker: { open: true, limit: 1 } });
  });

  test("before anything happened it can be asked", () => {
    const status = new Site().engine.status();
    expect(status).toMatchObject({ at: 0, site: { requests: 0, rate: 0 }, sources: { active: 0, top: [] }, bans: [] });
    expect(status.hours).toEqual(new Array(24).fill(null));
  });

  // SourceTable.top(0, …) reads an element of an empty list.
  test("and asked for no sources at all", () => {
    expect(new Site().send().engine.status(0).sources.top).toEqual([]);
  });

  test("the busiest sources, how near each is, and who is allowed", () => {
    const site = new Site({ ...ARMED, allowlist: ["198.51.100.0/24"] });
    site.flow(10, 130, (i) => ({ source: i % 13 < 12 ? A : "198.51.100.7", path: "/page", status: i % 2 ? 404 : 200 }));
    const { top, active, aboveHalfTrigger } = site.engine.status().sources;
    expect(top.map((row) => [row.source, row.requests, row.errors, row.state, row.topPath])).toEqual([
      [source(A), 120, 60, "watching", "/page"],
      [source("198.51.100.7"), 10, 5, "allowed", "/page"],
    ]);
    expect([active, aboveHalfTrigger]).toEqual([2, 1]);
    expect(site.engine.status(1).sources.top.length).toBe(1);
  });

  test("counters count", () => {
    const site = flood(new Site(ARMED)).wait(10 * MINUTE);
    const upToBan = (site.bans[0]!.since - START) / 20 + 1;
    const counters = site.engine.counters();
    expect(counters).toMatchObject({ records: 600, bans: 1, unbans: 1, banned: 600 - upToBan, late: 0, future: 0 });
  });
});

describe("warm-up", () => {
  test.each(["adaptive", "contract"])("what would be a ban later is none (%s)", (profile) => {
    const site = new Site({ detection: { profile, ceiling: 20 } });
    site.flow(10, 600, () => ({ source: A }));
    expect(site.bans).toEqual([]);
    expect(site.engine.status().state).toBe("learning");
  });

  test.each(["adaptive", "contract"])("but the ceiling guards (%s)", (profile) => {
    const site = new Site({ detection: { profile, ceiling: 20 } });
    site.flow(50, 1500, () => ({ source: A }));
    expect(site.bans.map((ban) => ban.cause)).toMatchObject([{ reasons: ["ceiling"], triggerRate: 20 }]);
  });

  test("failures above twice their bar are above a ceiling too", () => {
    const site = new Site();
    site.flow(1, 60, () => ({ source: A, method: "POST", path: "/login", status: 303 }));
    expect(site.bans.length).toBe(1);
  });

  // per_3_days has no higher bar during the warm-up: at its default it is reached no later than twice per_minute.
  test("every ban of the warm-up names the ceiling", () => {
    for (const perSecond of [1, 0.1, 0.03]) {
      const site = new Site({ baseline: { warm_up: "24h" } });
      site.flow(perSecond, 60, () => ({ source: A, method: "POST", path: "/login", status: 303 }));
      for (const { cause } of site.bans) expect(cause).toMatchObject({ reasons: ["ceiling"] });
    }
  });
});

describe("a permit", () => {
  const permit = (until: number | "permanent") => ({
    source: source("203.0.113.0/24"),
    since: START,
    until,
    by: "ada",
  });
  const kinds = (site: Site) => site.decisions.filter(({ kind }) => kind !== "baseline").map(({ kind }) => kind);

  test("ends the bans in its range and keeps others from it, until its time is over", () => {
    const site = flood(new Site(ARMED));
    const until = site.at + 2 * MINUTE;
    expect(site.engine.allow({ ...permit(until), since: site.at }, site.emit)).toBe(true);
    expect(site.engine.bans()).toEqual([]);
    flood(site);
    expect(kinds(site)).toEqual(["ban", "permit", "unban"]);
    expect(site.unbans[0]).toMatchObject({ why: "allowlisted" });
    site.wait(3 * MINUTE, true);
    expect(site.decisions.findLast(({ kind }) => kind === "permit")).toMatchObject({ at: until, change: "expired" });
    flood(site);
    expect(kinds(site)).toEqual(["ban", "permit", "unban", "permit", "ban"]);
  });

  test("can be taken back, and outlives a restart", () => {
    const site = new Site(ARMED);
    site.engine.allow(permit("permanent"), site.emit);
    const next = new Site(ARMED);
    next.engine.restore([], [], site.engine.permits());
    expect(flood(next).bans).toEqual([]);
    expect(next.engine.explain(source(A)).allowed).toBe("203.0.113.0/24 was allowed by ada");
    expect(next.engine.disallow(source(A), START, "bob", next.emit)).toBeNull();
    expect(next.engine.disallow(source("203.0.113.0/24"), next.at, "bob", next.emit)).toMatchObject({ by: "ada" });
    expect(flood(next).bans.length).toBe(1);
  });
});

describe("attempts on known weaknesses, an hour apart", () => {
  const hourly = (path: (i: number) => string, status: number) =>
    new Site().flow(1 / 3600, 24, (i) => ({ source: A, path: path(i), status })).bans.length;

  test.each([
    ["another path each time", (i: number) => `/${i}/.git/config`, 404, 1],
    ["another injection each time", (i: number) => `/index.php?id=${i}+union+select+1`, 200, 1],
    ["author after author", (i: number) => `/?author=${i}`, 404, 1],
    ["the same path again and again", () => "/old/backup.sql", 404, 0],
    ["the same path, never twice with the same query", (i: number) => `/old/backup.sql?t=${i}`, 404, 0],
    ["the same injection again and again", () => "/index.php?id=1+union+select+1", 200, 0],
  ] as const)("%s", (_, path, status, bans) => {
    expect(Math.min(1, hourly(path, status))).toBe(bans);
  });
});

// A 401 waits ten seconds for its answer; the window may be over by then.
test.each(["5s", "60s"])(
  "passwords by 401, twelve seconds apart, are seen over ten minutes with a window of %s",
  (window) => {
    const site = new Site({ detection: { window } });
    site.flow(1 / 12, 80, (i) => ({ source: A, method: "PROPFIND", path: `/remote.php/dav/files/${i}/`, status: 401 }));
    expect(site.bans.length).toBe(1);
    expect(site.bans[0]!.cause).toMatchObject({ stream: "failures", windowMs: 10 * MINUTE });
    // And a source whose 401s were answered is gone when its windows are.
    const calm = new Site({ detection: { window } });
    for (const status of [401, 207]) calm.send({ source: A, method: "PROPFIND", path: "/remote.php/dav/", status });
    expect(calm.wait(HOUR, true).engine.explain(source(A)).now).toBeNull();
  },
);

describe("a surge of failures", () => {
  /** Each of the sources posts a wrong password twice an hour, for two and a half hours. */
  const guessing = (count: number) => {
    const site = new Site();
    const guess = (i: number) => ({ source: visitor(i % count), method: "POST", path: "/login", status: 401 });
    site.flow(count / 1800, 5 * count, guess);
    return site;
  };

  test("halves the bar of three days, and the ban says so", () => {
    const bans = guessing(12).bans;
    expect(bans.length).toBeGreaterThan(0);
    for (const { cause } of bans)
      expect(cause).toMatchObject({ stream: "failures", windowMs: 72 * HOUR, tightenedBy: "failure-surge" });
  });

  test("is not made by a few who forgot their passwords", () => {
    expect(guessing(5).bans).toEqual([]);
  });

  test("halves nothing for a class that logs in at once, whose pages are still to come", () => {
    const site = guessing(12);
    const known = site.bans.length;
    expect(known).toBeGreaterThan(0);
    site.flow(10, 7, () => ({ source: A, method: "POST", path: "/login", status: 303 }));
    site.flow(10, 7, () => ({ source: A, path: "/apps/dashboard/", status: 200 }));
    expect(site.bans.length).toBe(known);
  });
});

describe("a ban", () => {
  test("carries its evidence and its first duration", () => {
    const site = flood(new Site(CONTRACT));
    const [ban] = site.bans;
    expect(ban).toMatchObject({
      source: source(A),
      banCount: 1,
      since: START + 3000,
      until: START + 3000 + 10 * MINUTE,
    });
    expect(ban!.cause).toMatchObject({ scope: "source", requests: 151, reasons: ["z-score"], at: START + 3000 });
    expect(site.decisions.filter((decision) => decision.kind === "ban").map((decision) => decision.at)).toEqual([
      ban!.since,
    ]);
  });

  test("its later lines are counted as banned and kept out of windows and baseline", () => {
    const site = flood(new Site(CONTRACT));
    expect(site.bans.length).toBe(1);
    expect(site.engine.status().site.requests).toBe(151);
    expect(site.engine.counters().banned).toBe(449);
  });

  test("ends on its own, in silence, when a tick passes its end", () => {
    const site = flood(new Site(CONTRACT));
    const { until } = site.bans[0]!;
    site.engine.tick((until as number) - 1, site.emit);
    expect(site.unbans).toEqual([]);
    site.engine.tick((until as number) + 5000, site.emit);
    expect(site.unbans).toMatchObject([{ at: until, why: "expired", ban: site.bans[0] }]);
  });

  test("after it the window is empty: no new ban without a new offence", () => {
    const site = flood(new Site({ ...CONTRACT, bans: { durations: ["5s"] } }));
    site.wait(10 * SECOND);
    const after = site.bans.length;
    site.flow(50, 150, () => ({ source: A }));
    expect(site.bans.length).toBe(after);
    site.flow(50, 2, () => ({ source: A }));
    expect(site.bans.length).toBe(after + 1);
  });

  test("10m, 30m, 2h, permanent for one who comes back each time", () => {
    const site = new Site(CONTRACT);
    for (let i = 0; i < 5; i++) flood(site).wait(3 * HOUR);
    expect(site.bans.map(({ since, until }) => (until === "permanent" ? until : (until - since) / MINUTE))).toEqual([
      10,
      30,
      120,
      "permanent",
    ]);
  });

  describe("for wrong passwords in one minute", () => {
    const permitted = (engine: Engine, since: number, emit: Site["emit"]) =>
      engine.allow({ source: source(A), since, until: since + MINUTE, by: "bob" }, emit);
    const wrong = { source: A, method: "POST", path: "/wp-login.php", status: 200 };
    const right = { source: A, path: "/wp-admin/", status: 200 };
    /** Banned once for nine; the ban is over. */
    const banned = () => {
      const site = new Site(ARMED).flow(1, 9, () => wrong);
      expect(site.bans).toMatchObject([{ banCount: 1, cause: { stream: "failures", windowMs: MINUTE } }]);
      return site.wait(20 * MINUTE);
    };

    test("after it three more are enough, once it is known that they were wrong", () => {
      expect(
        banned()
          .flow(1, 2, () => wrong)
          .wait(MINUTE).bans.length,
      ).toBe(1);
      const site = banned().flow(1, 3, () => wrong);
      expect(site.bans.length).toBe(1);
      site.wait(11 * SECOND);
      expect(site.bans[1]?.cause).toMatchObject({
        stream: "failures",
        windowMs: 72 * HOUR,
        reasons: ["z-score"],
        topPaths: [{ path: "/wp-login.php", kind: "login" }],
        statuses: [{ status: 200 }],
      });
    });

    test("not for one more, and then the right one, as a browser sends them", () => {
      const form = { source: A, path: "/wp-login.php", status: 200 };
      const site = banned();
      for (const answer of [form, wrong, form, wrong]) site.send(answer).wait(4 * SECOND);
      expect(site.send(right).wait(MINUTE).bans.length).toBe(1);
    });

    test("nor for looking at the form while many sources fail", () => {
      const site = banned();
      site.flow(1, 60, (i) => ({ source: visitor(i % 12), method: "POST", path: "/login", status: 401 }));
      for (let i = 0; i < 5; i++) site.send({ source: A, path: "/wp-login.php", status: 200 }).wait(MINUTE);
      expect(site.bans.filter(({ source }) => source === A).length).toBe(1);
    });

    test("nor for eight colleagues who log in at once, nor for forty who open the form", () => {
      const site = banned().flow(5, 8, () => wrong);
      expect(site.flow(5, 8, () => right).wait(MINUTE).bans.length).toBe(1);
      expect(site.flow(1, 40, () => ({ source: A, path: "/wp-login.php", status: 200 })).bans.length).toBe(1);
    });

    test("nor long after it, when the bucket has emptied", () => {
      const site = banned()
        .wait(4 * DAY)
        .flow(1 / 60, 8, () => wrong);
      expect(site.wait(MINUTE).bans.length).toBe(1);
    });

    test("not of those that a page follows", () => {
      const site = banned();
      for (let i = 0; i < 20; i++) site.flow(1, 2, (n) => (n === 0 ? wrong : right)).wait(MINUTE);
      expect(site.bans.length).toBe(1);
    });

    test.each<[string, (site: Site) => void]>([
      ["unbanned", ({ engine, at, emit }) => engine.unban(source(A), at, "bob", false, emit)],
      ["told to forget, after it was over", ({ engine, at, emit }) => engine.unban(source(A), at, "bob", true, emit)],
      ["permitted for a while", ({ engine, at, emit }) => permitted(engine, at, emit)],
    ])("not by whom a person has %s", (what, act) => {
      const site = what.endsWith("over") ? banned() : new Site(ARMED).flow(1, 9, () => wrong);
      act(site);
      expect(site.wait(20 * MINUTE).flow(1, 8, () => wrong).bans.length).toBe(1);
      expect(site.flow(1, 1, () => wrong).bans.length).toBe(2);
    });

    test("nor by the next who floods", () => {
      const site = flood(new Site(ARMED)).wait(20 * MINUTE);
      expect(site.flow(1, 8, () => wrong).bans.length).toBe(1);
    });
  });

  test("offences are forgotten after 30 days of peace", () => {
    const site = new Site(CONTRACT);
    flood(site).wait(29 * DAY);
    flood(site).wait(30 * DAY);
    flood(site);
    expect(site.bans.map((ban) => ban.banCount)).toEqual([1, 2, 1]);
  });

  test("no more than max_active at once; the next is withheld and has to offend anew", () => {
    const site = idle(new Site({ ...FLOORS, bans: { max_active: 100 } }));
    for (let n = 0; n < 100; n++) site.engine.ban(source(visitor(n)), ALICE(site.at), "permanent", site.emit);
    site.flow(100, 160, () => ({ source: A }));
    expect([site.engine.banCount, site.engine.counters().bansWithheld]).toEqual([100, 1]);
    site.engine.unban(source(visitor(0)), site.at, "alice", false, site.emit);
    site.flow(100, 140, () => ({ source: A }));
    expect(site.engine.banCount).toBe(99);
    site.flow(100, 10, () => ({ source: A }));
    expect(site.engine.banOf(source(A))).toBeDefined();
  });
});

describe("bans by hand", () => {
  test("with the next duration of the source, or the one given", () => {
    const { engine, emit, decisions } = new Site();
    const result = engine.ban(source(A), ALICE(START), undefined, emit);
    expect(result).toMatchObject({ result: "banned", ban: { banCount: 1, since: START, until: START + 10 * MINUTE } });
    expect(engine.ban(source("203.0.113.11"), ALICE(START), "permanent", emit)).toMatchObject({
      ban: { until: "permanent" },
    });
    expect(decisions.map((decision) => decision.kind)).toEqual(["ban", "ban"]);
  });

  test("a wide one covers every source in it", () => {
    const site = new Site();
    site.engine.ban(source("203.0.113.0/24"), ALICE(START), 5 * MINUTE, site.emit);
    site.send({ source: A }).send({ source: "203.0.114.1" });
    expect(site.engine.counters().banned).toBe(1);
    expect(site.engine.banOf(source(A))?.ban.source).toBe(source("203.0.113.0/24"));
    expect(site.engine.ban(source(A), ALICE(START), undefined, site.emit)).toMatchObject({ result: "already-banned" });
    site.wait(5 * MINUTE);
    expect(site.unbans).toMatchObject([{ ban: { source: source("203.0.113.0/24") }, why: "expired" }]);
  });

  test("who is allowed, or protected, is refused with the reason; so is a range that holds one", () => {
    const site = new Site({ allowlist: ["198.51.100.0/24"] });
    site.engine.protect([range("192.0.2.1", "this host")], site.emit);
    const why = (text: string) => site.engine.ban(source(text), ALICE(START), undefined, site.emit);
    expect(why("198.51.100.9")).toEqual({ result: "allowlisted", why: "allowlist 198.51.100.0/24" });
    expect(why("192.0.2.1")).toEqual({ result: "allowlisted", why: "this host" });
    expect(why("192.0.2.0/24")).toEqual({ result: "allowlisted", why: "this host" });
    expect(site.decisions).toEqual([]);
  });

  test("refused when bans are full", () => {
    const site = new Site({ bans: { max_active: 100 } });
    for (let n = 0; n < 100; n++) site.engine.ban(source(visitor(n)), ALICE(START), undefined, site.emit);
    expect(site.engine.ban(source(A), ALICE(START), undefined, site.emit)).toEqual({ result: "full", limit: 100 });
  });

  test("unban says who; with forget the count starts anew; of the unbanned it is null", () => {
    const site = new Site();
    site.engine.ban(source(A), ALICE(START), undefined, site.emit);
    expect(site.engine.unban(source(A), START + 5, "bob", false, site.emit)?.source).toBe(source(A));
    expect(site.unbans).toMatchObject([{ at: START + 5, why: "manual", by: "bob" }]);
    expect(site.engine.ban(source(A), ALICE(START), undefined, site.emit)).toMatchObject({ ban: { banCount: 2 } });
    site.engine.unban(source(A), START + 9, "bob", true, site.emit);
    expect(site.engine.ban(source(A), ALICE(START), undefined, site.emit)).toMatchObject({ ban: { banCount: 1 } });
    expect(site.engine.unban(source("203.0.113.99"), START, "bob", false, site.emit)).toBeNull();
  });

  test("unbanned in the middle of an attack, a source must offend anew", () => {
    const site = flood(new Site(CONTRACT));
    site.engine.unban(source(A), site.at, "bob", false, site.emit);
    site.flow(50, 150, () => ({ source: A }));
    expect(site.bans.length).toBe(1);
    site.flow(50, 1, () => ({ source: A }));
    expect(site.bans.map((ban) => ban.banCount)).toEqual([1, 2]);
  });
});

describe("who is never banned", () => {
  test.each([
    ["an allowed IPv4 range", { allowlist: ["198.51.100.0/24"] }, "198.51.100.77"],
    ["an allowed IPv6 range", { allowlist: ["2001:db8::/32"] }, "2001:db8:1:2::5"],
    ["an allowed single address", { allowlist: [A] }, A],
  ])("%s", (_, file, from) => {
    const site = flood(new Site({ ...ARMED, ...file }), from, { method: "POST", path: "/login", status: 401 });
    expect(site.bans).toEqual([]);
    expect(site.engine.counters().allowlisted).toBeGreaterThan(0);
    expect(site.engine.status().sources.top[0]?.state).toBe("allowed");
  });

  test("what the host must not lose", () => {
    const site = new Site(ARMED);
    site.engine.protect([range("127.0.0.0/8", "loopback"), range(A, "SSH session")], site.emit);
    flood(site);
    flood(site, "127.0.0.1");
    expect(site.bans).toEqual([]);
    expect(site.engine.allowlistSize).toBe(2);
  });

  test("a neighbour in the host's own /64 is banned alone, the host and its prefix never", () => {
    const site = new Site(ARMED);
    site.engine.protect([range("2001:db8:1:2::1", "own address")], site.emit);
    flood(site, "2001:db8:1:2::1");
    flood(site, "2001:db8:1:2::66");
    flood(site, "2001:db8:1:3::66");
    expect(site.bans.map((ban) => ban.source as string)).toEqual(["2001:db8:1:2::66", "2001:db8:1:3::/64"]);
  });

  test("a reload that allows a banned source ends its ban", () => {
    const site = flood(new Site(ARMED));
    flood(site, "203.0.113.99");
    site.engine.configure(config({ ...ARMED, allowlist: [`${A}/31`] }), site.emit);
    expect(site.unbans).toMatchObject([{ ban: { source: source(A) }, why: "allowlisted" }]);
    expect(site.engine.banCount).toBe(1);
    flood(site);
    expect(site.bans.length).toBe(2);
  });

  test("so does protecting it", () => {
    const site = flood(new Site(ARMED), "2001:db8:1:2::66");
    site.engine.protect([range("2001:db8:1:2::1", "own address")], site.emit);
    expect(site.unbans).toMatchObject([{ why: "allowlisted", ban: { source: source("2001:db8:1:2::/64") } }]);
  });

  test("one who is no longer allowed is judged again", () => {
    const site = flood(new Site({ ...ARMED, allowlist: [A] }));
    site.engine.configure(config(ARMED), site.emit);
    site.send();
    expect(site.bans.length).toBe(1);
  });

  test("grainOf: the source that an address counts as", () => {
    const { engine, emit } = new Site();
    engine.protect([range("2001:db8:1:2::1", "own address")], emit);
    const grain = (text: string): string => engine.grainOf(source(text));
    expect(["203.0.113.9", "2001:db8:9::1", "2001:db8:1:2::7", "10.0.0.0/8"].map(grain)).toEqual([
      "203.0.113.9",
      "2001:db8:9::/64",
      "2001:db8:1:2::7",
      "10.0.0.0/8",
    ]);
  });
});

describe("the breaker", () => {
  const FILE = { ...FLOORS, bans: { circuit_breaker: { bans_per_minute: 3 } } };
  /** `count` sources are banned (or would be) within a few seconds. */
  const storm = (site: Site, count: number, first = 0): Site => {
    for (let n = first; n < first + count; n++) site.flow(1000, 160, () => ({ source: visitor(n) }));
    return site;
  };

  test("as many bans as the limit are made", () => {
    const site = storm(idle(new Site(FILE)), 3);
    expect(site.bans.length).toBe(3);
    expect(site.told("circuit-breaker")).toEqual([]);
  });

  test("one more opens it: alerted once, banning stops, and resumes after a calm minute, alerted once", () => {
    const site = storm(idle(new Site(FILE)), 8);
    expect(site.bans.length).toBe(3);
    expect(site.told("circuit-breaker")).toEqual(["open 15.63"]);
    expect(site.engine.counters().bansWithheld).toBe(5);
    site.wait(3 * MINUTE, true);
    expect(site.told("circuit-breaker").length).toBe(2);
    expect(site.told("circuit-breaker")[1]).toMatch(/^closed 75/);
    expect(site.engine.status().state).toBe("armed");
    storm(site, 1, 50);
    expect(site.bans.length).toBe(4);
  });

  test("a person may ban while it is open", () => {
    const site = storm(idle(new Site(FILE)), 8);
    expect(site.engine.ban(source("192.0.2.99"), ALICE(site.at), undefined, site.emit).result).toBe("banned");
  });

  // See breaker.test.ts: any wish within the last minute keeps it open, even those of one source.
  test("one source that goes on does not keep it open for an hour", () => {
    const site = storm(idle(new Site(FILE)), 5);
    for (let i = 0; i < 60; i++) site.flow(1000, 160, () => ({ source: visitor(99) })).wait(50 * SECOND);
    expect(site.bans.map((ban) => ban.source)).toContain(source(visitor(99)));
  });
});

describe("a global anomaly", () => {
  /** `perSecond` requests a second for `seconds`, each time by the next of `sources`. */
  const crowd = (site: Site, sources: number, perSecond: number, seconds: number): Site =>
    site.flow(perSecond, perSecond * seconds, (i) => ({ source: visitor(1000 + (i % sources)), path: `/${i % 50}` }));

  test("of many sources fires once it has lasted, bans nobody, and is told as over once", () => {
    const site = crowd(new Site().warm(), 200, 20, 60);
    expect(site.told("global-anomaly").map((told) => told.split(" ")[0])).toEqual(["firing"]);
    const { at, alert } = site.alerts[0]!;
    if (alert.type !== "global-anomaly") throw new Error("no global anomaly");
    expect(at - alert.since).toBe(config().detection.global.persistence);
    expect(alert.verdict.sources).toBeGreaterThan(100);
    expect(alert.verdict.topSources.length).toBe(5);
    expect(alert.verdict.rate).toBeGreaterThan(alert.verdict.triggerRate);
    expect(alert.verdict.reasons.length).toBeGreaterThan(0);
    expect(site.engine.status().site.anomaly?.since).toBe(alert.since);
    site.wait(10 * MINUTE, true);
    expect(site.told("global-anomaly").map((told) => told.split(" ")[0])).toEqual(["firing", "resolved"]);
    expect(site.engine.status().site.anomaly).toBeNull();
    expect(site.bans).toEqual([]);
  });

  test("shorter than its persistence it is none", () => {
    const site = new Site({ detection: { global: { persistence: "90s" } } }).warm();
    crowd(site, 200, 20, 20).wait(10 * MINUTE, true);
    expect(site.told("global-anomaly")).toEqual([]);
  });

  test("of too few sources it is none", () => {
    const site = new Site({ detection: { global: { min_sources: 30 } } }).warm();
    site.wait(2 * MINUTE, true);
    crowd(site, 29, 20, 60);
    expect(site.told("global-anomaly")).toEqual([]);
  });

  test("that is one source's doing is none", () => {
    const site = new Site({ allowlist: [A] }).warm();
    site.flow(40, 40 * 60, (i) => ({ source: i % 40 === 0 ? visitor(i) : A }));
    expect(site.engine.status().site.rate).toBeGreaterThan(30);
    expect(site.told("global-anomaly")).toEqual([]);
  });

  test("that goes on is repeated every ten minutes at most", () => {
    const site = crowd(new Site({ baseline: { recalculate_every: "1h" } }).warm(), 200, 20, 45 * 60);
    const told = site.told("global-anomaly").map((text) => text.split(" ") as [string, string]);
    expect(told.slice(0, 3).map(([state]) => state)).toEqual(["firing", "still-firing", "still-firing"]);
    for (let i = 1; i < told.length; i++)
      if (told[i]![0] !== "resolved") expect(Number(told[i]![1]) - Number(told[i - 1]![1])).toBeGreaterThanOrEqual(600);
  });

  test("by the contract it is told at the edge, at once, however few do it", () => {
    const site = new Site({ ...CONTRACT, allowlist: [A] });
    site.flow(100, 200, () => ({ source: A }));
    expect(site.told("global-anomaly")).toEqual(["firing 1.5"]);
  });

  test("not while learning", () => {
    const site = crowd(new Site(), 200, 20, 60);
    expect(site.told("global-anomaly")).toEqual([]);
  });
});

describe("growth", () => {
  test.each(["adaptive", "contract"])(
    "of the site from 2 to 40 a second is learned within the hour (%s)",
    (profile) => {
      const site = new Site({ detection: { profile }, bans: { circuit_breaker: { bans_per_minute: 10_000 } } });
      site.flow(2, 2 * 1800, (i) => ({ source: visitor(i % 300), path: `/${i % 90}` }));
      site.flow(40, 40 * 3600, (i) => ({ source: visitor(i % 3000), path: `/${i % 90}` }));
      const { baseline, triggerRate } = site.engine.status().site;
      expect(baseline.mean).toBeGreaterThan(20);
      expect(triggerRate).toBeGreaterThan(40);
      expect(site.bans).toEqual([]);
    },
    20_000,
  );
});

describe("time", () => {
  test("records slightly out of order count now; older than the window they are late", () => {
    const site = new Site();
    site.at = START + 100 * SECOND;
    site.send();
    for (const at of [START + 99 * SECOND, START + 41 * SECOND, START + 40 * SECOND + 1]) site.send({ at });
    expect(site.engine.status().site.requests).toBe(4);
    expect(site.engine.now).toBe(site.at);
    for (const at of [START + 40 * SECOND, START, 0]) site.send({ at });
    expect(site.engine.status().site.requests).toBe(4);
    expect(site.engine.counters()).toMatchObject({ records: 7, late: 3 });
  });

  test("what counts now leaves the window as late as now does", () => {
    const site = new Site();
    site.at = START + 100 * SECOND;
    site.send().send({ at: START + 50 * SECOND });
    site.wait(59_999);
    expect(site.engine.status().site.requests).toBe(2);
    site.wait(1);
    expect(site.engine.status().site.requests).toBe(0);
  });

  test("a line dated further ahead of the wall clock than its tolerance is refused and counted", () => {
    const site = new Site();
    site.engine.setWall(START);
    site.send({ at: START + 60 * SECOND });
    site.send({ at: START + 60 * SECOND + 1 });
    site.send({ at: START + 365 * DAY });
    expect(site.engine.counters()).toMatchObject({ records: 3, future: 2 });
    expect(site.engine.now).toBe(START + 60 * SECOND);
  });

  test("without a wall clock the log's own time is believed", () => {
    const site = new Site().send({ at: START + 365 * DAY });
    expect(site.engine.counters().future).toBe(0);
  });

  test("a backlog older than two minutes teaches and bans nobody; as soon as it has caught up it bans", () => {
    const site = new Site(CONTRACT);
    site.engine.setWall(START + 10 * MINUTE);
    flood(site);
    expect(site.bans).toEqual([]);
    expect(site.engine.counters().bansWithheld).toBeGreaterThan(0);
    expect(site.engine.status().site.requests).toBe(600);
    site.at = START + 8 * MINUTE;
    flood(site);
    expect(site.bans.length).toBe(1);
    expect(site.bans[0]!.since).toBeGreaterThanOrEqual(START + 8 * MINUTE);
  });

  test.each([
    ["two minutes ago bans", 120_000, 1],
    ["longer ago does not", 120_001, 0],
  ])("a flood that ended %s", (_, agoMs, bans) => {
    const site = new Site(CONTRACT);
    site.engine.setWall(START + 10 * MINUTE);
    site.at = START + 10 * MINUTE - agoMs;
    for (let i = 0; i < 600; i++) site.send({ source: A });
    expect(site.bans.length).toBe(bans);
  });

  test("a tick from the past moves nothing", () => {
    const site = new Site().send();
    site.engine.tick(START - HOUR, site.emit);
    expect(site.engine.now).toBe(START);
    expect(site.decisions).toEqual([]);
  });

  test("the baseline is told each minute, request or none", () => {
    const site = new Site().send().wait(5 * MINUTE, true);
    const told = site.decisions.filter((decision) => decision.kind === "baseline");
    expect(told.map((decision) => (decision.at - START) / MINUTE)).toEqual([1, 2, 3, 4, 5]);
  });

  // #moveTo lets all time pass first and ends the bans afterwards: the unban comes out behind later baselines.
  test("after a pause in the log decisions still come out in the order of their times", () => {
    const site = flood(new Site(CONTRACT)).wait(HOUR);
    const times = site.decisions.map((decision) => decision.at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  // #skipIdle judges the site once, at its end.
  test("an anomaly is over a minute after its heat also when the log pauses for hours", () => {
    const run = (isTicking: boolean) => {
      const site = new Site({ ...CONTRACT, allowlist: [A] });
      return site
        .flow(100, 200, () => ({ source: A }))
        .wait(3 * HOUR, isTicking)
        .told("global-anomaly");
    };
    expect(run(false)).toEqual(run(true));
  });

  // SourceBaseline clears hours[-1] on the first day of 1970, Baseline reads it before that day.
  test("a log that begins at the epoch is a log like any other", () => {
    const site = new Site();
    site.at = 0;
    site.send().wait(10 * MINUTE);
    expect(site.engine.now).toBe(10 * MINUTE);
  });
});

describe("proof that a ban does not block", () => {
  /** A source banned and in force for ten seconds. */
  const enforced = (): Site => {
    const site = flood(new Site(CONTRACT));
    settle(site.engine, site.bans[0]!, site.at);
    return site.wait(10 * SECOND);
  };

  test("one request that says when it began is enough", () => {
    const site = enforced().send({ requestSeconds: 0.1 });
    expect(site.alerts.map(({ alert }) => alert)).toMatchObject([
      { type: "global-anomaly" },
      { type: "ban-ineffective", requests: 1, ban: { source: source(A) } },
    ]);
  });

  test("one that began before the ban and took long proves nothing", () => {
    const site = enforced().send({ requestSeconds: 30 });
    expect(site.alerts.filter(({ alert }) => alert.type === "ban-ineffective")).toEqual([]);
  });

  test("where the log does not say it takes three", () => {
    const told = (count: number) =>
      enforced()
        .flow(10, count, () => ({}))
        .alerts.filter(({ alert }) => alert.type === "ban-ineffective").length;
    expect([2, 3, 30].map(told)).toEqual([0, 1, 1]);
  });

  test.each([408, 499])("connections that the ban itself cut off (%d) are no requests that came through", (status) => {
    const site = enforced().flow(10, 30, () => ({ status, requestSeconds: 0 }));
    expect(site.alerts.filter(({ alert }) => alert.type === "ban-ineffective")).toEqual([]);
    expect(site.engine.bans()[0]?.leakedRequests).toBe(0);
  });

  test("a ban that was never confirmed proves nothing", () => {
    const site = flood(new Site(CONTRACT))
      .wait(10 * SECOND)
      .send({ requestSeconds: 0 });
    expect(site.alerts.filter(({ alert }) => alert.type === "ban-ineffective")).toEqual([]);
  });

  test("after a move to another hook the proof begins anew", () => {
    const site = enforced().send({ requestSeconds: 0 });
    site.engine.restartProof(site.at);
    expect(site.engine.bans()[0]).toMatchObject({ enforcement: "in-force", leakedRequests: 0 });
    site.wait(10 * SECOND).send({ requestSeconds: 0 });
    expect(site.alerts.filter(({ alert }) => alert.type === "ban-ineffective").length).toBe(2);
  });
});

describe("restore", () => {
  test("bans and offences of an earlier run hold, and nothing is told", () => {
    const before = flood(new Site(CONTRACT));
    const after = new Site(CONTRACT);
    after.engine.restore(before.engine.bans(), [{ source: source(A), banCount: 1, lastAt: START }]);
    expect(after.decisions).toEqual([]);
    after.at = before.at;
    flood(after);
    expect(after.bans).toEqual([]);
    after.wait(11 * MINUTE);
    expect(after.unbans).toMatchObject([{ why: "expired" }]);
    flood(after);
    expect(after.bans.map((ban) => ban.banCount)).toEqual([2]);
  });
});

describe("configure", () => {
  test("keeps windows, baseline and bans; new durations hold for the next ban", () => {
    const site = flood(new Site(CONTRACT));
    site.send({ source: "203.0.113.99" });
    site.engine.configure(config({ ...CONTRACT, bans: { durations: ["1m"] } }), site.emit);
    expect(site.engine.banCount).toBe(1);
    expect(site.engine.status().site.requests).toBe(152);
    expect(site.engine.bans()[0]!.ban.until).toBe(site.bans[0]!.until);
    flood(site, "203.0.113.99");
    const ban = site.bans[1]!;
    expect((ban.until as number) - ban.since).toBe(MINUTE);
  });
});

describe("open loop", () => {
  test("goes on counting who is banned, and bans once at a time", () => {
    const closed = flood(new Site(CONTRACT));
    const open = flood(new Site(CONTRACT, { openLoop: true }));
    expect(open.engine.status().site.requests).toBe(600);
    expect(open.bans.length).toBe(1);
    expect(open.bans[0]!.since).toBe(closed.bans[0]!.since);
  });
});

test("IPv6 counts by /64, an IPv4 address in IPv6 clothes as itself", () => {
  const site = new Site(CONTRACT);
  site.flow(50, 160, (i) => ({ source: `2001:db8:5:6::${(i * 77).toString(16)}` }));
  expect(site.bans.map((ban) => ban.source as string)).toEqual(["2001:db8:5:6::/64"]);
  expect(ip("::ffff:203.0.113.9") as string).toBe("203.0.113.9");
});

test("a decision is out before observe() returns", () => {
  const site = new Site(CONTRACT);
  const seen: Decision["kind"][] = [];
  for (let i = 0; i < 151; i++) {
    expect(seen).not.toContain("ban");
    site.send();
    seen.push(...site.decisions.splice(0).map((decision) => decision.kind));
  }
  expect(seen).toContain("ban");
});
