/** docker-compose.yml and nginx/ as texts: what every service has, what no file holds, and who accepts them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { run } from "../e2e/process.ts";
import { commandsOf } from "../install/documents.ts";
import { ROOT } from "../install/releases.ts";

interface Service {
  readonly image?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly mem_limit?: string;
  readonly [key: string]: unknown;
}

const text = (path: string) => readFileSync(join(ROOT, path), "utf8");
const FILES = ["docker-compose.yml", "docker-compose.tls.yml"];
const stack = parse(text(FILES[0]!), { merge: true }) as { readonly services: Readonly<Record<string, Service>> };
const services = Object.entries(stack.services);
const megabytes = (size: unknown) => Number(/^(\d+)m$/i.exec(String(size))?.[1]);

describe("docker-compose.yml", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "anomaly-detector-compose-"));
    for (const file of FILES) cpSync(join(ROOT, file), join(dir, file));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  test.skipIf(Bun.which("docker-compose") === null)(
    "is accepted with and without TLS and the database",
    async () => {
      const example = text(".env.example");
      const database = example.replace(/^#(COMPOSE_PROFILES|MYSQL_\w+|REDIS_HOST)=/gm, "$1=");
      const secure = example.replace(/^#(COMPOSE_FILE|OVERWRITE\w+)=/gm, "$1=");
      for (const [env, shown] of [
        [example, ["nextcloud", "nginx"]],
        [database, ["mariadb", "nextcloud", "nginx", "redis"]],
        [secure, ["nextcloud", "nginx"]],
      ] as const) {
        writeFileSync(join(dir, ".env"), env);
        const { code, stdout, stderr } = await run(["env", "-C", dir, "docker-compose", "config", "--services"]);
        expect({ code, stderr, shown: stdout.trim().split("\n").sort() }).toEqual({
          code: 0,
          stderr: "",
          shown: expect.arrayContaining([...shown]),
        });
      }
    },
    30_000,
  );

  // Compose 2 cannot be had here; its schema (compose-go, schema/compose-spec.json) was read for these.
  test("says nothing that Compose 1.29 and 2 do not both know", () => {
    const known = [
      ...["command", "depends_on", "env_file", "environment", "healthcheck", "image", "logging", "mem_limit"],
      ...["networks", "ports", "profiles", "restart", "volumes"],
    ];
    for (const file of FILES) {
      const document = parse(text(file)) as Record<string, Record<string, Service>>;
      expect(Object.keys(document).filter((key) => !["services", "networks", "volumes"].includes(key))).toEqual([]);
      for (const service of Object.values(document.services!))
        expect(Object.keys(service).filter((key) => !known.includes(key))).toEqual([]);
    }
  });

  test.each(services)(
    "%s has a version, a restart policy, a health check, and bounds for memory and log",
    (_, service) => {
      expect(service.image).toMatch(/^\$\{[A-Z]+_IMAGE:-[a-z]+:\d+[\w.-]*\}$/);
      expect(service).toMatchObject({
        restart: "unless-stopped",
        healthcheck: { test: expect.anything(), interval: expect.any(String) },
        logging: { options: { "max-size": "10m" } },
      });
      expect(megabytes(service.mem_limit)).toBeGreaterThan(0);
    },
  );

  test("everything at its bound, the detector too, fits into 2 GB", () => {
    const detector = /^MemoryMax=(\d+M)$/m.exec(text("systemd/anomaly-detector.service"))?.[1];
    const sum = services.reduce((total, [, { mem_limit }]) => total + megabytes(mem_limit), megabytes(detector));
    expect(sum).toBeLessThan(1_900);
  });

  test("no secret stands in a file: each comes from .env, whose example has none", () => {
    const secret = /password|secret|token|key/i;
    const given = services.flatMap(([, { environment }]) => Object.entries(environment ?? {}));
    const secrets = given.filter(([name]) => secret.test(name) && name !== "MARIADB_RANDOM_ROOT_PASSWORD");
    expect(secrets).toEqual([["MARIADB_PASSWORD", expect.stringMatching(/^\$\{MYSQL_PASSWORD:-\}$/)]]);
    const lines = text(".env.example").match(/^#?[A-Z_]+=.*$/gm) ?? [];
    expect(lines.filter((line) => secret.test(line.split("=")[0]!))).toEqual([
      "NEXTCLOUD_ADMIN_PASSWORD=",
      "#MYSQL_PASSWORD=",
    ]);
  });

  test("Nextcloud takes the word of a proxy in the networks that Docker hands out, and of no other", () => {
    expect(stack.services.nextcloud?.environment?.TRUSTED_PROXIES).toMatch(
      /^\$\{TRUSTED_PROXIES:-10\.0\.0\.0\/8 172\.16\.0\.0\/12 192\.168\.0\.0\/16 fd00::\/8\}$/,
    );
    // Nobody from outside reaches it: nginx alone publishes ports.
    expect(services.filter(([, service]) => service.ports !== undefined).map(([name]) => name)).toEqual(["nginx"]);
  });
});

describe("trusted-proxies.conf", () => {
  const file = text("nginx/trusted-proxies.conf");
  const [proxy = "", header = ""] = commandsOf("docs/operations.md", "Behind a load balancer or Cloudflare");

  test("trusts nobody until a proxy is named", () => {
    expect(file.match(/^\s*set_real_ip_from/gm)).toBeNull();
  });

  test.skipIf(Bun.which("nginx", { PATH: `${process.env.PATH}:/usr/sbin` }) === null)(
    "as operations.md has it, for a load balancer and for Cloudflare, nginx accepts it",
    async () => {
      expect(file).toContain(`\n${header}\n`);
      const dir = mkdtempSync(join(tmpdir(), "anomaly-detector-nginx-"));
      try {
        const main = `pid ${dir}/pid; error_log stderr; events {} http { access_log off; include ${dir}/proxies.conf; }\n`;
        writeFileSync(join(dir, "nginx.conf"), main);
        for (const wanted of [header, "real_ip_header CF-Connecting-IP;"]) {
          writeFileSync(join(dir, "proxies.conf"), `${proxy}\n${file.replace(header, wanted)}`);
          const env = { PATH: `${process.env.PATH}:/usr/sbin` };
          const argv = [Bun.which("nginx", env)!, "-t", "-q", "-p", dir, "-c", join(dir, "nginx.conf")];
          const { code, stderr } = await run(argv);
          expect({ wanted, code, stderr }).toEqual({ wanted, code: 0, stderr: "" });
        }
      } finally {
        rmSync(dir, { recursive: true });
      }
    },
  );
});
