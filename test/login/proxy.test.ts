/** The real daemon's dashboard behind a real TLS server on another host, and on IPv6. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { Background, must, run, until } from "../e2e/process.ts";
import { Daemon } from "../faults/daemon.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";

const why = whyNoNamespaces("iptables", "ipset", "nginx", "openssl", "curl");
const PROGRAM = process.env.DETECTOR
  ? [process.env.DETECTOR]
  : [process.execPath, resolve(import.meta.dir, "../../src/main.ts")];
const PASSWORD = "correct horse battery";
const NAME = "ad.example.org";
/** The daemon's host, the proxy beside it, and whoever else is on that network. */
const HOME = "198.18.7.1";
const PROXY = "198.18.7.2";
const NEIGHBOUR = "198.18.7.3";
const CLIENTS = ["203.0.113.77", "203.0.113.78"] as const;

describe.skipIf(why !== "")("the dashboard from elsewhere", () => {
  let home: Namespace;
  let away: Namespace;
  let daemon: Daemon;
  let nginx: Background;

  beforeAll(async () => {
    home = await Namespace.create();
    away = await Namespace.create();
    await Namespace.connect(home, away, 7);
    for (const address of [NEIGHBOUR, ...CLIENTS]) await away.run("ip", "addr", "add", `${address}/32`, "dev", "lo");
    await home.run("ip", "route", "add", `${NEIGHBOUR}/32`, "dev", "v7a");
    daemon = new Daemon(home);
    const password_file = join(daemon.dir, "dashboard.hash");
    await must([...PROGRAM, "password", "--file", password_file], { input: `${PASSWORD}\n` });
    const login = { enabled: true, listen: "[::]:8080", password_file };
    daemon.configure({ dashboard: { ...login, allowed_hosts: [NAME], trusted_proxies: [PROXY] } });
    await daemon.start();
    nginx = await tlsServer();
  }, 30_000);
  afterAll(async () => {
    await nginx?.stop("SIGTERM");
    await daemon?.destroy();
    for (const space of [home, away]) await space?.destroy();
  });

  /** As docs/operations.md has it. */
  async function tlsServer(): Promise<Background> {
    const dir = join(daemon.dir, "proxy");
    mkdirSync(dir);
    const [key, certificate] = [join(dir, "key.pem"), join(dir, "cert.pem")];
    await must([
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-subj", `/CN=${NAME}`, "-days", "1", "-keyout", key, "-out", certificate],
    ]);
    const conf = join(dir, "nginx.conf");
    await Bun.write(
      conf,
      `daemon off; worker_processes 1; pid ${dir}/pid; events {}
       http { access_log off; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f;
         uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
         server { listen ${PROXY}:443 ssl; ssl_certificate ${certificate}; ssl_certificate_key ${key};
           location / {
             proxy_pass http://${HOME}:8080;
             proxy_set_header Host $host;
             proxy_set_header X-Forwarded-Proto $scheme;
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
           } } }`,
    );
    const server = new Background([...away.enter, "nginx", "-e", join(dir, "error.log"), "-c", conf]);
    await until("nginx to answer", async () => (await secure(CLIENTS[0], "/healthz")).endsWith("ok\n"));
    return server;
  }

  const curl = async (space: Namespace, ...args: string[]) =>
    (await run([...space.enter, "curl", "-sk", "-i", "--max-time", "5", ...args])).stdout;
  const secure = (client: string, path: string, ...args: string[]) =>
    curl(away, "--interface", client, "--resolve", `${NAME}:443:${PROXY}`, `https://${NAME}${path}`, ...args);
  const statusOf = (answer: string) => Number(/^HTTP\/\S+ (\d+)/.exec(answer)?.[1]);
  const failures = () =>
    [...daemon.process.stdout.matchAll(/"client":"([^"]+)"[^\n]*dashboard login failed/g)].map((match) => match[1]);
  const basic = (password: string) => ["-u", `me:${password}`];

  test("through the named proxy: https cookies, and each client is throttled for itself", async () => {
    expect(await secure(CLIENTS[0], "/login")).toMatch(/set-cookie: __Host-anomaly-detector-form=[^\n]*; Secure/i);
    const forged = ["-H", "X-Forwarded-For: 127.0.0.1, 198.51.100.1", ...basic("wrong")];
    for (let i = 0; i < 5; i++) expect(statusOf(await secure(CLIENTS[0], "/api/v1/status", ...forged))).toBe(401);
    expect(statusOf(await secure(CLIENTS[0], "/api/v1/status", ...basic(PASSWORD)))).toBe(429);
    expect(statusOf(await secure(CLIENTS[1], "/api/v1/status", ...basic(PASSWORD)))).toBe(200);
    expect(failures()).toEqual(new Array(5).fill(CLIENTS[0]));
  });

  test("beside it: whoever is not named is believed nothing", async () => {
    const direct = ["--interface", NEIGHBOUR, `http://${HOME}:8080/login`];
    const forged = ["-H", "X-Forwarded-Proto: https", "-H", "X-Forwarded-For: 203.0.113.99"];
    const page = await curl(away, ...direct, ...forged);
    expect(page).toMatch(/set-cookie: anomaly-detector-form=/i);
    expect(page).not.toMatch(/Secure/);
    const before = failures().length;
    await curl(away, "--interface", NEIGHBOUR, `http://${HOME}:8080/api/v1/status`, ...forged, ...basic("wrong"));
    expect(failures().slice(before)).toEqual([NEIGHBOUR]);
  });

  test("a name that is not allowed is refused through the proxy as well", async () => {
    const args = ["--interface", CLIENTS[1], `https://${PROXY}/login`, "-H", "Host: evil.example"];
    expect(statusOf(await curl(away, ...args))).toBe(421);
  });

  test("[::] is both families; a tunnel over either is this host, and is not shut out", async () => {
    for (const url of ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080"]) {
      const answer = await curl(home, `${url}/login`);
      expect([url, statusOf(answer)]).toEqual([url, 200]);
      // Said to whoever sends the password over a network; a tunnel is none.
      expect(answer).not.toContain("plain http");
    }
    expect(await curl(away, "-6", "http://[2001:db8:18:7::1]:8080/login")).toContain("plain http");
    expect(await curl(away, "-4", `http://${HOME}:8080/login`)).toContain("plain http");
    const mapped = await curl(home, "-4", ...basic("wrong"), "http://127.0.0.1:8080/api/v1/status");
    expect([statusOf(mapped), failures().at(-1)]).toEqual([401, "127.0.0.1"]);
  });
});
