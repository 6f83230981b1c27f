import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { readHtml } from "../../test/html.ts";
import { ManualClock } from "../clock.ts";
import { parseSource, type Source } from "../net/cidr.ts";
import { normal, notBlocking } from "./fixture.ts";
import { Login } from "./login.ts";
import { createDashboard, type Dashboard } from "./server.ts";

const PASSWORD = "correct horse + 100 % bättery";
const HOUR = 3_600_000;
let hash: string;
beforeAll(async () => {
  hash = await cheap(PASSWORD);
});

/** The weakest argon2id there is: what is tested here is not its cost. */
const cheap = (password: string) => Bun.password.hash(password, { algorithm: "argon2id", memoryCost: 8, timeCost: 1 });

const running: Dashboard[] = [];
afterEach(async () => {
  for (const dashboard of running.splice(0)) await dashboard.stop();
});

type Said = readonly [level: string, message: string, fields: Record<string, unknown>];

interface Setup {
  readonly clock: ManualClock;
  readonly dashboard: Dashboard;
  readonly login: Login;
  readonly said: Said[];
}

function create(listen = "127.0.0.1", status = normal, trustedProxies: readonly Source[] = []): Setup {
  const clock = new ManualClock();
  const said: Said[] = [];
  const note = (level: string) => (fields: object, message: string) =>
    void said.push([level, message, fields as Record<string, unknown>]);
  const log = { info: note("info"), warn: note("warn"), error: note("error") };
  const login = new Login({ hash, clock, log });
  const dashboard = createDashboard({
    status: () => status,
    listen: { hostname: listen, port: 0 },
    allowedHosts: ["ad.example.org"],
    trustedProxies,
    login,
    log,
    clock,
  });
  running.push(dashboard);
  return { clock, dashboard, login, said };
}

const OWN = { "sec-fetch-site": "same-origin" };

/** A browser without a screen: keeps cookies as one would, follows nothing, and fills in our forms. */
class Visitor {
  readonly cookies = new Map<string, string>();

  constructor(
    private readonly ask: (request: Request) => Promise<Response>,
    private readonly base = "http://localhost",
    private readonly headers: Record<string, string> = {},
  ) {}

  async get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.#send(path, { headers });
  }

  post(path: string, fields: Record<string, string>, headers: Record<string, string> = OWN): Promise<Response> {
    const body = new URLSearchParams(fields).toString();
    const type = { "content-type": "application/x-www-form-urlencoded" };
    return this.#send(path, { method: "POST", headers: { ...type, ...headers }, body });
  }

  /** The hidden word in the form of a page. */
  async token(path = "/login"): Promise<string> {
    const { elements } = readHtml(await (await this.get(path)).text());
    return elements.find(({ attributes }) => attributes.name === "token")!.attributes.value!;
  }

  async signIn(password = PASSWORD): Promise<Response> {
    return this.post("/login", { token: await this.token(), password });
  }

  async #send(path: string, init: RequestInit & { headers: Record<string, string> }): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...this.headers, ...(cookie ? { cookie } : {}), ...init.headers };
    const response = await this.ask(new Request(`${this.base}${path}`, { redirect: "manual", ...init, headers }));
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      if (/max-age=0/i.test(line)) this.cookies.delete(name!);
      else this.cookies.set(name!, value!);
    }
    return response;
  }
}

const visit = ({ dashboard }: Setup, headers = {}) =>
  new Visitor((request) => dashboard.app.handle(request), "http://localhost", headers);

async function onSocket({ dashboard }: Setup, headers: Record<string, string> = {}, host = "127.0.0.1") {
  if (dashboard.port === 0) await dashboard.start();
  return new Visitor(fetch, `http://${host}:${dashboard.port}`, headers);
}

describe("who is not signed in", () => {
  test("is led from the page to the login, and sees nothing else", async () => {
    const visitor = visit(create());
    const page = await visitor.get("/");
    expect([page.status, page.headers.get("location"), await page.text()]).toEqual([303, "/login", ""]);
    for (const path of [
      "/fragment",
      "/fragment?x=1",
      "/fragment/past?range=24h",
      "/api/v1/status",
      "/api/v1/history",
    ]) {
      const response = await visitor.get(path);
      expect([path, response.status]).toEqual([path, 401]);
      expect(await response.text()).not.toMatch(/req\/s|203\.0\.113|shop/);
    }
  });

  test.each([
    "/Fragment",
    "//fragment",
    "/./fragment",
    "/assets/../fragment",
    "/assets/%2e%2e/fragment",
    "/login/../fragment",
    "/fragment/",
  ])("no spelling of a path leads around it: %s", async (path) => {
    const setup = create();
    await setup.dashboard.start();
    const socket = await raw(setup.dashboard.port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    expect(socket).toMatch(/^HTTP\/1\.1 (401|404) /);
  });

  test("only sees that it is alive, and whether all is well, but not what is not", async () => {
    for (const [status, code, text] of [
      [normal, 200, "ready\n"],
      [notBlocking, 503, "not ready\n"],
    ] as const) {
      const visitor = visit(create("127.0.0.1", status));
      const ready = await visitor.get("/readyz");
      expect([ready.status, await ready.text()]).toEqual([code, text]);
      expect(await (await visitor.get("/healthz")).text()).toBe("ok\n");
    }
  });

  test("gets the login page's own files", async () => {
    const visitor = visit(create());
    const html = await (await visitor.get("/login")).text();
    for (const [, url] of html.matchAll(/href="(\/assets\/[^"]+)"/g))
      expect((await visitor.get(url!)).status).toBe(200);
    expect(html).not.toContain("<script");
  });

  test("HEAD tells no more than GET", async () => {
    const { dashboard } = create();
    await dashboard.start();
    const head = (path: string) =>
      fetch(`http://127.0.0.1:${dashboard.port}${path}`, { method: "HEAD", redirect: "manual" });
    expect((await head("/")).status).toBe(303);
    expect((await head("/fragment")).status).toBe(401);
    expect((await head("/api/v1/status")).status).toBe(401);
  });

  test("without a login in the configuration there is no login page, and nothing changes", async () => {
    const dashboard = createDashboard({
      status: () => normal,
      listen: { hostname: "127.0.0.1", port: 0 },
      allowedHosts: [],
    });
    const handle = (path: string, init?: RequestInit) =>
      dashboard.app.handle(new Request(`http://localhost${path}`, init));
    expect((await handle("/login")).status).toBe(404);
    expect((await handle("/login", { method: "POST" })).status).toBe(405);
    expect(await (await handle("/")).text()).not.toContain("Sign out");
  });
});

describe("signing in", () => {
  test("the right password opens the page, the fragment and the API", async () => {
    const visitor = visit(create());
    const response = await visitor.signIn();
    expect([response.status, response.headers.get("location")]).toEqual([303, "/"]);
    const page = await visitor.get("/");
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("Sign out");
    expect(await (await visitor.get("/fragment")).text()).toContain("Sign out");
    expect(await (await visitor.get("/api/v1/status")).json()).toEqual(JSON.parse(JSON.stringify(normal)));
    expect((await visitor.get("/login")).headers.get("location")).toBe("/");
  });

  test.each(["", "wrong", `${PASSWORD} `, PASSWORD.toUpperCase(), `${PASSWORD}\0`, "x".repeat(1000)])(
    "a wrong one is told, and opens nothing: %j",
    async (password) => {
      const visitor = visit(create());
      const response = await visitor.signIn(password);
      expect(response.status).toBe(401);
      expect(await response.text()).toContain("That is not the password.");
      expect((await visitor.get("/")).status).toBe(303);
      expect([...visitor.cookies.keys()]).toEqual(["anomaly-detector-form"]);
    },
  );

  test("after a wrong one the form can be sent again", async () => {
    const visitor = visit(create());
    const { elements } = readHtml(await (await visitor.signIn("wrong")).text());
    const token = elements.find(({ attributes }) => attributes.name === "token")!.attributes.value!;
    expect((await visitor.post("/login", { token, password: PASSWORD })).status).toBe(303);
  });

  test("what was typed does not come back in the page", async () => {
    const visitor = visit(create());
    expect(await (await visitor.signIn("<script>typed</script>")).text()).not.toContain("typed");
  });

  test("the log has every try with its address, and never a password", async () => {
    const setup = create();
    const visitor = await onSocket(setup, { "x-forwarded-for": "203.0.113.9" });
    await visitor.signIn("wr0ng-secret");
    await visitor.signIn();
    await visitor.post("/logout", { token: await visitor.token("/") });
    expect(setup.said).toEqual([
      ["warn", "dashboard login failed", { client: "203.0.113.9" }],
      ["info", "dashboard login", { client: "203.0.113.9" }],
      ["info", "dashboard sign-out", { client: "203.0.113.9" }],
    ]);
    expect(JSON.stringify(setup.said)).not.toMatch(/wr0ng|horse/);
  });
});

describe("cookies", () => {
  const flags = async (visitor: Visitor) => (await visitor.signIn()).headers.getSetCookie();

  test("over plain http: no script, no other site, the whole site, this session of the browser", async () => {
    const [session, form] = await flags(await onSocket(create()));
    expect(session).toMatch(/^anomaly-detector-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(form).toBe("anomaly-detector-form=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
  });

  test("over https, as the TLS server of this host says: Secure and __Host- as well", async () => {
    const visitor = await onSocket(create(), { "x-forwarded-proto": "https" });
    expect((await flags(visitor))[0]).toMatch(
      /^__Host-anomaly-detector-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
    );
    expect((await visitor.get("/")).status).toBe(200);
  });

  test("over https a cookie without the prefix is nobody's", async () => {
    const setup = create();
    const plain = await onSocket(setup);
    await plain.signIn();
    const secure = await onSocket(setup, { "x-forwarded-proto": "https" });
    for (const [name, value] of plain.cookies) secure.cookies.set(name, value);
    expect((await plain.get("/")).status).toBe(200);
    expect((await secure.get("/")).status).toBe(303);
  });

  const own = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === "IPv4" && !one.internal)?.address;
  test.skipIf(own === undefined)("nobody but this host may say that it is https", async () => {
    const setup = create("0.0.0.0");
    const visitor = await onSocket(
      setup,
      { "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9" },
      own ?? "",
    );
    expect((await flags(visitor))[0]).toStartWith("anomaly-detector-session=");
    expect(setup.said).toEqual([["info", "dashboard login", { client: own }]]);
  });

  test.skipIf(own === undefined)("a proxy elsewhere may, once it is named", async () => {
    const setup = create("0.0.0.0", normal, [parseSource(own ?? "")!]);
    const headers = { "x-forwarded-proto": "https", "x-forwarded-for": "6.6.6.6, 203.0.113.9", host: "ad.example.org" };
    const visitor = await onSocket(setup, headers, own ?? "");
    expect((await flags(visitor))[0]).toStartWith("__Host-anomaly-detector-session=");
    expect(setup.said).toEqual([["info", "dashboard login", { client: "203.0.113.9" }]]);
    const guesser = await onSocket(setup, headers, own ?? "");
    for (let i = 0; i < 5; i++) expect((await guesser.signIn("wrong")).status).toBe(401);
    expect((await guesser.signIn()).status).toBe(429);
    const other = await onSocket(setup, { ...headers, "x-forwarded-for": "203.0.113.10" }, own ?? "");
    expect((await other.signIn()).status).toBe(303);
  });

  test("session fixation: an id that the browser came with is never signed in", async () => {
    const setup = create();
    const planted = "A".repeat(43);
    const victim = visit(setup);
    victim.cookies.set("anomaly-detector-session", planted);
    await victim.signIn();
    expect(victim.cookies.get("anomaly-detector-session")).not.toBe(planted);
    const attacker = visit(setup);
    attacker.cookies.set("anomaly-detector-session", planted);
    expect((await attacker.get("/fragment")).status).toBe(401);
  });

  test("signing in again ends the session before it", async () => {
    const setup = create();
    const visitor = visit(setup);
    await visitor.signIn();
    const old = visit(setup);
    for (const [name, value] of visitor.cookies) old.cookies.set(name, value);
    visitor.cookies.set("anomaly-detector-form", "f".repeat(43));
    // The login page leads who is signed in away, so the token comes from somebody else's page.
    const other = visit(setup);
    other.cookies.set("anomaly-detector-form", "f".repeat(43));
    const response = await visitor.post("/login", { token: await other.token(), password: PASSWORD });
    expect(response.status).toBe(303);
    expect((await visitor.get("/fragment")).status).toBe(200);
    expect((await old.get("/fragment")).status).toBe(401);
  });

  test.each(["", "x", "A".repeat(44), "A".repeat(42), `${"A".repeat(42)}é`, "__proto__"])(
    "a cookie of the wrong shape is none: %j",
    async (value) => {
      const visitor = visit(create());
      const response = await visitor.get("/fragment", { cookie: `anomaly-detector-session=${encodeURI(value)}` });
      expect(response.status).toBe(401);
    },
  );
});

describe("a form from elsewhere is refused", () => {
  const rows: readonly [string, Record<string, string>, number][] = [
    ["our own page, as the browser says", OWN, 303],
    ["our own page over plain http", { origin: "http://localhost", host: "localhost" }, 303],
    ["another site", { "sec-fetch-site": "cross-site" }, 403],
    ["another host of our domain", { "sec-fetch-site": "same-site" }, 403],
    ["another site that forges an Origin", { "sec-fetch-site": "cross-site", origin: "http://localhost" }, 403],
    ["another origin", { origin: "http://evil.example", host: "localhost" }, 403],
    ["another port of this host", { origin: "http://localhost:3000", host: "localhost:8080" }, 403],
    ["an origin that hides", { origin: "null", host: "localhost" }, 403],
    ["who says nothing", {}, 403],
    ["a typed address", { "sec-fetch-site": "none" }, 403],
  ];
  test.each(rows)("%s", async (_, headers, status) => {
    const visitor = visit(create());
    const response = await visitor.post("/login", { token: await visitor.token(), password: PASSWORD }, headers);
    expect(response.status).toBe(status);
  });

  test("without the form's token, with a wrong one, with one of another browser, with one of another form", async () => {
    const setup = create();
    const visitor = visit(setup);
    const token = await visitor.token();
    const foreign = await visit(setup).token();
    await visitor.signIn();
    const signOut = await visitor.token("/");
    visitor.cookies.delete("anomaly-detector-session");
    for (const wrong of ["", "x", `${token}x`, token.slice(1), foreign, signOut]) {
      await visitor.get("/login");
      const response = await visitor.post("/login", { token: wrong, password: PASSWORD });
      expect([wrong, response.status]).toEqual([wrong, 403]);
      expect(await response.text()).toContain("Please try once more");
      expect(visitor.cookies.has("anomaly-detector-session")).toBe(false);
    }
  });

  test("a token without its cookie", async () => {
    const visitor = visit(create());
    const token = await visitor.token();
    visitor.cookies.clear();
    expect((await visitor.post("/login", { token, password: PASSWORD })).status).toBe(403);
  });

  test("nothing of that counts as a try", async () => {
    const setup = create();
    const visitor = visit(setup);
    for (let i = 0; i < 20; i++) await visitor.post("/login", { password: "wrong" });
    expect((await visitor.signIn()).status).toBe(303);
  });

  test("what is no form, or too long, on a handler and on a socket", async () => {
    const setup = create();
    const visitor = visit(setup);
    const json = { ...OWN, "content-type": "application/json" };
    expect((await visitor.post("/login", { password: PASSWORD }, json)).status).toBe(415);
    expect((await visitor.post("/login", { password: "x".repeat(5000) })).status).toBe(413);
    const socket = await onSocket(setup);
    expect((await socket.post("/login", { password: "x".repeat(5000) })).status).toBe(413);
    const chunked = `POST /login HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${`400\r\n${"x".repeat(1024)}\r\n`.repeat(8)}0\r\n\r\n`;
    expect(await raw(setup.dashboard.port, chunked)).toMatch(/^HTTP\/1\.1 413 /);
    expect((await socket.signIn()).status).toBe(303);
  });

  test("the longest password there is fits", async () => {
    const setup = create();
    const long = "ß".repeat(512);
    setup.login.changePassword(await cheap(long));
    const visitor = await onSocket(setup);
    expect((await visitor.signIn(long)).status).toBe(303);
  });

  test.each(["PUT", "DELETE", "PATCH"])("%s /login is not allowed, nor is a POST anywhere else", async (method) => {
    const { dashboard } = create();
    expect((await dashboard.app.handle(new Request("http://localhost/login", { method }))).status).toBe(405);
    for (const path of ["/", "/fragment", "/api/v1/status", "/login/"]) {
      expect((await dashboard.app.handle(new Request(`http://localhost${path}`, { method: "POST" }))).status).toBe(405);
    }
  });

  test("a foreign Host is refused before all of it", async () => {
    const visitor = visit(create(), { host: "evil.example" });
    expect((await visitor.get("/login")).status).toBe(421);
    expect((await visitor.post("/login", { password: PASSWORD })).status).toBe(421);
  });
});

describe("throttling", () => {
  const from = (n: number) => ({ "x-forwarded-for": `198.51.100.${n}` });

  test("after five wrong ones even the right one waits, with Retry-After, 15 minutes", async () => {
    const setup = create();
    const visitor = await onSocket(setup, from(1));
    for (let i = 0; i < 5; i++) expect((await visitor.signIn("wrong")).status).toBe(401);
    await setup.clock.advance(60_000);
    const refused = await visitor.signIn();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "840"]);
    expect(await refused.text()).toContain("Please wait 14 minutes.");
    expect((await (await onSocket(setup, from(2))).signIn()).status).toBe(303);
    await setup.clock.advance(840_000);
    expect((await visitor.signIn()).status).toBe(303);
  });

  test("another address in the same /64 is the same place", async () => {
    const setup = create();
    for (let i = 0; i < 5; i++) {
      const visitor = await onSocket(setup, { "x-forwarded-for": `2001:db8:1:2::${i}` });
      expect((await visitor.signIn("wrong")).status).toBe(401);
    }
    const sixth = await onSocket(setup, { "x-forwarded-for": "2001:db8:1:2:ffff::1" });
    expect((await sixth.signIn("wrong")).status).toBe(429);
  });

  test("fifty in all, then none but those of this host, as through an SSH tunnel", async () => {
    const setup = create();
    for (let n = 0; n < 10; n++) {
      const visitor = await onSocket(setup, from(n));
      for (let i = 0; i < 5; i++) expect((await visitor.signIn("wrong")).status).toBe(401);
    }
    const stranger = await onSocket(setup, from(99));
    expect((await stranger.signIn()).status).toBe(429);
    expect((await (await onSocket(setup)).signIn()).status).toBe(303);
  });

  test("who is signed in stays so", async () => {
    const setup = create();
    const visitor = await onSocket(setup, from(1));
    await visitor.signIn();
    const guesser = await onSocket(setup, from(1));
    for (let i = 0; i < 7; i++) await guesser.signIn("wrong");
    expect((await visitor.get("/")).status).toBe(200);
  });

  test("a flood of refused ones is a line in the log every ten seconds", async () => {
    const setup = create();
    const visitor = await onSocket(setup, from(1));
    for (let i = 0; i < 5; i++) await visitor.signIn("wrong");
    setup.said.length = 0;
    for (let i = 0; i < 100; i++) await visitor.signIn("wrong");
    await setup.clock.advance(10_000);
    await visitor.signIn("wrong");
    const why = { client: "198.51.100.1", why: "throttled" };
    expect(setup.said).toEqual([
      ["warn", "dashboard login refused unseen", { ...why, refused: 1 }],
      ["warn", "dashboard login refused unseen", { ...why, refused: 100 }],
    ]);
  });
});

describe("the end of a session", () => {
  test("sign-out ends it, not only in this browser", async () => {
    const setup = create();
    const visitor = visit(setup);
    await visitor.signIn();
    const copy = visit(setup);
    for (const [name, value] of visitor.cookies) copy.cookies.set(name, value);
    const response = await visitor.post("/logout", { token: await visitor.token("/") });
    expect([response.status, response.headers.get("location")]).toEqual([303, "/login"]);
    expect(visitor.cookies.has("anomaly-detector-session")).toBe(false);
    expect((await copy.get("/fragment")).status).toBe(401);
  });

  test("nobody else can sign somebody out", async () => {
    const setup = create();
    const visitor = visit(setup);
    const other = visit(setup);
    await visitor.signIn();
    await other.signIn();
    const token = await visitor.token("/");
    const theirs = await other.token("/");
    expect(token).not.toBe(theirs);
    expect((await visitor.post("/logout", { token }, { "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await visitor.post("/logout", { token: theirs })).status).toBe(403);
    expect((await visitor.post("/logout", {})).status).toBe(403);
    expect((await visitor.get("/logout")).status).toBe(404);
    expect((await visitor.get("/fragment")).status).toBe(200);
  });

  test("signing out when it is over already leads to the login too", async () => {
    const setup = create();
    const visitor = visit(setup);
    await visitor.signIn();
    const token = await visitor.token("/");
    await setup.clock.advance(12 * HOUR);
    expect((await visitor.post("/logout", { token })).headers.get("location")).toBe("/login");
  });

  test("two hours idle, twelve at most", async () => {
    const setup = create();
    const [idle, busy] = [visit(setup), visit(setup)];
    await idle.signIn();
    await busy.signIn();
    for (let hours = 1; hours < 12; hours++) {
      await setup.clock.advance(HOUR);
      expect((await busy.get("/fragment")).status).toBe(200);
      if (hours === 2) expect((await idle.get("/fragment")).status).toBe(401);
    }
    await setup.clock.advance(HOUR);
    expect((await busy.get("/fragment")).status).toBe(401);
  });

  test("another password ends all of them; the same one again ends none", async () => {
    const setup = create();
    const visitor = visit(setup);
    await visitor.signIn();
    setup.login.changePassword(hash);
    expect((await visitor.get("/fragment")).status).toBe(200);
    setup.login.changePassword(await cheap("another password"));
    expect((await visitor.get("/fragment")).status).toBe(401);
    expect((await visitor.signIn()).status).toBe(401);
    expect((await visitor.signIn("another password")).status).toBe(303);
  });
});

describe("for scripts: HTTP Basic", () => {
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString("base64")}` });

  test("gives the status with any user name, and opens no session", async () => {
    const visitor = visit(create());
    for (const user of ["", "admin", "x y"]) {
      const response = await visitor.get("/api/v1/status", basic(`${user}:${PASSWORD}`));
      expect(response.status).toBe(200);
      expect(response.headers.getSetCookie()).toEqual([]);
    }
    expect((await visitor.get("/api/v1/status")).headers.get("www-authenticate")).toBe(
      'Basic realm="anomaly-detector", charset="UTF-8"',
    );
  });

  test("opens nothing else", async () => {
    const visitor = visit(create());
    expect((await visitor.get("/", basic(`:${PASSWORD}`))).status).toBe(303);
    const fragment = await visitor.get("/fragment", basic(`:${PASSWORD}`));
    expect([fragment.status, fragment.headers.get("www-authenticate")]).toEqual([401, null]);
  });

  test("a password with a colon", async () => {
    const setup = create();
    setup.login.changePassword(await cheap("a:b:c:d:e"));
    expect((await visit(setup).get("/api/v1/status", basic("me:a:b:c:d:e"))).status).toBe(200);
  });

  test.each([
    "Basic",
    "Basic !!!",
    "Basic bm9jb2xvbg==",
    "Bearer abc",
    "Digest x",
    "Basic  ",
    `Basic ${"A".repeat(9000)}`,
  ])("what is none is not even a try: %s", async (authorization) => {
    const setup = create();
    for (let i = 0; i < 6; i++) {
      expect((await visit(setup).get("/api/v1/status", { authorization })).status).toBe(401);
    }
    expect(setup.said).toEqual([]);
  });

  test("counts with the form's tries, and is throttled with them", async () => {
    const setup = create();
    const visitor = await onSocket(setup, { "x-forwarded-for": "198.51.100.1" });
    for (let i = 0; i < 3; i++) expect((await visitor.get("/api/v1/status", basic("u:wrong"))).status).toBe(401);
    for (let i = 0; i < 2; i++) await visitor.signIn("wrong");
    const response = await visitor.get("/api/v1/status", basic(`u:${PASSWORD}`));
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "900"]);
    expect(setup.said.filter(([, message]) => message === "dashboard login failed")).toHaveLength(5);
  });
});

describe("headers of the login", () => {
  test.each(["/login", "/", "/fragment", "/api/v1/status", "/readyz"])("%s", async (path) => {
    const { headers } = await visit(create()).get(path);
    expect(headers.get("content-security-policy")).toContain("form-action 'self'");
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("referrer-policy")).toBe("same-origin");
    expect(headers.get("x-frame-options")).toBe("DENY");
  });
});

test("each viewer's page has a token of its own, though all share the drawing", async () => {
  const setup = create();
  const [a, b] = [visit(setup), visit(setup)];
  await a.signIn();
  await b.signIn();
  const [first, second] = [await (await a.get("/")).text(), await (await b.get("/")).text()];
  const blank = (html: string) => html.replace(/name="token" value="[^"]+"/, "");
  expect(first).not.toBe(second);
  expect(blank(first)).toBe(blank(second));
});

/** What the server says to these bytes. */
async function raw(port: number, bytes: string): Promise<string> {
  let said = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, chunk) {
        said += chunk.toString();
        if (said.includes("\r\n\r\n")) resolve();
      },
      close: () => resolve(),
      error: () => resolve(),
    },
  });
  socket.write(bytes);
  await Promise.race([promise, Bun.sleep(5000)]);
  socket.end();
  return said;
}
