import { describe, expect, test } from "bun:test";
import { config, record } from "../../test/records.ts";
import { type Failure, failureOf } from "./failures.ts";
import { Classifier } from "./request-class.ts";

const SPARED = new Set(config().detection.failures.not_blamed);

const failure = (method: string, path: string, status: number, isTrusted = false, spared = SPARED): Failure => {
  const asked = record({ method, path, status });
  return failureOf(asked, new Classifier().classify(asked), isTrusted, spared);
};

describe("failureOf", () => {
  const rows: [name: string, method: string, path: string, status: number, expected: Failure][] = [
    ["a page", "GET", "/", 200, "none"],
    ["a dead link", "GET", "/old-page", 404, "probe"],
    ["a forbidden page", "GET", "/private", 403, "probe"],
    ["a missing picture", "GET", "/logo.png", 404, "none"],
    ["a missing preview", "GET", "/core/preview?fileId=7&x=256", 404, "none"],
    ["nginx's 400 without a request line", "", "", 400, "none"],
    ["the login form", "GET", "/login", 200, "none"],
    ["a login that answers 200", "POST", "/login", 200, "login"],
    ["a login that answers 302", "POST", "/login", 302, "login"],
    ["a login that answers 303", "POST", "/index.php/login?redirect=/x", 303, "login"],
    ["a login that answers 401", "POST", "/login", 401, "login"],
    ["a login that Nextcloud throttles", "POST", "/login", 429, "login"],
    ["an API's 401", "GET", "/api/me", 401, "unanswered"],
    ["WebDAV without a password", "PROPFIND", "/remote.php/dav/files/a/", 401, "unanswered"],
    ["WebDAV of a stranger", "GET", "/remote.php/dav/files/a/x", 404, "probe"],
    ["the secrets of an application", "GET", "/.env", 404, "exploit"],
    ["a database front end", "GET", "/phpmyadmin/index.php", 403, "exploit"],
    ["secrets that are there", "GET", "/.env", 200, "none"],
    ["waiting for the device login", "POST", "/index.php/login/v2/poll", 404, "probe"],
  ];
  test.each(rows)("%s", (_, method, path, status, expected) => {
    expect(failure(method, path, status)).toBe(expected);
  });

  test.each([408, 409, 413, 423, 429, 499, 500, 502, 503, 504])("%d is not the client's fault", (status) => {
    for (const path of ["/", "/remote.php/dav/files/a/b.txt", "/apps/files/"])
      expect(failure("PUT", path, status)).toBe("none");
  });

  test.each([
    ["/gone", 404, "probe"],
    ["/remote.php/dav/files/a/x", 403, "probe"],
    ["/remote.php/dav/files/a/x", 401, "unanswered"],
    ["/api/me", 401, "unanswered"],
    ["/.env", 404, "exploit"],
    ["/oauth/token", 400, "login"],
  ] as const)("a status that is spared is no failure, and one that is not is: %s %d", (path, status, expected) => {
    expect(failure("POST", path, status, false, new Set())).toBe(expected);
    expect(failure("POST", path, status, false, new Set([status]))).toBe("none");
    expect(failure("POST", path, 429, false, new Set([status]))).not.toBe("none");
  });

  test("a login's answer says nothing, and the server's fault is nobody's else, whatever is spared", () => {
    expect(failure("POST", "/login", 403, false, new Set([403]))).toBe("login");
    expect(failure("GET", "/apps/files/", 503, false, new Set())).toBe("none");
  });

  test.each([403, 404, 405, 410, 412])(
    "WebDAV's %d to a source that proved an account is its ordinary noise",
    (status) => {
      expect(failure("PROPFIND", "/remote.php/dav/files/a/new.txt", status, true)).toBe("none");
    },
  );

  // isExploit() is asked before trust, class and blame are: a proven client that syncs a git checkout is an attacker.
  test.each([
    ["/remote.php/dav/files/a/project/.git/HEAD", 404],
    ["/remote.php/dav/files/a/backup.zip", 404],
    ["/remote.php/dav/files/a/site/.env", 423],
    ["/remote.php/dav/uploads/a/1/dump.sql", 413],
    ["/remote.php/dav/files/a/project/.git/config", 503],
  ])("a proven account's file may have any name: %s %d", (path, status) => {
    expect(failure("PROPFIND", path, status, true)).toBe("none");
  });
});
