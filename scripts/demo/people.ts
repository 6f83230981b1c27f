/** Who uses the demo's site, and who attacks it: each an endless, deterministic stream of requests. [pure] */
import type { Asked } from "./nextcloud.ts";

/** One request, `at` milliseconds after the demo began. */
export interface Request extends Asked {
  readonly at: number;
  readonly source: string;
  readonly userAgent: string;
}

export type Person = Generator<Request, never>;
type Random = () => number;

const BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const DESKTOP = "Mozilla/5.0 (Linux) mirall/3.16.4 (Nextcloud)";
const PHONE = "Mozilla/5.0 (Android) Nextcloud-android/3.32.1";

/** mulberry32: a small generator whose whole state is one number, so that every demo runs alike. */
export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function ask(source: string, userAgent: string) {
  return (at: number, method: string, path: string, over: Partial<Asked> = {}): Request => ({
    at,
    source,
    userAgent,
    method,
    path,
    authorized: true,
    cached: false,
    ...over,
  });
}

/** A desktop client: looks every 30 s, and now and then uploads a file in chunks. */
export function* syncClient(random: Random, source: string): Person {
  const request = ask(source, DESKTOP);
  const user = source.replaceAll(/[.:]/g, "");
  // Discovery: the first request comes without a password on purpose.
  let at = random() * 20_000;
  yield request(at, "PROPFIND", `/remote.php/dav/files/u${user}/`, { authorized: false });
  for (let round = 1; ; round++) {
    yield request(at + 90, "PROPFIND", `/remote.php/dav/files/u${user}/`);
    yield request(at + 240, "GET", "/ocs/v2.php/apps/notifications/api/v2/notifications?format=json");
    if (random() < 0.3) yield* upload(request, random, at + 600, `/remote.php/dav/uploads/u${user}/${round}`);
    at += 28_000 + random() * 4_000;
  }
}

function* upload(
  request: ReturnType<typeof ask>,
  random: Random,
  start: number,
  folder: string,
): Generator<Request, void> {
  const chunks = 2 + Math.floor(random() * 8);
  yield request(start, "MKCOL", folder);
  for (let i = 0; i < chunks; i++) yield request(start + 150 + i * 180, "PUT", `${folder}/${i}`);
  yield request(start + 300 + chunks * 180, "MOVE", `${folder}/.file`);
}

/** Somebody at a browser: logs in, loads a page of some 80 files, reads, goes on. */
export function* webUser(random: Random, source: string): Person {
  const request = ask(source, BROWSER);
  let at = random() * 60_000;
  yield request(at, "GET", "/login", { authorized: false });
  yield request((at += 6_000), "POST", "/login", { authorized: false });
  for (let page = 0; ; page++) {
    const app = ["files", "dashboard", "photos", "calendar"][Math.floor(random() * 4)]!;
    yield request(at, "GET", `/apps/${app}/`);
    for (let i = 0; i < 60; i++) yield request(at + 120 + i * 25, "GET", `/dist/${app}-${i}.js`, { cached: page > 0 });
    yield request(at + 1_700, "PROPFIND", "/remote.php/dav/files/web/");
    const previews = Math.floor(random() * 24);
    for (let i = 0; i < previews; i++) yield request(at + 1_800 + i * 60, "GET", `/core/preview?fileId=${page}${i}`);
    yield request(at + 12_000, "GET", "/ocs/v2.php/apps/user_status/api/v1/heartbeat");
    at += 45_000 + random() * 75_000;
  }
}

/** A phone: a listing and a few pictures. */
export function* phone(random: Random, source: string): Person {
  const request = ask(source, PHONE);
  for (let at = random() * 40_000; ; at += 30_000 + random() * 30_000) {
    yield request(at, "PROPFIND", "/remote.php/dav/files/phone/");
    const pictures = 1 + Math.floor(random() * 6);
    for (let i = 0; i < pictures; i++) yield request(at + 200 + i * 150, "GET", `/core/preview?fileId=${i}&x=256`);
  }
}

/** A watchdog that asks for the status page. */
export function* monitor(source: string): Person {
  const request = ask(source, "uptime-check/2.1");
  for (let at = 500; ; at += 10_000) yield request(at, "GET", "/status.php", { authorized: false });
}

/** An attacker that asks for the login page, 40 times a second, for ever. */
export function* flooder(source: string, start: number): Person {
  const request = ask(source, "python-requests/2.32");
  for (let at = start; ; at += 25) yield request(at, "GET", "/login", { authorized: false });
}

const PROBES = [
  "wp-login.php",
  ".env",
  ".git/config",
  "phpmyadmin/",
  "backup.zip",
  "admin.php",
  "config.bak",
  "shell.php",
];

/** An attacker that looks for doors: 5 paths a second, nearly all of them absent. */
export function* scanner(source: string, start: number): Person {
  const request = ask(source, "Mozilla/5.0 zgrab/0.x");
  for (let i = 0; ; i++) {
    const path = `/${i < PROBES.length ? "" : `v${Math.floor(i / PROBES.length)}/`}${PROBES[i % PROBES.length]}`;
    yield request(start + i * 200, "GET", path, { authorized: false });
  }
}
