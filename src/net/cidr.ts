import { formatV4, formatV6, type Ip, isV6, parseIp, parseV4, parseV6 } from "./ip.ts";

/**
 * A range of addresses in canonical text: host bits zero, a full-length prefix dropped ("203.0.113.9",
 * "203.0.113.0/24", "2001:db8:66:1::/64"). It is what we ban, allow and put into firewall sets.
 */
declare const sourceBrand: unique symbol;

/** An address or a prefix in canonical text: what can be banned. Only this folder makes one. */
export type Source = string & { readonly [sourceBrand]: true };

/** A prefix as numbers, to compare with. */
export interface Range {
  readonly v6: boolean;
  /** Two 16-bit groups for IPv4, eight for IPv6; bits after the prefix are zero. */
  readonly groups: readonly number[];
  readonly prefix: number;
}

/** Parses an address or CIDR; null when it is neither. Host bits are cleared (10.1.2.3/8 is 10.0.0.0/8). */
export function parseRange(text: string): Range | null {
  const slash = text.indexOf("/");
  const ip = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (ip === null) return null;
  const v6 = isV6(ip);
  const full = v6 ? 128 : 32;
  let prefix = full;
  if (slash >= 0) {
    const digits = text.slice(slash + 1);
    if (!/^(0|[1-9]\d{0,2})$/.test(digits)) return null;
    prefix = Number(digits);
    // ::ffff:10.0.0.0/104 names an IPv4 /8 once it is folded.
    if (!v6 && isV6(text.slice(0, slash))) prefix -= 96;
    if (prefix < 0 || prefix > full) return null;
  }
  return { v6, groups: mask(groupsOf(ip), prefix), prefix };
}

/** Parses an address or CIDR to its canonical text; null when it is neither. */
export function parseSource(text: string): Source | null {
  const range = parseRange(text);
  return range && formatRange(range);
}

/** The canonical text; a full-length prefix is a plain address. */
export function formatRange(range: Range): Source {
  const address = range.v6 ? formatV6(range.groups) : formatV4(range.groups[0]! * 65536 + range.groups[1]!);
  return (range.prefix === (range.v6 ? 128 : 32) ? address : `${address}/${range.prefix}`) as Source;
}

/** The address alone, as a source. */
export function singleSource(ip: Ip): Source {
  return ip as string as Source;
}

/** The source that an address counts as: itself for IPv4, its prefix (usually /64) for IPv6. */
export function sourceOf(ip: Ip, ipv6Prefix: number): Source {
  if (!isV6(ip) || ipv6Prefix === 128) return singleSource(ip);
  return formatRange({ v6: true, groups: mask(groupsOf(ip), ipv6Prefix), prefix: ipv6Prefix });
}

/** Does `outer` contain every address of `inner`? */
export function covers(outer: Range, inner: Range): boolean {
  return outer.v6 === inner.v6 && outer.prefix <= inner.prefix && samePrefix(outer.groups, inner.groups, outer.prefix);
}

/** Do the two ranges share an address? */
export function overlaps(a: Range, b: Range): boolean {
  return a.v6 === b.v6 && samePrefix(a.groups, b.groups, Math.min(a.prefix, b.prefix));
}

function groupsOf(ip: Ip): number[] {
  if (isV6(ip)) return parseV6(ip)!;
  const value = parseV4(ip)!;
  return [Math.floor(value / 65536), value % 65536];
}

function mask(groups: readonly number[], prefix: number): number[] {
  return groups.map((group, i) => group & groupMask(prefix - i * 16));
}

function groupMask(bits: number): number {
  return bits >= 16 ? 0xffff : bits <= 0 ? 0 : (0xffff << (16 - bits)) & 0xffff;
}

function samePrefix(a: readonly number[], b: readonly number[], prefix: number): boolean {
  for (let i = 0; i * 16 < prefix; i++) {
    const m = groupMask(prefix - i * 16);
    if ((a[i]! & m) !== (b[i]! & m)) return false;
  }
  return true;
}
