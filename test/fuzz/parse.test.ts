/**
 * Hostile lines in bulk: nothing throws, no good neighbour is lost, the fast path means what the slow one means, and
 * any cutting of the file into chunks gives the same records. Over 200,000 lines; fast-check prints seed and path on failure.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { LineSplitter } from "../../src/accesslog/lines.ts";
import { createParser, type LineParser } from "../../src/accesslog/parse.ts";

const SEED = 20_260_105;
let linesTried = 0;

/** What a window means, in a form that can be compared. */
function meaningOf(parser: LineParser, buffer: Buffer, start = 0, end = buffer.length): unknown[] {
  const seen: unknown[] = [];
  parser.parseWindow(buffer, start, end, {
    record: (record) => seen.push({ ...record }),
    failure: (kind, line) => seen.push([kind, line]),
  });
  return seen;
}

/** The oracle: each line on its own, as text. */
function oracle(buffer: Buffer): unknown[] {
  const parser = createParser({ fields: {}, isFast: false });
  const seen: unknown[] = [];
  for (let from = 0; from < buffer.length; ) {
    const to = buffer.indexOf(10, from);
    const text = buffer.toString("utf8", from, to);
    from = to + 1;
    if (/^\uFEFF?[ \t\r]*$/.test(text)) continue;
    const result = parser.parseLine(text);
    seen.push("failure" in result ? [result.failure, text.slice(0, 200).toWellFormed()] : { ...result });
  }
  return seen;
}

const NUMBER_TEXTS = [
  "200",
  "404",
  "000",
  "0",
  "-1",
  "1e2",
  "200.0",
  "2e999",
  "0200",
  "99",
  "099",
  "1000",
  "-0",
  "12.5",
  "9007199254740993",
  "5.",
];
const hostileText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: "binary-ascii", maxLength: 40 }),
  fc.constantFrom(
    "",
    "-",
    "/",
    '/","status":500,"x":"',
    "/%00",
    "\\",
    '"',
    "GET / HTTP/1.1",
    "x".repeat(300),
    "\u2028",
    "__proto__",
    "\ud800",
  ),
);
const address = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.constantFrom("1.2.3.4", "1.2.3.04", "1.2.3.256", "1.2.3", "1.2.3.4 ", "::ffff:1.2.3.4", "unix:", "", "-", "..."),
);
const time = fc.oneof(
  fc.date({ min: new Date(0), max: new Date("2040-01-01"), noInvalidDate: true }).map((date) => date.toISOString()),
  fc
    .integer({ min: 0, max: 120 })
    .map((s) => `2026-01-05T08:0${s > 59 ? 1 : 0}:${String(s % 60).padStart(2, "0")}+00:00`),
  fc.integer({ min: 1_767_600_000_000, max: 1_767_600_999_999 }).map((ms) => (ms / 1000).toFixed(3)),
  fc.constantFrom(
    "2026-02-30T00:00:00Z",
    "2026-01-05T08:00:60Z",
    "2026-01-05T08:00:61+00:00",
    "2026-01-05T08:00:00.12Z",
    "2026-01-05T08:00:00.1234Z",
    "",
    "-",
    "x",
  ),
);
const quoted = (text: fc.Arbitrary<string>) => text.map((value) => JSON.stringify(value));
const number = fc.oneof(
  fc.constantFrom(...NUMBER_TEXTS),
  fc.nat(1e9).map(String),
  fc.double().map((n) => JSON.stringify(n)),
);
const numberLike = fc.oneof(
  number,
  number.map((text) => `"${text}"`),
  fc.constantFrom('"-"', "null", "true", "[]", "{}", '""'),
);
const usual = (arbitrary: fc.Arbitrary<string>, odd: fc.Arbitrary<string>) =>
  fc.oneof({ weight: 12, arbitrary }, { weight: 1, arbitrary: odd });
const odd = fc.oneof(fc.json({ maxDepth: 3 }), numberLike, quoted(hostileText));

/** One line in a layout: values are usual for the layout most of the time, so that the fast path is taken and left. */
function lineOf(layout: readonly (readonly [key: string, value: fc.Arbitrary<string>])[], space: string) {
  const parts = layout.map(([key, value]) => value.map((text) => `"${key}"${space}:${space}${text}`));
  return fc.tuple(...parts).map((texts) => `{${texts.join(`,${space}`)}}`);
}
const status = fc.constantFrom("200", "207", "304", "401", "404", "500");
const plainPath = fc
  .constantFrom("/", "/index.php", "/remote.php/dav/files/a", "/login?x=1&y=2")
  .map((text) => JSON.stringify(text));
const plainAgent = fc
  .constantFrom("curl/8.1", "Mozilla/5.0 (X11; Linux x86_64)", "a", "")
  .map((text) => JSON.stringify(text));
const usualTime = usual(quoted(time), odd);
const usualStatus = usual(status, numberLike);
const usualSize = usual(fc.nat(1e6).map(String), numberLike);
const LAYOUTS = [
  [
    ["source_ip", usual(quoted(address), odd)],
    ["timestamp", usualTime],
    ["method", usual(quoted(fc.constantFrom("GET", "PUT")), odd)],
    ["path", usual(plainPath, quoted(hostileText))],
    ["status", usualStatus],
    ["response_size", usualSize],
  ],
  [
    ["timestamp", usualTime],
    ["source_ip", usual(quoted(address), odd)],
    ["status", usualStatus],
    ["path", usual(plainPath, odd)],
    ["user_agent", usual(plainAgent, quoted(hostileText))],
    [
      "request_time",
      usual(
        fc.nat(9999).map((n) => (n / 1000).toFixed(3)),
        numberLike,
      ),
    ],
    ["response_size", usualSize],
    ["method", quoted(hostileText)],
  ],
  [
    ["remote_addr", quoted(address)],
    [
      "msec",
      fc.nat(99_999).map((n) => `1767600${String(n % 1000).padStart(3, "0")}.${String(n % 997).padStart(3, "0")}`),
    ],
    ["time_iso8601", usualTime],
    ["request", usual(fc.constantFrom('"GET / HTTP/1.1"', '"PUT /a b HTTP/2.0"'), odd)],
    [
      "status",
      usual(
        status.map((s) => `"${s}"`),
        numberLike,
      ),
    ],
    [
      "body_bytes_sent",
      usual(
        fc.nat(999).map((n) => `"${n}"`),
        numberLike,
      ),
    ],
    ["host", quoted(hostileText)],
    ["realip_remote_addr", usual(quoted(address), odd)],
  ],
  [
    ["source_ip", quoted(address)],
    ["remote_addr", quoted(address)],
    ["uri", plainPath],
    ["path", usual(plainPath, odd)],
    ["time", usualTime],
    ["timestamp", usualTime],
    ["status", usualStatus],
    ["bytes", usualSize],
    ["xff", odd],
  ],
] as const;

const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10))),
  fc
    .constantFrom("", " ", "\t\r", "\uFEFF", "{", "[]", "null", "1 2", '{"a":1}{"b":2}', '{"__proto__":{"status":1}}')
    .map((text) => Buffer.from(text)),
);

/** A few dozen lines of mostly one layout, as a log has them, some of them damaged. */
const logOf = (layout: (typeof LAYOUTS)[number]) => {
  const structured = fc.oneof(lineOf(layout, ""), { weight: 1, arbitrary: lineOf(layout, " ") });
  const damaged = fc.tuple(structured, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([text, at, byte]) => {
    const bytes = Buffer.from(text);
    bytes[at % bytes.length] = byte === 10 ? 0xff : byte;
    return bytes;
  });
  return fc.array(
    fc.oneof(
      { weight: 20, arbitrary: structured.map((text) => Buffer.from(text)) },
      { weight: 3, arbitrary: damaged },
      { weight: 1, arbitrary: garbage },
    ),
    { minLength: 20, maxLength: 120, size: "max" },
  );
};
const NEWLINE = Buffer.from("\n");
const join = (lines: readonly Buffer[]) => Buffer.concat(lines.flatMap((line) => [line, NEWLINE]));

test.each(LAYOUTS.map((layout, index) => [index, layout] as const))(
  "layout %i: fast = slow = line by line",
  (_, layout) => {
    fc.assert(
      fc.property(logOf(layout), (lines) => {
        linesTried += lines.length;
        const buffer = join(lines);
        const expected = oracle(buffer);
        expect(meaningOf(createParser({ fields: {}, isFast: false }), buffer)).toEqual(expected);
        const parser = createParser({ fields: {} });
        meaningOf(parser, buffer); // learns a layout
        expect(meaningOf(parser, buffer)).toEqual(expected);
      }),
      { seed: SEED, numRuns: 700 },
    );
  },
  60_000,
);

test("good lines between any bytes are all there, in order, whatever the chunks", () => {
  let number = 0;
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          garbage,
          fc.uint8Array({ maxLength: 300 }).map((b) => Buffer.from(b)),
        ),
        { maxLength: 80, size: "max" },
      ),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }),
      (noise, sizes) => {
        const first = number;
        const file = Buffer.concat(
          noise.flatMap((bytes) => {
            const good = `{"source_ip":"203.0.113.9","timestamp":"2026-01-05T08:00:00Z","method":"GET","path":"/n/${number++}","status":200,"response_size":${number}}`;
            return [bytes, NEWLINE, Buffer.from(good), NEWLINE];
          }),
        );
        linesTried += 2 * (number - first);
        const parser = createParser({ fields: {} });
        const paths: string[] = [];
        const splitter = new LineSplitter(65_536, (buffer, start, end) =>
          parser.parseWindow(buffer, start, end, { record: (record) => paths.push(record.path), failure: () => {} }),
        );
        for (let from = 0, i = 0; from < file.length; i++) {
          const to = Math.min(file.length, from + sizes[i % sizes.length]!);
          splitter.push(Buffer.from(file.subarray(from, to)));
          from = to;
        }
        expect(paths).toEqual(Array.from({ length: number - first }, (_, i) => `/n/${first + i}`));
      },
    ),
    { seed: SEED, numRuns: 1000 },
  );
}, 60_000);

test("lines longer than the limit are the same ones, whatever the chunks", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(120), { maxLength: 60, size: "max" }),
      fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 10 }),
      (lengths, sizes) => {
        const lines = lengths.map((length, i) => String(i % 10).repeat(length));
        const file = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        let got = "";
        const splitter = new LineSplitter(64, (buffer, start, end) => {
          got += buffer.toString("latin1", start, end);
        });
        for (let from = 0, i = 0; from < file.length; i++) {
          const to = Math.min(file.length, from + sizes[i % sizes.length]!);
          splitter.push(file.subarray(from, to));
          from = to;
        }
        const short = lines.filter((line) => line.length <= 64);
        expect(got).toBe(short.map((line) => `${line}\n`).join(""));
        expect(splitter.lines).toBe(short.length);
        expect(splitter.oversized).toBe(lines.length - short.length);
        expect(splitter.unfinishedBytes).toBe(0);
      },
    ),
    { seed: SEED, numRuns: 2000 },
  );
});

test("that were more than 200,000 lines", () => {
  expect(linesTried).toBeGreaterThan(200_000);
});
