import { describe, expect, test } from "bun:test";
import { type BanRequest, readBanRequest, readModeRequest, readSource, readUnbanRequest } from "./protocol.ts";

const NOW = Date.UTC(2026, 3, 25, 12);

function banned(body: unknown): Partial<BanRequest> | string {
  const read = readBanRequest(body, NOW);
  return read.ok ? read.request : read.error;
}

describe("readBanRequest", () => {
  test("takes an address, when and why", () => {
    expect(banned({ source: "203.0.113.9", for: "10m", by: "ada", note: "scans" })).toEqual({
      source: "203.0.113.9" as never,
      until: NOW + 600_000,
      by: "ada",
      note: "scans",
    });
  });

  test.each([
    [undefined, "default"],
    ["default", "default"],
    ["permanent", "permanent"],
    ["1s", NOW + 1_000],
    ["3650d", NOW + 3650 * 86_400_000],
  ])("for %p is until %p", (duration, until) => {
    expect(banned({ source: "203.0.113.9", for: duration })).toMatchObject({ until });
  });

  test.each([10, "10", "", "0s", "999ms", "3651d", "-1s", "1e9d", null, {}, "99999999999999999999d"])(
    "for %p is refused",
    (duration) => expect(banned({ source: "203.0.113.9", for: duration })).toStartWith('"for" must be a duration'),
  );

  test("a body that is no object is refused", () => {
    for (const body of [undefined, null, 7, "x", [], [{ source: "203.0.113.9" }]]) {
      expect(banned(body)).toBe("the body must be a JSON object");
    }
  });

  test("an unknown field is refused: a mistyped one must not become a ban of another length", () => {
    expect(banned({ source: "203.0.113.9", fro: "10m" })).toBe('unknown field "fro"; known are source, for, by, note');
    expect(banned(JSON.parse('{"source":"203.0.113.9","__proto__":{"for":"1s"}}'))).toStartWith("unknown field");
  });

  test("note and name are cut and put on one line", () => {
    expect(banned({ source: "203.0.113.9", by: "a\nb".repeat(50), note: `${"x".repeat(300)}\ud83d` })).toMatchObject({
      by: "a b".repeat(50).slice(0, 64),
      note: "x".repeat(200),
    });
    expect(banned({ source: "203.0.113.9", by: 1 })).toBe('"by" must be text');
    expect(banned({ source: "203.0.113.9", note: [] })).toBe('"note" must be text');
  });
});

describe("readModeRequest", () => {
  test.each(["enforce", "watch-only"])("takes %p and who asks", (mode) =>
    expect(readModeRequest({ mode, by: "ada" })).toEqual({ ok: true, request: { mode: mode as never, by: "ada" } }),
  );

  test.each([[{}], [{ mode: "off" }], [{ mode: true }], [{ mode: ["enforce"] }], [{ mode: "enforce", by: 1 }], [null]])(
    "%j is refused",
    (body) => expect(readModeRequest(body).ok).toBe(false),
  );
});

describe("readSource", () => {
  test.each([
    ["203.0.113.9", "203.0.113.9"],
    [" 203.0.113.9 ", "203.0.113.9"],
    ["10.1.2.3/16", "10.1.0.0/16"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1/112", "192.0.0.0/16"],
    ["2001:DB8::/32", "2001:db8::/32"],
  ])("%p is %p", (text, source) => expect(readSource(text)).toEqual({ ok: true, request: source as never }));

  test.each(["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/15", "::/0", "2001:db8::/31", "::ffff:0.0.0.0/96"])(
    "%p is too wide",
    (text) => expect(readSource(text)).toMatchObject({ ok: false, error: expect.stringContaining("too wide") }),
  );

  test.each([
    "",
    "203.0.113.256",
    "203.0.113.9 -j ACCEPT",
    "-1",
    "localhost",
    "1.2.3.4/33",
    "0x7f000001",
    "1.2.3.4\n5.6.7.8",
    16909060,
    null,
  ])("%p is no address", (text) => expect(readSource(text).ok).toBe(false));
});

describe("readUnbanRequest", () => {
  test("forget is false unless asked for", () => {
    const read = readUnbanRequest({ source: "203.0.113.9" });
    expect(read).toEqual({ ok: true, request: { source: "203.0.113.9" as never, by: "unknown", forget: false } });
  });

  test.each([{ source: "x" }, { source: "203.0.113.9", forget: "yes" }, { source: "203.0.113.9", for: "1m" }, {}])(
    "%p is refused",
    (body) => expect(readUnbanRequest(body).ok).toBe(false),
  );
});
