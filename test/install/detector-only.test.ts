/** install.sh on a host that already has an nginx, other programs on its ports, and no curl. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../e2e/detector.ts";
import { until } from "../e2e/process.ts";
import { CACHE, Engine, missingForEngine } from "../lab/engine.ts";
import { makeVpsImage } from "../lab/images.ts";
import { Upstream } from "../lab/upstream.ts";
import { RELEASES, Vps } from "../lab/vps.ts";
import { Releases } from "./releases.ts";

const missing =
  (await missingForEngine()) ?? (existsSync(BINARY) ? null : "needs dist/anomaly-detector: npm run build");

describe.skipIf(missing !== null)(`install.sh --detector-only${missing ? ` (${missing})` : ""}`, () => {
  const releases = new Releases();
  const engine = new Engine();
  const upstream = new Upstream(engine.run, join(CACHE, "packages"), "");
  const vps = new Vps(engine, upstream, "only");

  beforeAll(async () => {
    await engine.start();
    await makeVpsImage(engine);
    upstream.releases = await releases.current();
    await upstream.start();
    await vps.start();
    await vps.sh(
      "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nginx-light wget",
    );
    await vps.write("/etc/nginx/conf.d/other.conf", "server { listen 127.0.0.1:8080; return 204; }\n");
    await vps.sh("systemctl restart nginx; mv /usr/bin/curl /usr/bin/curl.away");
  }, 300_000);
  afterAll(async () => {
    await vps.stop();
    await upstream.stop();
    await engine.stop();
    releases.remove();
  }, 60_000);

  const install = (flags: string) =>
    vps.try(`wget -qO- ${RELEASES}/install.sh | sh -s -- ${flags}`, { env: { ANOMALY_DETECTOR_BASE_URL: RELEASES } });

  test("the whole stack is refused while another has port 80, with the mend", async () => {
    const { code, stderr } = await install("");
    expect(code).toBe(1);
    expect(stderr).toMatch(/port 80 is in use by nginx \(pid \d+\): .*--detector-only/);
  }, 30_000);

  test("every problem is named with its mend, before anything is changed", async () => {
    await vps.write("/etc/systemd/system/fail2ban.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    await vps.sh("systemctl daemon-reload; systemctl start fail2ban");
    const { code, stdout } = await install("--detector-only --dry-run");
    expect(code).toBe(0);
    expect(stdout).toMatch(/fail2ban is running.*disable/);
    expect(stdout).toMatch(/port 8080 is in use by nginx \(pid \d+\): the dashboard takes 8081/);
    expect(stdout).toMatch(/no JSON access log[\s\S]*include \/usr\/local\/share\/anomaly-detector\/log-format\.conf/);
    await vps.sh("systemctl stop fail2ban; rm /etc/systemd/system/fail2ban.service; systemctl daemon-reload");
  }, 30_000);

  test("without systemd it would install the program only, and says how to run it", async () => {
    const { code, stdout } = await vps.try(
      `unshare -m sh -c 'mount -t tmpfs none /run/systemd; wget -qO- ${RELEASES}/install.sh | sh -s -- --detector-only --dry-run'`,
      { env: { ANOMALY_DETECTOR_BASE_URL: RELEASES } },
    );
    expect(code).toBe(0);
    expect(stdout).toContain("no systemd here");
    expect(stdout).not.toContain(".service");
  }, 30_000);

  test("another kind of machine or C library is refused: exit 3", async () => {
    await vps.write(
      "/usr/local/bin/uname",
      '#!/bin/sh\ncase $1 in -m) echo riscv64 ;; -s) echo Linux ;; *) echo "Linux riscv64" ;; esac\n',
      "755",
    );
    const machine = await install("--detector-only");
    expect({ code: machine.code, named: machine.stderr.includes("no build for Linux riscv64") }).toEqual({
      code: 3,
      named: true,
    });
    await vps.sh("rm /usr/local/bin/uname");
    await vps.write("/usr/local/bin/getconf", "#!/bin/sh\nexit 1\n", "755");
    const libc = await install("--detector-only");
    expect({ code: libc.code, named: libc.stderr.includes("glibc") }).toEqual({ code: 3, named: true });
    await vps.sh("rm /usr/local/bin/getconf");
  }, 30_000);

  test("it finds nginx's JSON log, watches it, and takes the free port", async () => {
    await vps.copyIn(join(import.meta.dir, "../../nginx/log-format.conf"), "/etc/nginx/log-format.inc");
    await vps.write(
      "/etc/nginx/conf.d/json.conf",
      "include /etc/nginx/log-format.inc;\naccess_log /var/log/nginx/json.log hng;\n",
    );
    await vps.sh("systemctl restart nginx; wget -qO- http://127.0.0.1/ >/dev/null");
    // From an unpacked archive this time.
    await vps.sh(
      `mkdir /root/unpacked; cd /root/unpacked; wget -q ${RELEASES}/SHA256SUMS; wget -qO- ${RELEASES}/$(grep -o 'anomaly-detector-.*-linux-x64.tar.gz' SHA256SUMS) | tar xz --strip-components=1`,
    );
    const { code, stdout, stderr } = await vps.try("cd /root/unpacked && ./install.sh --detector-only");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("nginx's JSON log: /var/log/nginx/json.log");
    expect(stdout).toContain("ssh -L 8080:127.0.0.1:8081");
    expect(await vps.sh("wget -qO- http://127.0.0.1:8081/readyz")).toBe("ready");
    expect((await vps.try("command -v docker; ls -d /opt/anomaly-detector /var/log/hng-nginx")).stdout).toBe("");
    await vps.sh("for i in 1 2 3; do wget -qO- http://127.0.0.1/ >/dev/null; done");
    await until(
      "the service's own user to read nginx's log",
      async () => /"lines": *[3-9]/.test(await vps.sh("anomaly-detector status --json")),
      { everyMs: 200 },
    );
  }, 90_000);

  test("a first release that does not come up leaves no program and no unit: exit 5", async () => {
    await vps.sh("cd /root/unpacked && ./install.sh --purge");
    upstream.releases = await releases.broken();
    const { code, stderr } = await install("--detector-only");
    expect({ code, named: stderr.includes("did not come up") }).toEqual({ code: 5, named: true });
    expect(
      (
        await vps.try(
          "ls /usr/local/bin/anomaly-detector /etc/systemd/system/anomaly-detector.service; systemctl is-enabled anomaly-detector",
        )
      ).stdout,
    ).toBe("");
  }, 90_000);
});
