import { afterEach, describe, expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { ManualClock } from "../clock.ts";
import type { SystemStatus } from "../status.ts";
import { hostile, makeSpans, NOW, normal, notBlocking, storm } from "./fixture.ts";
import { RANGES } from "./range.ts";
import { createDashboard, type Dashboard, type DashboardOptions } from "./server.ts";

const running: Dashboard[] = [];
afterEach(async () => {
  for (const dashboard of running.splice(0)) await dashboard.stop();
});

function create(part: Partial<DashboardOptions> = {}): Dashboard {
  const dashboard = createDashboard({
    status: () => normal,
    listen: { hostname: "127.0.0.1", port: 0 },
    allowedHosts: [],
    ...part,
  });
  running.push(dashboard);
  return dashboard;
}

function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  server.stop(true);
  return server.port;
}

function get(dashboard: Dashboard, path: string, init?: RequestInit): Promise<Response> {
  return dashboard.app.handle(new Request(`http://localhost${path}`, init));
}

describe("routes", () => {
  const rows: readonly [string, number, string][] = [
    ["/", 200, "text/html; charset=utf-8"],
    ["/fragment", 200, "text/html; charset=utf-8"],
    ["/fragment/past", 200, "text/html; charset=utf-8"],
    ["/api/v1/status", 200, "application/json; charset=utf-8"],
    ["/api/v1/history", 200, "application/json; charset=utf-8"],
    ["/healthz", 200, "text/plain; charset=utf-8"],
    ["/readyz", 200, "text/plain; charset=utf-8"],
    ["/assets/app.css", 200, "text/css; charset=utf-8"],
    ["/assets/app.js", 200, "text/javascript; charset=utf-8"],
    ["/assets/htmx.js", 200, "text/javascript; charset=utf-8"],
    ["/assets/icon.svg", 200, "image/svg+xml"],
    ["/assets/", 404, "text/plain; charset=utf-8"],
    ["/assets/../../etc/passwd", 404, "text/plain; charset=utf-8"],
    ["/assets/%2e%2e/app.css", 404, "text/plain; charset=utf-8"],
    ["/nothing", 404, "text/plain; charset=utf-8"],
  ];
  for (const [path, status, type] of rows) {
    test(`GET ${path} is ${status}`, async () => {
      const response = await get(create(), path);
      expect(response.status).toBe(status);
      expect(response.headers.get("content-type")).toBe(type);
    });
  }

  test("HEAD answers like GET, without a body", async () => {
    const dashboard = create();
    await dashboard.start();
    const response = await fetch(`http://127.0.0.1:${dashboard.port}/healthz`, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
  });

  test("the API is the status itself", async () => {
    const response = await get(create(), "/api/v1/status");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual(JSON.parse(JSON.stringify(normal)));
  });

  test("readyz says what is wrong, one line for each bad part; a warning is no reason", async () => {
    const warned = create({ status: () => hostile });
    expect((await get(warned, "/readyz")).status).toBe(200);
    const response = await get(create({ status: () => notBlocking }), "/readyz");
    expect(response.status).toBe(503);
    expect(await response.text()).toBe(
      "firewall: ban 203.0.113.112: ipset exited 1: Operation not permitted (is the service granted CAP_NET_ADMIN?)\n",
    );
  });
});

describe("the past", () => {
  const past = (part: Partial<DashboardOptions> = {}) =>
    create({ clock: new ManualClock(NOW), history: makeSpans, ...part });
  const text = async (dashboard: Dashboard, path: string) => (await get(dashboard, path)).text();

  test.each(["24h", "7d", "30d"])("?range=%s: its links, its polls and its chart", async (name) => {
    const page = await text(past(), `/?range=${name}`);
    expect(page).toContain(`hx-get="/fragment?range=${name}"`);
    expect(page).toContain(`hx-get="/fragment/past?range=${name}"`);
    expect(page).toMatch(new RegExp(`<a href="/\\?range=${name}#rate" aria-current="true">`));
    const [, drawn] = /<path class="peak" d="([^"]+)"/.exec(page)!;
    expect(await text(past(), `/fragment/past?range=${name}`)).toContain(drawn!);
    // The chart changes once a minute: a poll need not carry it.
    expect(await text(past(), `/fragment?range=${name}`)).not.toContain(drawn!);
  });

  test("without a range it is the last half hour, which each poll carries", async () => {
    const page = await text(past(), "/");
    expect(page).toContain('hx-get="/fragment"');
    expect(page).toContain('<a href="/#rate" aria-current="true">30 min</a>');
    const [, drawn] = /<path class="obs" d="([^"]+)"/.exec(page)!;
    expect(await text(past(), "/fragment")).toContain(drawn!);
    expect(page).not.toContain('id="past"');
  });

  test.each(["", "1y", "24H", "__proto__", "<script>alert(1)</script>", "24h%00"])(
    "a range that is none: %j",
    async (name) => {
      const query = `?range=${encodeURIComponent(name)}`;
      for (const path of ["/", "/fragment", "/fragment/past"])
        expect([path, await text(past(), path + query)]).toEqual([path, await text(past(), path)]);
      const response = await get(past(), `/api/v1/history${query}`);
      expect([response.status, await response.text()]).toEqual([400, "No such range; one of 30m, 24h, 7d, 30d.\n"]);
    },
  );

  test("the API gives the figures of each range", async () => {
    type Body = { range: string; to: number; points: object[] };
    const body = async (query: string) => (await (await get(past(), `/api/v1/history${query}`)).json()) as Body;
    const to = Math.floor(NOW / 60_000) * 60_000;
    const day = { range: "24h", from: to - 86_400_000, to, stepMs: 300_000 };
    expect(await body("?range=24h")).toEqual({ ...day, points: makeSpans(day.from, to, day.stepMs) });
    const live = await body("");
    expect([live.range, live.to, live.points.length]).toEqual(["30m", NOW, normal.engine.history.length]);
    const { from: _, ...newest } = normal.engine.history.at(-1)!;
    expect(live.points.at(-1)).toEqual({ ...newest, peak: newest.rate });
  });

  test("nothing known yet is said; so it is where there is no store at all", async () => {
    for (const dashboard of [past({ history: () => [] }), create()])
      expect(await text(dashboard, "/?range=7d")).toContain("Nothing of that time yet");
  });

  test("however many look, each range is asked for once a minute", async () => {
    const asked: number[] = [];
    const clock = new ManualClock(NOW);
    const dashboard = past({
      clock,
      history: (from, to, stepMs) => {
        asked.push(to - from);
        return makeSpans(from, to, stepMs);
      },
    });
    for (let second = 0; second < 50; second += 3) {
      for (const path of ["/", "/fragment", "/fragment/past", "/api/v1/history"])
        for (const query of ["?range=24h", "?range=30d", ""]) await get(dashboard, path + query);
      await clock.advance(3000);
    }
    expect(asked).toEqual([86_400_000, 30 * 86_400_000]);
    await clock.advance(60_000);
    await get(dashboard, "/fragment?range=24h");
    expect(asked).toHaveLength(3);
  });
});

describe("headers", () => {
  const paths = ["/", "/fragment", "/healthz", "/readyz", "/api/v1/status", "/assets/app.css", "/nothing", "/boom"];
  for (const path of paths) {
    test(`security headers on ${path}`, async () => {
      const { headers } = await get(create(), path);
      expect(headers.get("content-security-policy")).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
    });
  }

  test("security headers on refusals and failures too", async () => {
    const failing = create({ status: () => broken() });
    for (const [dashboard, init] of [
      [create(), { method: "POST" }],
      [create(), { headers: { host: "evil.example" } }],
      [failing, {}],
    ] as const) {
      expect((await get(dashboard, "/", init)).headers.get("x-content-type-options")).toBe("nosniff");
    }
  });

  test("405 names what is allowed", async () => {
    const response = await get(create(), "/", { method: "POST" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD");
  });

  test("the page links hashed assets that may be kept; a plain name may not", async () => {
    const dashboard = create();
    const page = await (await get(dashboard, "/")).text();
    const links = [...page.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map((match) => match[1]!);
    expect(links).toHaveLength(4);
    for (const link of links) {
      const response = await get(dashboard, link);
      expect(response.status).toBe(200);
      expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    }
    expect((await get(dashboard, "/assets/app.css")).headers.get("cache-control")).toBe("no-cache");
    expect((await get(dashboard, "/")).headers.get("cache-control")).toBe("no-store");
  });
});

function broken(): SystemStatus {
  throw new Error("secret detail /etc/shadow");
}

describe("failures", () => {
  for (const path of ["/", "/fragment", "/api/v1/status", "/readyz"]) {
    test(`${path}: the message goes to the log and never to the visitor`, async () => {
      const logged: string[] = [];
      const dashboard = create({
        status: broken,
        log: { error: (fields, message) => logged.push(`${message}: ${(fields as { err: Error }).err.message}`) },
      });
      const response = await get(dashboard, path);
      expect(response.status).toBe(500);
      expect(await response.text()).toBe("Internal error.\n");
      expect(logged).toEqual(["dashboard request failed: secret detail /etc/shadow"]);
    });
  }

  test("a failure is not kept: the next request may succeed within the same second", async () => {
    let fails = true;
    const dashboard = create({ status: () => (fails ? broken() : normal), clock: new ManualClock() });
    expect((await get(dashboard, "/fragment")).status).toBe(500);
    fails = false;
    expect((await get(dashboard, "/fragment")).status).toBe(200);
  });

  test("healthz answers while the status is broken: the process is alive", async () => {
    expect(await (await get(create({ status: broken }), "/healthz")).text()).toBe("ok\n");
  });
});

describe("cost", () => {
  test("viewers share one drawing per second", async () => {
    let calls = 0;
    const clock = new ManualClock();
    const dashboard = create({
      clock,
      status: () => {
        calls++;
        return normal;
      },
    });
    for (let i = 0; i < 50; i++) await get(dashboard, "/fragment");
    expect(calls).toBe(1);
    await clock.advance(1000);
    await get(dashboard, "/fragment");
    expect(calls).toBe(2);
  });

  async function weight(path: string, status = normal): Promise<number> {
    const dashboard = create({ status: () => status, history: makeSpans, clock: new ManualClock(NOW) });
    const response = await get(dashboard, path, { headers: { "accept-encoding": "br, gzip" } });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(response.headers.get("vary")).toBe("accept-encoding");
    return (await response.arrayBuffer()).byteLength;
  }

  test.each(RANGES.slice(1))("so it does for $name, and its chart once a minute", async ({ name }) => {
    for (const status of [normal, hostile, storm])
      for (const path of ["/fragment", "/fragment/past"])
        expect(await weight(`${path}?range=${name}`, status)).toBeLessThan(8 * 1024);
  });

  test("a poll weighs at most 8 KB", async () => {
    expect(await weight("/fragment")).toBeLessThan(8 * 1024);
    expect(await weight("/fragment", hostile)).toBeLessThan(8 * 1024);
    expect(await weight("/fragment", storm)).toBeLessThan(8 * 1024);
  });

  test("the first load weighs at most 40 KB", async () => {
    const paths = ["/", "/assets/app.css", "/assets/app.js", "/assets/htmx.js", "/assets/icon.svg"];
    const weights = await Promise.all(paths.map((path) => weight(path)));
    expect(weights.reduce((a, b) => a + b)).toBeLessThan(40 * 1024);
  });

  test("gzip is what identity is, and is only sent when asked for", async () => {
    const dashboard = create({ clock: new ManualClock() });
    const plain = await get(dashboard, "/fragment");
    const refused = await get(dashboard, "/fragment", { headers: { "accept-encoding": "gzip;q=0, br" } });
    const packed = await get(dashboard, "/fragment", { headers: { "accept-encoding": "gzip" } });
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(refused.headers.get("content-encoding")).toBeNull();
    const text = await plain.text();
    expect(gunzipSync(await packed.arrayBuffer()).toString()).toBe(text);
  });
});

describe("on a socket", () => {
  test("starts, answers, refuses a foreign Host, a body too long and a URL too long, and stops", async () => {
    const dashboard = create();
    expect(dashboard.port).toBe(0);
    await dashboard.start();
    const base = `http://127.0.0.1:${dashboard.port}`;
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    expect((await fetch(`${base}/`, { headers: { host: "evil.example" } })).status).toBe(421);
    expect((await fetch(`${base}/`, { method: "POST", body: "x".repeat(2000) })).status).toBe(413);
    expect((await fetch(`${base}/${"x".repeat(3000)}`)).status).toBe(414);
    await dashboard.stop();
    expect(dashboard.port).toBe(0);
    expect(fetch(`${base}/healthz`)).rejects.toThrow();
  });

  test("stop is safe to repeat and before start; a stopped dashboard can start again", async () => {
    const dashboard = create();
    await dashboard.stop();
    await dashboard.start();
    await dashboard.stop();
    await dashboard.stop();
    await dashboard.start();
    expect((await fetch(`http://127.0.0.1:${dashboard.port}/healthz`)).status).toBe(200);
  });

  test("stop does not wait for ever for a client that holds its connection", async () => {
    const dashboard = create();
    await dashboard.start();
    const socket = await Bun.connect({ hostname: "127.0.0.1", port: dashboard.port, socket: { data() {} } });
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    const before = performance.now();
    await dashboard.stop();
    expect(performance.now() - before).toBeLessThan(2500);
    socket.end();
  });

  test("reset closes who is connected, as often as it is told; a second later who comes is answered", async () => {
    const clock = new ManualClock();
    const dashboard = create({ clock, listen: { hostname: "127.0.0.1", port: freePort() } });
    dashboard.reset();
    await dashboard.start();
    const { port } = dashboard;
    const closed = Promise.withResolvers<void>();
    const handlers = { data() {}, close: () => closed.resolve() };
    const idle = await Bun.connect({ hostname: "127.0.0.1", port, socket: handlers });
    idle.write("GET / HTTP/1.1\r\n");
    await Bun.sleep(50);
    dashboard.reset();
    dashboard.reset();
    await closed.promise;
    expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow();
    // Somebody else has taken the port meanwhile.
    const other = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
    await clock.advance(1000);
    other.stop(true);
    await clock.advance(1000);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    dashboard.reset();
    await dashboard.stop();
    await clock.advance(1000);
    expect(dashboard.port).toBe(0);
  });

  test("however often it is reset, the port is tried once a second", async () => {
    const clock = new ManualClock();
    const tried: string[] = [];
    const log = { error: (_: object, message: string) => void tried.push(message) };
    const dashboard = create({ clock, log, listen: { hostname: "127.0.0.1", port: freePort() } });
    await dashboard.start();
    const { port } = dashboard;
    for (let i = 0; i < 5; i++) dashboard.reset();
    await Bun.sleep(50);
    const other = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
    for (let second = 1; second <= 3; second++) {
      dashboard.reset();
      await clock.advance(1000);
      expect(tried).toHaveLength(second);
    }
    other.stop(true);
    await clock.advance(1000);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  });

  test("a port in use is one clear error that names the port and the mend", async () => {
    const first = create();
    await first.start();
    const { port } = first;
    const second = create({ listen: { hostname: "127.0.0.1", port } });
    expect(second.start()).rejects.toThrow(
      `dashboard: cannot listen on 127.0.0.1:${port}: port ${port} is in use (set dashboard.listen to a free port, or find who holds it: ss -ltnp 'sport = :${port}')`,
    );
  });

  test("an address that is not ours is said", async () => {
    const dashboard = create({ listen: { hostname: "192.0.2.77", port: 8080 } });
    expect(dashboard.start()).rejects.toThrow(/cannot listen on 192\.0\.2\.77:8080: .*192\.0\.2\.77/);
  });
});
