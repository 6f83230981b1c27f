import { readFileSync } from "node:fs";
import { overlaps, parseRange, type Range } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import {
  parseBroadcastV4,
  parseLocalV4,
  parseLocalV6,
  parsePeers,
  parseRoutes,
  parseRoutes6,
  type Route,
} from "./netfiles.ts";
import { readSshClients } from "./ssh.ts";

/** A range that must never be banned, and why. */
export interface Protected {
  readonly range: Range;
  readonly why: "loopback" | "not a client" | "own address" | "default gateway" | "docker bridge" | "ssh peer";
}

/**
 * Never the address of a client across the Internet. Link-local has a second reason: IPv6 neighbours and routers
 * speak from it, and a ban of fe80::/64 in raw PREROUTING cuts the host off.
 */
const FIXED: readonly (readonly [string, Protected["why"]])[] = [
  ["127.0.0.0/8", "loopback"],
  ["::1", "loopback"],
  ["0.0.0.0/8", "not a client"],
  ["::", "not a client"],
  ["169.254.0.0/16", "not a client"],
  ["fe80::/10", "not a client"],
  ["224.0.0.0/3", "not a client"],
  ["ff00::/8", "not a client"],
];

/** What `readProtected` is made of: the texts of the kernel's files, "" where one is missing. */
export interface NetworkFiles {
  readonly route: string;
  readonly ipv6Route: string;
  readonly fibTrie: string;
  readonly ifInet6: string;
  readonly tcp: string;
  readonly tcp6: string;
}

/**
 * Everything this host must not ban at this moment; read it again now and then, for addresses and sessions change.
 * `root` is /proc; `sessionsDirectory` is systemd-logind's list of those who have logged in.
 */
export function readProtected(
  root: string,
  sshPorts: readonly number[],
  sessionsDirectory = "/run/systemd/sessions",
): Protected[] {
  const file = (name: string) => read(`${root}/net/${name}`);
  const files: NetworkFiles = {
    route: file("route"),
    ipv6Route: file("ipv6_route"),
    fibTrie: file("fib_trie"),
    ifInet6: file("if_inet6"),
    tcp: file("tcp"),
    tcp6: file("tcp6"),
  };
  return protectedRanges(files, sshPorts, readSshClients(sessionsDirectory));
}

/**
 * `sshClients` are the addresses that have logged in, or null when nobody can tell. Where it is known, a mere
 * connection to sshd's port is not enough: else everybody could buy immunity with an open socket. [pure]
 */
function protectedRanges(
  files: NetworkFiles,
  sshPorts: readonly number[],
  sshClients: ReadonlySet<Ip> | null,
): Protected[] {
  const routes = [...parseRoutes(files.route), ...parseRoutes6(files.ipv6Route)];
  const bridges = routes.filter((route) => isBridge(route.device) && route.destination.prefix > 0);
  const own = [...parseLocalV4(files.fibTrie), ...parseLocalV6(files.ifInet6).map((local) => local.address)];
  const ports = new Set(sshPorts);
  const peers = [...parsePeers(files.tcp, ports), ...parsePeers(files.tcp6, ports)];
  const found: (readonly [string | Range, Protected["why"]])[] = [
    ...FIXED,
    ...bridges.flatMap((route) => firstHost(route)).map((range) => [range, "docker bridge"] as const),
    ...parseBroadcastV4(files.fibTrie).map((address) => [address, "not a client"] as const),
    ...own.map((address) => [address, isInside(address, bridges) ? "docker bridge" : "own address"] as const),
    ...routes.flatMap((route) => defaultGateway(route)).map((address) => [address, "default gateway"] as const),
    ...peers.filter((peer) => sshClients?.has(peer) ?? true).map((peer) => [peer, "ssh peer"] as const),
  ];
  return unique(found);
}

/** The first reason not to ban a range, or null. A ban of a wider range that merely touches a protected one is refused too. */
export function protectingRange(list: readonly Protected[], range: Range): Protected | null {
  return list.find((held) => overlaps(held.range, range)) ?? null;
}

function isBridge(device: string): boolean {
  return device === "docker0" || device === "docker_gwbridge" || device.startsWith("br-");
}

/** Docker gives the first address of a bridge's network to the host, behind which userland-proxied clients hide. */
function firstHost(route: Route): Range[] {
  const { groups, prefix, v6 } = route.destination;
  if (route.gateway !== null || prefix >= (v6 ? 127 : 31) || isFixed(route.destination)) return [];
  const last = groups.length - 1;
  return [{ v6, groups: [...groups.slice(0, last), groups[last]! + 1], prefix: v6 ? 128 : 32 }];
}

/** fe80::/64 and ff00::/8 of a bridge are everybody's. */
function isFixed(range: Range): boolean {
  return FIXED.some(([text]) => overlaps(parseRange(text)!, range));
}

function isInside(address: Ip, bridges: readonly Route[]): boolean {
  return bridges.some((route) => overlaps(route.destination, parseRange(address)!) && !isFixed(route.destination));
}

function defaultGateway(route: Route): Ip[] {
  return route.destination.prefix === 0 && route.gateway !== null ? [route.gateway] : [];
}

function unique(found: readonly (readonly [string | Range, Protected["why"]])[]): Protected[] {
  const byKey = new Map<string, Protected>();
  for (const [where, why] of found) {
    const range = typeof where === "string" ? parseRange(where) : where;
    const key = range && `${range.groups.join(".")}/${range.prefix}`;
    if (range && key && !byKey.has(key)) byKey.set(key, { range, why });
  }
  return [...byKey.values()];
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
