import { describe, expect, test } from "bun:test";
import { config } from "../../test/records.ts";
import type { RequestClass } from "./class-table.ts";
import { Classifier, isBlamed, isBlatant, isExploit, isInQuery, targetClass } from "./request-class.ts";

const classOf = (method: string, path: string, status: number): RequestClass =>
  new Classifier().classify({ method, path, status });

describe("targetClass", () => {
  const rows: [path: string, expected: RequestClass][] = [
    ["/", "page"],
    ["", "page"],
    ["*", "page"],
    ["/index.php/apps/files/", "page"],
    ["/core/js/main.js", "asset"],
    ["/core/js/main.js?v=1234-5", "asset"],
    ["/favicon.ICO", "asset"],
    ["/fonts/a.woff2", "asset"],
    ["/style.css/", "page"],
    ["/a.css/b", "page"],
    ["/?file=x.css", "page"],
    ["/archive.tar.gz", "page"],
    ["/login", "login"],
    ["/index.php/login", "login"],
    ["/login/", "login"],
    ["/login?user=a", "login"],
    ["/wp-login.php", "login"],
    ["/xmlrpc.php", "login"],
    ["/users/sign_in", "login"],
    ["/blog/how-to-login-safely", "page"],
    ["/index.php/login/v2", "page"],
    ["/index.php/login/v2/poll", "page"],
    ["/login/flow/grant", "page"],
    ["/remote.php/dav/files/a/b.jpg", "dav"],
    ["/remote.php/webdav/", "dav"],
    ["/dav/calendars/", "dav"],
    ["/caldav", "dav"],
    ["/davenport", "page"],
    ["/page?next=/remote.php/dav/", "page"],
    ["/core/preview?fileId=1&x=64&y=64", "preview"],
    ["/index.php/avatar/alice/64", "preview"],
    ["/apps/photos/api/v1/preview/12", "preview"],
    ["/apps/files_sharing/publicpreview/abc?x=1", "share"],
    ["/my-preview-page", "page"],
    ["/status.php", "probe"],
    ["/robots.txt", "probe"],
    ["/status.php/x", "page"],
  ];
  test.each(rows)("%j is a %s", (path, expected) => {
    expect(targetClass(path)).toBe(expected);
  });

  // isAsset() is asked first, so the .png that PREVIEW expects never gets there: its query is ignored, its 404 is a page.
  test("/core/preview.png?file=/a.jpg is a preview", () => {
    expect(targetClass("/core/preview.png?file=/a.jpg")).toBe("preview");
  });

  test("the longest target is classified as quickly as a short one is, nearly", () => {
    const began = performance.now();
    for (const part of ["/login", "a/", "../", "/core/", ".php?", "//////", "/vendor/"]) {
      targetClass(part.repeat(65_536 / part.length));
      isExploit(part.repeat(65_536 / part.length));
    }
    expect(performance.now() - began).toBeLessThan(1500);
  });
});

describe("proof of an account", () => {
  const DAV = "/remote.php/dav/files/a/b";
  test.each([
    ["PROPFIND", DAV, 207],
    ["REPORT", "/remote.php/dav/calendars/a/", 207],
    ["PUT", DAV, 201],
    ["PUT", DAV, 204],
    ["MKCOL", "/remote.php/dav/uploads/a/1", 201],
    ["MOVE", "/remote.php/dav/uploads/a/1/.file", 201],
    ["DELETE", DAV, 204],
    ["PROPFIND", "/dav/", 207],
  ])("%s %s answered %d", (method, path, status) => {
    expect(classOf(method, path, status)).toBe("proof");
  });

  test.each([
    ["an answer that asks for the password", "PROPFIND", DAV, 401],
    ["a plain read, which a public share allows", "GET", DAV, 200],
    ["an answer that anybody gets", "OPTIONS", DAV, 200],
    ["a method in another case", "propfind", DAV, 207],
    ["no WebDAV path", "PUT", "/api/things/7", 201],
    ["a WebDAV path only in the query", "DELETE", "/api/x?y=/remote.php/dav/", 204],
    ["a form that answers 204", "POST", DAV, 204],
  ])("%s proves nothing", (_, method, path, status) => {
    expect(classOf(method, path, status)).not.toBe("proof");
  });

  // public.php serves share links: whoever was given one, or finds one, is told 207 and may upload, without an account.
  test.each([
    ["PROPFIND", "/public.php/webdav/", 207],
    ["PROPFIND", "/public.php/dav/files/dHkR5w/", 207],
    ["PUT", "/public.php/dav/files/dHkR5w/drop.txt", 201],
  ])("a public share needs no account: %s %s %d", (method, path, status) => {
    expect(classOf(method, path, status)).not.toBe("proof");
  });

  // PROOF[method] finds Object.prototype's own names: TypeError, and with it the end of the process.
  test.each(["constructor", "toString", "__proto__", "hasOwnProperty", "valueOf"])(
    "a method named like a property of every object: %s",
    (method) => {
      expect(classOf(method, DAV, 400)).toBe("dav");
    },
  );
});

test("what is remembered about a target is the same as what is found", () => {
  const classifier = new Classifier();
  for (let i = 0; i < 40_000; i++) {
    const path = i % 2 === 0 ? `/page/${i % 20_000}` : `/core/a${i}.css`;
    expect(classifier.classify({ method: "GET", path, status: 200 })).toBe(i % 2 === 0 ? "page" : "asset");
  }
  const ask = (status: number) => classifier.classify({ method: "PROPFIND", path: "/remote.php/dav/", status });
  expect([401, 207, 404].map(ask)).toEqual(["dav", "proof", "dav"]);
});

test.each([
  [[200, 207, 304, 399], false],
  [[400, 401, 403, 404, 405, 410, 412, 414, 418, 431, 444, 494], true],
  [[408, 409, 413, 423, 429, 499], false],
  [[500, 502, 503, 504, 599, 999], false],
])("%p: blamed on the client %p", (statuses, expected) => {
  const spared = new Set(config().detection.failures.not_blamed);
  for (const status of statuses) expect(isBlamed(status, spared)).toBe(expected);
});

describe("isExploit", () => {
  test.each([
    "/.env",
    "/app/.git/config",
    "/phpMyAdmin/",
    "/cgi-bin/luci",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/?file=../../../../etc/passwd",
    "/wp-content/plugins/x/readme.txt",
    "/backup.sql.gz",
    "/?x=1+UNION+SELECT+1",
    "/\u0024{jndi:ldap://x}",
  ])("%s", (path) => {
    expect(isExploit(path)).toBe(true);
  });

  test.each([
    "/",
    "/index.php/apps/files/",
    "/wp-login.php",
    "/environment",
    "/blog/git-basics",
    "/.well-known/carddav",
    "/ocs/v2.php/apps/user_status/api/v1/user_status",
    "/index.php/apps/text/session/create",
    "/index.php/settings/user",
    "/apps/theming/manifest/files?v=1",
    "/remote.php/dav/files/a/Photos/2024/IMG_1.jpg",
    "/index.php/s/dHkR5w/download",
    "/sitemap.xml",
    "/robots.txt",
    "/tests/results.html",
  ])("%s is no exploit", (path) => {
    expect(isExploit(path)).toBe(false);
  });
});

describe("isBlatant", () => {
  test.each([
    "/.env",
    "/.env.production",
    "/app/.git/config",
    "/.ssh/id_rsa",
    "/HNAP1",
    "/boaform/admin/formLogin",
    "/cgi-bin/luci",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/wp-config.php",
    "/wp-config.php.bak",
    "/?x=\u0024{jndi:ldap://x}",
  ])("%s", (path) => {
    expect([isExploit(path), isBlatant(path)]).toEqual([true, true]);
  });

  // Somebody may look for these, or a page may still point there.
  test.each([
    "/phpmyadmin/",
    "/backup.zip",
    "/wp-content/plugins/x/readme.txt",
    "/config.php",
    "/wp-content/themes/x/timthumb.php",
    "/?q=1+union+select+2",
    "/.gitlab/",
    "/.environment",
  ])("%s is less than that", (path) => {
    expect(isBlatant(path)).toBe(false);
  });
});

test.each([
  ["/?author=3", true],
  ["/?q=1+union+select+2", true],
  ["/wp-content/themes/x/timthumb.php?src=/a.jpg", false],
  ["/.env?x=1", false],
])("%s: the query is the attempt: %p", (path, expected) => {
  expect(isInQuery(path)).toBe(expected);
});
