/**
 * Our two cookies. Over https they are Secure and carry the `__Host-` prefix, which keeps other hosts of the same
 * domain from setting them (RFC 6265bis, 4.1.3); plain http knows neither. [pure]
 */
import type { Client } from "./client.ts";

export type CookieName = "session" | "form";

/** The value; null when there is none of the right shape. */
export function readCookie(request: Request, name: CookieName, client: Client): string | null {
  const wanted = fullName(name, client);
  for (const part of (request.headers.get("cookie") ?? "").split(";")) {
    const equals = part.indexOf("=");
    if (part.slice(0, equals).trim() !== wanted) continue;
    const value = part.slice(equals + 1).trim();
    return /^[\w-]{43}$/.test(value) ? value : null;
  }
  return null;
}

/** A Set-Cookie value that lives until the browser is closed, and no script can read; null takes it away. */
export function cookie(name: CookieName, value: string | null, client: Client): string {
  const flags = `Path=/; HttpOnly; SameSite=Strict${client.isHttps ? "; Secure" : ""}`;
  return `${fullName(name, client)}=${value ?? ""}; ${flags}${value === null ? "; Max-Age=0" : ""}`;
}

function fullName(name: CookieName, { isHttps }: Client): string {
  return `${isHttps ? "__Host-" : ""}anomaly-detector-${name}`;
}
