import { describe, expect, test } from "bun:test";
import { source } from "../../test/outcomes.ts";
import { parseRange } from "../net/cidr.ts";
import { type Allowed, Allowlist, MOST_PERMITS } from "./allowlist.ts";

const allowed = (text: string, why: string): Allowed => ({ range: parseRange(text)!, why });

function list(): Allowlist {
  const allowlist = new Allowlist(["198.51.100.0/24", "2001:db8:a::/48", "192.0.2.7"].map(source));
  allowlist.protect([allowed("127.0.0.0/8", "loopback"), allowed("2001:db8:b:1::5", "own address")]);
  return allowlist;
}

describe("match", () => {
  test.each([
    ["an address inside a range", "198.51.100.9", "allowlist 198.51.100.0/24"],
    ["the first address of a range", "198.51.100.0", "allowlist 198.51.100.0/24"],
    ["the last address of a range", "198.51.100.255", "allowlist 198.51.100.0/24"],
    ["a range inside a range", "198.51.100.128/25", "allowlist 198.51.100.0/24"],
    ["a single address", "192.0.2.7", "allowlist 192.0.2.7"],
    ["a /64 inside a v6 range", "2001:db8:a:1::/64", "allowlist 2001:db8:a::/48"],
    ["what the host must not lose", "127.0.0.1", "loopback"],
    ["a wide ban that would take an allowed address along", "192.0.2.0/24", "allowlist 192.0.2.7"],
    ["a /64 that would take the host along", "2001:db8:b:1::/64", "own address"],
    ["everybody", "0.0.0.0/0", "allowlist 198.51.100.0/24"],
  ])("%s", (_, text, why) => {
    expect(list().match(source(text))?.why).toBe(why);
  });

  test.each(["198.51.99.255", "198.51.101.0", "192.0.2.6", "192.0.2.8", "2001:db8:b::/64", "2001:db8:b:1::6", "::1"])(
    "%s is not allowed",
    (text) => {
      expect(list().match(source(text))).toBeNull();
    },
  );

  test("an IPv4 range says nothing about IPv6, nor the other way round", () => {
    const allowlist = new Allowlist(["0.0.0.0/1", "128.0.0.0/1"].map(source));
    expect(allowlist.match(source("::1"))).toBeNull();
    expect(new Allowlist([source("8000::/1")]).match(source("203.0.113.1"))).toBeNull();
  });
});

describe("splits", () => {
  test.each([
    ["a protected address inside", "2001:db8:b:1::/64", true],
    ["a configured address inside", "192.0.2.0/24", true],
    ["the address itself, which fills it", "2001:db8:b:1::5", false],
    ["a range that an allowed one fills", "198.51.100.0/24", false],
    ["a range inside an allowed one", "2001:db8:a:1::/64", false],
    ["a neighbour", "2001:db8:b:2::/64", false],
  ])("%s", (_, text, isSplit) => {
    expect(list().splits(parseRange(text)!)).toBe(isSplit);
  });
});

test("configure and protect each replace their own half", () => {
  const allowlist = list();
  expect(allowlist.size).toBe(5);
  allowlist.configure([source("203.0.113.1")]);
  expect(allowlist.size).toBe(3);
  expect(allowlist.match(source("198.51.100.9"))).toBeNull();
  expect(allowlist.match(source("127.0.0.1"))?.why).toBe("loopback");
  allowlist.protect([]);
  expect(allowlist.match(source("127.0.0.1"))).toBeNull();
  expect(allowlist.match(source("203.0.113.1"))?.why).toBe("allowlist 203.0.113.1");
});

describe("permits", () => {
  const permit = (text: string, until: number | "permanent" = "permanent") => ({
    source: source(text),
    since: 0,
    until,
    by: "ada",
  });

  test("count as long as they stand, besides the others", () => {
    const allowlist = list();
    const size = allowlist.size;
    allowlist.permit(permit("203.0.113.0/24"));
    expect(allowlist.match(source("203.0.113.9"))?.why).toBe("203.0.113.0/24 was allowed by ada");
    expect(allowlist.size).toBe(size + 1);
    expect(allowlist.fixed.length).toBe(size);
    allowlist.permit({ ...permit("203.0.113.0/24"), note: "load test" });
    expect(allowlist.match(source("203.0.113.9"))?.why).toBe("203.0.113.0/24 was allowed by ada: load test");
    expect(allowlist.forbid(source("203.0.113.9"))).toBeUndefined();
    expect(allowlist.forbid(source("203.0.113.0/24"))?.by).toBe("ada");
    expect(allowlist.match(source("203.0.113.9"))).toBeNull();
  });

  test("of one range replace one another, and end with their time", () => {
    const allowlist = list();
    allowlist.permit(permit("203.0.113.0/24", 1000));
    allowlist.permit(permit("203.0.113.0/24", 2000));
    allowlist.permit(permit("203.0.114.0/24"));
    expect(allowlist.expire(1999)).toEqual([]);
    expect(allowlist.expire(2000).map(({ source }) => source as string)).toEqual(["203.0.113.0/24"]);
    expect(allowlist.permits.map(({ source }) => source as string)).toEqual(["203.0.114.0/24"]);
  });

  test("cost nothing until one ends, however many there are and whichever is taken back", () => {
    const allowlist = new Allowlist([]);
    for (let i = 0; i < MOST_PERMITS; i++) allowlist.permit(permit(`10.0.${i >> 8}.${i & 255}`, 1_000_000 + i));
    allowlist.forbid(source("10.0.0.0"));
    const begun = performance.now();
    for (let now = 0; now < 100_000; now++) allowlist.expire(now);
    expect(performance.now() - begun).toBeLessThan(500);
    expect(allowlist.expire(1_000_001).map(({ source }) => source as string)).toEqual(["10.0.0.1"]);
    allowlist.permit(permit("203.0.113.9", 1_000_002));
    expect(allowlist.expire(1_000_002).map(({ source }) => source as string)).toEqual(["10.0.0.2", "203.0.113.9"]);
  });

  test("split a /64 that holds one, and have a bound", () => {
    const allowlist = new Allowlist([]);
    for (let i = 0; i < MOST_PERMITS; i++) expect(allowlist.permit(permit(`10.0.${i >> 8}.${i & 255}`))).toBe(true);
    expect(allowlist.permit(permit("2001:db8:1:1::9"))).toBe(false);
    expect(allowlist.permit(permit("10.0.0.0", 5))).toBe(true);
    allowlist.forbid(source("10.0.0.1"));
    expect(allowlist.permit(permit("2001:db8:1:1::9"))).toBe(true);
    expect(allowlist.splits(parseRange("2001:db8:1:1::/64")!)).toBe(true);
  });
});
