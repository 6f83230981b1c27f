/** Who asks, and over what: a TLS server on this host may speak for its clients; nobody else may. [pure] */
import { sourceOf } from "../net/cidr.ts";
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

/** `peer` is the other end of the connection; null where there is none. */
export function clientOf(peer: string | null, headers: Headers): Client {
  const ip = peer === null ? null : parseIp(peer);
  if (ip === null) return { address: "unknown", source: "unknown", isHttps: false, isLocal: false };
  if (!isLoopback(ip)) return client(ip, false, false);
  const forwarded = parseIp(last(headers.get("x-forwarded-for")));
  const isHttps = last(headers.get("x-forwarded-proto")).toLowerCase() === "https";
  return client(forwarded ?? ip, isHttps, forwarded === null && !isHttps);
}

function client(ip: Ip, isHttps: boolean, isLocal: boolean): Client {
  return { address: ip, source: sourceOf(ip, 64), isHttps, isLocal };
}

function isLoopback(ip: Ip): boolean {
  return ip === "::1" || ip.startsWith("127.");
}

/** The last of a list is what the nearest proxy added; what stands before it anybody may have written. */
function last(list: string | null): string {
  return (list ?? "").split(",").at(-1)!.trim();
}
