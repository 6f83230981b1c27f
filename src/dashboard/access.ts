/**
 * Which requests are answered at all. The page must not be reachable through somebody else's browser: a name of the
 * attacker's that resolves to this host (DNS rebinding) is refused by the Host header, and nothing but GET and HEAD
 * exists, save the login's two forms. [pure]
 */
import { parseIp } from "../net/ip.ts";

export interface Refusal {
  readonly status: 405 | 414 | 421;
  readonly text: string;
}

const LOOPBACK = ["localhost", "127.0.0.1", "::1"];
const MAX_URL = 2048;

/** Decides by Host header; `listenOn` is the bound address, `allowed` further host names, with or without a port. */
export function createHostCheck(listenOn: string, allowed: readonly string[]): (host: string) => boolean {
  const names = new Set([...LOOPBACK, listenOn, ...allowed].map(hostName));
  // Bound to every address, each of them is "the listening address". A literal address cannot be rebound.
  const anyAddress = listenOn === "0.0.0.0" || listenOn === "::";
  return (host) => {
    const name = hostName(host);
    return names.has(name) || (anyAddress && parseIp(name) !== null);
  };
}

/** Null when the request may go on. `forms`: the paths that may be posted to. */
export function refusalOf(
  request: Request,
  isAllowedHost: (host: string) => boolean,
  forms: readonly string[] = [],
): Refusal | null {
  // Without a Host header, or with a port that is none, the runtime makes a URL that is none either.
  if (!URL.canParse(request.url) || !isAllowedHost(request.headers.get("host") ?? new URL(request.url).host)) {
    return { status: 421, text: "This host name is not allowed here (see dashboard.allowed_hosts).\n" };
  }
  const isForm = request.method === "POST" && forms.includes(new URL(request.url).pathname);
  if (request.method !== "GET" && request.method !== "HEAD" && !isForm) {
    return { status: 405, text: "Only GET and HEAD.\n" };
  }
  if (request.url.length > MAX_URL) return { status: 414, text: "The address is too long.\n" };
  return null;
}

/**
 * Whether a page of our own made the request. A browser says so itself where it trusts the connection (https,
 * localhost: Sec-Fetch-Site, https://www.w3.org/TR/fetch-metadata/); else the Origin must be the Host. Who sends
 * neither is no browser with a form.
 */
export function isOwnOrigin({ headers }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin";
  const origin = headers.get("origin") ?? "";
  return URL.canParse(origin) && new URL(origin).host === headers.get("host")?.toLowerCase();
}

/** "Example.ORG.:8080" to "example.org", "[::1]:80" to "::1". */
function hostName(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(host);
  if (bracketed) return parseIp(bracketed[1]!) ?? "";
  const name = host.toLowerCase();
  return (parseIp(name) ?? name.replace(/:\d*$/, "")).replace(/\.$/, "");
}
