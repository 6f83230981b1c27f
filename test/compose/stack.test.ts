/**
 * nginx and Nextcloud in compose on a fresh VPS, put there by install.sh, with Docker's own rules and published
 * ports, and attackers with addresses of their own. The images are stand-ins made here (test/lab/images.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { BINARY } from "../e2e/detector.ts";
import { attacker, Internet, missingForLab, TARGET } from "../e2e/internet.ts";
import { Client } from "../e2e/lab.ts";
import { Background, must, run, until } from "../e2e/process.ts";
import { argumentsDuring } from "../install/arguments.ts";
import { commandsOf } from "../install/documents.ts";
import { Releases } from "../install/releases.ts";
import { CACHE, Engine, missingForEngine } from "../lab/engine.ts";
import { makeStackImages, makeVpsImage } from "../lab/images.ts";
import { Upstream } from "../lab/upstream.ts";
import { Vps } from "../lab/vps.ts";

const missing =
  missingForLab() ??
  (await missingForEngine()) ??
  (existsSync(BINARY) ? null : "needs dist/anomaly-detector: npm run build");
const COMPOSE = resolve(import.meta.dir, "../../docker-compose.yml");
/** The innocent user of the lab. */
const USER = "198.18.2.1";
const [one, two, three] = [attacker(1), attacker(2), attacker(3)];

/** The image that a service has unless .env says otherwise. */
async function defaultImage(variable: string): Promise<string> {
  return new RegExp(`\\$\\{${variable}:-([^}]+)\\}`).exec(await Bun.file(COMPOSE).text())![1]!;
}

describe.skipIf(missing !== null)(`the compose stack${missing ? ` (${missing})` : ""}`, () => {
  const releases = new Releases();
  const engine = new Engine();
  const upstream = new Upstream(engine.run, join(CACHE, "packages"), "");
  const vps = new Vps(engine, upstream, "stack");
  const internet = new Internet(3);
  let images = "";

  beforeAll(async () => {
    await engine.start();
    await makeVpsImage(engine);
    const names = { nginx: await defaultImage("NGINX_IMAGE"), nextcloud: await defaultImage("NEXTCLOUD_IMAGE") };
    images = await makeStackImages(engine, names);
    upstream.releases = await releases.current();
    await upstream.start();
    await vps.start();
    await vps.sh("apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q sudo");
    await internet.start();
    await vps.plug(internet.name("target"), "eth0", [`${TARGET.v4}/16`, `${TARGET.v6}/48`]);
  }, 300_000);
  afterAll(async () => {
    await internet.stop();
    await vps.stop();
    await upstream.stop();
    await engine.stop();
    releases.remove();
    if (images) await run(["rm", "-r", dirname(images)]);
  }, 60_000);

  /** The line of the README. */
  const [line = ""] = commandsOf("README.md", "Install");
  const install = () => vps.try(line);
  const compose = (args: string) => vps.sh(`cd /opt/anomaly-detector && docker-compose ${args}`);
  const lines = async (source: string) =>
    (await vps.sh("cat /var/log/hng-nginx/hng-access.log")).split("\n").flatMap((line) => {
      const entry = line === "" ? null : (JSON.parse(line) as Record<string, unknown>);
      return entry?.source_ip === source ? [entry] : [];
    });

  /** One request from a host of the lab; status 0 when no answer comes within two seconds. */
  async function ask(host: string, path = "/login", options: { v6?: boolean; args?: readonly string[] } = {}) {
    const address = options.v6 ? `[${TARGET.v6}]` : TARGET.v4;
    const argv = [
      "curl",
      "-s",
      "-g",
      "-m",
      "2",
      "-w",
      "\n%{http_code} %{redirect_url}",
      ...(options.args ?? []),
      `http://${address}${path}`,
    ];
    const { stdout } = await run(internet.on(host, argv));
    const at = stdout.lastIndexOf("\n");
    const [status, location] = stdout.slice(at + 1).split(" ");
    return { status: Number(status), location, body: stdout.slice(0, at) };
  }
  function load(host: string, spec: object): Client {
    const argv = [
      process.execPath,
      resolve(import.meta.dir, "../e2e/client.ts"),
      JSON.stringify({ host: TARGET.v4, paths: ["/login"], ...spec }),
    ];
    return new Client(new Background(internet.on(host, argv)));
  }
  const isBanned = async (source: string) => (await vps.sh("ipset save")).includes(` ${source} `);
  const hookStands = async () =>
    /PREROUTING .*-j ANOMALY-DETECTOR/.test((await vps.try("iptables -w -t raw -S; ")).stdout) &&
    /PREROUTING .*-j ANOMALY-DETECTOR/.test((await vps.try("ip6tables -w -t raw -S")).stdout);
  const waitForBan = (source: string) =>
    until(`a ban of ${source}`, () => isBanned(source), { timeoutMs: 30_000, everyMs: 200 });

  test("without its images the stack does not come up, the detector does, and the mend is named", async () => {
    let [code, stderr] = [-1, ""];
    const said = await argumentsDuring(vps, async () => {
      ({ code, stderr } = await install());
    });
    expect(code).toBe(1);
    expect(stderr).toContain("run the same line again");
    expect(await vps.sh("systemctl is-active anomaly-detector docker")).toBe("active\nactive");
    const password = await vps.sh("sed -n 's/^NEXTCLOUD_ADMIN_PASSWORD=//p' /opt/anomaly-detector/.env");
    expect(password).toMatch(/^[0-9a-f]{32}$/);
    expect(said).toMatch(/^sed .*NEXTCLOUD_TRUSTED_DOMAINS/m);
    expect(said).not.toContain(password);
  }, 180_000);

  test("the same line again completes it, and does not touch the detector", async () => {
    await vps.copyIn(images, "/var/lib/docker/images.tar");
    await vps.sh("docker load -q -i /var/lib/docker/images.tar && rm /var/lib/docker/images.tar");
    const pid = await vps.sh("systemctl show -p MainPID anomaly-detector");
    const { code, stdout, stderr } = await install();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("Nextcloud");
    expect(await vps.sh("systemctl show -p MainPID anomaly-detector")).toBe(pid);
    await until("the site to answer", async () => (await ask("user")).status === 200, { timeoutMs: 30_000 });
    const health = () =>
      compose("ps -q").then((ids) =>
        vps.sh(`docker inspect -f '{{.State.Health.Status}}' ${ids.replaceAll("\n", " ")}`),
      );
    await until("both to be healthy", async () => (await health()) === "healthy\nhealthy", {
      timeoutMs: 60_000,
      everyMs: 500,
    });
  }, 120_000);

  test("a third time nothing is done; containers go on", async () => {
    const ids = await vps.sh("docker ps -q --no-trunc");
    const { code, stdout } = await install();
    expect({ code, nothing: stdout.includes("nothing to do") }).toEqual({ code: 0, nothing: true });
    expect(await vps.sh("docker ps -q --no-trunc")).toBe(ids);
  }, 60_000);

  test("no secret lies open, and memory is bounded for 2 GB", async () => {
    expect(await vps.sh("stat -c '%a %U' /opt/anomaly-detector/.env")).toBe("600 root");
    expect(await vps.sh("grep -Ec '^NEXTCLOUD_ADMIN_PASSWORD=[0-9a-f]{32}$' /opt/anomaly-detector/.env")).toBe("1");
    const limits = (await vps.sh("docker ps -q | xargs docker inspect -f '{{.HostConfig.Memory}}'"))
      .split("\n")
      .map(Number);
    expect(limits.every((bytes) => bytes > 0)).toBe(true);
    expect(limits.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(1_100 * 1024 * 1024);
  });

  test("clients keep their addresses, IPv4 and IPv6, in a log that only adm may read", async () => {
    expect((await ask(one.name)).status).toBe(200);
    expect((await ask(one.name, "/login", { v6: true })).status).toBe(200);
    expect(await lines(one.v4)).toHaveLength(1);
    expect(await lines(one.v6)).toHaveLength(1);
    const [line] = await lines(one.v4);
    const fields = [
      "source_ip",
      "timestamp",
      "msec",
      "method",
      "path",
      "status",
      "response_size",
      "request_time",
      "upstream_time",
      "host",
      "user_agent",
      "peer",
    ];
    expect(Object.keys(line!)).toEqual(fields);
    expect(await vps.sh("stat -c '%a %G' /var/log/hng-nginx /var/log/hng-nginx/hng-access.log")).toBe(
      "2751 adm\n640 adm",
    );
    expect(await vps.sh("anomaly-detector status --json | grep -o '\"open\": *true'")).toMatch(/true/);
  });

  test("a forged client address changes nothing, in the log and for Nextcloud", async () => {
    const forged = [
      "X-Forwarded-For: 192.0.2.1",
      "X-Real-IP: 192.0.2.1",
      "Forwarded: for=192.0.2.1",
      "X-Forwarded-Proto: https",
      "CF-Connecting-IP: 192.0.2.1",
    ];
    const { body } = await ask(two.name, "/whoami", { args: forged.flatMap((header) => ["-H", header]) });
    expect(JSON.parse(body)).toMatchObject({
      realIp: two.v4,
      forwardedFor: two.v4,
      forwardedProto: "http",
      forwarded: null,
    });
    expect(await lines(two.v4)).toHaveLength(1);
    expect(await lines("192.0.2.1")).toEqual([]);
  });

  test("a proxy that is named is believed, and nobody else", async () => {
    const file = "/opt/anomaly-detector/nginx/trusted-proxies.conf";
    await vps.sh(`cp ${file} /root/proxies; sed -i '1i set_real_ip_from ${three.v4};' ${file}`);
    await compose("exec -T nginx nginx -c /etc/nginx/hng/nginx.conf -s reload");
    const args = ["-H", "X-Forwarded-For: 203.0.113.5", "-H", "X-Forwarded-Proto: https"];
    const told = await until("the proxy to be believed", async () => {
      const { body } = await ask(three.name, "/whoami", { args });
      return body.includes("203.0.113.5") ? body : null;
    });
    expect(JSON.parse(told)).toMatchObject({
      realIp: "203.0.113.5",
      forwardedFor: "203.0.113.5",
      forwardedProto: "https",
    });
    expect((await lines("203.0.113.5"))[0]).toMatchObject({ peer: three.v4 });
    const other = await ask(two.name, "/whoami", { args });
    expect(JSON.parse(other.body)).toMatchObject({ realIp: two.v4, forwardedProto: "http" });
    await vps.sh(`cat /root/proxies >${file}`);
    await compose("exec -T nginx nginx -c /etc/nginx/hng/nginx.conf -s reload");
  }, 30_000);

  test("what Nextcloud's manual asks of its proxy", async () => {
    for (const [path, target] of [
      ["/.well-known/carddav", "/remote.php/dav/"],
      ["/.well-known/caldav", "/remote.php/dav/"],
      ["/.well-known/webfinger", "/index.php/.well-known/webfinger"],
      ["/.well-known/nodeinfo", "/index.php/.well-known/nodeinfo"],
    ] as const) {
      const { status, location } = await ask("user", path);
      expect([path, status, location]).toEqual([path, 301, `http://${TARGET.v4}${target}`]);
    }
    const upload = await ask("user", "/remote.php/dav/files/admin/big", { args: ["-T", images, "-m", "60"] });
    expect(upload.status).toBe(201);
    expect(JSON.parse(upload.body)).toEqual({ size: Bun.file(images).size });
  }, 60_000);

  describe.each([
    ["IPv4", one.v4, one.v4],
    ["IPv6", one.v6, one.v6Source],
  ] as const)("a flood over %s through the published port", (family, address, source) => {
    const isV6 = family === "IPv6";
    const host = isV6 ? TARGET.v6 : TARGET.v4;

    test("is banned; open connections are cut, new ones time out, and others go on", async () => {
      const innocent = load("user", { everyMs: 500, seconds: 8, keepAlive: true, timeoutMs: 2_000 });
      const flood = load(one.name, { host, everyMs: 20, seconds: 25, keepAlive: true, timeoutMs: 1_500 });
      await waitForBan(source);
      const answers = await flood.finish();
      expect(answers.filter((a) => a.status === 200).length).toBeGreaterThan(20);
      expect(answers.at(-1)?.error).toBe("timeout");
      expect((await ask(one.name, "/login", { v6: isV6 })).status).toBe(0);
      const count = (await lines(address)).length;
      expect((await ask(one.name, "/login", { v6: isV6 })).status).toBe(0);
      expect(await lines(address)).toHaveLength(count);
      const others = await innocent.finish();
      expect(others.filter((a) => a.status !== 200)).toEqual([]);
      expect(await isBanned(USER)).toBe(false);
    }, 90_000);
  });

  test("a restart of Docker is survived", async () => {
    await vps.sh("systemctl restart docker");
    await until("the hook to stand", hookStands, { timeoutMs: 30_000, everyMs: 500 });
    await until("the site to be back", async () => (await ask("user")).status === 200, {
      timeoutMs: 60_000,
      everyMs: 500,
    });
    for (const v6 of [false, true]) expect((await ask(one.name, "/login", { v6 })).status).toBe(0);
    expect((await ask(two.name)).status).toBe(200);
  }, 120_000);

  test("a flush of everything is mended within 30 s", async () => {
    await vps.sh("for t in iptables ip6tables; do $t -w -t raw -F; $t -w -t raw -X; done");
    expect((await ask(one.name)).status).toBe(200);
    await until("the hook to be back", hookStands, { timeoutMs: 31_000, everyMs: 500 });
    for (const v6 of [false, true]) expect((await ask(one.name, "/login", { v6 })).status).toBe(0);
  }, 60_000);

  test("ufw enable, reload and disable are survived", async () => {
    await vps.sh("DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends ufw");
    for (const command of ["ufw allow 80/tcp", "ufw --force enable", "ufw reload", "ufw disable"]) {
      await vps.sh(command);
      await until(
        `the ban to hold after ${command}`,
        async () => (await ask(one.name)).status === 0 && (await hookStands()),
        { timeoutMs: 30_000, everyMs: 500 },
      );
      expect((await ask(one.name, "/login", { v6: true })).status).toBe(0);
    }
    expect((await ask(two.name)).status).toBe(200);
  }, 150_000);

  test("the log is rotated without losing a line or the detector", async () => {
    const read = async () => Number(/"lines": *(\d+)/.exec(await vps.sh("anomaly-detector status --json"))?.[1]);
    const client = load("user", { everyMs: 50, seconds: 6, keepAlive: true, timeoutMs: 2_000 });
    await until("some answers", () => client.answers().length > 20);
    await vps.sh("logrotate --force /etc/logrotate.d/anomaly-detector");
    const sent = (await client.finish()).length;
    const log = "/var/log/hng-nginx/hng-access.log";
    const logged = Number(await vps.sh(`cat ${log}.1 ${log} | grep -c '"source_ip":"${USER}"'`));
    expect(logged).toBeGreaterThanOrEqual(sent);
    const total = Number(await vps.sh(`cat ${log}.1 ${log} | wc -l`));
    await until("the detector to have read it all", async () => (await read()) >= total, { everyMs: 200 });
    expect(await vps.sh(`stat -c '%a %G' ${log}`)).toMatch(/^6\d0 adm$/);
  }, 60_000);

  test("an unban lets the source in again", async () => {
    await vps.sh(`anomaly-detector unban ${one.v4}; anomaly-detector unban ${one.v6Source}`);
    expect((await ask(one.name)).status).toBe(200);
    expect((await ask(one.name, "/login", { v6: true })).status).toBe(200);
  });

  test("TLS, as the example has it", async () => {
    const typed = commandsOf("docs/operations.md", "TLS").filter((line) => !/certbot|^sudoedit/.test(line));
    expect(typed.at(-1)).toMatch(/^sudo docker-compose up/);
    await vps.sh(`live=/etc/letsencrypt/live/cloud.example.org; mkdir -p $live
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=cloud.example.org \\
        -keyout $live/privkey.pem -out $live/fullchain.pem 2>/dev/null
      cd /opt/anomaly-detector
      sed -n 's/^#\\(COMPOSE_FILE=\\|OVERWRITEPROTOCOL=\\)/\\1/p' .env.example >>.env
      mkdir -p acme/.well-known/acme-challenge; echo token >acme/.well-known/acme-challenge/token
      ${typed.join("\n")}`);
    const over = (url: string, ...args: string[]) =>
      run(internet.on("user", ["curl", "-skg", "-m", "3", ...args, url]));
    const told = await until(
      "the site over TLS",
      async () => {
        const { stdout } = await over(`https://${TARGET.v4}/whoami`, "-H", "X-Forwarded-Proto: http");
        return stdout.startsWith("{") ? stdout : null;
      },
      { timeoutMs: 30_000, everyMs: 300 },
    );
    expect(JSON.parse(told)).toMatchObject({ realIp: USER, forwardedProto: "https" });
    expect(
      (await over(`https://[${TARGET.v6}]/login`, "-o", "/dev/null", "-w", "%{http_code} %{http_version}")).stdout,
    ).toBe("200 2");
    expect(
      (await over(`http://${TARGET.v4}/login`, "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}")).stdout,
    ).toBe(`301 https://${TARGET.v4}/login`);
    expect((await over(`http://${TARGET.v4}/.well-known/acme-challenge/token`)).stdout).toBe("token\n");
    // An upgrade leaves what is the owner's.
    expect((await install()).code).toBe(0);
    expect(await vps.sh("grep -c 'listen 443' /opt/anomaly-detector/nginx/sites/nextcloud.conf")).toBe("1");
  }, 90_000);

  test("README's five-minute check, word for word", async () => {
    const lines = commandsOf("README.md", "Five-minute check");
    expect(lines.map((line) => line.split(" ").slice(0, 3).join(" "))).toEqual([
      "sudo anomaly-detector check",
      "sudo anomaly-detector status",
      "sudo anomaly-detector ban",
      "ssh -L 8080:127.0.0.1:8080",
    ]);
    await vps.sh(`set -e; ${lines.slice(0, 3).join("; ")}; curl -fsS http://127.0.0.1:8080/healthz`);
    for (const command of ["bans", "explain 192.0.2.1", "unban 192.0.2.1", "disarm", "arm"])
      await vps.sh(`sudo anomaly-detector ${command}`);
  }, 30_000);

  test("the commands of operations.md, word for word", async () => {
    const active = () => vps.sh("sleep 1; systemctl is-active anomaly-detector");
    const [status = "", verbs = "", ...day] = commandsOf("docs/operations.md", "Day to day");
    await vps.sh(status);
    for (const verb of verbs.split(" | ")) await vps.sh(verb.replace(/^(?!sudo)/, "sudo anomaly-detector "));
    for (const command of day.filter((command) => !command.startsWith("ssh "))) await vps.sh(command);

    const login = commandsOf("docs/operations.md", "The dashboard's login").slice(1);
    const [make = "", password = "", edit = "", restart = ""] = login;
    await vps.sh(make);
    expect((await vps.try(password, { input: "correct horse\n" })).code).toBe(0);
    expect(edit).toStartWith("sudoedit ");
    await vps.sh(
      `sed -i 's|^  # password_file: .*|  password_file: /etc/anomaly-detector/dashboard.hash|' ${edit.split(" ")[1]}`,
    );
    await vps.sh(restart);
    const api = (user: string) =>
      vps.sh(`curl -s -o /dev/null -w '%{http_code}' ${user} http://127.0.0.1:8080/api/v1/status`);
    await until("the login to be in force", async () => (await api("")) === "401");
    expect(await api('-u "me:correct horse"')).toBe("200");

    const text = await Bun.file(resolve(import.meta.dir, "../../docs/operations.md")).text();
    const inline = (start: string) => new RegExp(`\`(${start}[^\`]*)\``).exec(text)![1]!;
    await vps.write("/root/webhook.txt", "http://127.0.0.1:9/hook\n");
    const dry = commandsOf("docs/operations.md", "Install, upgrade").find((command) => command.endsWith("--dry-run"))!;
    expect(await vps.sh(dry)).toContain("none made");
    await vps.sh(`cd /root; ${inline("sudo install -m 640 -g anomaly-detector webhook")}`);
    expect(await vps.sh("anomaly-detector status --json | grep -c '\"configured\": *true'")).toBe("1");
    await vps.sh(`anomaly-detector ban ${two.v4}; ${inline("sudo ipset flush")}`);
    expect(await isBanned(two.v4)).toBe(false);
    await vps.sh(inline("sudo anomaly-detector allow").replace("ADDRESS", two.v4));
    await vps.sh(inline("systemctl disable"));
    await vps.sh("systemctl enable anomaly-detector");
    expect(await active()).toBe("active");
  }, 60_000);

  test("down, and away: --purge leaves Nextcloud's files, and names the line that deletes them", async () => {
    const [uninstall = "", purge = ""] = commandsOf("docs/operations.md", "Uninstall");
    expect((await vps.try(uninstall)).code).toBe(0);
    const { code, stdout } = await vps.try(purge);
    expect(code).toBe(0);
    expect(stdout).toContain("docker volume rm anomaly-detector_nextcloud");
    expect(await vps.sh("docker ps -aq; docker network ls -q --filter name=anomaly")).toBe("");
    expect(await vps.sh("docker volume ls -q | grep -c anomaly-detector_nextcloud")).toBe("1");
    expect((await vps.try("docker volume ls -q | grep HNG")).stdout).toBe("");

    expect(await vps.firewall()).not.toMatch(/anomaly/i);
    expect(
      await must(
        internet
          .on("user", ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "2", `http://${TARGET.v4}/`])
          .concat(),
      ).catch(() => "000"),
    ).toBe("000");
  }, 60_000);
});
