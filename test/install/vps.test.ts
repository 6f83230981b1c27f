/** install.sh on a fresh VPS, from a release server on its loopback: the life of an installation, in order. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../e2e/detector.ts";
import { until } from "../e2e/process.ts";
import { CACHE, Engine, missingForEngine } from "../lab/engine.ts";
import { makeVpsImage } from "../lab/images.ts";
import { Upstream } from "../lab/upstream.ts";
import { RELEASES, Vps } from "../lab/vps.ts";
import { argumentsDuring } from "./arguments.ts";
import { Releases } from "./releases.ts";

const missing =
  (await missingForEngine()) ?? (existsSync(BINARY) ? null : "needs dist/anomaly-detector: npm run build");
const NAME = "anomaly-detector";
const WEBHOOK = "https://hooks.slack.com/services/T0SECRET/B0SECRET/neverInAnyLogx9Qa";
/** Documentation addresses: the owner at the other end of SSH, an attacker. */
const OWNER = "203.0.113.77";
const ATTACKER = "198.51.100.9";

describe.skipIf(missing !== null)(`install.sh on a fresh VPS${missing ? ` (${missing})` : ""}`, () => {
  const releases = new Releases();
  const engine = new Engine();
  const upstream = new Upstream(engine.run, join(CACHE, "packages"), "");
  const vps = new Vps(engine, upstream, "install");
  let current = "";
  let freshFiles: Map<string, string>;
  let freshFirewall = "";

  beforeAll(async () => {
    await engine.start();
    await makeVpsImage(engine);
    current = await releases.current();
    upstream.releases = current;
    await upstream.start();
    await vps.start();
    freshFiles = await vps.files();
    freshFirewall = await vps.firewall();
  }, 300_000);
  afterAll(async () => {
    await vps.stop();
    await upstream.stop();
    await engine.stop();
    releases.remove();
  }, 60_000);

  /** The line of the README. The SSH session is known to a process above only, as it is under sudo. */
  function install(flags = "", environment: Readonly<Record<string, string>> = {}, shell = "bash") {
    const env = { ANOMALY_DETECTOR_BASE_URL: RELEASES, SSH_CONNECTION: `${OWNER} 50000 192.0.2.1 22`, ...environment };
    return vps.try(
      `set -o pipefail; curl -fsSL ${RELEASES}/install.sh | env -u SSH_CONNECTION ${shell} -s -- --no-stack ${flags}`,
      { env },
    );
  }
  const show = (property: string) => vps.sh(`systemctl show -p ${property} --value ${NAME}`);
  /** What a restart would change. */
  const life = () => vps.sh(`systemctl show -p MainPID,NRestarts,ActiveEnterTimestampMonotonic ${NAME}`);
  const isBanned = async (address: string) =>
    (await vps.sh("ipset list anomaly-detector-v4")).includes(`${address} timeout`);

  async function settled(): Promise<Map<string, string>> {
    const files = await vps.files();
    for (const path of files.keys())
      if (
        /^\/var\/(log|lib)\/anomaly-detector(\/|$)|install\.log$|^\/var\/log$|^\/var\/lib\/(systemd|apt|dpkg)/.test(
          path,
        )
      )
        files.delete(path);
    return files;
  }

  test("--dry-run lists every change and makes none, whatever PATH leads to", async () => {
    await vps.sh("mkdir /tmp/trap");
    await vps.write("/tmp/trap/awk", "#!/bin/sh\ntouch /tmp/trap/sprung\n", "755");
    const { code, stdout } = await install("--dry-run", { PATH: "/tmp/trap:/usr/bin:/usr/sbin" });
    expect((await vps.try("ls /tmp/trap")).stdout).toBe("awk\n");
    expect(code).toBe(0);
    for (const words of [
      "apt-get install iptables ipset",
      "system user",
      "write /usr/local/bin/anomaly-detector",
      "systemctl enable",
      "none made",
    ])
      expect(stdout).toContain(words);
    expect(await vps.files()).toEqual(freshFiles);
    expect(await vps.firewall()).toBe(freshFirewall);
  }, 60_000);

  test.each([
    ["--no-such-flag", 2, "unknown option"],
    ["--allow 0.0.0.0/0", 2, "not an address"],
    ["--allow", 2, "needs a value"],
    ["--from /nowhere.tar.gz", 2, "no such file"],
    ["--slack-webhook-file /nowhere", 1, "cannot be read"],
  ])(
    "%s ends with %p and changes nothing",
    async (flags, code, words) => {
      const result = await install(flags);
      expect(result.code).toBe(code);
      expect(result.stderr).toContain(words);
      expect(await vps.sh(`ls -d /etc/${NAME} /usr/local/bin/${NAME} 2>/dev/null | wc -l`)).toBe("0");
    },
    60_000,
  );

  test("without root it says so", async () => {
    const { code, stderr } = await vps.try(
      `curl -fsSL ${RELEASES}/install.sh | setpriv --reuid 65534 --clear-groups sh`,
    );
    expect(code).toBe(1);
    expect(stderr).toContain("needs root");
  });

  test("what is not as it was signed is not installed: exit 4", async () => {
    const archive = (await Bun.$`ls ${current}`.text()).split("\n").find((name) => name.endsWith(".tar.gz"))!;
    const other = releases.newKey("other.pem");
    const cases = {
      "an archive with one more byte": (dir: string) => Bun.$`printf x >> ${join(dir, archive)}`.quiet(),
      "sums for another archive": (dir: string) => Bun.$`sed -i s/^[0-9a-f]/0/ ${join(dir, "SHA256SUMS")}`.quiet(),
      "a signature of another key": async (dir: string) =>
        Bun.write(join(dir, "SHA256SUMS.sig"), other.sign(await Bun.file(join(dir, "SHA256SUMS")).text())),
    };
    for (const [name, change] of Object.entries(cases)) {
      upstream.releases = await releases.tampered(name.replaceAll(" ", "-"), current, change);
      const { code, stderr } = await install();
      expect({ name, code, stderr: stderr.includes("nothing was installed") }).toEqual({ name, code: 4, stderr: true });
    }
    upstream.releases = current;
    expect(await vps.sh(`ls -d /etc/${NAME} /usr/local/bin/${NAME} 2>/dev/null | wc -l`)).toBe("0");
  }, 60_000);

  test("one line, and it runs within a minute", async () => {
    await vps.write("/root/hook", `${WEBHOOK}\n`, "600");
    const before = Date.now();
    const { code, stdout, stderr } = await install("--allow 192.0.2.0/28 --slack-webhook-file /root/hook");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(Date.now() - before).toBeLessThan(60_000);
    expect(await vps.sh(`systemctl is-active ${NAME}; systemctl is-enabled ${NAME}`)).toBe("active\nenabled");
    expect(stdout).toContain("ssh -L 8080:127.0.0.1:8080");
    expect(stdout.slice(stdout.indexOf("Next:")).trim().split("\n").length).toBeLessThanOrEqual(5);
  }, 90_000);

  test("the dashboard works, and listens on loopback only", async () => {
    expect(await vps.sh("curl -fsS http://127.0.0.1:8080/healthz")).toBe("ok");
    expect(await vps.sh("curl -fsS http://127.0.0.1:8080/")).toContain("<title>");
    expect(await vps.sh("ss -Hltn 'sport = :8080' | awk '{ print $4 }'")).toBe("127.0.0.1:8080");
  });

  test("the owner's SSH address and --allow are on the allow-list before the first start", async () => {
    expect(await vps.sh(`grep '^allowlist' /etc/${NAME}/${NAME}.yaml`)).toBe(`allowlist: ["${OWNER}", "192.0.2.0/28"]`);
    const { code, stderr } = await vps.try(`${NAME} ban ${OWNER}`);
    expect({ code: code !== 0, stderr: /allow/.test(stderr) }).toEqual({ code: true, stderr: true });
  });

  test("it begins by learning, and systemctl status shows a living line", async () => {
    expect(await show("StatusText")).toMatch(/^learning, \d+ %: .* req\/s/);
  });

  test("the secret is in its file, and nowhere else", async () => {
    expect(await vps.sh(`stat -c '%a %U' /etc/${NAME}/credentials/webhook`)).toBe("640 root");
    expect(
      (await vps.sh(`${NAME} status --json`)).includes(`"configured": true`) ||
        (await vps.sh(`${NAME} status --json`)).includes(`"configured":true`),
    ).toBe(true);
    // Written so that the search does not find itself in a command line.
    const places = "/var/log /run/log /usr/local /opt /proc/[0-9]*/cmdline /proc/[0-9]*/environ";
    const search = (word: string) => `grep -rl '${word}' ${places} 2>/dev/null; journalctl --no-pager | grep '${word}'`;
    expect((await vps.try(search("neverIn[A]nyLog"))).stdout).toBe("");
    expect((await vps.try(search("ANOMALY_DETECTOR_[B]ASE_URL"))).stdout).not.toBe("");
  });

  test("the log of the run is root's alone, nothing lies about, and it asked for nothing but the release", async () => {
    expect(await vps.sh(`stat -c '%a %U' /var/log/${NAME}-install.log`)).toBe("600 root");
    expect(await vps.sh("find /tmp /var/tmp -name 'tmp.*'")).toBe("");
    expect(
      upstream.asked.every((url) =>
        /^\/(install\.sh|SHA256SUMS(\.sig)?|anomaly-detector-.*-linux-x64\.tar\.gz)$/.test(url),
      ),
    ).toBe(true);
  });

  test("a webhook that the service may not read is said, and the service goes on; an empty or missing one is none", async () => {
    const hook = `/etc/${NAME}/credentials/webhook`;
    const slack = () => vps.sh(`${NAME} status --json | sed -n '/"slack": {/,/}/p'`);
    await vps.sh(`chgrp root ${hook}; systemctl restart ${NAME}`);
    expect(await vps.sh(`${NAME} status`)).toMatch(/warn +slack .*may not be read by this user/);
    // From here on the credential alone speaks.
    await vps.sh(`sed -i.named '/^  webhook_file:/d' /etc/${NAME}/${NAME}.yaml; systemctl restart ${NAME}`);
    expect(await slack()).toMatch(/"configured": *true/);
    await vps.sh(`mv ${hook} ${hook}.away; systemctl restart ${NAME}`);
    expect(await slack()).toMatch(/"configured": *false/);
    await vps.sh(`: >${hook}; systemctl restart ${NAME}`);
    expect(await slack()).toMatch(/"configured": *false/);
    await vps.sh(
      `mv ${hook}.away ${hook}; chgrp ${NAME} ${hook}; mv /etc/${NAME}/${NAME}.yaml.named /etc/${NAME}/${NAME}.yaml; systemctl restart ${NAME}`,
    );
    // So many starts would look like a crash loop to the tests below.
    await vps.sh(`systemctl reset-failed ${NAME}`);
    expect(await slack()).toMatch(/"configured": *true/);
  }, 60_000);

  test("systemd finds little to be exposed", async () => {
    const score = /: ([0-9.]+) /.exec(await vps.sh(`systemd-analyze security --no-pager ${NAME} | tail -1`))?.[1];
    expect(Number(score)).toBeLessThanOrEqual(2);
    const pid = await show("MainPID");
    expect(await vps.sh(`ps -o user= -p ${pid}`)).toStartWith("anomaly");
    // CAP_NET_ADMIN is bit 12, CAP_NET_RAW bit 13 (capability.h).
    expect(await vps.sh(`grep CapEff /proc/${pid}/status`)).toMatch(/0000000000003000$/);
  });

  test.each(["bash", "sh", ...(Bun.which("busybox") ? ["/var/lib/docker/busybox sh"] : [])])(
    "the same line again, by %s, changes and restarts nothing, and fetches no archive",
    async (shell) => {
      if (shell.includes("busybox")) await vps.copyIn(Bun.which("busybox")!, "/var/lib/docker/busybox");
      const files = await settled();
      const before = await life();
      upstream.asked.length = 0;
      const { code, stdout } = await install("", {}, shell);
      expect(code).toBe(0);
      expect(stdout).toContain("nothing to do");
      expect(await life()).toBe(before);
      expect(await settled()).toEqual(files);
      expect(upstream.asked).toEqual(["/install.sh", "/SHA256SUMS", "/SHA256SUMS.sig"]);
    },
    60_000,
  );

  test("stop, start, restart, reload; a bad configuration fails the reload and changes nothing", async () => {
    await vps.sh(`systemctl stop ${NAME}`);
    expect((await vps.try(`systemctl is-active ${NAME}`)).stdout.trim()).toBe("inactive");
    await vps.sh(`systemctl start ${NAME}`);
    await vps.sh(`systemctl restart ${NAME}`);
    const before = await life();
    await vps.sh(`systemctl reload ${NAME}`);
    expect(await vps.sh(`systemctl is-active ${NAME}`)).toBe("active");
    await vps.sh(`cp -p /etc/${NAME}/${NAME}.yaml /root/good.yaml; echo 'nonsense: 1' >>/etc/${NAME}/${NAME}.yaml`);
    expect((await vps.try(`systemctl reload ${NAME}`)).code).not.toBe(0);
    await vps.sh(`cp -p /root/good.yaml /etc/${NAME}/${NAME}.yaml`);
    expect(await life()).toBe(before);
  }, 60_000);

  test("a ban is in the kernel, and outlives a stop", async () => {
    await vps.sh(`${NAME} ban ${ATTACKER} --for 1h`);
    expect(await isBanned(ATTACKER)).toBe(true);
    await vps.sh(`systemctl stop ${NAME}`);
    expect(await isBanned(ATTACKER)).toBe(true);
    await vps.sh(`systemctl start ${NAME}`);
    expect(await vps.sh(`${NAME} bans`)).toContain(ATTACKER);
  }, 60_000);

  test("a hang is ended by the watchdog, and it comes back with its bans", async () => {
    await vps.sh(
      `mkdir -p /run/systemd/system/${NAME}.service.d; printf '[Service]\\nWatchdogSec=2s\\nRestartSec=100ms\\n' >/run/systemd/system/${NAME}.service.d/50-test.conf; systemctl daemon-reload; systemctl restart ${NAME}`,
    );
    // It lives longer than the watchdog allows without a sign of life.
    await Bun.sleep(3_000);
    expect(await show("NRestarts")).toBe("0");
    const hung = await show("MainPID");
    await vps.sh(`kill -STOP ${hung}`);
    await until("the watchdog to end it", async () => (await show("NRestarts")) === "1", {
      timeoutMs: 15_000,
      everyMs: 200,
    });
    expect(await vps.sh(`journalctl -u ${NAME} -n 40 --no-pager`)).toContain("Watchdog timeout");
    await until("it to be back", async () => (await vps.try(`${NAME} bans`)).stdout.includes(ATTACKER), {
      timeoutMs: 15_000,
      everyMs: 200,
    });
    expect(await show("MainPID")).not.toBe(hung);
    expect(await isBanned(ATTACKER)).toBe(true);
  }, 60_000);

  test("a crash loop gives up with a clear message; bans stay in force", async () => {
    await vps.sh(
      `printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\nRestartSec=50ms\\n' >/run/systemd/system/${NAME}.service.d/50-test.conf; systemctl daemon-reload; systemctl restart --no-block ${NAME}`,
    );
    await until("it to give up", async () => (await show("ActiveState")) === "failed", {
      timeoutMs: 20_000,
      everyMs: 200,
    });
    const said = await until(
      "the message",
      async () => (await vps.try(`journalctl -t ${NAME} --no-pager -o cat | grep 'gave up'`)).stdout,
      { timeoutMs: 5_000 },
    );
    expect(said).toContain("systemctl reset-failed anomaly-detector");
    expect(said).toContain("Bans in force stay");
    expect(await isBanned(ATTACKER)).toBe(true);
    await vps.sh(
      `rm -r /run/systemd/system/${NAME}.service.d; systemctl daemon-reload; systemctl reset-failed ${NAME}; systemctl start ${NAME}`,
    );
    expect(await vps.sh(`systemctl is-active ${NAME}`)).toBe("active");
  }, 60_000);

  test("an upgrade keeps bans and configuration; a new default lands beside it", async () => {
    const config = await vps.sh(`sha256sum </etc/${NAME}/${NAME}.yaml`);
    upstream.releases = await releases.next();
    const { code, stderr } = await install();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await vps.sh(`${NAME} version`)).toContain("9.1.0+next");
    expect(await vps.sh(`${NAME} status --json | grep -o '9.1.0+next'`)).toBe("9.1.0+next");
    expect(await isBanned(ATTACKER)).toBe(true);
    expect(await vps.sh(`${NAME} bans`)).toContain(ATTACKER);
    expect(await vps.sh(`sha256sum </etc/${NAME}/${NAME}.yaml`)).toBe(config);
    expect(await vps.sh(`grep 'poll:' /etc/${NAME}/${NAME}.yaml.new`)).toContain("60ms");
  }, 90_000);

  test("an older release is refused; a download that fails is tried again", async () => {
    upstream.releases = current;
    upstream.asked.length = 0;
    upstream.answers.push("well", 503, "cut");
    const { code, stderr } = await install();
    expect(code).toBe(4);
    expect(upstream.asked.slice(1)).toEqual(["/SHA256SUMS", "/SHA256SUMS", "/SHA256SUMS", "/SHA256SUMS.sig"]);
    expect(stderr).toContain("older than the installed one");
    expect(await vps.sh(`${NAME} version`)).toContain("9.1.0+next");
  }, 60_000);

  test("a version and a channel are fetched from their own places, by flag or variable", async () => {
    await Bun.$`ln -sfn . ${join(current, "v0.1.0")} && ln -sfn . ${join(current, "beta")}`.quiet();
    const askedOf = async (flags: string, environment = {}) => {
      upstream.asked.length = 0;
      const { code } = await install(`--dry-run ${flags}`, environment);
      return [code, upstream.asked[1]];
    };
    expect(await askedOf("--version 0.1.0")).toEqual([0, "/v0.1.0/SHA256SUMS"]);
    const version = { ANOMALY_DETECTOR_VERSION: "v0.1.0" };
    expect(await askedOf("--channel beta", version)).toEqual([0, "/beta/v0.1.0/SHA256SUMS"]);
    // What that channel has is older than what is installed.
    expect(await askedOf("", { ANOMALY_DETECTOR_CHANNEL: "beta" })).toEqual([4, "/beta/SHA256SUMS"]);
  }, 60_000);

  test("offline: --from takes a verified archive", async () => {
    await vps.copyIn(current, "/root/release");
    const { code, stderr } = await vps.try(
      "cd /root/release && sh ./install.sh --no-stack --from anomaly-detector-*-linux-x64.tar.gz",
      { env: { ANOMALY_DETECTOR_BASE_URL: "http://127.0.0.1:1" } },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(await vps.sh(`${NAME} version`)).not.toContain("9.1.0+next");
    await vps.sh("rm /root/release/SHA256SUMS.sig");
    expect(
      (await vps.try("cd /root/release && sh ./install.sh --no-stack --from anomaly-detector-*-linux-x64.tar.gz")).code,
    ).toBe(4);
  }, 90_000);

  test("a release that does not come up is rolled back: exit 5, and all is as before", async () => {
    upstream.releases = await releases.faulty("broken");
    const files = await settled();
    const version = await vps.sh(`${NAME} version`);
    const { code, stderr } = await install();
    expect(code).toBe(5);
    expect(stderr).toContain("broken on purpose");
    expect(stderr).toContain("did not come up");
    expect(await vps.sh(`${NAME} version`)).toBe(version);
    await until("the old one to be up", async () => (await vps.try(`${NAME} bans`)).stdout.includes(ATTACKER), {
      everyMs: 200,
    });
    expect(await vps.sh(`systemctl is-active ${NAME}`)).toBe("active");
    expect(await isBanned(ATTACKER)).toBe(true);
    expect(await settled()).toEqual(files);
    upstream.releases = current;
  }, 90_000);

  test("a run that is ended half-way puts the old one back too", async () => {
    upstream.releases = await releases.faulty("broken");
    const version = await vps.sh(`${NAME} version`);
    const { stdout } = await vps.try(
      `curl -fsSL -o /root/cut.sh ${RELEASES}/install.sh; sh /root/cut.sh --no-stack >/dev/null 2>&1 & run=$!
      until grep -q 'systemctl restart' /var/log/${NAME}-install.log && ${NAME} version | grep -q 9.0.0; do sleep 0.1; done
      kill -TERM $run; wait $run; echo "exit $?"`,
      { env: { ANOMALY_DETECTOR_BASE_URL: RELEASES } },
    );
    expect(stdout.trim()).toBe("exit 5");
    expect(await vps.sh(`${NAME} version`)).toBe(version);
    await until("the old one to be up", async () => (await vps.try(`${NAME} bans`)).stdout.includes(ATTACKER), {
      everyMs: 200,
    });
    upstream.releases = current;
  }, 60_000);

  test("logrotate takes our files, and the audit log goes on in a new one", async () => {
    const audit = `/var/log/${NAME}/audit.log`;
    await vps.sh("logrotate --force /etc/logrotate.d/anomaly-detector");
    await vps.sh(`${NAME} ban 198.51.100.10 --for 1h`);
    await until(
      "a line in the new audit log",
      async () => (await vps.try(`grep -c 198.51.100.10 ${audit}`)).stdout.trim() === "1",
    );
    expect(await vps.sh(`stat -c '%U %a' ${audit}`)).toBe("anomaly-detector 640");
  }, 30_000);

  test("--public-dashboard does not touch a configuration that is there, and says so", async () => {
    const config = await vps.sh(`sha256sum </etc/${NAME}/${NAME}.yaml`);
    const { code, stdout } = await install("--public-dashboard");
    expect({ code, said: stdout.includes("is yours by now") }).toEqual({ code: 0, said: true });
    expect(await vps.sh(`sha256sum </etc/${NAME}/${NAME}.yaml`)).toBe(config);
    expect(await vps.sh("ss -Hltn 'sport = :8080' | awk '{ print $4 }'")).toBe("127.0.0.1:8080");
    expect((await vps.try(`ls /etc/${NAME}/dashboard.*`)).stdout).toBe("");
  }, 60_000);

  test("--uninstall keeps configuration, state and logs", async () => {
    const { code } = await install("--uninstall");
    expect(code).toBe(0);
    expect(await vps.sh(`ls -d /etc/${NAME}/${NAME}.yaml /var/lib/${NAME} /var/log/${NAME} | wc -l`)).toBe("3");
    expect((await vps.try(`systemctl cat ${NAME}`)).code).not.toBe(0);
    expect(await vps.firewall()).not.toMatch(/anomaly/i);
    expect((await install()).code).toBe(0);
    expect(await vps.sh(`grep -c '${OWNER}' /etc/${NAME}/${NAME}.yaml`)).toBe("1");
  }, 90_000);

  test("--purge leaves nothing: files, users, units, rules and sets are as they were", async () => {
    await vps.sh(`${NAME} ban ${ATTACKER} --for 1h; ${NAME} ban 2001:db8:66::/64`);
    const { code, stdout } = await install("--purge");
    expect(code).toBe(0);
    expect(stdout).toContain("apt-get purge");
    expect(await vps.firewall()).toBe(freshFirewall);
    expect((await vps.try(`getent passwd ${NAME}; getent group ${NAME}`)).stdout).toBe("");
    expect(
      (
        await vps.try(
          `systemctl list-unit-files --no-legend '${NAME}*'; systemctl list-units --all --no-legend '${NAME}*'`,
        )
      ).stdout,
    ).toBe("");
    const packaged = new Set(
      (await vps.sh("dpkg-query -W | cut -f1 | xargs dpkg -L 2>/dev/null | sort -u")).split("\n"),
    );
    const now = await vps.files();
    const ours = /anomaly|hng-nginx|HNG/i;
    const left = [...now.keys()].filter((path) => !freshFiles.has(path) && !packaged.has(path));
    expect(left.filter((path) => ours.test(path) && !path.startsWith("/root/"))).toEqual([]);
    // What apt, dpkg and their scripts write is theirs; /root is this test's.
    const theirs =
      /^\/(root|var\/lib\/(apt|dpkg|systemd|ucf|pam|logrotate)|var\/log\/(apt|dpkg|alternatives)|etc\/(alternatives|apt|systemd\/system\/timers|rc\d|rcS)|usr\/(lib|share|s?bin)|lib\/systemd|var\/lib\/iptables)/;
    expect(left.filter((path) => !theirs.test(path))).toEqual([]);
    for (const path of ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/subuid"]) {
      const content = (files: Map<string, string>) => files.get(path)?.split(" ").slice(-1)[0];
      expect([path, content(now)]).toEqual([path, content(freshFiles)]);
    }
  }, 90_000);

  test("--public-dashboard: every address, with a login whose password root alone can read", async () => {
    let [code, stdout, stderr] = [-1, "", ""];
    const said = await argumentsDuring(vps, async () => {
      ({ code, stdout, stderr } = await install("--public-dashboard"));
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`its password is in /etc/${NAME}/dashboard.password, readable by root`);
    expect(stdout.slice(stdout.indexOf("Next:")).trim().split("\n").length).toBeLessThanOrEqual(5);
    expect(await vps.sh("ss -Hltn 'sport = :8080' | awk '{ print $4 }'")).toBe("*:8080");
    expect(await vps.sh(`cd /etc/${NAME} && stat -c '%n %a %U %G' dashboard.*`)).toBe(
      `dashboard.hash 640 root ${NAME}\ndashboard.password 600 root root`,
    );
    const password = await vps.sh(`cat /etc/${NAME}/dashboard.password`);
    expect(password).toMatch(/^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
    expect(stdout).not.toContain(password);
    expect(said).toContain("dashboard.password");
    expect(said).not.toContain(password);

    // The VPS has no network but its loopback; an address of its own on it is not loopback's.
    const address = "198.18.77.1";
    await vps.sh(`ip address add ${address}/32 dev lo; ip address add 2001:db8:77::1/128 dev lo`);
    const ask = (path: string, more = "") =>
      vps.sh(`curl -s -o /dev/null -w '%{http_code} %{redirect_url}' ${more} http://${address}:8080${path}`);
    expect(await ask("/")).toBe(`303 http://${address}:8080/login`);
    expect(await ask("/login")).toBe("200");
    expect(await vps.sh("curl -gs -o /dev/null -w '%{http_code}' 'http://[2001:db8:77::1]:8080/login'")).toBe("200");
    expect(await ask("/healthz")).toBe("200");
    expect(await ask("/fragment")).toBe("401");
    expect(await ask("/api/v1/status")).toBe("401");
    expect(await ask("/api/v1/status", "-u me:wrong")).toBe("401");
    expect(await ask("/api/v1/status", `-u "me:$(cat /etc/${NAME}/dashboard.password)"`)).toBe("200");
    const tried = await vps.sh(`journalctl -u ${NAME} --no-pager -o cat | grep 'dashboard login'`);
    expect(tried).toContain(`"client":"${address}","msg":"dashboard login failed"`);
    const [first, rest] = [password.slice(0, 1), password.slice(1)];
    const search = `grep -rl '[${first}]${rest}' /etc /var/log /run/log /tmp /root /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null`;
    expect((await vps.try(search)).stdout.trim()).toBe(`/etc/${NAME}/dashboard.password`);
  }, 90_000);

  test("--public-dashboard again makes no other password and restarts nothing", async () => {
    const before = `${await life()} ${await vps.sh(`sha256sum /etc/${NAME}/*.*`)}`;
    const { code, stdout } = await install("--public-dashboard");
    expect({ code, idle: stdout.includes("nothing to do"), noted: stdout.includes("by now") }).toEqual({
      code: 0,
      idle: true,
      noted: false,
    });
    expect(`${await life()} ${await vps.sh(`sha256sum /etc/${NAME}/*.*`)}`).toBe(before);
  }, 60_000);

  test("a new password is one command and a reload", async () => {
    await vps.sh(`echo 'correct horse' | ${NAME} password --file /etc/${NAME}/dashboard.hash`);
    expect(await vps.sh(`stat -c '%a %U %G' /etc/${NAME}/dashboard.hash`)).toBe(`640 root ${NAME}`);
    await vps.sh(`systemctl reload ${NAME}`);
    const api = "curl -s -o /dev/null -w '%{http_code}' -u 'me:correct horse' http://127.0.0.1:8080/api/v1/status";
    await until("it to be in force", async () => (await vps.sh(api)) === "200", { everyMs: 500 });
    expect((await install("--purge")).code).toBe(0);
    expect((await vps.try(`ls -d /etc/${NAME}`)).stdout).toBe("");
  }, 60_000);

  test("a second --purge finds nothing to do, and says so calmly", async () => {
    const { code } = await install("--purge");
    expect(code).toBe(0);
  }, 30_000);
});
