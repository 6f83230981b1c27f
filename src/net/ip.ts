/**
 * Canonical IP addresses. `Ip` can only be made here, so a raw log field can never reach a firewall command.
 * IPv4 is dotted decimal; IPv6 is RFC 5952 text; IPv4-mapped IPv6 (::ffff:a.b.c.d) is folded to IPv4.
 */
declare const ipBrand: unique symbol;

/** One address in canonical text. Only this folder makes one. */
export type Ip = string & { readonly [ipBrand]: true };

/** Parses one address; null for anything else (zone ids, ports, CIDRs, octal or short IPv4 forms, spaces). */
export function parseIp(text: string): Ip | null {
  if (text.length < 2 || text.length > 45) return null;
  const v4 = parseV4(text);
  if (v4 !== null) return text as Ip;
  const groups = parseV6(text);
  if (groups === null) return null;
  const mapped = mappedV4(groups);
  return (mapped !== null ? formatV4(mapped) : formatV6(groups)) as Ip;
}

/** IPv6 text has its first colon within five characters, so there is no need to search further. */
export function isV6(address: string): boolean {
  for (let i = 0; i < 5; i++) if (address.charCodeAt(i) === 58) return true;
  return false;
}

/** What stands for an address that is no IPv4 address where its 32 bits are asked for. */
export const NO_V4 = 0;

/** The 32 bits of an IPv4 address, signed; NO_V4 for anything else, and for 0.0.0.0. */
export function v4Of(address: string): number {
  return (parseV4(address) ?? NO_V4) | 0;
}

/** The address as an unsigned 32-bit number, or null when it is not canonical dotted decimal. */
export function parseV4(text: string): number | null {
  const length = text.length;
  if (length < 7 || length > 15) return null;
  let value = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (digits === 0 || dots === 3) return null;
      value = value * 256 + octet;
      octet = 0;
      digits = 0;
      dots++;
    } else {
      const digit = code - 48;
      // A leading zero would be octal to some readers and decimal to others: refuse it.
      if (digit < 0 || digit > 9 || (digits > 0 && octet === 0)) return null;
      octet = octet * 10 + digit;
      if (octet > 255) return null;
      digits++;
    }
  }
  return dots === 3 && digits > 0 ? value * 256 + octet : null;
}

/** The address as eight 16-bit groups, or null. */
export function parseV6(text: string): number[] | null {
  if (!text.includes(":")) return null;
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]!, halves.length === 1);
  if (head === null) return null;
  if (halves.length === 1) return head.length === 8 ? head : null;
  const tail = parseGroups(halves[1]!, true);
  if (tail === null || head.length + tail.length > 7) return null;
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function parseGroups(text: string, mayEndInV4: boolean): number[] | null {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (mayEndInV4 && i === parts.length - 1 && part.includes(".")) {
      const v4 = parseV4(part);
      if (v4 === null) return null;
      groups.push(Math.floor(v4 / 65536), v4 % 65536);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

function mappedV4(groups: readonly number[]): number | null {
  for (let i = 0; i < 5; i++) if (groups[i] !== 0) return null;
  return groups[5] === 0xffff ? groups[6]! * 65536 + groups[7]! : null;
}

/** 32 bits as "203.0.113.9". */
export function formatV4(value: number): string {
  return `${Math.floor(value / 16777216) % 256}.${Math.floor(value / 65536) % 256}.${Math.floor(value / 256) % 256}.${value % 256}`;
}

/** RFC 5952: lower case, no leading zeros, the longest run (at least two) of zero groups as "::". */
export function formatV6(groups: readonly number[]): string {
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > bestLength) {
      bestStart = i;
      bestLength = j - i;
    }
    if (j > i) i = j;
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((g) => g.toString(16))
      .join(":");
  return bestStart < 0 ? hex(0, 8) : `${hex(0, bestStart)}::${hex(bestStart + bestLength, 8)}`;
}
