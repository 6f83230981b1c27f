/**
 * Traffic by kind, on an engine that is past its warm-up and knows nothing but its floors: what Nextcloud's people
 * and clients do must never be a reason to ban, what attackers do must be one within the time stated.
 */
import { describe, expect, test } from "bun:test";
import { MINUTE, SECOND, Site, type Sketch } from "../records.ts";

const A = "203.0.113.10";
const from = (sketch: Sketch): Sketch => ({ source: A, ...sketch });
/** Takes the list in turn. */
const turn = <T>(list: readonly T[], i: number): T => list[i % list.length]!;

const DAV = "/remote.php/dav/files/alice";
const UPLOAD = "/remote.php/dav/uploads/alice/web-file-upload-1";

/** Plays and lets time pass, so that what matures late is judged too. */
type Play = (site: Site) => unknown;

const INNOCENT: [name: string, play: Play][] = [
  [
    "a page load of 210 requests",
    (site) =>
      site.flow(40, 210, (i) =>
        i < 10 ? from({ path: `/index.php/apps/files/${i}` }) : from({ path: `/dist/chunk-${i}.js?v=9`, status: 200 }),
      ),
  ],
  [
    "the same page loaded six times in two minutes, nearly all 304",
    (site) => {
      for (let load = 0; load < 6; load++) {
        site.flow(40, 210, (i) => from({ path: `/dist/chunk-${i}.js`, status: load === 0 ? 200 : 304 }));
        site.wait(20 * SECOND);
      }
    },
  ],
  [
    "304 everywhere, a minute long",
    (site) => site.flow(5, 300, (i) => from({ path: `/apps/theming/img/${i % 40}.svg`, status: 304 })),
  ],
  [
    "scrolling a photo folder: 700 previews, a third of them missing",
    (site) =>
      site.flow(25, 700, (i) =>
        from({ path: `/index.php/core/preview?fileId=${i}&x=256&y=256&a=1`, status: i % 3 === 0 ? 404 : 200 }),
      ),
  ],
  [
    "avatars, some missing, some not changed",
    (site) => site.flow(10, 200, (i) => from({ path: `/avatar/user${i}/64`, status: turn([200, 404, 304], i) })),
  ],
  [
    "a first sync: 6,000 folders at 50 a second",
    (site) => site.flow(50, 6000, (i) => from({ method: "PROPFIND", path: `${DAV}/folder-${i}/`, status: 207 })),
  ],
  [
    "a first upload of 2,000 small files",
    (site) => site.flow(20, 2000, (i) => from({ method: "PUT", path: `${DAV}/new/${i}.txt`, status: 201 })),
  ],
  [
    "a download of 2,000 files by a client that has listed them",
    (site) => {
      site.flow(5, 20, (i) => from({ method: "PROPFIND", path: `${DAV}/f${i}/`, status: 207 }));
      site.flow(30, 2000, (i) => from({ path: `${DAV}/f/${i}.jpg`, status: 200 }));
    },
  ],
  [
    "a chunked upload: MKCOL, 500 chunks, MOVE",
    (site) => {
      site.send(from({ method: "MKCOL", path: UPLOAD, status: 201 }));
      site.flow(6, 500, (i) => from({ method: "PUT", path: `${UPLOAD}/${i}`, status: 201 }));
      site.send(from({ method: "MOVE", path: `${UPLOAD}/.file`, status: 201 }));
    },
  ],
  [
    "uploads that answer 404 first, by a client with an account",
    (site) => {
      site.send(from({ method: "PROPFIND", path: `${DAV}/`, status: 207 }));
      site.flow(10, 400, (i) =>
        from({ method: i % 2 ? "PUT" : "PROPFIND", path: `${DAV}/n${i >> 1}.txt`, status: i % 2 ? 201 : 404 }),
      );
    },
  ],
  [
    "six clients behind one address, each polling every 30 seconds, for an hour",
    (site) =>
      site.flow(0.6, 2160, (i) =>
        from(
          turn<Sketch>(
            [
              { method: "PROPFIND", path: `${DAV}/`, status: 207 },
              { path: "/ocs/v2.php/apps/notifications/api/v2/notifications", status: 304 },
              { path: "/ocs/v2.php/apps/user_status/api/v1/user_status", status: 200 },
            ],
            i,
          ),
        ),
      ),
  ],
  [
    "a client that asks without a password first, every time",
    (site) =>
      site.flow(2, 240, (i) => from({ method: "PROPFIND", path: `${DAV}/d${i >> 1}/`, status: i % 2 ? 207 : 401 })),
  ],
  [
    "CardDAV and CalDAV discovery: 401, 207, 405, 405, 404, a few times over",
    (site) =>
      site.flow(3, 40, (i) =>
        from({
          method: "PROPFIND",
          path: turn(["/remote.php/dav", "/remote.php/dav/", "/", "/principals/", "/.well-known/carddav"], i),
          status: turn([401, 207, 405, 405, 404], i),
        }),
      ),
  ],
  [
    "a monitor each second for half an hour",
    (site) => site.flow(1, 1800, () => from({ path: "/status.php", status: 200 })),
  ],
  [
    "waiting for the device login: 404 each second for five minutes",
    (site) => site.flow(1, 300, () => from({ method: "POST", path: "/index.php/login/v2/poll", status: 404 })),
  ],
  [
    "a locked file, tried again and again",
    (site) => {
      site.send(from({ method: "PROPFIND", path: `${DAV}/`, status: 207 }));
      site.flow(1, 300, () => from({ method: "PUT", path: `${DAV}/open.docx`, status: 423 }));
    },
  ],
  [
    "a server that is ill: 502, 503 and 504 for ten minutes",
    (site) =>
      site.flow(0.8, 480, (i) => from({ path: `/apps/files/${i % 30}`, status: turn([502, 503, 504, 500], i) })),
  ],
  [
    "uploads too large, throttled, given up: 413, 429, 499",
    (site) =>
      site.flow(1, 120, (i) => from({ method: "PUT", path: `${DAV}/big-${i}.iso`, status: turn([413, 429, 499], i) })),
  ],
  [
    "a document edited together: sessions answered 403 now and then",
    (site) =>
      site.flow(1, 300, (i) =>
        from({ method: "POST", path: "/index.php/apps/text/session/7/sync", status: i % 10 ? 200 : 403 }),
      ),
  ],
  [
    "a person who mistypes the password three times, then reads",
    (site) => {
      site.flow(0.2, 3, () => from({ method: "POST", path: "/login", status: 303 }));
      site.flow(1, 20, (i) => from({ path: `/apps/files/?dir=/${i}`, status: 200 }));
    },
  ],
  [
    "a reader who looks at a page every two seconds for an hour",
    (site) => site.flow(0.5, 1800, (i) => from({ path: `/article/${i}` })),
  ],
];

describe("innocent", () => {
  test.each(INNOCENT)("%s", (_, play) => {
    const site = new Site().warm();
    play(site);
    site.wait(2 * MINUTE, true);
    expect(site.bans.map(({ cause }) => cause)).toEqual([]);
  });

  // An excused 401 stays in the queue; when it falls due it counts another one of its source that has just begun to wait.
  test.each([
    [2, 700],
    [1, 700],
    [4, 900],
  ])(
    "a client that asks without a password first, %d requests a second, %d ms after the full second",
    (pace, offset) => {
      const site = new Site().warm();
      site.at += offset;
      site.flow(pace, 600, (i) => from({ method: "PROPFIND", path: `${DAV}/d${i >> 1}/`, status: i % 2 ? 207 : 401 }));
      expect(site.bans).toEqual([]);
    },
  );

  // The bar is per_minute × window / 60 s: with a window of five seconds less than one failure.
  test("one mistyped password, with a window of five seconds", () => {
    const site = new Site({ detection: { window: "5s" } }).warm();
    site.send(from({ method: "POST", path: "/login", status: 200 }));
    expect(site.bans).toEqual([]);
  });

  // The .png form of a preview is classified as an asset: its query is ignored and its 404 weighs as a page.
  test("scrolling a photo folder by /core/preview.png", () => {
    const site = new Site().warm();
    site.flow(10, 400, (i) => from({ path: `/core/preview.png?file=/p/${i}.jpg&x=64`, status: i % 2 ? 200 : 404 }));
    expect(site.bans).toEqual([]);
  });

  // Any name that looks like an exploit counts as one, also as a file of a proven account.
  test("a developer's checkout being synced, each new file asked for first", () => {
    const site = new Site().warm();
    site.send(from({ method: "PROPFIND", path: `${DAV}/`, status: 207 }));
    site.flow(5, 200, (i) => {
      const path = `${DAV}/project/.git/objects/${i >> 1}`;
      return from(i % 2 ? { method: "PUT", path, status: 201 } : { method: "PROPFIND", path, status: 404 });
    });
    expect(site.bans).toEqual([]);
  });
});

const ATTACKS: [name: string, withinSeconds: number, perSecond: number, request: (i: number) => Sketch][] = [
  ["a flood of one page, 20 a second", 15, 20, () => from({ path: "/" })],
  ["a flood of one page, 5 a second", 60, 5, () => from({ path: "/index.php" })],
  ["a flood with random queries", 15, 20, (i) => from({ path: `/?q=${i * 7919}` })],
  ["a flood of pages that do not exist", 15, 20, (i) => from({ path: `/x${i}`, status: 404 })],
  ["a flood of a single picture", 60, 30, () => from({ path: "/hero.jpg" })],
  ["login guessing that answers 200", 30, 1, () => from({ method: "POST", path: "/login", status: 200 })],
  ["login guessing that answers 302", 30, 1, () => from({ method: "POST", path: "/wp-login.php", status: 302 })],
  ["login guessing that answers 303", 30, 1, () => from({ method: "POST", path: "/index.php/login", status: 303 })],
  [
    "login guessing that looks at the form each time",
    60,
    1,
    (i) => from(i % 2 ? { method: "POST", path: "/login", status: 303 } : { path: "/login", status: 200 }),
  ],
  ["password guessing over WebDAV", 60, 1, () => from({ method: "PROPFIND", path: `${DAV}/`, status: 401 })],
  ["a path scanner, 1 a second", 60, 1, (i) => from({ path: `/admin${i}/`, status: 404 })],
  ["a scanner for exploits, one in three seconds", 120, 0.3, (i) => from({ path: `/${i}/.git/config`, status: 404 })],
  ["a slow path scanner, one in three seconds", 600, 0.3, (i) => from({ path: `/old/${i}/x${i}`, status: 403 })],
  ["guessing slowly, once a minute", 6 * 3600, 1 / 60, () => from({ method: "POST", path: "/login", status: 303 })],
  [
    "a flood that rotates through a /64",
    30,
    20,
    (i) => ({ source: `2001:db8:1:2:${(i * 7919).toString(16).slice(-4)}::${(i % 65_000).toString(16)}`, path: "/" }),
  ],
  [
    "login guessing that rotates through a /64",
    60,
    1,
    (i) => ({ source: `2001:db8:1:2::${(i + 1).toString(16)}`, method: "POST", path: "/login", status: 303 }),
  ],
];

describe("attackers", () => {
  test.each(ATTACKS)("%s: banned within %d s", (_, withinSeconds, perSecond, request) => {
    const site = new Site().warm();
    const began = site.at;
    site.flow(perSecond, Math.ceil(perSecond * withinSeconds), request);
    expect(site.bans.length).toBeGreaterThan(0);
    expect(site.bans[0]!.since - began).toBeLessThanOrEqual(withinSeconds * SECOND);
    expect(new Set(site.bans.map((ban) => ban.source)).size).toBe(1);
  });

  // Any answer below 300 of class probe, preview, dav or login takes three waiting 401s back, whoever may have it.
  test.each(["/status.php", "/robots.txt", "/avatar/admin/64"])(
    "password guessing over WebDAV is not excused by a public %s",
    (path) => {
      const site = new Site().warm();
      for (let round = 0; round < 60; round++) {
        for (let i = 0; i < 3; i++) site.send(from({ method: "PROPFIND", path: `${DAV}/`, status: 401 }));
        site.send(from({ path, status: 200 })).wait(11 * SECOND);
      }
      expect(site.bans.length).toBeGreaterThan(0);
    },
  );

  test("trust does not make an attacker of an account invisible", () => {
    const site = new Site().warm();
    site.send(from({ method: "PROPFIND", path: `${DAV}/`, status: 207 }));
    site.flow(3, 900, () => from({ method: "POST", path: "/login", status: 303 }));
    expect(site.bans.length).toBe(1);
    expect(site.bans[0]!.cause).toMatchObject({ trusted: true });
  });

  test("trust ends with its time, and with a ban", () => {
    const site = new Site({ detection: { trust: { duration: "10m" } } }).warm();
    site.send(from({ method: "PROPFIND", path: `${DAV}/`, status: 207 }));
    const trusted = () => site.engine.status(100).sources.top.find((row) => row.source === A)?.trusted;
    expect(trusted()).toBe(true);
    site.wait(9 * MINUTE).send(from({}));
    expect(trusted()).toBe(true);
    site.wait(2 * MINUTE).send(from({}));
    expect(trusted()).toBe(false);
  });

  // #prove() returns early while `until - at > duration - 60 s`: with less than a minute that holds after the end, too.
  test("a trust of half a minute is renewed by each proof", () => {
    const site = new Site({ detection: { trust: { duration: "30s" } } }).warm();
    for (let i = 0; i < 12; i++) {
      site.send(from({ method: "PROPFIND", path: `${DAV}/`, status: 207 }));
      expect(site.engine.status(100).sources.top.find((row) => row.source === A)?.trusted).toBe(true);
      site.wait(10 * SECOND);
    }
  });
});

describe("a 401", () => {
  const challenge = from({ method: "PROPFIND", path: `${DAV}/`, status: 401 });
  const success = from({ method: "PROPFIND", path: `${DAV}/`, status: 207 });
  const failures = (site: Site) =>
    site.bans.filter(({ cause }) => cause.scope === "source" && cause.stream === "failures");

  test("followed by success within ten seconds never counts", () => {
    const site = new Site({ detection: { failures: { per_minute: 1, per_10_minutes: 1 } } }).warm();
    for (let i = 0; i < 30; i++)
      site
        .send(challenge)
        .wait(9 * SECOND, true)
        .send(success)
        .wait(3 * SECOND, true);
    expect(site.bans).toEqual([]);
  });

  test("alone counts after ten seconds, not before", () => {
    const site = new Site({ detection: { failures: { per_minute: 1, per_10_minutes: 1 } } }).warm();
    const began = (site.at = Math.ceil(site.at / SECOND) * SECOND);
    site
      .send(challenge)
      .send(challenge)
      .wait(9 * SECOND + 999, true);
    expect(failures(site)).toEqual([]);
    site.wait(SECOND, true);
    expect(failures(site).map((ban) => ban.since - began)).toEqual([10 * SECOND]);
  });

  test("followed by a page anybody may see still counts", () => {
    const site = new Site({ detection: { failures: { per_minute: 1, per_10_minutes: 1 } } }).warm();
    for (let i = 0; i < 3; i++)
      site
        .send(challenge)
        .send(from({ path: "/" }))
        .send(from({ path: "/a.css" }));
    site.wait(11 * SECOND, true);
    expect(failures(site).length).toBe(1);
  });
});

test("dead links of a crawler count only when they are much of what it does", () => {
  const crawl = (share: number) => {
    const site = new Site().warm();
    site.flow(0.8, 480, (i) => from({ path: `/d${i}/p${i}`, status: (i * share) % 1 < share ? 404 : 200 }));
    return site.bans.length;
  };
  expect([0.05, 0.2, 0.95].map(crawl)).toEqual([0, 0, 1]);
});
