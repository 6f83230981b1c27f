import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ip, SEED } from "../../test/records.ts";
import { covers, formatRange, overlaps, parseRange, parseSource, type Range, sourceOf } from "./cidr.ts";

describe("parseSource", () => {
  const good: [text: string, canonical: string][] = [
    ["203.0.113.9", "203.0.113.9"],
    ["203.0.113.9/32", "203.0.113.9"],
    ["203.0.113.9/24", "203.0.113.0/24"],
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["10.255.255.255/9", "10.128.0.0/9"],
    ["10.1.2.3/15", "10.0.0.0/15"],
    ["10.1.2.3/17", "10.1.0.0/17"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:db8::1", "2001:db8::1"],
    ["2001:db8::1/128", "2001:db8::1"],
    ["2001:DB8:66:1:2:3:4:5/64", "2001:db8:66:1::/64"],
    ["2001:db8:ffff::/33", "2001:db8:8000::/33"],
    ["::/0", "::/0"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["::ffff:10.1.2.3/128", "10.1.2.3"],
    ["::ffff:10.1.2.3/104", "10.0.0.0/8"],
  ];
  test.each(good)("%s is %s", (text, canonical) => {
    expect<string | null>(parseSource(text)).toBe(canonical);
  });

  const bad = [
    "",
    "/",
    "/8",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "10.0.0.0/ 8",
    "10.0.0.0/8x",
    "10.0.0/8",
    "2001:db8::/129",
    "2001:db8::/1e1",
    "::ffff:10.0.0.0/95",
    "10.0.0.0/255.0.0.0",
    "* ; rm -rf /",
  ];
  test.each(bad)("%j is no range", (text) => {
    expect(parseSource(text)).toBeNull();
  });
});

test.each([
  ["203.0.113.9", 64, "203.0.113.9"],
  ["2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64"],
  ["2001:db8:1:2:3:4:5:6", 56, "2001:db8:1::/56"],
  ["2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6"],
  ["::1", 64, "::/64"],
])("%s counts as, by /%d, %s", (address, prefix, source) => {
  expect<string>(sourceOf(ip(address), prefix)).toBe(source);
});

const range = (text: string): Range => parseRange(text)!;

describe("covers and overlaps", () => {
  const rows: [a: string, b: string, isCovered: boolean, isOverlapping: boolean][] = [
    ["10.0.0.0/8", "10.1.2.3", true, true],
    ["10.1.2.3", "10.0.0.0/8", false, true],
    ["10.0.0.0/8", "11.0.0.0", false, false],
    ["10.0.0.0/8", "10.0.0.0/8", true, true],
    ["10.1.0.0/16", "10.0.0.0/15", false, true],
    ["0.0.0.0/0", "255.255.255.255", true, true],
    ["0.0.0.0/0", "::1", false, false],
    ["::/0", "10.1.2.3", false, false],
    ["2001:db8::/32", "2001:db8:ffff::1", true, true],
    ["2001:db8::/33", "2001:db8:8000::1", false, false],
    ["2001:db8::/64", "2001:db8:0:1::/64", false, false],
  ];
  test.each(rows)("%s and %s: covers %p, overlaps %p", (a, b, isCovered, isOverlapping) => {
    expect(covers(range(a), range(b))).toBe(isCovered);
    expect(overlaps(range(a), range(b))).toBe(isOverlapping);
    expect(overlaps(range(b), range(a))).toBe(isOverlapping);
  });

  /** The range's bits as text, the plainest way to compare prefixes. */
  const bits = ({ groups, prefix }: Range) =>
    groups
      .map((group) => group.toString(2).padStart(16, "0"))
      .join("")
      .slice(0, prefix);
  const anyRange = fc
    .oneof(
      // Few different bits, so that ranges often meet.
      fc.tuple(fc.constantFrom("10.0.0.1", "10.0.0.2", "10.128.3.4", "203.0.113.9"), fc.integer({ min: 0, max: 32 })),
      fc.tuple(fc.constantFrom("2001:db8::1", "2001:db8::8000:0:0:1", "::1"), fc.integer({ min: 0, max: 128 })),
    )
    .map(([address, prefix]) => range(`${address}/${prefix}`));

  test("are what the leading bits say, and every range parses back", () => {
    fc.assert(
      fc.property(anyRange, anyRange, (a, b) => {
        const [x, y] = [bits(a), bits(b)];
        expect(covers(a, b)).toBe(a.v6 === b.v6 && y.startsWith(x));
        expect(overlaps(a, b)).toBe(a.v6 === b.v6 && (x.startsWith(y) || y.startsWith(x)));
        expect(parseRange(formatRange(a))).toEqual(a);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});
