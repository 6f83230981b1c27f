/**
 * Attacks an HTTP server, inside the namespace: bun http-attack.ts PORT fuzz COUNT SEED, or PORT drip CONNECTIONS MS.
 * Raw sockets, because no client would send most of it. Prints one JSON object.
 */
import { connect, type Socket } from "node:net";
import fc from "fast-check";

const [port, verb, ...args] = process.argv.slice(2);
const WAIT_MS = 400;

/** Sends the bytes; the status of the answer, "closed" when there was none, "silent" when nothing came at all. */
function exchange(bytes: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: Number(port) });
    let text = "";
    const finish = (what: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(what);
    };
    const status = () => /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
    const timer = setTimeout(() => finish(status() ?? "silent"), WAIT_MS);
    socket.on("connect", () => socket.write(bytes));
    socket.on("data", (data) => {
      text += data.toString("latin1");
      if (status() !== undefined && text.includes("\r\n\r\n")) finish(status()!);
    });
    socket.on("close", () => finish(status() ?? "closed"));
    socket.on("error", () => finish(status() ?? "closed"));
  });
}

const token = fc.oneof(
  fc.constantFrom(
    "GET",
    "GET",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PATCH",
    "PRI",
    "get",
    "",
  ),
  fc.string({ maxLength: 12 }),
);
const ODD = [
  "/",
  "/fragment",
  "/api/v1/status",
  "/healthz",
  "/readyz",
  "/login",
  "/logout",
  "/assets/app.css",
  "/assets/../../etc/passwd",
  "/assets/%2e%2e%2f%2e%2e%2fetc/passwd",
  "//evil.example/",
  "http://evil.example/",
  "*",
  "/%",
  "/%00",
  "/%ff%fe",
  "/?a=%",
  "/..",
  "/__proto__",
  "/constructor",
  "/assets/__proto__",
  "/assets/constructor",
  "/fragment?x[__proto__]=1",
  "/api/v1/status/",
  "/🦄",
  "/\\..\\",
  "",
];
const target = fc.oneof(
  { arbitrary: fc.constantFrom(...ODD), weight: 4 },
  { arbitrary: fc.string({ unit: "binary", maxLength: 60 }).map((text) => `/${text}`), weight: 2 },
  { arbitrary: fc.integer({ min: 1, max: 40_000 }).map((length) => `/${"a".repeat(length)}`), weight: 1 },
);
const header = fc.oneof(
  fc.constantFrom(
    "Host: localhost",
    "Host: 127.0.0.1",
    "Host: evil.example",
    "Host: [::1",
    "Host:",
    "Host: a:b:c",
    "Host: localhost:99999",
    "Content-Length: 5",
    "Content-Length: -1",
    "Content-Length: 99999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: x",
    "Connection: upgrade",
    "Upgrade: websocket",
    "Expect: 100-continue",
    "Cookie: session=%ff; __proto__=1",
    "Authorization: Basic ////",
    "Authorization: Basic",
    "Accept-Encoding: gzip;q=0",
    "HX-Request: true",
    "X-Forwarded-For: <script>",
    "Range: bytes=0-1,5-",
    "If-None-Match: *",
  ),
  fc
    .tuple(fc.string({ maxLength: 20 }), fc.string({ unit: "binary", maxLength: 80 }))
    .map(([name, value]) => `${name}: ${value}`),
  fc.integer({ min: 1, max: 100_000 }).map((length) => `X-Long: ${"b".repeat(length)}`),
);
/** What gets through the HTTP parser and into our own code. */
const wellFormed = fc
  .record({
    method: fc.constantFrom("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"),
    target: target.map((text) => encodeURI(text.toWellFormed()).slice(0, 4000) || "/"),
    host: fc.constantFrom(
      "localhost",
      "127.0.0.1:8080",
      "localhost",
      "evil.example",
      "localhost:99999",
      "[::1",
      "a b",
      "",
    ),
    headers: fc.array(
      fc.tuple(
        fc.constantFrom(
          "Cookie",
          "Authorization",
          "Accept-Encoding",
          "If-None-Match",
          "Origin",
          "HX-Request",
          "Range",
          "X-Forwarded-For",
          "Accept",
        ),
        fc.string({ maxLength: 80 }),
      ),
      { maxLength: 5 },
    ),
  })
  .map((r) =>
    Buffer.from(
      `${r.method} ${r.target} HTTP/1.1\r\nHost: ${r.host}\r\n${r.headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}Connection: close\r\n\r\n`,
    ),
  );
const mangled = fc
  .record({
    method: token,
    target,
    version: fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", "", "SIP/2.0"),
    host: fc.constantFrom("Host: localhost\r\n", "Host: localhost\r\n", ""),
    headers: fc.array(header, { maxLength: 8 }),
    body: fc.oneof(
      fc.constant(""),
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.integer({ min: 1, max: 100_000 }).map((n) => "c".repeat(n)),
    ),
    end: fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", "\r", ""),
  })
  .map(({ method, target, version, host, headers, body, end }) =>
    Buffer.from(
      `${method} ${target} ${version}\r\n${host}${headers.map((text) => `${text}\r\n`).join("")}${end}${body}`,
    ),
  );
const garbage = fc.uint8Array({ maxLength: 400 });

async function fuzz(count: number, seed: number): Promise<void> {
  const samples = fc.sample(
    fc.oneof(
      { arbitrary: wellFormed, weight: 5 },
      { arbitrary: mangled, weight: 4 },
      { arbitrary: garbage, weight: 1 },
    ),
    {
      numRuns: count,
      seed,
    },
  );
  const seen: Record<string, number> = {};
  const faults: string[] = [];
  let next = 0;
  const worker = async () => {
    for (let bytes = samples[next++]; bytes !== undefined; bytes = samples[next++]) {
      const what = await exchange(bytes);
      seen[what] = (seen[what] ?? 0) + 1;
      if (/^50[0-4]/.test(what) && faults.length < 5) faults.push(Buffer.from(bytes).toString("latin1").slice(0, 300));
    }
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  console.log(JSON.stringify({ seen, faults }));
}

/** Many connections that never finish their request, a byte at a time. */
async function drip(connections: number, ms: number): Promise<void> {
  const begun = Date.now();
  const sockets: Socket[] = [];
  for (let i = 0; i < connections; i++) {
    const socket = connect({ host: "127.0.0.1", port: Number(port) });
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    sockets.push(socket);
  }
  while (Date.now() - begun < ms) {
    for (const socket of sockets) if (socket.writable) socket.write("a");
    await Bun.sleep(200);
  }
  console.log(JSON.stringify({ left: sockets.filter((socket) => socket.writable).length }));
  for (const socket of sockets) socket.destroy();
}

if (verb === "fuzz") await fuzz(Number(args[0]), Number(args[1]));
else await drip(Number(args[0]), Number(args[1]));
process.exit(0);
