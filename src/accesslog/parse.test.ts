import { expect, test } from "bun:test";
import type { FailureKind } from "./fields.ts";
import { createParser, type LineParser, type ParserOptions } from "./parse.ts";
import type { AccessRecord } from "./record.ts";

const AT = Date.UTC(2026, 0, 5, 8);
const GOOD = {
  source_ip: "203.0.113.9",
  timestamp: "2026-01-05T08:00:00+00:00",
  method: "GET",
  path: "/index.php?x=1",
  status: 200,
  response_size: 512,
};
const RECORD = {
  at: AT,
  source: "203.0.113.9",
  method: "GET",
  path: "/index.php?x=1",
  status: 200,
  bytes: 512,
  userAgent: undefined,
  host: undefined,
  requestSeconds: undefined,
  peer: undefined,
};

type Seen = AccessRecord | { failure: FailureKind; line: string };

function parseAll(parser: LineParser, text: string | Buffer): Seen[] {
  const seen: Seen[] = [];
  const buffer = Buffer.from(text);
  parser.parseWindow(buffer, 0, buffer.length, {
    record: (record) => seen.push(record),
    failure: (failure, line) => seen.push({ failure, line }),
  });
  return seen;
}

/** The line's meaning by every way through the parser, which must agree: alone, slow, and after a taught layout. */
function meaning(text: string, options: ParserOptions = { fields: {} }): AccessRecord | { failure: FailureKind } {
  const alone = createParser(options).parseLine(text);
  const [slow] = parseAll(createParser({ ...options, isFast: false }), `${text}\n`);
  // Taught by the line itself, if it is good, and read again.
  const taught = parseAll(createParser(options), `${text}\n`.repeat(70)).at(-1);
  // Taught by good lines that may differ from it in one value only.
  const others = [line({}), line({ status: "200" }), line({ response_size: "5" })].map((good) =>
    parseAll(createParser(options), `${good}\n`.repeat(70) + `${text}\n`).at(-1),
  );
  for (const seen of [slow, taught, ...others]) expect(bare(seen)).toEqual(alone);
  return alone;
}

function bare(seen: Seen | undefined): unknown {
  return seen !== undefined && "failure" in seen ? { failure: seen.failure } : seen;
}

const line = (changes: object) => JSON.stringify({ ...GOOD, ...changes });
const without = (name: keyof typeof GOOD) => {
  const { [name]: _, ...rest } = GOOD;
  return JSON.stringify(rest);
};

test("the contract's line", () => {
  expect(meaning(JSON.stringify(GOOD))).toEqual(RECORD as never);
});

test.each([
  ["strings for numbers", line({ status: "200", response_size: "512" }), {}],
  ["size of a dash", line({ response_size: "-" }), { bytes: 0 }],
  ["size missing", without("response_size"), { bytes: 0 }],
  ["size null", line({ response_size: null }), { bytes: 0 }],
  [
    "empty method and path: a request nginx could not read",
    line({ method: "", path: "", status: 400 }),
    { method: "", path: "", status: 400 },
  ],
  ["no method and path at all", without("method").replace(/,"path":"[^"]*"/, ""), { method: "", path: "" }],
  ["method and path of the wrong type", line({ method: 5, path: { a: 1 } }), { method: "", path: "" }],
  ["IPv6 in its long form", line({ source_ip: "2001:0DB8:0:0::1" }), { source: "2001:db8::1" }],
  ["IPv4 mapped into IPv6", line({ source_ip: "::ffff:203.0.113.9" }), {}],
  [
    "escapes",
    String.raw`{"source_ip":"203.0.113.9","timestamp":"2026-01-05T08:00:00Z","method":"GET","path":"/\"\\\u0007\u00e9","status":200,"response_size":1}`,
    { path: '/"\\\u0007é', bytes: 1 },
  ],
  ["UTF-8", line({ path: "/日本/🦊" }), { path: "/日本/🦊" }],
  [
    "spaces and another order",
    '{ "status" : 404 , "path" : "/a" , "method" : "PUT", "timestamp":"2026-01-05T08:00:00Z" , "response_size" : 7, "source_ip":"203.0.113.9" }',
    { status: 404, path: "/a", method: "PUT", bytes: 7 },
  ],
  ["carriage return", `${JSON.stringify(GOOD)}\r`, {}],
  ["byte order mark", `\uFEFF${JSON.stringify(GOOD)}`, {}],
  ["fields nobody asked for", line({ xff: "1.2.3.4", nested: { a: [1, { b: null }] }, flag: true }), {}],
  ["a key twice: the last counts", JSON.stringify(GOOD).replace("{", '{"status":500,'), {}],
  ["prototype keys", JSON.stringify(GOOD).replace("{", '{"__proto__":{"status":1},"constructor":1,'), {}],
  [
    "user agent, host, request time, peer",
    line({ user_agent: "curl/8", host: "a.example", request_time: "0.125", peer: "10.0.0.1" }),
    { userAgent: "curl/8", host: "a.example", requestSeconds: 0.125, peer: "10.0.0.1" },
  ],
  ["nothing given for them", line({ user_agent: "-", host: "", request_time: "-", peer: "unix:" }), {}],
  ["request time as a number", line({ request_time: 12.003 }), { requestSeconds: 12.003 }],
  ["request time that is none", line({ request_time: "0.1, 0.2" }), {}],
  ["asterisk target", line({ method: "OPTIONS", path: "*" }), { method: "OPTIONS", path: "*" }],
  ["absolute target", line({ path: "http://x.example/a" }), { path: "http://x.example/a" }],
  ["largest size", line({ response_size: 999_999_999_999_999 }), { bytes: 999_999_999_999_999 }],
  ["status of three digits", line({ status: 999 }), { status: 999 }],
])("good: %s", (_, text, changes) => {
  expect(meaning(text)).toEqual({ ...RECORD, ...changes } as never);
});

test.each([
  [
    "nginx's own names",
    {
      remote_addr: "203.0.113.9",
      time_iso8601: "2026-01-05T09:00:00+01:00",
      request_method: "GET",
      request_uri: "/a?b",
      status: "200",
      body_bytes_sent: "7",
      http_user_agent: "x",
    },
    { path: "/a?b", bytes: 7, userAgent: "x" },
  ],
  [
    "$msec and a whole request line",
    { client_ip: "203.0.113.9", msec: "1767600000.123", request: "POST /x y HTTP/1.1", status: 200, bytes: 7 },
    { at: AT + 123, method: "POST", path: "/x y", bytes: 7 },
  ],
  [
    "$uri, $msec as a number",
    {
      remote_ip: "203.0.113.9",
      time: 1767600000.5,
      request_method: "GET",
      uri: "/a",
      status: 200,
      bytes: 7,
      realip_remote_addr: "10.0.0.1",
    },
    { at: AT + 500, path: "/a", bytes: 7, peer: "10.0.0.1" },
  ],
  [
    "an HTTP/0.9 request line",
    { remote_addr: "203.0.113.9", time: AT / 1000, request: "GET /", status: 200 },
    { path: "/", bytes: 0 },
  ],
  [
    "a TLS handshake on the plain port",
    { remote_addr: "203.0.113.9", time: AT / 1000, request: "\u0016\u0003\u0001", status: 400 },
    { method: "", path: "\u0016\u0003\u0001", status: 400, bytes: 0 },
  ],
  [
    "the method's own field before the request line's",
    { ...GOOD, method: "PUT", path: "GET /x HTTP/2.0" },
    { method: "PUT", path: "/x" },
  ],
  ["the contract's name before an alias", { remote_addr: "1.1.1.1", request_uri: "/alias", ...GOOD }, {}],
  [
    "an alias where the contract's name is empty",
    { ...GOOD, source_ip: "-", path: "", remote_addr: "203.0.113.9", request_uri: "/alias" },
    { path: "/alias" },
  ],
  ["the finer of two times, last", { ...GOOD, msec: 1767600000.25 }, { at: AT + 250 }],
  ["the finer of two times, first", { msec: "1767600000.250", ...GOOD }, { at: AT + 250 }],
  [
    "the first of two fine times",
    { ...GOOD, timestamp: "2026-01-05T08:00:00.111Z", msec: "1767600000.250" },
    { at: AT + 111 },
  ],
  ["the time that is one", { ...GOOD, timestamp: "yesterday", msec: 1767600000.25 }, { at: AT + 250 }],
])("aliases: %s", (_, object, changes) => {
  expect(meaning(JSON.stringify(object))).toEqual({ ...RECORD, ...changes } as never);
});

test("configured names are tried before the known ones", () => {
  const fields = { source_ip: ["real_ip"], timestamp: ["when"], path: ["target", "other"], status: undefined };
  const object = {
    ...GOOD,
    source_ip: "10.0.0.1",
    real_ip: "203.0.113.9",
    when: GOOD.timestamp,
    msec: 1.5,
    other: "/o",
  };
  expect(meaning(JSON.stringify(object), { fields })).toEqual({ ...RECORD, path: "/o" } as never);
  expect(meaning(JSON.stringify(GOOD), { fields })).toEqual(RECORD as never);
});

test("one key may serve two fields", () => {
  const fields = { source_ip: ["realip_remote_addr"] };
  const object = { ...GOOD, source_ip: "10.0.0.1", realip_remote_addr: "203.0.113.9" };
  expect(meaning(JSON.stringify(object), { fields })).toEqual({ ...RECORD, peer: "203.0.113.9" } as never);
});

test.each<[string, string, FailureKind]>([
  ["text", "hello", "not-json"],
  ["half a line", JSON.stringify(GOOD).slice(0, 60), "not-json"],
  ["two objects on a line", JSON.stringify(GOOD).repeat(2), "not-json"],
  ["two objects with a space", `${JSON.stringify(GOOD)} ${JSON.stringify(GOOD)}`, "not-json"],
  ["nginx's own escapes", String.raw`{"source_ip":"1.2.3.4","path":"/\x22"}`, "not-json"],
  ["a raw control byte", line({}).replace("/index", "/\u0001index"), "not-json"],
  ["a raw NUL", line({}).replace("/index", "/\0index"), "not-json"],
  ["status 000 as nginx prints it", line({}).replace(":200", ":000"), "not-json"],
  ["a number with a leading zero", line({}).replace(":512", ":0512"), "not-json"],
  ["a number that ends in a dot", line({}).replace(":512", ":512."), "not-json"],
  ["array", "[1]", "not-object"],
  ["null", "null", "not-object"],
  ["number", "1", "not-object"],
  ["empty object", "{}", "no-source"],
  ["no source", without("source_ip"), "no-source"],
  ["empty source", line({ source_ip: "" }), "no-source"],
  ["source of a dash", line({ source_ip: "-" }), "no-source"],
  ["source through the prototype", `{"__proto__":${JSON.stringify(GOOD)}}`, "no-source"],
  ["source with a port", line({ source_ip: "1.2.3.4:80" }), "bad-source"],
  ["source with a zero in front", line({ source_ip: "1.2.3.04" }), "bad-source"],
  ["source of three parts", line({ source_ip: "1.2.3" }), "bad-source"],
  ["source too large", line({ source_ip: "1.2.3.256" }), "bad-source"],
  ["source and a list", line({ source_ip: "1.2.3.4, 5.6.7.8" }), "bad-source"],
  ["a unix socket", line({ source_ip: "unix:" }), "bad-source"],
  ["source as a number", line({ source_ip: 16909060 }), "bad-source"],
  ["source as an object", line({ source_ip: { a: 1 } }), "bad-source"],
  ["no time", without("timestamp"), "no-time"],
  ["empty time", line({ timestamp: "" }), "no-time"],
  ["status missing", without("status"), "no-status"],
  ["status 000", line({ status: "000" }), "bad-status"],
  ["status 099", line({ status: "099" }), "bad-status"],
  ["status 99", line({ status: 99 }), "bad-status"],
  ["status 1000", line({ status: 1000 }), "bad-status"],
  ["status with a fraction", line({ status: 200.5 }), "bad-status"],
  ["status of two", line({ status: "502, 200" }), "bad-status"],
  ["status true", line({ status: true }), "bad-status"],
  ["size negative", line({ response_size: -1 }), "bad-size"],
  ["size of words", line({ response_size: "many" }), "bad-size"],
  ["size beyond all numbers", line({}).replace(":512", ":1e999"), "bad-size"],
  ["size with a fraction", line({ response_size: 1.5 }), "bad-size"],
])("bad: %s", (_, text, failure) => {
  expect(meaning(text)).toEqual({ failure });
});

test.each<[unknown, number | null]>([
  ["2026-01-05T08:00:00Z", AT],
  ["2026-01-05T08:00:00z", AT],
  ["2026-01-05 08:00:00+00:00", AT],
  ["2026-01-05T10:00:00+02:00", AT],
  ["2026-01-05T10:00:00+0200", AT],
  ["2026-01-05T10:00:00+02", AT],
  ["2026-01-05T04:30:00-03:30", AT],
  ["2026-01-05T08:00:00.5Z", AT + 500],
  ["2026-01-05T08:00:00.123+00:00", AT + 123],
  ["2026-01-05T08:00:00,123Z", AT + 123],
  ["2026-01-05T08:00:00.123456789Z", AT + 123],
  ["2026-01-05T08:00:59.999Z", AT + 59_999],
  ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
  ["1767600000", AT],
  ["1767600000.123", AT + 123],
  ["1767600000.1", AT + 100],
  [1767600000.123, AT + 123],
  [1767600000, AT],
  [0, 0],
  ["2026-02-29T00:00:00Z", null],
  ["2026-02-30T00:00:00Z", null],
  ["2026-13-01T00:00:00Z", null],
  ["2026-00-01T00:00:00Z", null],
  ["2026-01-00T00:00:00Z", null],
  ["2026-01-32T00:00:00Z", null],
  ["2026-01-05T24:00:00Z", null],
  ["2026-01-05T08:60:00Z", null],
  ["2026-01-05T08:00:60Z", null],
  ["2026-01-05T08:00:00+24:00", null],
  ["2026-01-05T08:00:00", null],
  ["2026-01-05T08:00Z", null],
  ["2026-01-05", null],
  ["05/Jan/2026:08:00:00 +0000", null],
  ["yesterday", null],
  ["-5", null],
  [-5, null],
  ["1e9", null],
  [1e300, null],
  [true, null],
  [{ a: 1 }, null],
  [["2026-01-05T08:00:00Z"], null],
])("time %p", (timestamp, at) => {
  expect(meaning(line({ timestamp }))).toEqual((at === null ? { failure: "bad-time" } : { ...RECORD, at }) as never);
});

test("a thousand times that differ in every part, on the fast path", () => {
  const times = Array.from({ length: 1000 }, (_, i) => AT + i * 7_919_123);
  for (const write of [
    (ms: number) => new Date(ms).toISOString(),
    (ms: number) => `${new Date(ms).toISOString().slice(0, -1)}+00:00`,
    (ms: number) => `${new Date(ms + 7_200_000).toISOString().slice(0, -1)}+0200`,
    (ms: number) => (ms / 1000).toFixed(3),
  ]) {
    const text = times.map((ms) => `${line({ timestamp: write(ms) })}\n`).join("");
    expect(parseAll(createParser({ fields: {} }), text).map((record) => (record as AccessRecord).at)).toEqual(times);
  }
});

test("blank lines are no failures, and bad lines cost their neighbours nothing", () => {
  const good = line({});
  for (const isFast of [true, false]) {
    const seen = parseAll(createParser({ fields: {}, isFast }), `\n${good}\n \t\r\n{bad\n${good}\n\n[]\n${good}\n`);
    expect(seen.map((one) => ("failure" in one ? one.failure : one.status))).toEqual([
      200,
      "not-json",
      200,
      "not-object",
      200,
    ]);
  }
});

test("the sample of a bad line is its start, whatever the bytes", () => {
  const parser = createParser({ fields: {} });
  const long = `{"x":"${"é🦊".repeat(300)}"}`;
  expect(parseAll(parser, `${long}\n`)).toEqual([{ failure: "no-source", line: long.slice(0, 200).toWellFormed() }]);
  const [bytes] = parseAll(parser, Buffer.from([0xff, 0xfe, 0x00, 0x22, 0x0a])) as [{ failure: string; line: string }];
  expect(bytes).toEqual({ failure: "not-json", line: '\ufffd\ufffd\0"' });
  // The second of three, found by its number.
  const three = `${line({})}\n{"n":2}\n${line({})}\n`;
  expect(parseAll(createParser({ fields: {}, isFast: false }), three)[1]).toEqual({
    failure: "no-source",
    line: '{"n":2}',
  });
});

test("nothing is polluted by what a line holds", () => {
  meaning(`{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},${line({}).slice(1)}`);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  // A configured name that every object inherits is still only read where the line has it.
  expect(createParser({ fields: { source_ip: ["constructor", "__proto__"] } }).parseLine(line({}))).toEqual(
    RECORD as never,
  );
});

test("another log format is learned when nginx is reloaded with it", () => {
  const parser = createParser({ fields: {} });
  const other = JSON.stringify({
    remote_addr: "203.0.113.9",
    msec: "1767600000.000",
    request: "GET /index.php?x=1 HTTP/1.1",
    status: "200",
    bytes: "512",
  });
  const text = `${line({})}\n`.repeat(500) + `${other}\n`.repeat(500) + `${line({})}\n`.repeat(500);
  const seen = parseAll(parser, text);
  expect(seen).toHaveLength(1500);
  for (const record of seen) expect(record).toEqual(RECORD as never);
});

test("a window may lie anywhere in its buffer", () => {
  const buffer = Buffer.from(`garbage\n${line({})}\n${line({})}\nmore garbage`);
  for (const isFast of [true, false]) {
    const seen: Seen[] = [];
    const parser = createParser({ fields: {}, isFast });
    parser.parseWindow(buffer, 8, buffer.lastIndexOf(10) + 1, {
      record: (record) => seen.push(record),
      failure: (failure, text) => seen.push({ failure, line: text }),
    });
    expect(seen).toEqual([RECORD, RECORD] as never);
  }
});
