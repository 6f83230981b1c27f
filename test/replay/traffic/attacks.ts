/** How attackers ask. Every model is our own, at rates and on paths that the detector's numbers were not set on. */
import { CALM } from "./background.ts";
import type { Case, Expectation } from "./case.ts";
import { DESKTOP, type Trace } from "./trace.ts";

const ATTACKER = "203.0.113.66";
const TOOL = "python-httpx/0.27.2";
const ARTICLE = "/2026/02/notes-on-bread/";

const SECRETS = [
  "/.env.production",
  "/.git/config",
  "/backup.sql.gz",
  "/phpmyadmin/index.php",
  "/admin/config.php",
  "/api/.env",
  "/server-status/full",
  "/old-site.zip",
  "/cgi-bin/luci",
  "/vendor/composer/installed.json",
  "/wp-content/debug.log",
  "/console/login",
] as const;

const READ_ONCE = [
  ...Array.from({ length: 10 }, (_, i) => `/2026/01/letter-${i}/`),
  ...Array.from({ length: 14 }, (_, i) => `/assets/part-${i}.${i % 2 === 0 ? "js" : "css"}?ver=6.7`),
];

const ban = (within_seconds: number, source = ATTACKER): Expectation => ({
  must: "ban",
  source,
  from: CALM,
  within_seconds,
});

/** Requests for one page at a rate, from one address. */
function flood(trace: Trace, seconds: number, rate: number | ((at: number) => number), path: () => string): void {
  trace.arrivals(CALM, CALM + seconds, rate, (at) =>
    trace.add(at, ATTACKER, "GET", path(), 200, { agent: TOOL, bytes: 9000 }),
  );
}

const HOUR = 3600;
const BOTNET = Array.from({ length: 30 }, (_, i) => `203.0.113.${100 + i}`);

/** Somebody reads a page every minute: a site that is not dead, for cases of many hours. */
function trickle(trace: Trace, seconds: number): void {
  trace.every(0, seconds, 60, (at) =>
    trace.add(at, `198.18.1.${(at / 60) % 250}`, "GET", `/page/${(at / 60) % 15}`, 200),
  );
}

/** Paths that are not there: known weaknesses, and a word list. */
function probe(trace: Trace): string {
  if (trace.chance(0.3)) return trace.pick(SECRETS);
  return `/${trace.token(6)}${trace.pick(["", ".php", ".txt", "/", ".old", ".json"])}`;
}

function scan(trace: Trace, seconds: number, rate: number): void {
  trace.arrivals(CALM, CALM + seconds, rate, (at) =>
    trace.add(at, ATTACKER, "GET", probe(trace), trace.chance(0.95) ? 404 : 403, { agent: TOOL, bytes: 196 }),
  );
}

function distributed(trace: Trace, count: number, seconds: number, each: number): void {
  const sources = Array.from({ length: count }, (_, i) => `198.19.${i >> 8}.${i & 255}`);
  trace.arrivals(CALM, CALM + seconds, count * each, (at) =>
    trace.add(at, trace.pick(sources), "GET", trace.pick([ARTICLE, "/about/"]), 200, { agent: TOOL, bytes: 9000 }),
  );
}

export const ATTACKS: readonly Case[] = [
  {
    name: "flood_5x",
    why: "Six requests a second for one article from one address, six times what the whole site gets: the plainest flood, slow enough that fixed limits of hundreds a minute take their time.",
    seconds: CALM + 240,
    build: (trace) => flood(trace, 240, 6, () => ARTICLE),
    expected: [ban(60), { must: "no-alert" }],
  },
  {
    name: "flood_20x",
    why: "Twenty-two requests a second for one article with a new query each time, so that no cache answers them.",
    seconds: CALM + 120,
    build: (trace) => flood(trace, 120, 22, () => `${ARTICLE}?s=${trace.token(5)}`),
    expected: [ban(20), { must: "no-alert" }],
  },
  {
    name: "flood_100x",
    why: "A hundred and ten requests a second over all that the blog has, pages and files alike: the ban must come within seconds.",
    seconds: CALM + 40,
    build: (trace) =>
      flood(trace, 40, 110, () => trace.pick([ARTICLE, "/", "/theme/header.jpg", "/theme/main.js", "/contact/"])),
    expected: [ban(10), { must: "no-alert" }],
  },
  {
    name: "stealth_3sigma",
    why: "2.9 requests a second for ten minutes: just above what mean + 3 standard deviations of the floors allow (2.5), hidden under every fixed limit in use.",
    seconds: CALM + 600,
    build: (trace) => flood(trace, 600, 2.9, () => ARTICLE),
    expected: [ban(180), { must: "no-alert" }],
  },
  {
    name: "ramp",
    why: "A flood that grows by a quarter each minute from 0.4 requests a second, to carry the baseline along. It must be caught before it is ten times what it began with, 620 s later.",
    seconds: CALM + 780,
    build: (trace) =>
      flood(
        trace,
        780,
        (at) => 0.4 * 1.25 ** ((at - CALM) / 60),
        () => ARTICLE,
      ),
    expected: [ban(620), { must: "no-alert" }],
  },
  {
    name: "ramp_quiet",
    why: "A flood of one page that begins with three requests a minute and grows by an eighth each minute. Ten times that, half an hour of doubling later, is still far below what a single source may do: it must be caught by how it grows.",
    seconds: CALM + 1300,
    build: (trace) =>
      flood(
        trace,
        1300,
        (at) => 0.05 * 1.125 ** ((at - CALM) / 60),
        () => ARTICLE,
      ),
    expected: [ban(1173), { must: "no-alert" }],
  },
  {
    name: "ramp_mixed",
    why: "The same from five requests a minute, over two dozen pages and files in no order, as somebody would who has read the site once and wants to look like its visitors. A browser would load the files with their page, once.",
    seconds: CALM + 1300,
    build: (trace) =>
      flood(
        trace,
        1300,
        (at) => 0.08 * 1.125 ** ((at - CALM) / 60),
        () => trace.pick(READ_ONCE),
      ),
    expected: [ban(1173), { must: "no-alert" }],
  },
  {
    name: "pulse",
    why: "Six seconds at thirty requests a second, then rest until three quarters of a minute are over: average and peak tell different stories.",
    seconds: CALM + 600,
    build: (trace) =>
      flood(
        trace,
        600,
        (at) => ((at - CALM) % 45 < 6 ? 30 : 0),
        () => ARTICLE,
      ),
    expected: [ban(120), { must: "no-alert" }],
  },
  {
    name: "credstuff_1rps",
    why: "Passwords at 0.8 a second against the login form of an application that says 401.",
    seconds: CALM + 300,
    build: (trace) =>
      trace.arrivals(CALM, CALM + 300, 0.8, (at) => trace.add(at, ATTACKER, "POST", "/login", 401, { agent: TOOL })),
    expected: [ban(45)],
  },
  {
    name: "credstuff_5rps",
    why: "The same six times a second.",
    seconds: CALM + 120,
    build: (trace) =>
      trace.arrivals(CALM, CALM + 120, 6, (at) => trace.add(at, ATTACKER, "POST", "/login", 401, { agent: TOOL })),
    expected: [ban(10)],
  },
  {
    name: "credstuff_slow",
    why: "One password each nine seconds: below a dozen a minute, and still four hundred an hour. Only the ten-minute window can see it.",
    seconds: CALM + 900,
    build: (trace) =>
      trace.every(CALM, CALM + 900, 9, (at) =>
        trace.add(at + trace.between(0, 3), ATTACKER, "POST", "/wp-login.php", 200, { agent: TOOL, bytes: 7800 }),
      ),
    expected: [ban(540)],
  },
  {
    name: "credstuff_303",
    why: "What Nextcloud really answers to a wrong password in the browser: 303 back to the form, then the form with 200. No answer in this log is an error.",
    seconds: CALM + 300,
    build: (trace) =>
      trace.arrivals(CALM, CALM + 300, 0.7, (at) => {
        trace.add(at, ATTACKER, "POST", "/index.php/login", 303, { agent: TOOL, bytes: 0 });
        trace.add(at + 1, ATTACKER, "GET", "/index.php/login?direct=1&user=root", 200, { agent: TOOL, bytes: 9200 });
      }),
    expected: [ban(60)],
  },
  {
    name: "credstuff_dist",
    why: "Forty addresses with a password each eight seconds: every one stays below a dozen a minute, together they make three hundred.",
    seconds: CALM + 720,
    build: (trace) => {
      for (let i = 1; i <= 40; i++)
        trace.every(CALM + trace.between(0, 8), CALM + 720, 8, (at) =>
          trace.add(at, `203.0.113.${i}`, "POST", "/index.php/login", 401, { agent: TOOL }),
        );
    },
    expected: Array.from({ length: 40 }, (_, i) => ban(540, `203.0.113.${i + 1}`)),
  },
  {
    name: "credstuff_dav",
    why: "Passwords against WebDAV, 1.2 a second, another account name each time: nobody logs in, so the 401s are not the first half of a login.",
    seconds: CALM + 240,
    build: (trace) =>
      trace.arrivals(CALM, CALM + 240, 1.2, (at) =>
        trace.add(at, ATTACKER, "PROPFIND", `/remote.php/dav/files/${trace.token(5)}/`, 401, { agent: TOOL }),
      ),
    expected: [ban(60)],
  },
  {
    name: "credstuff_xmlrpc",
    why: "WordPress' XML-RPC takes passwords too, and answers 200 to all of them; 1.5 a second.",
    seconds: CALM + 240,
    build: (trace) =>
      trace.arrivals(CALM, CALM + 240, 1.5, (at) =>
        trace.add(at, ATTACKER, "POST", "/xmlrpc.php", 200, { agent: TOOL, bytes: 403 }),
      ),
    expected: [ban(45)],
  },
  {
    name: "scan_3rps",
    why: "A word list at 2.4 requests a second: nearly everything it asks for is missing.",
    seconds: CALM + 240,
    build: (trace) => scan(trace, 240, 2.4),
    expected: [ban(20)],
  },
  {
    name: "scan_20rps",
    why: "The same at sixteen a second.",
    seconds: CALM + 60,
    build: (trace) => scan(trace, 60, 16),
    expected: [ban(5)],
  },
  {
    name: "scan_slow",
    why: "One path each three seconds, all of them missing or forbidden.",
    seconds: CALM + 480,
    build: (trace) => scan(trace, 480, 1 / 3),
    expected: [ban(90)],
  },
  {
    name: "scan_hidden",
    why: "A scanner that loads the front page between its probes, so that half of what it gets is 200.",
    seconds: CALM + 300,
    build: (trace) =>
      trace.arrivals(CALM, CALM + 300, 1.6, (at) =>
        trace.chance(0.5)
          ? trace.add(at, ATTACKER, "GET", "/", 200, { bytes: 9000 })
          : trace.add(at, ATTACKER, "GET", probe(trace), 404, { bytes: 196 }),
      ),
    expected: [ban(60)],
  },
  {
    name: "script_scan",
    why: "Two dozen scripts that others may have left behind in WordPress' own directories, in half a minute: missing beside each other, but no directory has moved.",
    seconds: CALM + 120,
    build(trace) {
      for (let n = 0; n < 24; n++)
        trace.add(
          CALM + n * 1.3,
          ATTACKER,
          "GET",
          `/wp-${n % 3 === 0 ? "admin" : "includes"}/${trace.token(5)}.php`,
          404,
          {
            agent: TOOL,
            bytes: 196,
          },
        );
    },
    expected: [ban(25)],
  },
  {
    name: "dist_500",
    why: "Four hundred addresses, each at a human rate, together fifty requests a second for two articles. Nobody in it can be told from a person by rate alone: the right answer is a global alert.",
    seconds: CALM + 120,
    build: (trace) => distributed(trace, 400, 120, 0.12),
    expected: [{ must: "alert", from: CALM, within_seconds: 60 }],
  },
  {
    name: "dist_5000",
    why: "Three thousand addresses that come once or twice each, forty-five requests a second.",
    seconds: CALM + 100,
    build: (trace) => distributed(trace, 3000, 100, 0.015),
    expected: [{ must: "alert", from: CALM, within_seconds: 60 }],
  },
  {
    name: "ipv6_rotate",
    why: "Seven requests a second, each from another address of one /64, as any host with IPv6 can do.",
    seconds: CALM + 120,
    build: (trace) =>
      trace.arrivals(CALM, CALM + 120, 7, (at) => {
        const host = Array.from({ length: 4 }, () => trace.whole(1, 0xffff).toString(16)).join(":");
        trace.add(at, `2001:db8:bad:1:${host}`, "GET", trace.pick([ARTICLE, "/", "/about/"]), 200, { agent: TOOL });
      }),
    expected: [ban(60, "2001:db8:bad:1::/64")],
  },
  {
    name: "cold_start",
    why: "The log begins twelve seconds before a flood of sixteen requests a second does. Nothing is learned yet; the warm-up's ceiling must hold.",
    seconds: 200,
    build: (trace) =>
      trace.arrivals(12, 160, 16, (at) => trace.add(at, ATTACKER, "GET", ARTICLE, 200, { agent: TOOL, bytes: 9000 })),
    expected: [{ must: "ban", source: ATTACKER, from: 12, within_seconds: 30 }],
  },
  {
    name: "stolen_account",
    why: "An account that proved itself asks for the same heavy page twenty-five times a second: trust gives head-room, not a licence.",
    seconds: CALM + 180,
    build: (trace) => {
      trace.add(CALM - 20, ATTACKER, "PROPFIND", "/remote.php/dav/files/marek/", 207, { agent: DESKTOP, bytes: 900 });
      flood(trace, 180, 25, () => "/apps/files/?dir=/Accounting");
    },
    expected: [ban(60)],
  },
  {
    name: "search_flood",
    why: "Searches are dear: five POSTs a second, each with its own words, none of them an error.",
    seconds: CALM + 180,
    build: (trace) =>
      trace.arrivals(CALM, CALM + 180, 5, (at) =>
        trace.add(at, ATTACKER, "POST", `/search?q=${trace.token(7)}`, 200, { agent: TOOL, bytes: 3000 }),
      ),
    expected: [ban(60)],
  },
  {
    name: "share_token_scan",
    why: "Somebody guesses the tokens of public shares, one each three seconds: every path is another one in the same directory, every answer 404, and nothing else is asked for.",
    seconds: CALM + 900,
    build: (trace) =>
      trace.every(CALM, CALM + 900, 3, (at) =>
        trace.add(at + trace.between(0, 1), ATTACKER, "GET", `/index.php/s/${trace.token(15)}`, 404, { agent: TOOL }),
      ),
    expected: [ban(600)],
  },
  {
    name: "share_password",
    why: "A public share has a password, and somebody tries them, one each two seconds. Nextcloud answers the form again, with 200.",
    seconds: CALM + 600,
    build: (trace) =>
      trace.every(CALM, CALM + 600, 2, (at) =>
        trace.add(at, ATTACKER, "POST", "/index.php/s/H4rwQe92LmAjXbY/authenticate/showShare", 200, { agent: TOOL }),
      ),
    expected: [ban(300)],
  },
  {
    name: "own_login",
    why: "An application whose login is at a path of its own, where a wrong password answers 200. Somebody tries one each forty seconds: no rate at all, and ninety an hour. detection.classes says what the path is.",
    seconds: CALM + 1200,
    config: `  classes:
    - path: /konto/anmelden
      methods: [POST]
      class: login
`,
    build: (trace) =>
      trace.every(CALM, CALM + 1200, 40, (at) =>
        trace.add(at + trace.between(0, 9), ATTACKER, "POST", "/konto/anmelden", 200, { agent: TOOL, bytes: 5100 }),
      ),
    expected: [ban(900)],
  },
  {
    name: "api_login_403",
    why: "Passwords against the token endpoint of an API that says 403 each time, one each two seconds, always the same path.",
    seconds: CALM + 600,
    build: (trace) =>
      trace.every(CALM, CALM + 600, 2, (at) =>
        trace.add(at, ATTACKER, "POST", "/wp-json/jwt-auth/v1/token", 403, { agent: TOOL, bytes: 190 }),
      ),
    expected: [ban(300)],
  },
  {
    name: "author_enumeration",
    why: "WordPress tells the names of its authors to who counts through them; most numbers are nobody. One path, another query each second, nearly all of them 404.",
    seconds: CALM + 300,
    build: (trace) => {
      let author = 0;
      trace.every(CALM, CALM + 300, 1, (at) =>
        trace.add(at, ATTACKER, "GET", `/?author=${++author}`, trace.chance(0.05) ? 301 : 404, { agent: TOOL }),
      );
    },
    expected: [ban(240)],
  },
  {
    name: "flood_quiet_site",
    why: "A site so quiet that the floors rule it: a page every four seconds, by a dozen people in a minute. The flood is one address, banned within seconds; what it had asked for until then must not raise an alert for the whole site.",
    seconds: CALM + 180,
    isAlone: true,
    build: (trace) => {
      trace.every(0, CALM + 180, 4, (at) =>
        trace.add(at, `198.18.0.${(at / 4) % 13}`, "GET", `/page/${(at / 4) % 15}`, 200),
      );
      flood(trace, 60, 20, () => ARTICLE);
    },
    expected: [ban(30), { must: "no-alert" }],
  },
  {
    name: "two_at_once",
    why: "A flood must not hide what goes on beside it: while one address floods, another guesses passwords, and a stranger reads the blog.",
    seconds: CALM + 180,
    build: (trace) => {
      flood(trace, 180, 12, () => ARTICLE);
      trace.arrivals(CALM, CALM + 180, 1, (at) =>
        trace.add(at, "203.0.113.67", "POST", "/login", 401, { agent: TOOL }),
      );
    },
    expected: [ban(30), ban(45, "203.0.113.67"), { must: "no-alert" }],
  },
  {
    name: "credstuff_batches",
    why: "A dozen passwords in a quarter of a minute from one address, and once that ban is over four at a time, half an hour apart: too few for any minute, but from somebody who was banned for the same.",
    seconds: CALM + 2 * HOUR,
    build(trace) {
      for (const [batch, guesses] of [12, 4, 4, 4].entries())
        for (let guess = 0; guess < guesses; guess++)
          trace.add(CALM + batch * 1800 + guess * 1.3, ATTACKER, "POST", "/wp-login.php", 200, {
            agent: TOOL,
            bytes: 4400,
          });
    },
    expected: [ban(15), { must: "ban", source: ATTACKER, from: CALM + 1800, within_seconds: 15 }],
  },
  {
    name: "credstuff_hourly",
    why: "Three passwords an hour from one address, all day: below every bar of a minute and of ten. Only a memory of days can see it.",
    seconds: 9 * HOUR,
    isAlone: true,
    build(trace) {
      trickle(trace, 9 * HOUR);
      trace.every(CALM, 9 * HOUR, 1200, (at) =>
        trace.add(at + trace.between(0, 60), ATTACKER, "POST", "/xmlrpc.php", 200, { agent: TOOL, bytes: 370 }),
      );
    },
    expected: [ban(4 * HOUR)],
  },
  {
    name: "credstuff_botnet",
    why: "Thirty addresses take turns, each with one password an hour. One of them alone could be somebody who has forgotten it; all of them together cannot.",
    seconds: 8 * HOUR,
    isAlone: true,
    build(trace) {
      trickle(trace, 8 * HOUR);
      for (const [i, source] of BOTNET.entries())
        trace.every(CALM + i * 110, 8 * HOUR, HOUR, (at) =>
          trace.add(at, source, "POST", "/index.php/login", 303, { agent: TOOL, bytes: 0 }),
        );
    },
    expected: BOTNET.map((source) => ban(7 * HOUR, source)),
  },
  {
    name: "secret_scan",
    why: "A scanner that takes its time: a handful of files with secrets, one each quarter of a minute. No application has them, no page links to them.",
    seconds: CALM + 120,
    build(trace) {
      const secrets = ["/.env", "/.git/config", "/.aws/credentials", "/wp-config.php.bak", "/.ssh/id_rsa"];
      for (const [i, path] of secrets.entries())
        trace.add(CALM + i * 15, ATTACKER, "GET", path, 404, { agent: TOOL, bytes: 196 });
    },
    expected: [ban(20)],
  },
];
