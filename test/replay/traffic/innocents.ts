/** How innocent people and their programs ask when they ask a lot. None of this may lead to a ban. */
import { CALM, someone } from "./background.ts";
import type { Case } from "./case.ts";
import { DESKTOP, type Trace } from "./trace.ts";

const SOMEBODY = "192.0.2.77";
const OFFICE = "192.0.2.200";
const ANDROID = "Mozilla/5.0 (Android) Nextcloud-android/3.30.4";
const NO_BAN = [{ must: "no-ban" }] as const;

/** One cold load of the web interface: some 190 requests, nearly all of them files. */
function webSession(trace: Trace, at: number, source: string): void {
  trace.add(at, source, "GET", "/index.php/login", 200, { bytes: 9300 });
  trace.add(at + 6, source, "POST", "/index.php/login", 303, { bytes: 0 });
  trace.add(at + 7, source, "GET", "/index.php/apps/files/", 200, { bytes: 43_000 });
  for (let i = 0; i < 120; i++)
    trace.add(at + 7 + trace.between(0.3, 4), source, "GET", `/dist/${i}-chunk.js?v=${i * 7}a-0`, 200, {
      bytes: 40_000,
    });
  for (let i = 0; i < 40; i++)
    trace.add(at + 8 + trace.between(0, 3), source, "GET", `/core/img/filetypes/icon-${i}.svg`, 200, { bytes: 700 });
  for (let i = 0; i < 25; i++)
    trace.add(
      at + 10 + trace.between(0, 3),
      source,
      "GET",
      `/index.php/core/preview?fileId=${trace.whole(1, 9000)}&x=64&y=64`,
      200,
    );
  for (const app of ["notifications", "user_status", "weather_status", "dashboard"])
    trace.add(at + 11, source, "GET", `/ocs/v2.php/apps/${app}/api/v1/all`, 200, { bytes: 300 });
}

/** A client that finds its way in: without a password first, as WebDAV clients do. */
function discovery(trace: Trace, at: number, source: string, name: string): void {
  trace.add(at, source, "GET", "/status.php", 200, { agent: DESKTOP });
  trace.add(at + 1, source, "PROPFIND", "/remote.php/dav/", 401, { agent: DESKTOP });
  trace.add(at + 1, source, "PROPFIND", "/remote.php/webdav/", 401, { agent: DESKTOP });
  trace.add(at + 2, source, "GET", "/ocs/v1.php/cloud/user?format=json", 401, { agent: DESKTOP });
  trace.add(at + 4, source, "GET", "/ocs/v1.php/cloud/user?format=json", 200, { agent: DESKTOP });
  trace.add(at + 4, source, "PROPFIND", `/remote.php/dav/files/${name}/`, 207, { agent: DESKTOP });
}

export const INNOCENTS: readonly Case[] = [
  {
    name: "flash_crowd",
    why: "An article is linked from a much-read page: 260 new visitors in five minutes, each with the files of the theme. The site's rate is out of its normal, which may be told; nobody in it is an attacker.",
    seconds: CALM + 420,
    build(trace) {
      for (let i = 0; i < 260; i++) {
        const source = `198.18.${200 + (i >> 7)}.${1 + (i & 127)}`;
        let at = CALM + trace.between(0, 300);
        for (let page = trace.whole(1, 3), first = true; page > 0; page--, first = false) {
          trace.add(at, source, "GET", first ? "/2025/11/the-old-mill/" : "/about/", 200, { bytes: 14_000 });
          if (first)
            for (let file = trace.whole(7, 14); file > 0; file--)
              trace.add(
                at + trace.between(0.2, 2),
                source,
                "GET",
                `/theme/part-${file}.${trace.pick(["css", "js", "png"])}`,
                200,
              );
          at += trace.between(8, 50);
        }
      }
    },
    expected: NO_BAN,
  },
  {
    name: "flash_crowd_elsewhere",
    why: "A larger crowd, in two minutes, for one article whose files lie on another host: this log has nothing of them but one request each. One in five comes back to the page once or twice, one in fifty reloads it until it has looked seven times. Nobody in it is an attacker, with detection.global.ban_participants neither.",
    seconds: CALM + 420,
    build(trace) {
      for (let i = 0; i < 800; i++) {
        const source = `198.18.${200 + (i >> 7)}.${1 + (i & 127)}`;
        let at = CALM + trace.between(0, 120);
        const looks = trace.chance(0.02) ? 7 : trace.chance(0.2) ? trace.whole(2, 3) : 1;
        for (let look = 0; look < looks; look++, at += trace.between(3, 25))
          trace.add(at, source, "GET", "/2025/11/the-old-mill/", 200, { bytes: 14_000 });
      }
    },
    expected: NO_BAN,
  },
  {
    name: "live_ticker",
    why: "Something happens, and the page that tells of it asks for itself every twenty seconds. Two hundred people have it open, most of them came in the last minutes with the files of the theme, some have had it open since the morning. Repeating alone makes nobody an attacker.",
    seconds: CALM + 420,
    build(trace) {
      for (let i = 0; i < 200; i++) {
        const source = `198.18.${210 + (i >> 7)}.${1 + (i & 127)}`;
        const isEarly = i < 15;
        const from = isEarly ? trace.between(0, 400) : CALM + trace.between(0, 90);
        trace.every(from, CALM + 420, 20, (at) => trace.add(at, source, "GET", "/live/", 200, { bytes: 5000 }));
        if (!isEarly)
          for (const file of ["style.css", "main.js", "logo.svg"])
            trace.add(from + 1, source, "GET", `/theme/${file}`, 200);
      }
    },
    expected: NO_BAN,
  },
  {
    name: "own_thumbnails",
    why: "A gallery of another application: somebody scrolls through four years of it, fourteen thumbnails a second, each at a path of its own without an extension. detection.classes says what they are; taken for pages they would be a flood.",
    seconds: CALM + 120,
    config: `  classes:
    - path: /medien/klein/**
      methods: [GET]
      class: preview
`,
    build(trace) {
      trace.add(CALM, "192.0.2.77", "GET", "/medien/", 200, { bytes: 21_000 });
      let picture = 4000;
      trace.arrivals(CALM + 2, CALM + 110, 14, (at) =>
        trace.add(at, "192.0.2.77", "GET", `/medien/klein/2025/${++picture}?b=320`, 200, { bytes: 15_000 }),
      );
    },
    expected: [...NO_BAN, { must: "no-alert" }],
  },
  {
    name: "sync_burst",
    why: "Somebody renamed a folder of four hundred subfolders: the desktop client walks it at thirty-five requests a second for a minute and a half, reading and writing.",
    seconds: CALM + 150,
    build(trace) {
      trace.arrivals(CALM, CALM + 90, 35, (at) => {
        const folder = `/remote.php/dav/files/lea/Projects/2019/${trace.whole(1, 400)}/`;
        const kind = trace.between(0, 1);
        if (kind < 0.55) trace.add(at, SOMEBODY, "PROPFIND", folder, 207, { agent: DESKTOP, bytes: 2900 });
        else if (kind < 0.85)
          trace.add(at, SOMEBODY, "GET", `${folder}plan-${trace.whole(1, 20)}.odt`, 200, { agent: DESKTOP });
        else if (kind < 0.96)
          trace.add(at, SOMEBODY, "PUT", `${folder}plan-${trace.whole(1, 20)}.odt`, 204, { agent: DESKTOP });
        else trace.add(at, SOMEBODY, "GET", `${folder}plan-${trace.whole(1, 20)}.odt`, 404, { agent: DESKTOP });
      });
    },
    expected: NO_BAN,
  },
  {
    name: "monitor_1s",
    why: "Two monitors behind one address ask for the status page, one every second, one every two, for twenty minutes.",
    seconds: CALM + 1200,
    build(trace) {
      const agent = "Better Uptime Bot";
      trace.every(CALM, CALM + 1200, 1, (at) => trace.add(at, SOMEBODY, "GET", "/status.php", 200, { agent }));
      trace.every(CALM, CALM + 1200, 2, (at) => trace.add(at, SOMEBODY, "HEAD", "/healthz", 200, { agent, bytes: 0 }));
    },
    expected: NO_BAN,
  },
  {
    name: "office_nat",
    why: "Twenty-two people arrive at an office whose traffic leaves through one address: sync clients, logins, cold page loads, a few mistyped passwords, all in twenty minutes.",
    seconds: CALM + 1200,
    build(trace) {
      for (let i = 0; i < 22; i++) {
        const arrival = CALM + trace.between(0, 900);
        trace.every(arrival, CALM + 1200, 30, (at) =>
          trace.add(at, OFFICE, "PROPFIND", `/remote.php/dav/files/emp${i}/`, 207, { agent: DESKTOP, bytes: 431 }),
        );
        if (trace.chance(0.2)) trace.add(arrival + 20, OFFICE, "POST", "/index.php/login", 303, { bytes: 0 });
        if (trace.chance(0.6)) webSession(trace, arrival + 30, OFFICE);
        trace.arrivals(Math.ceil(arrival), CALM + 1200, 1 / 60, (at) =>
          trace.add(at, OFFICE, "GET", `/index.php/apps/files/?dir=/Team/${trace.whole(1, 30)}`, 200, {
            bytes: 40_000,
          }),
        );
      }
    },
    expected: NO_BAN,
  },
  {
    name: "backup_crawl",
    why: "An archive of the web reads the whole blog, every page once, two and a half a second for twenty minutes; one page in seven has moved or gone.",
    seconds: CALM + 1200,
    build(trace) {
      let page = 0;
      trace.arrivals(CALM, CALM + 1200, 2.5, (at) =>
        trace.add(
          at,
          SOMEBODY,
          "GET",
          `/archive/entry-${++page}/`,
          trace.chance(0.86) ? 200 : trace.pick([301, 404, 410]),
          {
            agent: "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
            bytes: 8200,
          },
        ),
      );
    },
    expected: NO_BAN,
  },
  {
    name: "preview_404",
    why: "Scrolling a folder of photos whose previews are not made yet: sixteen thumbnails a second for fifty seconds, one in five missing.",
    seconds: CALM + 120,
    build(trace) {
      webSession(trace, CALM, SOMEBODY);
      trace.arrivals(CALM + 15, CALM + 65, 16, (at) =>
        trace.add(
          at,
          SOMEBODY,
          "GET",
          `/index.php/core/preview?fileId=${trace.whole(1, 50_000)}&x=512&y=512&a=true`,
          trace.chance(0.2) ? 404 : 200,
          {
            bytes: 6100,
          },
        ),
      );
    },
    expected: NO_BAN,
  },
  {
    name: "dav_401_pairs",
    why: "A calendar program that never sends its password by itself: each of its requests is refused with 401 and repeated with success.",
    seconds: CALM + 120,
    build(trace) {
      const agent = "Evolution/3.54.1";
      trace.arrivals(CALM, CALM + 60, 1.6, (at) => {
        const event = `/remote.php/dav/calendars/olu/${trace.pick(["private", "choir", "shifts"])}/${trace.token(8)}.ics`;
        trace.add(at, SOMEBODY, "GET", event, 401, { agent });
        trace.add(at + 0.4, SOMEBODY, "GET", event, 200, { agent, bytes: 1900 });
        if (trace.chance(0.2)) {
          trace.add(at, SOMEBODY, "REPORT", "/remote.php/dav/calendars/olu/private/", 401, { agent });
          trace.add(at + 0.5, SOMEBODY, "REPORT", "/remote.php/dav/calendars/olu/private/", 207, { agent });
        }
      });
    },
    expected: NO_BAN,
  },
  {
    name: "seedvault_404",
    why: "A phone's backup app deletes chunks that may be there or not, and writes new ones: eight requests a second for two minutes, a third of them 404.",
    seconds: CALM + 180,
    build(trace) {
      const agent = "okhttp/5.0.0";
      trace.arrivals(CALM, CALM + 120, 8, (at) => {
        const chunk = `/remote.php/dav/files/kofi/.SeedVaultAndroidBackup/${trace.token(10)}/${trace.token(12)}`;
        if (trace.chance(0.6)) trace.add(at, SOMEBODY, "DELETE", chunk, trace.chance(0.55) ? 404 : 204, { agent });
        else trace.add(at, SOMEBODY, "PUT", chunk, 201, { agent });
      });
    },
    expected: NO_BAN,
  },
  {
    name: "stale_password",
    why: "Somebody changed the password and went home: the desktop client at the office asks every twenty seconds with the old one, and the phone's calendar three times every ten minutes, for an hour.",
    seconds: CALM + 3600,
    build(trace) {
      trace.every(CALM, CALM + 3600, 20, (at) =>
        trace.add(at, SOMEBODY, "PROPFIND", "/remote.php/dav/files/petra/", 401, { agent: DESKTOP }),
      );
      trace.every(CALM + 40, CALM + 3600, 600, (at) => {
        for (const calendar of ["personal", "family", "birthdays"])
          trace.add(at, SOMEBODY, "PROPFIND", `/remote.php/dav/calendars/petra/${calendar}/`, 401, {
            agent: "DAVx5/4.4",
          });
      });
    },
    expected: NO_BAN,
  },
  {
    name: "upgrade_herd",
    why: "The server comes back from maintenance: twenty-five clients that met 503 for a minute rediscover everything within half a minute.",
    seconds: CALM + 240,
    build(trace) {
      for (let i = 0; i < 25; i++) {
        const source = `192.0.2.${100 + i}`;
        const root = `/remote.php/dav/files/member${i}/`;
        trace.every(CALM + trace.between(0, 8), CALM + 60, 8, (at) =>
          trace.add(at, source, "PROPFIND", root, 503, { agent: DESKTOP, bytes: 300 }),
        );
        let at = CALM + 60 + trace.between(0, 30);
        discovery(trace, at, source, `member${i}`);
        for (let folder = trace.whole(60, 160); folder > 0; folder--)
          trace.add((at += trace.between(0.05, 0.4)), source, "PROPFIND", `${root}d${folder}/`, 207, {
            agent: DESKTOP,
          });
      }
    },
    expected: NO_BAN,
  },
  {
    name: "page_reload",
    why: "A person reloads a heavy page nine times in a minute and a half: sixty-five files each, from the second time on mostly 304.",
    seconds: CALM + 150,
    build(trace) {
      for (let load = 0; load < 9; load++) {
        const at = CALM + load * 10;
        trace.add(at, SOMEBODY, "GET", "/2025/08/cycling-to-the-coast/", 200, { bytes: 22_000 });
        for (let file = 0; file < 65; file++)
          trace.add(
            at + trace.between(0.2, 2),
            SOMEBODY,
            "GET",
            `/theme/gallery/${file}.${file % 4 ? "jpg" : "js"}`,
            load === 0 ? 200 : 304,
            {
              bytes: load === 0 ? 30_000 : 0,
            },
          );
      }
    },
    expected: NO_BAN,
  },
  {
    name: "auth_discovery",
    why: "A workshop of nine people behind one address sets up its clients in the same quarter of an hour: every client asks without a password first.",
    seconds: CALM + 960,
    build(trace) {
      for (let i = 0; i < 9; i++)
        for (let device = 0; device < 2; device++) discovery(trace, CALM + trace.between(0, 900), OFFICE, `guest${i}`);
    },
    expected: NO_BAN,
  },
  {
    name: "carddav_discovery",
    why: "A phone looks for its address books the way RFC 6764 says: redirects, 401, 405 and 404 before the first 207, and again for each of four accounts.",
    seconds: CALM + 180,
    build(trace) {
      const agent = "iOS/18.1 (22B83) dataaccessd/1.0";
      for (let account = 0; account < 4; account++) {
        let at = CALM + account * 25;
        const ask = (method: string, path: string, status: number) =>
          trace.add((at += 0.7), SOMEBODY, method, path, status, { agent });
        for (const kind of ["carddav", "caldav"]) {
          ask("PROPFIND", `/.well-known/${kind}`, 301);
          ask("PROPFIND", "/remote.php/dav/", 401);
          ask("PROPFIND", "/remote.php/dav/", 207);
          ask("PROPFIND", "/", 405);
          ask("OPTIONS", "/principals/", 405);
          ask("PROPFIND", `/principals/users/kin${account}/`, 404);
          ask("PROPFIND", `/remote.php/dav/principals/users/kin${account}/`, 207);
        }
        ask("REPORT", `/remote.php/dav/addressbooks/users/kin${account}/contacts/`, 207);
      }
    },
    expected: NO_BAN,
  },
  {
    name: "login_flow_v2",
    why: "The desktop client opened the browser to log in, and its owner looks for the second factor: the client polls every second and gets 404 for four minutes.",
    seconds: CALM + 300,
    build(trace) {
      trace.add(CALM, SOMEBODY, "POST", "/index.php/login/v2", 200, { agent: DESKTOP });
      trace.add(CALM + 2, SOMEBODY, "GET", `/index.php/login/v2/flow/${trace.token(40)}`, 303);
      trace.every(CALM + 1, CALM + 240, 1, (at) =>
        trace.add(at, SOMEBODY, "POST", "/index.php/login/v2/poll", 404, { agent: DESKTOP, bytes: 2 }),
      );
      trace.add(CALM + 200, SOMEBODY, "POST", "/index.php/login", 303, { bytes: 0 });
      trace.add(CALM + 240, SOMEBODY, "POST", "/index.php/login/v2/poll", 200, { agent: DESKTOP });
      discovery(trace, CALM + 242, SOMEBODY, "nadia");
    },
    expected: NO_BAN,
  },
  {
    name: "chunked_upload",
    why: "A film goes up in pieces: one MKCOL, nine PUTs a second for two minutes, a few of them answered 413, 423 or 504 and sent again, one MOVE.",
    seconds: CALM + 180,
    build(trace) {
      const upload = `/remote.php/dav/uploads/jonas/${trace.whole(1e8, 9e8)}`;
      trace.add(CALM, SOMEBODY, "MKCOL", upload, 201, { agent: DESKTOP });
      let piece = 0;
      trace.arrivals(CALM + 1, CALM + 121, 9, (at) => {
        const path = `${upload}/${String(++piece).padStart(5, "0")}`;
        if (trace.chance(0.05)) trace.add(at, SOMEBODY, "PUT", path, trace.pick([413, 423, 504]), { agent: DESKTOP });
        trace.add(at + 0.3, SOMEBODY, "PUT", path, 201, { agent: DESKTOP, bytes: 0 });
      });
      trace.add(CALM + 123, SOMEBODY, "MOVE", `${upload}/.file`, 201, { agent: DESKTOP });
    },
    expected: NO_BAN,
  },
  {
    name: "photo_timeline",
    why: "A phone fills its photo timeline after a holiday: a search over WebDAV, then fourteen previews a second for a minute and the metadata of each day.",
    seconds: CALM + 120,
    build(trace) {
      trace.add(CALM, SOMEBODY, "SEARCH", "/remote.php/dav/", 207, { agent: ANDROID, bytes: 200_000 });
      trace.arrivals(CALM + 1, CALM + 61, 14, (at) =>
        trace.add(
          at,
          SOMEBODY,
          "GET",
          `/index.php/apps/photos/api/v1/preview/${trace.whole(1, 9e4)}?etag=${trace.token(13)}&x=1080&y=1080`,
          200,
          {
            agent: ANDROID,
            bytes: 90_000,
          },
        ),
      );
      trace.every(CALM + 1, CALM + 61, 2, (at) =>
        trace.add(at, SOMEBODY, "PROPFIND", `/remote.php/dav/photos/kofi/albums/${Math.floor(at)}/`, 207, {
          agent: ANDROID,
        }),
      );
    },
    expected: NO_BAN,
  },
  {
    name: "public_share_photos",
    why: "The link to the wedding photos goes round: six guests without an account open it within minutes, and each browser asks for two hundred previews while its owner scrolls.",
    seconds: CALM + 300,
    build(trace) {
      const share = "/index.php/s/W7kPq3mNcTzR2ab";
      for (let guest = 0; guest < 6; guest++) {
        const source = `198.18.150.${10 + guest}`;
        const at = CALM + guest * 30;
        trace.add(at, source, "GET", share, 200, { bytes: 30_000 });
        for (let file = 0; file < 70; file++)
          trace.add(at + trace.between(0.5, 4), source, "GET", `/dist/${file}-share.js?v=9c1`, 200, { bytes: 30_000 });
        for (let photo = 0; photo < 200; photo++)
          trace.add(
            at + 4 + photo / 12,
            source,
            "GET",
            `/index.php/apps/files_sharing/publicpreview/W7kPq3mNcTzR2ab?file=/IMG_${4000 + photo}.JPG&fileId=${7000 + photo}&x=250&y=250&a=true`,
            200,
            {
              bytes: 14_000,
            },
          );
      }
    },
    expected: NO_BAN,
  },
  {
    name: "public_share_download",
    why: "A guest takes every photo of a public share one by one: two hundred and sixty different files in a little over a minute, no account, no error.",
    seconds: CALM + 150,
    build(trace) {
      trace.add(CALM, SOMEBODY, "GET", "/s/H4rwQe92LmAjXbY", 200, { bytes: 30_000 });
      for (let photo = 0; photo < 260; photo++)
        trace.add(
          CALM + 3 + photo / 3.6,
          SOMEBODY,
          "GET",
          `/s/H4rwQe92LmAjXbY/download?path=%2F&files=IMG_${2000 + photo}.jpg`,
          200,
          {
            bytes: trace.whole(2e6, 6e6),
          },
        );
    },
    expected: NO_BAN,
  },
  {
    name: "backend_restart",
    why: "PHP restarts for three quarters of a minute: every client gets 502 and comes back at once, again and again.",
    seconds: CALM + 150,
    build(trace) {
      for (let i = 0; i < 8; i++) {
        const source = `192.0.2.${10 + i}`;
        trace.every(CALM + trace.between(0, 1), CALM + 45, 0.8, (at) =>
          trace.add(
            at,
            source,
            "PROPFIND",
            `/remote.php/dav/files/${"ijklmnop"[i]}/`,
            trace.pick([502, 502, 503, 504]),
            {
              agent: DESKTOP,
              bytes: 552,
            },
          ),
        );
        for (let folder = 0; folder < 30; folder++)
          trace.add(CALM + 46 + folder / 5, source, "PROPFIND", `/remote.php/dav/files/u${i}/d${folder}/`, 207, {
            agent: DESKTOP,
          });
      }
      // A person in the browser who presses reload.
      trace.every(CALM, CALM + 45, 2, (at) => trace.add(at, SOMEBODY, "GET", "/index.php/apps/files/", 502));
    },
    expected: NO_BAN,
  },
  {
    name: "text_sessions_403",
    why: "Three people behind one address wrote in a shared text whose session ended overnight: their open tabs go on pushing and syncing, and get 403, for five minutes.",
    seconds: CALM + 360,
    build(trace) {
      for (let tab = 0; tab < 3; tab++) {
        const document = trace.whole(1000, 9000);
        trace.every(CALM + tab, CALM + 300, 2.5, (at) => {
          trace.add(at, OFFICE, "POST", `/index.php/apps/text/session/${document}/sync`, 403, { bytes: 2 });
          if (trace.chance(0.3))
            trace.add(at, OFFICE, "POST", `/index.php/apps/text/session/${document}/push`, 403, { bytes: 2 });
        });
      }
    },
    expected: NO_BAN,
  },
  {
    name: "locked_423",
    why: "An office suite holds eighty files open that the sync client wants to write: 423 Locked, tried again every few seconds.",
    seconds: CALM + 360,
    build(trace) {
      trace.add(CALM, SOMEBODY, "PROPFIND", "/remote.php/dav/files/ines/", 207, { agent: DESKTOP });
      trace.arrivals(CALM + 1, CALM + 300, 2.2, (at) =>
        trace.add(at, SOMEBODY, "PUT", `/remote.php/dav/files/ines/Budget/sheet-${trace.whole(1, 80)}.xlsx`, 423, {
          agent: DESKTOP,
        }),
      );
    },
    expected: NO_BAN,
  },
  {
    name: "first_sync",
    why: "A new laptop: discovery, then one PROPFIND for each of four thousand folders at forty a second, downloads between them.",
    seconds: CALM + 150,
    build(trace) {
      discovery(trace, CALM, SOMEBODY, "marek");
      let folder = 0;
      trace.arrivals(CALM + 6, CALM + 106, 40, (at) => {
        if (trace.chance(0.85))
          trace.add(at, SOMEBODY, "PROPFIND", `/remote.php/dav/files/marek/Archive/${++folder}/`, 207, {
            agent: DESKTOP,
            bytes: 1400,
          });
        else
          trace.add(at, SOMEBODY, "GET", `/remote.php/dav/files/marek/Archive/${folder}/${trace.token(6)}.pdf`, 200, {
            agent: DESKTOP,
          });
      });
    },
    expected: NO_BAN,
  },
  {
    name: "first_visit",
    why: "Two people see the web interface for the first time with empty caches, a few seconds apart, behind one address: four hundred requests in half a minute.",
    seconds: CALM + 90,
    build(trace) {
      webSession(trace, CALM, SOMEBODY);
      webSession(trace, CALM + 8, SOMEBODY);
    },
    expected: NO_BAN,
  },
  {
    name: "cold_visitors",
    why: "The detector is started in the middle of the morning, while people load pages: the first minutes must not punish them for being first.",
    seconds: 300,
    build(trace) {
      for (let i = 0; i < 5; i++) webSession(trace, 5 + i * 20, `192.0.2.${60 + i}`);
      trace.arrivals(20, 140, 30, (at) =>
        trace.add(at, SOMEBODY, "PROPFIND", `/remote.php/dav/files/lea/Music/${trace.whole(1, 4000)}/`, 207, {
          agent: DESKTOP,
        }),
      );
    },
    expected: NO_BAN,
  },
  {
    name: "map_tiles",
    why: "Somebody pans and zooms a map of the coast: six hundred different tiles in a minute, a few beyond its edge.",
    seconds: CALM + 120,
    build(trace) {
      trace.add(CALM, SOMEBODY, "GET", "/map/", 200, { bytes: 11_000 });
      trace.arrivals(CALM + 1, CALM + 61, 10, (at) =>
        trace.add(
          at,
          SOMEBODY,
          "GET",
          `/tiles/${trace.whole(9, 15)}/${trace.whole(100, 999)}/${trace.whole(100, 999)}.png`,
          trace.chance(0.04) ? 404 : 200,
          {
            bytes: 17_000,
          },
        ),
      );
    },
    expected: NO_BAN,
  },
  {
    name: "editor_autosave",
    why: "An author writes in WordPress: heartbeats, drafts saved every few seconds, previews of the page, images from the media library.",
    seconds: CALM + 660,
    build(trace) {
      trace.add(CALM, SOMEBODY, "POST", "/wp-login.php", 302, { bytes: 0 });
      trace.add(CALM + 1, SOMEBODY, "GET", "/wp-admin/post.php?post=812&action=edit", 200, { bytes: 90_000 });
      for (let file = 0; file < 80; file++)
        trace.add(
          CALM + 1 + trace.between(0.2, 3),
          SOMEBODY,
          "GET",
          `/wp-includes/js/dist/part-${file}.min.js?ver=6.7`,
          200,
        );
      trace.every(CALM + 5, CALM + 600, 10, (at) => trace.add(at, SOMEBODY, "POST", "/wp-admin/admin-ajax.php", 200));
      trace.arrivals(CALM + 5, CALM + 600, 0.35, (at) =>
        trace.add(at, SOMEBODY, "POST", "/wp-json/wp/v2/posts/812/autosaves?_locale=user", 200),
      );
      trace.arrivals(CALM + 5, CALM + 600, 0.03, (at) => {
        trace.add(at, SOMEBODY, "GET", "/?p=812&preview=true", 200, { bytes: 20_000 });
        for (let file = 0; file < 20; file++)
          trace.add(at + 1, SOMEBODY, "GET", `/wp-content/uploads/2026/02/${file}.jpg`, 304);
      });
    },
    expected: NO_BAN,
  },
  {
    name: "video_seeking",
    why: "A film is watched through the browser and skipped about in: five range requests a second of one file, 206 each.",
    seconds: CALM + 120,
    build(trace) {
      trace.arrivals(CALM, CALM + 60, 5, (at) =>
        trace.add(at, SOMEBODY, "GET", "/talks/2025/opening.mp4", 206, { bytes: trace.whole(1e5, 2e6) }),
      );
    },
    expected: NO_BAN,
  },
  {
    name: "dead_links",
    why: "A site was rebuilt and forgot its redirects: sixty visitors of old bookmarks meet two or three 404s each, and a feed reader asks for a feed that is gone every few minutes.",
    seconds: CALM + 600,
    build(trace) {
      trace.arrivals(CALM, CALM + 600, 0.1, (at) => {
        const source = someone(trace);
        for (let page = trace.whole(2, 3); page > 0; page--)
          trace.add(at + page * 4, source, "GET", `/blog/${trace.whole(2009, 2024)}/${trace.token(9)}.html`, 404);
        trace.add(at + 15, source, "GET", "/", 200, { bytes: 9000 });
      });
      trace.every(CALM, CALM + 600, 120, (at) => trace.add(at, SOMEBODY, "GET", "/blog/feed.xml", 404));
    },
    expected: NO_BAN,
  },
  {
    name: "school_login",
    why: "A class of twenty-six logs in from the school's one address at the beginning of the lesson, in the browser only: no sync client proves an account, a third mistype once.",
    seconds: CALM + 420,
    build(trace) {
      for (let pupil = 0; pupil < 26; pupil++) {
        let at = CALM + trace.between(0, 240);
        trace.add(at, OFFICE, "GET", "/index.php/login", 200, { bytes: 9300 });
        if (trace.chance(0.33)) {
          trace.add((at += 9), OFFICE, "POST", "/index.php/login", 303, { bytes: 0 });
          trace.add(at + 1, OFFICE, "GET", `/index.php/login?user=pupil${pupil}`, 200, { bytes: 9300 });
        }
        trace.add((at += 8), OFFICE, "POST", "/index.php/login", 303, { bytes: 0 });
        trace.add(at + 1, OFFICE, "GET", "/index.php/apps/dashboard/", 200, { bytes: 41_000 });
        for (let file = 0; file < 50; file++)
          trace.add(at + 1 + trace.between(0.2, 3), OFFICE, "GET", `/dist/${file}-chunk.js?v=7a-0`, 200);
        trace.add(at + 3, OFFICE, "GET", "/ocs/v2.php/apps/dashboard/api/v1/widgets", 200);
        for (let look = 0; look < 4; look++)
          trace.add(at + 10 + look * 20, OFFICE, "GET", `/index.php/apps/files/?dir=/Class/${trace.whole(1, 9)}`, 200);
      }
    },
    expected: NO_BAN,
  },
  {
    name: "talk_call",
    why: "Four people behind one address are in a video call of Nextcloud Talk without its own signalling server: every browser polls for messages about once a second, for ten minutes.",
    seconds: CALM + 600,
    build(trace) {
      for (let person = 0; person < 4; person++) {
        trace.add(CALM, OFFICE, "POST", "/ocs/v2.php/apps/spreed/api/v4/call/mq7dk2xw", 200);
        trace.arrivals(CALM, CALM + 600, 0.9, (at) =>
          trace.add(at, OFFICE, "GET", "/ocs/v2.php/apps/spreed/api/v3/signaling/mq7dk2xw", 200, { bytes: 120 }),
        );
        trace.every(CALM + person, CALM + 600, 5, (at) =>
          trace.add(at, OFFICE, "POST", "/ocs/v2.php/apps/spreed/api/v3/signaling/mq7dk2xw", 200, { bytes: 80 }),
        );
      }
    },
    expected: NO_BAN,
  },
  {
    name: "memories_timeline",
    why: "The photo app Memories has its own previews: a phone scrolls a year, twelve thumbnails a second for a minute, a few of them not made yet.",
    seconds: CALM + 120,
    build(trace) {
      trace.add(CALM, SOMEBODY, "GET", "/index.php/apps/memories/", 200, { bytes: 30_000 });
      trace.arrivals(CALM + 2, CALM + 62, 12, (at) =>
        trace.add(
          at,
          SOMEBODY,
          "GET",
          `/index.php/apps/memories/api/image/preview/${trace.whole(1, 60_000)}?c=${trace.token(10)}&x=512&y=512&a=1`,
          trace.chance(0.03) ? 404 : 200,
          {
            bytes: 22_000,
          },
        ),
      );
    },
    expected: NO_BAN,
  },
  {
    name: "ocs_401_pairs",
    why: "Five phones of a family behind one address wake together: their clients ask the OCS interface without a password, are refused, and ask again with it, every quarter of a minute.",
    seconds: CALM + 300,
    build(trace) {
      for (let phone = 0; phone < 5; phone++)
        trace.every(CALM + phone, CALM + 300, 15, (at) => {
          const path = trace.pick(["apps/user_status/api/v1/heartbeat", "apps/notifications/api/v2/notifications"]);
          trace.add(at, SOMEBODY, "GET", `/ocs/v2.php/${path}?format=json`, 401, { agent: ANDROID, bytes: 140 });
          trace.add(at + 1, SOMEBODY, "GET", `/ocs/v2.php/${path}?format=json`, 200, { agent: ANDROID, bytes: 300 });
        });
    },
    expected: NO_BAN,
  },
  {
    name: "broken_gallery",
    why: "The pictures of an old gallery were lost in a move: a visitor leafs through eight pages, each with two dozen images that answer 404.",
    seconds: CALM + 120,
    build(trace) {
      for (let page = 0; page < 8; page++) {
        trace.add(CALM + page * 9, SOMEBODY, "GET", `/gallery/2014/${page}/`, 200, { bytes: 7000 });
        for (let image = 0; image < 24; image++)
          trace.add(CALM + page * 9 + 1, SOMEBODY, "GET", `/gallery/2014/${page}/${image}.jpg`, 404);
      }
    },
    expected: NO_BAN,
  },
  {
    name: "link_checker",
    why: "The owner's link checker asks for each of 220 pages with HEAD and then with GET, four requests a second, once.",
    seconds: CALM + 120,
    build(trace) {
      for (let page = 0; page < 220; page++) {
        trace.add(CALM + page / 2, SOMEBODY, "HEAD", `/blog/${2009 + (page % 15)}/${page}/`, 200, { bytes: 0 });
        trace.add(CALM + page / 2 + 0.4, SOMEBODY, "GET", `/blog/${2009 + (page % 15)}/${page}/`, 200, { bytes: 9000 });
      }
    },
    expected: NO_BAN,
  },
  {
    name: "dead_feed",
    why: "A podcast player keeps asking for a file of a plugin that is gone, every half hour, for two days. It looks like a probe each time, but it is the same one.",
    seconds: 48 * 3600,
    isAlone: true,
    build(trace) {
      trace.every(0, 48 * 3600, 120, (at) => trace.add(at, `198.18.1.${(at / 120) % 250}`, "GET", "/blog/", 200));
      trace.every(600, 48 * 3600, 1800, (at) =>
        trace.add(at, SOMEBODY, "GET", "/wp-content/plugins/podcasting/feed.php", 404, { agent: "Podkicker/3" }),
      );
    },
    expected: NO_BAN,
  },
  {
    name: "dead_thumbnailer",
    why: "A theme's thumbnail script was deleted, and the pages still point to it: a visitor meets one dead path with two dozen queries on each.",
    seconds: CALM + 120,
    build(trace) {
      for (let page = 0; page < 4; page++) {
        trace.add(CALM + page * 20, SOMEBODY, "GET", `/blog/2014/${page}/`, 200, { bytes: 7000 });
        for (let image = 0; image < 24; image++) {
          const query = `src=/uploads/${page}-${image}.jpg&w=120`;
          trace.add(CALM + page * 20 + 1, SOMEBODY, "GET", `/wp-content/themes/old/timthumb.php?${query}`, 404);
        }
      }
    },
    expected: NO_BAN,
  },
  {
    name: "office_mistypes",
    why: "Twenty-four people behind one address log in on three mornings; every third mistypes the password once before getting it right. Whoever gets in after a mistake has made a mistake.",
    seconds: 51 * 3600,
    isAlone: true,
    build(trace) {
      trace.every(0, 51 * 3600, 120, (at) => trace.add(at, `198.18.1.${(at / 120) % 250}`, "GET", "/blog/", 200));
      for (let morning = 0; morning < 3; morning++)
        for (let person = 0; person < 24; person++) {
          const at = 3600 + morning * 86_400 + person * 75;
          if (person % 3 === 0) {
            trace.add(at, OFFICE, "POST", "/index.php/login", 303, { bytes: 0 });
            trace.add(at + 1, OFFICE, "GET", "/index.php/login?user=x", 200, { bytes: 9300 });
          }
          trace.add(at + 20, OFFICE, "POST", "/index.php/login", 303, { bytes: 0 });
          trace.add(at + 21, OFFICE, "GET", "/index.php/apps/dashboard/", 200, { bytes: 43_000 });
        }
    },
    expected: NO_BAN,
  },
  {
    name: "morning_screens",
    why: "The thirty screens of a hospital's corridors go on one after the other between eight and a quarter to nine. Each loads its page and the files of it, and then asks for the same list every half minute, all day.",
    seconds: CALM + 3600,
    build(trace) {
      for (let screen = 0; screen < 30; screen++) {
        const on = CALM + screen * 90 + trace.between(0, 60);
        trace.add(on, OFFICE, "GET", "/board/", 200, { bytes: 6000 });
        for (const file of ["board.css", "board.js", "clock.svg", "font.woff2"])
          trace.add(on + 1, OFFICE, "GET", `/board/${file}`, 200);
        trace.every(on + 2, CALM + 3600, 30, (at) =>
          trace.add(at, OFFICE, "GET", "/board/now.json", 200, { bytes: 900 }),
        );
      }
    },
    expected: [...NO_BAN, { must: "no-alert" }],
  },
  {
    name: "screens_only",
    why: "The same, of screens that have their page with them and ask for nothing but the list: they are seen to come one by one.",
    seconds: CALM + 3600,
    build(trace) {
      for (let screen = 0; screen < 30; screen++)
        trace.every(CALM + screen * 90, CALM + 3600, 30, (at) =>
          trace.add(at + trace.between(0, 4), OFFICE, "GET", "/board/now.json", 200, {
            bytes: 900,
            agent: "Board/2.1",
          }),
        );
    },
    expected: [...NO_BAN, { must: "no-alert" }],
  },
  {
    name: "office_ticker",
    why: "In an office word goes round that something has happened: every five minutes twice as many people have the ticker open, which asks for itself every twenty seconds. All have the same browser. A machine grows like that, but it loads no files.",
    seconds: CALM + 2400,
    build(trace) {
      for (let person = 0; person < 24; person++) {
        const from = CALM + 30 + 300 * Math.log2(1 + person);
        for (const file of ["style.css", "main.js", "logo.svg"])
          trace.add(from + 1, OFFICE, "GET", `/theme/${file}`, 200);
        trace.every(from, CALM + 2400, 20, (at) => trace.add(at, OFFICE, "GET", "/live/", 200, { bytes: 5000 }));
      }
    },
    expected: [...NO_BAN, { must: "no-alert" }],
  },
  {
    name: "opening_day",
    why: "A shopping mall opens: every five minutes twice as many of its displays are on, behind one address, all alike. Each loads its board and the five files of it anew every minute, for nobody has told it to keep them. They multiply like a machine that is being turned up, but a page comes with its files.",
    seconds: CALM + 2400,
    build(trace) {
      for (let display = 0; display < 12; display++) {
        const from = CALM + 30 + 300 * Math.log2(1 + display) + trace.between(0, 20);
        trace.every(from, CALM + 2400, 60, (at) => {
          trace.add(at, OFFICE, "GET", "/board/", 200, { bytes: 9000 });
          for (let file = 0; file < 5; file++)
            trace.add(at + trace.between(0.1, 1.2), OFFICE, "GET", `/board/part-${file}.js`, 200, { bytes: 14_000 });
        });
      }
    },
    expected: [...NO_BAN, { must: "no-alert" }],
  },
  {
    name: "crawler_warms_up",
    why: "A crawler tries how fast this server is: every five minutes twice as many pages, up to one in two seconds, evenly, with one program. It asks for each page once.",
    seconds: CALM + 2700,
    build(trace) {
      trace.arrivals(
        CALM,
        CALM + 2700,
        (at) => Math.min(0.5, 0.04 * 2 ** ((at - CALM) / 300)),
        (at) => trace.add(at, "198.51.100.77", "GET", `/archive/${trace.token(7)}/`, 200, { bytes: 11_000 }),
      );
    },
    expected: [...NO_BAN, { must: "no-alert" }],
  },
];
