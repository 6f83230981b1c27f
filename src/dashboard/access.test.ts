import { describe, expect, test } from "bun:test";
import { createHostCheck, refusalOf } from "./access.ts";

describe("which host names are answered", () => {
  const rows: readonly [string, string, readonly string[], string, boolean][] = [
    ["localhost", "127.0.0.1", [], "localhost:8080", true],
    ["localhost without a port", "127.0.0.1", [], "localhost", true],
    ["another port, as through ssh -L", "127.0.0.1", [], "127.0.0.1:9999", true],
    ["IPv6 loopback", "127.0.0.1", [], "[::1]:8080", true],
    ["IPv6 loopback written long", "127.0.0.1", [], "[0:0:0:0:0:0:0:1]:8080", true],
    ["the listening address", "192.0.2.5", [], "192.0.2.5:8080", true],
    ["the listening IPv6 address", "2001:db8::5", [], "[2001:db8:0::5]:8080", true],
    ["an allowed name", "127.0.0.1", ["ad.example.org"], "ad.example.org", true],
    ["an allowed name in capitals with a dot", "127.0.0.1", ["ad.example.org"], "AD.Example.ORG.:443", true],
    ["an allowed name given with a port", "127.0.0.1", ["ad.example.org:8443"], "ad.example.org:8443", true],
    ["a rebound name", "127.0.0.1", [], "evil.example", false],
    ["a name that begins like an allowed one", "127.0.0.1", ["ad.example.org"], "ad.example.org.evil.example", false],
    ["localhost as a prefix", "127.0.0.1", [], "localhost.evil.example", false],
    ["another address", "127.0.0.1", [], "192.0.2.5:8080", false],
    ["nothing", "127.0.0.1", [], "", false],
    ["only a port", "127.0.0.1", [], ":8080", false],
    ["garbage in brackets", "127.0.0.1", [], "[evil]:8080", false],
    ["an unclosed bracket", "127.0.0.1", [], "[::1", false],
    ["any address when bound to all", "0.0.0.0", [], "192.0.2.5:8080", true],
    ["any IPv6 address when bound to all", "::", [], "[2001:db8::5]:8080", true],
    ["a name when bound to all", "0.0.0.0", [], "evil.example", false],
  ];
  for (const [name, listenOn, allowed, host, expected] of rows) {
    test(`${name}: ${JSON.stringify(host)}`, () => expect(createHostCheck(listenOn, allowed)(host)).toBe(expected));
  }
});

describe("which requests are refused", () => {
  const isAllowed = createHostCheck("127.0.0.1", []);
  const rows: readonly [string, string, RequestInit, number | null][] = [
    ["GET", "http://localhost/", {}, null],
    ["HEAD", "http://localhost/", { method: "HEAD" }, null],
    ["POST", "http://localhost/", { method: "POST" }, 405],
    ["POST of a form of ours", "http://localhost/login?x", { method: "POST" }, null],
    ["POST below a form of ours", "http://localhost/login/x", { method: "POST" }, 405],
    ["PUT of a form of ours", "http://localhost/login", { method: "PUT" }, 405],
    ["DELETE", "http://localhost/api/v1/status", { method: "DELETE" }, 405],
    ["OPTIONS", "http://localhost/", { method: "OPTIONS" }, 405],
    ["a foreign host, before anything else", "http://evil.example/", { method: "POST" }, 421],
    ["the header counts, not the URL", "http://localhost/", { headers: { host: "evil.example" } }, 421],
    ["the longest URL", `http://localhost/${"x".repeat(2048 - 17)}`, {}, null],
    ["one more", `http://localhost/${"x".repeat(2048 - 16)}`, {}, 414],
  ];
  for (const [name, url, init, expected] of rows) {
    test(name, () => {
      const status = refusalOf(new Request(url, init), isAllowed, ["/login"])?.status;
      if (expected === null) expect(status).toBeUndefined();
      else expect<number | undefined>(status).toBe(expected);
    });
  }
});
