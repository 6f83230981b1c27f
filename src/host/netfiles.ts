/** What the kernel says of its network in /proc/net, as canonical addresses (proc_pid_net(5), little-endian hosts). [pure] */
import { parseRange, type Range } from "../net/cidr.ts";
import { formatV4, formatV6, type Ip, parseIp } from "../net/ip.ts";

/** One line of /proc/net/route or /proc/net/ipv6_route. */
export interface Route {
  readonly device: string;
  readonly destination: Range;
  /** Null where the destination is on the link. */
  readonly gateway: Ip | null;
}

const UP = 0x1;
const GATEWAY = 0x2;
const REJECT = 0x200;

/** /proc/net/route: "eth0 00000000 010200C0 0003 … 00000000 …"; addresses are little-endian hex words. */
export function parseRoutes(text: string): Route[] {
  return rows(text, 1).flatMap(([device, destination, gateway, flags, , , , mask]) => {
    if (!device || !mask) return [];
    const bits = Number.parseInt(flags!, 16);
    const range = parseRange(`${v4Word(destination!)}/${ones(mask)}`);
    if (range === null || !(bits & UP) || bits & REJECT) return [];
    return [{ device, destination: range, gateway: bits & GATEWAY ? parseIp(v4Word(gateway!)) : null }];
  });
}

/** /proc/net/ipv6_route: destination, prefix, source, prefix, next hop, metric, …, flags, device; no heading. */
export function parseRoutes6(text: string): Route[] {
  return rows(text, 0).flatMap(([destination, prefix, , , gateway, , , , flags, device]) => {
    if (!device) return [];
    const bits = Number.parseInt(flags!, 16);
    const range = parseRange(`${v6Plain(destination!)}/${Number.parseInt(prefix!, 16)}`);
    if (range === null || !(bits & UP) || bits & REJECT) return [];
    return [{ device, destination: range, gateway: bits & GATEWAY ? parseIp(v6Plain(gateway!)) : null }];
  });
}

/** Local IPv4 addresses of /proc/net/fib_trie: a leaf line "|-- 192.0.2.2", then its "/32 host LOCAL". */
export const parseLocalV4 = (text: string): Ip[] => parseLeaves(text, "/32 host LOCAL");

/** Broadcast addresses of the host's own networks, likewise. */
export const parseBroadcastV4 = (text: string): Ip[] => parseLeaves(text, "/32 link BROADCAST");

function parseLeaves(text: string, kind: string): Ip[] {
  const found = new Set<Ip>();
  let leaf: Ip | null = null;
  for (const line of text.split("\n")) {
    const name = /\|-- (\S+)/.exec(line);
    if (name) leaf = parseIp(name[1]!);
    else if (leaf !== null && line.includes(kind)) found.add(leaf);
  }
  return [...found];
}

/** /proc/net/if_inet6: "2001…0010 05 40 00 82 v0", without colons. */
export function parseLocalV6(text: string): { readonly address: Ip; readonly device: string }[] {
  return rows(text, 0).flatMap(([hex, , , , , device]) => {
    const address = parseIp(v6Plain(hex ?? ""));
    return address === null || !device ? [] : [{ address, device }];
  });
}

/** Far ends of established connections to one of our ports, from /proc/net/tcp or tcp6. */
export function parsePeers(text: string, localPorts: ReadonlySet<number>): Ip[] {
  const ESTABLISHED = "01";
  return rows(text, 1).flatMap(([, local, remote, state]) => {
    if (state !== ESTABLISHED || !local || !remote) return [];
    if (!localPorts.has(Number.parseInt(local.slice(local.indexOf(":") + 1), 16))) return [];
    const hex = remote.slice(0, remote.indexOf(":"));
    const address = parseIp(hex.length === 8 ? v4Word(hex) : v6Words(hex));
    return address === null ? [] : [address];
  });
}

function rows(text: string, heading: number): string[][] {
  return text
    .split("\n")
    .slice(heading)
    .filter((line) => line.trim() !== "")
    .map((line) => line.trim().split(/\s+/));
}

/** "010200C0" is 192.0.2.1 */
function v4Word(hex: string): string {
  return formatV4(swap(hex));
}

function ones(maskHex: string): number {
  return swap(maskHex).toString(2).match(/^1*/)?.[0].length ?? 0;
}

function swap(hex: string): number {
  const value = Number.parseInt(hex, 16) || 0;
  return (((value & 0xff) << 24) + ((value & 0xff00) << 8) + ((value >>> 8) & 0xff00) + (value >>> 24)) >>> 0;
}

/** Thirty-two digits in network order, as in if_inet6 and ipv6_route. */
function v6Plain(hex: string): string {
  return formatV6((hex.match(/.{4}/g) ?? []).map((group) => Number.parseInt(group, 16)));
}

/** Four little-endian words, as in tcp6. */
function v6Words(hex: string): string {
  const groups = (hex.match(/.{8}/g) ?? []).flatMap((word) => [swap(word) >>> 16, swap(word) & 0xffff]);
  return formatV6(groups);
}
