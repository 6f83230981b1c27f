/** How the demo's Nextcloud answers: enough routes for its clients and its attackers. [pure] */

export interface Asked {
  readonly method: string;
  readonly path: string;
  /** The request carries a session or a password that is right. */
  readonly authorized: boolean;
  /** The client has the answer already and only asks whether it changed. */
  readonly cached: boolean;
}

export interface Answered {
  readonly status: number;
  readonly bytes: number;
}

const STATIC = /\.(?:js|css|svg|png|woff2)$/;
const APP = /^\/(?:apps|settings|index\.php)\//;

export function answer(asked: Asked): Answered {
  const path = asked.path.split("?", 1)[0]!;
  if (STATIC.test(path)) return asked.cached ? { status: 304, bytes: 0 } : { status: 200, bytes: 12_400 };
  if (path === "/status.php") return { status: 200, bytes: 172 };
  if (path === "/login") return asked.method === "POST" ? { status: 303, bytes: 0 } : { status: 200, bytes: 10_520 };
  if (path === "/") return { status: 302, bytes: 0 };
  if (path.startsWith("/remote.php/")) return asked.authorized ? dav(asked.method) : { status: 401, bytes: 381 };
  if (path.startsWith("/ocs/")) return asked.authorized ? { status: 200, bytes: 640 } : { status: 401, bytes: 96 };
  if (path.startsWith("/core/preview")) return asked.cached ? { status: 304, bytes: 0 } : { status: 200, bytes: 9_100 };
  if (APP.test(path)) return asked.authorized ? { status: 200, bytes: 30_200 } : { status: 302, bytes: 0 };
  return { status: 404, bytes: 3_640 };
}

function dav(method: string): Answered {
  switch (method) {
    case "PROPFIND":
    case "REPORT":
      return { status: 207, bytes: 2_300 };
    case "PUT":
    case "MKCOL":
    case "MOVE":
      return { status: 201, bytes: 0 };
    default:
      return { status: 200, bytes: 48_000 };
  }
}
