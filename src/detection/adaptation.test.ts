/** What of the adaptive profile had a part in a ban, as the engine says it: one case for each piece. */
import { describe, expect, test } from "bun:test";
import { baseline } from "../../test/outcomes.ts";
import { config, MINUTE, SECOND, Site, type Sketch, visitor } from "../../test/records.ts";
import type { Adaptation, SiteLearning, SourceVerdict } from "../decision.ts";
import { adaptationOf } from "./adaptation.ts";
import { TUNING } from "./tuning.ts";

const ARMED = { baseline: { warm_up: "0s" } };
const LEARNING: SiteLearning = { errorRate: 0, guarded: 0, spikes: "capped", grown: 0, forgetsBanned: true };
const WHO = "203.0.113.9";

/** Why the last ban of a site was. */
function causeOf(site: Site): SourceVerdict {
  const cause = site.bans.at(-1)?.cause;
  if (cause?.scope !== "source") throw new Error("nobody was banned for what it did");
  return cause;
}

const adaptation = (site: Site): Adaptation => causeOf(site).adaptation!;

describe("a ban says", () => {
  test("nothing of it in the contract profile", () => {
    const site = new Site({ ...ARMED, detection: { profile: "contract" } }).flow(20, 400, () => ({ source: WHO }));
    expect(causeOf(site)).not.toHaveProperty("adaptation");
    expect(causeOf(site).topPaths[0]).toEqual({ path: "/", count: expect.any(Number) });
  });

  test("what the source was held against, and that nothing else was out of the ordinary", () => {
    const site = new Site(ARMED).flow(20, 400, () => ({ source: WHO }));
    expect(adaptation(site)).toEqual({
      norm: { of: "busy-sources", isCapped: false, share: 1 },
      people: 1,
      blamed: 0,
      notBlamed: [408, 409, 413, 423, 429, 499],
      site: { ...LEARNING, waitsSince: undefined },
    });
  });

  test("which share of the norm was enough over ten minutes", () => {
    const site = new Site(ARMED).flow(2, 1300, () => ({ source: WHO, path: "/index.php" }));
    expect(causeOf(site).windowMs).toBe(10 * MINUTE);
    expect(adaptation(site)).toMatchObject({ norm: { share: TUNING.sustainedShare }, blamed: undefined });
  });

  test("what each path counted: a file the first times, then more; a page again and again one", () => {
    const asked = ["/logo.png", "/report"];
    const site = new Site(ARMED).flow(10, 800, (i) => ({ source: WHO, path: asked[i % 2]! }));
    const costs = Object.fromEntries(causeOf(site).topPaths.map(({ path, cost }) => [path, cost]));
    expect(costs).toEqual({ "/logo.png": TUNING.cost.assetRepeated, "/report": TUNING.cost.page });
  });

  test("how many people were behind the address, as far as they counted", () => {
    const office = (i: number) =>
      i % 2 === 0 ? { method: "POST", path: "/login", status: 302 } : { path: `/home/${i}`, status: 200 };
    const site = new Site(ARMED).flow(0.5, 12, (i) => ({ source: WHO, ...office(i) }));
    site.flow(60, 3000, () => ({ source: WHO, path: "/report" }));
    expect(adaptation(site).people).toBe(TUNING.peopleCounted);
  });

  test("how many errors were blamed on it, and which never are", () => {
    const spared = { detection: { failures: { not_blamed: [403] } } };
    const site = new Site({ ...ARMED, ...spared });
    site.flow(5, 200, (i) => ({ source: WHO, path: `/${i}`, status: i % 2 === 0 ? 403 : 404 }));
    const cause = causeOf(site);
    expect(cause.adaptation!.notBlamed).toEqual([403]);
    expect(cause.adaptation!.blamed).toBe(Math.floor(cause.errors / 2));
  });

  test("that it was held against the site, and what the spike guard made of that", () => {
    const site = new Site({ detection: { source_norm: "site" }, baseline: { warm_up: "1m", spikes: "left-out" } });
    site.flow(1, 120, (i) => ({ source: visitor(i % 60), path: `/${i}` }));
    for (let second = 0; second < 5; second++) {
      site.flow(1000, 30, (i) => ({ source: visitor(i), path: `/burst/${i}` })).wait(970);
    }
    const seen = site.bans.length;
    site.flow(50, 2000, () => ({ source: WHO }));
    expect(site.bans.length).toBeGreaterThan(seen);
    const { norm, site: learning } = adaptation(site);
    expect([norm?.of, learning.spikes]).toEqual(["site", "left-out"]);
    expect(learning.guarded).toBeGreaterThanOrEqual(5);
    expect(learning.grown).toBeGreaterThanOrEqual(5);
  });

  test("that the site's baseline waited, and since when; not where it does not wait", () => {
    const during = (tuning: Record<string, number>) => {
      const site = new Site({ detection: { tuning }, baseline: { warm_up: "1m" } });
      site.flow(1, 120, (i) => ({ source: visitor(i % 60), path: `/${i}` }));
      const began = site.at;
      site.flow(40, 40 * 60, (i) => ({ source: visitor(100 + (i % 800)), path: `/crowd/${i % 7}` }));
      site.flow(100, 800, () => ({ source: WHO }));
      return { since: adaptation(site).site.waitsSince, began, at: site.at };
    };
    const { since, began, at } = during({});
    expect(since).toBeGreaterThan(began);
    expect(since).toBeLessThan(at - 10 * SECOND);
    expect(during({ freezeMs: 0 }).since).toBeUndefined();
  });
});

test.each<[string, Sketch]>([
  ["failures", { method: "POST", path: "/login", status: 401 }],
  ["the ceiling", {}],
])("%s: no norm is named where none was asked", (_, sketch) => {
  const site = new Site({ baseline: { warm_up: "1h" } }).flow(20, 1000, () => ({ source: WHO, ...sketch }));
  expect(causeOf(site).reasons).toEqual(["ceiling"]);
  expect(adaptation(site).norm).toBeUndefined();
});

test.each([
  ["z-score", true],
  ["rate-multiple", true],
  ["ramp", false],
  ["participant", false],
] as const)("a rate that fired by %s was held against a norm: %p", (reason, expected) => {
  const { norm } = adaptationOf(
    { stream: "requests", windowMs: MINUTE, baseline: baseline(), reasons: [reason] },
    { norm: baseline(), people: 1, blamed: 0, site: LEARNING },
    config(),
    TUNING,
  );
  expect(norm !== undefined).toBe(expected);
});

describe("the norm is said to be capped", () => {
  const { detection, baseline: learned } = config();
  const capped = (mean: number, stddev: number, from: "floor" | "rolling", source_norm: "busy-sources" | "site") => {
    const norm = baseline({ mean, stddev, from });
    const verdict = { stream: "requests", windowMs: MINUTE, baseline: norm, reasons: ["z-score"] } as const;
    const settings = { detection: { ...detection, source_norm }, baseline: learned };
    return adaptationOf(verdict, { norm, people: 1, blamed: 0, site: LEARNING }, settings, TUNING).norm?.isCapped;
  };

  test.each([
    [3, 0.6, "rolling", "busy-sources", true],
    [2.9, 1.5, "rolling", "busy-sources", true],
    [2.9, 1.4, "rolling", "busy-sources", false],
    [3, 1.5, "floor", "busy-sources", false],
    [12, 4, "rolling", "site", false],
  ] as const)("%d ± %d, %s, of %s: %p", (mean, stddev, from, norm, expected) => {
    expect(capped(mean, stddev, from, norm)).toBe(expected);
  });
});
