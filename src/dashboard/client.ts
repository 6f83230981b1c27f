/**
 * Who asks, and over what. A proxy on this host, and those that the configuration names, may speak for their
 * clients; nobody else may. [pure]
 */
import { covers, parseRange, type Range, sourceOf } from "../net/cidr.ts";
import { type Ip, parseIp } from "../net/ip.ts";

export interface Client {
  /** For the log. */
  readonly address: string;
  /** What its tries are counted under: an IPv6 client has a whole /64 to come from. */
  readonly source: string;
  readonly isHttps: boolean;
  /** From this host itself, as through an SSH tunnel. */
  readonly isLocal: boolean;
}

/**
 * `peer` is the other end of the connection, null where there is none; `proxies` are believed besides loopback. An
 * IPv4 peer of a socket that listens on IPv6 too is that IPv4 address (::ffff:127.0.0.1 is 127.0.0.1).
 */
export function clientOf(peer: string | null, headers: Headers, proxies: readonly Range[] = []): Client {
  const ip = peer === null ? null : parseIp(peer);
  if (ip === null) return { address: "unknown", source: "unknown", isHttps: false, isLocal: false };
  const isProxy = (address: Ip) => isLoopback(address) || isCovered(address, proxies);
  if (!isProxy(ip)) return client(ip, false, false);
  const forwarded = headers.get("x-forwarded-for");
  const isHttps = lastOf(headers.get("x-forwarded-proto")).toLowerCase() === "https";
  return client(farthest(ip, forwarded, isProxy), isHttps, isLoopback(ip) && forwarded === null && !isHttps);
}

/**
 * Each proxy adds whom it was asked by at the right. So the first from the right that is no proxy of ours is the
 * client, and what stands before it anybody may have written; so may what is no address, and all before that.
 */
function farthest(peer: Ip, forwarded: string | null, isProxy: (address: Ip) => boolean): Ip {
  let known = peer;
  for (const text of (forwarded ?? "").split(",").reverse()) {
    const next = parseIp(text.trim());
    if (next === null) return known;
    known = next;
    if (!isProxy(next)) return next;
  }
  return known;
}

function client(ip: Ip, isHttps: boolean, isLocal: boolean): Client {
  return { address: ip, source: sourceOf(ip, 64), isHttps, isLocal };
}

function isLoopback(ip: Ip): boolean {
  return ip === "::1" || ip.startsWith("127.");
}

function isCovered(ip: Ip, ranges: readonly Range[]): boolean {
  if (ranges.length === 0) return false;
  const address = parseRange(ip);
  return address !== null && ranges.some((range) => covers(range, address));
}

/** The last of a list is what the nearest proxy said. */
function lastOf(list: string | null): string {
  return (list ?? "").split(",").at(-1)!.trim();
}
