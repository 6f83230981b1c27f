/** The read-only dashboard over HTTP: one Elysia instance; its only input is the SystemStatus. */
import { html } from "@elysiajs/html";
import { Elysia } from "elysia";
import type { EpochMs } from "../accesslog/record.ts";
import { type Clock, systemClock } from "../clock.ts";
import { parseRange, type Source } from "../net/cidr.ts";
import type { HistorySpan, SystemStatus } from "../status.ts";
import { createHostCheck, refusalOf } from "./access.ts";
import { answer, HTML, seeOther, TEXT } from "./answer.ts";
import { findAsset } from "./assets.ts";
import { type Client, clientOf } from "./client.ts";
import { MAX_FORM_BYTES } from "./form.ts";
import type { Login } from "./login.ts";
import { createPages, type Encoded, oncePer, type Pages, SECOND_MS } from "./pages.ts";
import { historyBody } from "./past.ts";
import { LIVE, RANGES, type Range, rangeOf } from "./range.ts";

export interface DashboardOptions {
  /** Called at most once a second for the page of a range, and once for each call of the API. */
  readonly status: () => SystemStatus;
  /** The past in spans of `stepMs` (Store.spans); called at most once a minute for each range. */
  readonly history?: (from: EpochMs, to: EpochMs, stepMs: number) => readonly HistorySpan[];
  /** Port 0 takes a free one; see `port`. */
  readonly listen: { readonly hostname: string; readonly port: number };
  /** Host names, besides loopback's and the listening address, that a browser may use. */
  readonly allowedHosts: readonly string[];
  /** Who, besides loopback, is believed about the client it forwards for: addresses and CIDRs. */
  readonly trustedProxies?: readonly Source[];
  /** Who may see more than that we are alive; null for everybody. */
  readonly login?: Login | null;
  /** Told of a request that failed for a fault of ours, and of nothing else. */
  readonly log?: { error(fields: object, message: string): void };
  readonly clock?: Clock;
}

export interface Dashboard {
  /** Answers a Request without a socket. */
  readonly app: { handle(request: Request): Promise<Response> };
  /** The bound port; 0 while stopped. */
  readonly port: number;
  /** Binds the port. Throws an Error that names the address and the mend when it is taken. */
  start(): Promise<void>;
  /** Closes every connection at once and takes none for a second, or until the port can be had again. Never throws. */
  reset(): void;
  /** Stops listening; answers under way have a second to end. */
  stop(): Promise<void>;
}

/** No script, style or connection but our own, and nobody may put the page into a frame. */
function securityHeaders(hasForms: boolean): Readonly<Record<string, string>> {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    `form-action ${hasForms ? "'self'" : "'none'"}`,
    "frame-ancestors 'none'",
  ];
  return {
    "content-security-policy": policy.join("; "),
    "x-content-type-options": "nosniff",
    // With no-referrer a browser would hide the Origin of our own forms from us (Fetch, "append a request Origin header").
    "referrer-policy": hasForms ? "same-origin" : "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
  };
}

const FORMS = ["/login", "/logout"];
const STOP_MS = 1000;
/** How long nobody gets in after all connections were closed. */
const PAUSE_MS = 1000;

export function createDashboard(options: DashboardOptions): Dashboard {
  const { status, history, listen, log, login = null, clock = systemClock } = options;
  const proxies = (options.trustedProxies ?? []).map((source) => parseRange(source)!);
  const isAllowedHost = createHostCheck(listen.hostname, options.allowedHosts);
  const pages = new Map(
    RANGES.map((range) => [range, createPages(range, { status, history, hasLogin: login !== null, clock })]),
  );
  // What is none of our ranges is nothing a page need fail for.
  const pagesFor = (request: Request) => pages.get(rangeOf(request) ?? LIVE)!;
  const isReady = oncePer(SECOND_MS, clock, () => !status().health.some(isBad));
  const headers = securityHeaders(login !== null);

  // autoDetect would serve any string that looks like markup as HTML, attacker text included.
  const app = new Elysia({
    serve: { maxRequestBodySize: login ? MAX_FORM_BYTES : 1024, idleTimeout: 30, reusePort: false },
  })
    .use(html({ autoDetect: false }))
    .onRequest(({ request, set }) => {
      Object.assign(set.headers, headers);
      const refusal = refusalOf(request, isAllowedHost, login ? FORMS : []);
      if (refusal === null) return;
      if (refusal.status === 405) set.headers.allow = "GET, HEAD";
      return answer(refusal.text, TEXT, refusal.status);
    })
    // The message of an error may hold anything; it goes to our log, never to the visitor.
    .onError(({ code, error }) => {
      if (code === "NOT_FOUND") return answer("Not found.\n", TEXT, 404);
      log?.error({ err: error }, "dashboard request failed");
      return answer("Internal error.\n", TEXT, 500);
    })
    .get("/assets/*", ({ request }) => serveAsset(request))
    .get("/healthz", () => answer("ok\n", TEXT));

  if (login === null) {
    app
      .get("/", ({ request }) => compressed(request, pagesFor(request).open(), HTML))
      .get("/fragment", ({ request }) => compressed(request, pagesFor(request).fragment(), HTML))
      .get("/fragment/past", ({ request }) => compressed(request, pagesFor(request).chart(), HTML))
      .get("/api/v1/status", () => json(status()))
      .get("/api/v1/history", ({ request }) => historyAnswer(request, pages))
      .get("/readyz", () => readiness(status()));
  } else {
    const from = (request: Request) =>
      clientOf(app.server?.requestIP(request)?.address ?? null, request.headers, proxies);
    app
      .get("/", ({ request }) => {
        const token = login.signedIn(request, from(request));
        return token === null ? seeOther("/login") : compressed(request, pagesFor(request).own(token), HTML);
      })
      .get("/fragment", ({ request }) => {
        if (login.signedIn(request, from(request)) === null) return answer("Signed out.\n", TEXT, 401);
        return compressed(request, pagesFor(request).fragment(), HTML);
      })
      .get("/fragment/past", ({ request }) => {
        if (login.signedIn(request, from(request)) === null) return answer("Signed out.\n", TEXT, 401);
        return compressed(request, pagesFor(request).chart(), HTML);
      })
      .get("/api/v1/status", async ({ request }) => (await refuseApi(login, request, from(request))) ?? json(status()))
      .get(
        "/api/v1/history",
        async ({ request }) => (await refuseApi(login, request, from(request))) ?? historyAnswer(request, pages),
      )
      .get("/readyz", () => bareReadiness(isReady()))
      .get("/login", ({ request }) => login.page(request, from(request)))
      .post("/login", ({ request }) => login.signIn(request, from(request)), { parse: "none" })
      .post("/logout", ({ request }) => login.signOut(request, from(request)), { parse: "none" });
  }

  let isWanted = false;
  let isPausing = false;
  const bind = () => void app.listen({ hostname: listen.hostname, port: listen.port });
  const pause = async () => {
    if (isPausing) return;
    isPausing = true;
    await clock.sleep(PAUSE_MS);
    isPausing = false;
    reopen();
  };
  const reopen = () => {
    if (!isWanted || app.server) return;
    try {
      bind();
    } catch (error) {
      log?.error({ err: error }, "dashboard cannot listen; it tries again");
      void pause();
    }
  };

  return {
    app: { handle: (request) => Promise.resolve(app.handle(request)) },
    get port() {
      return app.server?.port ?? 0;
    },
    async start() {
      try {
        bind();
        isWanted = true;
      } catch (error) {
        throw listenError(listen, error);
      }
    },
    reset() {
      const { server } = app;
      app.server = null;
      void server?.stop(true);
      void pause();
    },
    async stop() {
      isWanted = false;
      if (!app.server) return;
      // An open connection would keep stop() waiting for ever.
      await Promise.race([app.stop(), clock.sleep(STOP_MS)]);
      if (app.server) await app.stop(true);
    },
  };
}

function historyAnswer(request: Request, pages: ReadonlyMap<Range, Pages>): Response {
  const range = rangeOf(request);
  if (range === null) return answer(`No such range; one of ${RANGES.map(({ name }) => name).join(", ")}.\n`, TEXT, 400);
  return json(historyBody(pages.get(range)!.stretch()));
}

/** A script may send the password instead of a session. */
async function refuseApi(login: Login, request: Request, client: Client): Promise<Response | null> {
  return login.signedIn(request, client) === null ? login.refuseBasic(request, client) : null;
}

function json(value: unknown): Response {
  return answer(JSON.stringify(value), "application/json; charset=utf-8");
}

function compressed(request: Request, { body, gzip }: Encoded, type: string, caching = "no-store"): Response {
  const accepts = /(?:^|[\s,])gzip(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(
    request.headers.get("accept-encoding") ?? "",
  );
  const headers: Record<string, string> = { "content-type": type, "cache-control": caching, vary: "accept-encoding" };
  if (accepts) headers["content-encoding"] = "gzip";
  return new Response(accepts ? gzip : body, { headers });
}

function serveAsset(request: Request): Response {
  const found = findAsset(new URL(request.url).pathname);
  if (found === null) return answer("Not found.\n", TEXT, 404);
  const caching = found.immutable ? "public, max-age=31536000, immutable" : "no-cache";
  return compressed(request, found.asset, found.asset.type, caching);
}

/** 200 while every part works; 503 with one line for each that does not. */
function readiness({ health }: SystemStatus): Response {
  const bad = health.filter(isBad);
  if (bad.length === 0) return answer("ready\n", TEXT);
  const lines = bad.map(({ name, short, detail }) => `${name}: ${oneLine(detail ?? short)}`);
  return answer(`${lines.join("\n")}\n`, TEXT, 503);
}

/** The same for anybody on the network: whether, not why. */
function bareReadiness(isReady: boolean): Response {
  return isReady ? answer("ready\n", TEXT) : answer("not ready\n", TEXT, 503);
}

function isBad({ level }: SystemStatus["health"][number]): boolean {
  return level === "bad";
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function listenError({ hostname, port }: DashboardOptions["listen"], error: unknown): Error {
  const where = hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  const code = (error as { code?: string }).code;
  const mend =
    code === "EADDRINUSE"
      ? `port ${port} is in use (set dashboard.listen to a free port, or find who holds it: ss -ltnp 'sport = :${port}')`
      : code === "EACCES"
        ? `port ${port} needs more rights (set dashboard.listen to a port above 1023)`
        : `${error instanceof Error ? error.message : String(error)} (is ${hostname} an address of this host?)`;
  return new Error(`dashboard: cannot listen on ${where}: ${mend}`, { cause: error });
}
