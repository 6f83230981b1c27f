/** install.sh on a host that already has an nginx, other programs on its ports, no curl, and a way out that is watched. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../e2e/detector.ts";
import { must, until } from "../e2e/process.ts";
import { CACHE, Engine, missingForEngine } from "../lab/engine.ts";
import { makeVpsImage } from "../lab/images.ts";
import { PROXIED, Upstream } from "../lab/upstream.ts";
import { RELEASES, Vps } from "../lab/vps.ts";
import { Releases } from "./releases.ts";

const missing =
  (await missingForEngine()) ?? (existsSync(BINARY) ? null : "needs dist/anomaly-detector: npm run build");

/** Programs that say what another machine's would. */
const UNAME = (machine: string) =>
  `case $1 in -m) echo ${machine} ;; -s) echo Linux ;; *) echo "Linux ${machine}" ;; esac`;
const SYSTEMCTL = (version: number) =>
  `[ "$1" != --version ] || exec echo "systemd ${version}"; exec /usr/bin/systemctl "$@"`;

/** A default route, a name server and no answers: what wants to leave this machine can be counted. */
const WAY_OUT = `
  ip link add out type veth peer name away
  ip link set away up; ip link set out arp off up
  ip address add 192.0.2.77/24 dev out; ip route add default dev out
  sysctl -qw net.ipv6.conf.out.disable_ipv6=0 net.ipv6.conf.out.accept_dad=0
  ip address add 2001:db8:77::1/64 dev out nodad; ip -6 route add default dev out
  echo nameserver 192.0.2.53 >/etc/resolv.conf`;

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
    await vps.sh(WAY_OUT);
    for (const filter of ["iptables", "ip6tables"])
      await outside(filter, "-I", "OUTPUT", "-o", "out", ...(filter === "iptables" ? [] : ["!", "-p", "icmpv6"]));
    await vps.sh(
      "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nginx-light wget sudo",
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

  const outside = (...argv: string[]) => must(["nsenter", "-t", String(vps.pid), "-n", ...argv]);
  /** Packets that left for anywhere but this machine, ICMPv6 of the kernel's own apart. */
  async function departed(): Promise<number> {
    let packets = 0;
    for (const filter of ["iptables", "ip6tables"]) {
      const rules = await outside(filter, "-w", "-nvxL", "OUTPUT");
      packets += Number(/^ *(\d+) .* out /m.exec(rules)![1]);
    }
    return packets;
  }
  const install = (flags: string) =>
    vps.try(`wget -qO- ${RELEASES}/install.sh | sh -s -- ${flags}`, { env: { ANOMALY_DETECTOR_BASE_URL: RELEASES } });

  test("the whole stack is refused while another has port 80, with the mend", async () => {
    const { code, stderr } = await install("");
    expect(code).toBe(1);
    expect(stderr).toMatch(/port 80 is in use by nginx \(pid \d+\): .*--detector-only/);
  }, 30_000);

  test("every problem is named with its mend, before anything is changed", async () => {
    // Others that ban or write rules, and a machine that has seen better days. None of it is more than a name here.
    const services = ["fail2ban", "crowdsec", "sshguard", "firewalld"];
    const programs = {
      ufw: "echo 'Status: active'",
      docker: "echo '0.0.0.0:80->80/tcp'",
      iptables: "echo 'iptables v1.8.9 (nf_tables)'",
      "iptables-legacy-save": "echo '-A INPUT -j DROP'",
      timedatectl: "echo no",
    };
    for (const name of services)
      await vps.write(`/etc/systemd/system/${name}.service`, "[Service]\nExecStart=/bin/sleep infinity\n");
    await vps.sh(`systemctl daemon-reload; systemctl start ${services.join(" ")}`);
    for (const [name, script] of Object.entries(programs))
      await vps.write(`/usr/local/bin/${name}`, `#!/bin/sh\n${script}\n`, "755");
    const files = await vps.files();
    const { code, stdout } = await vps.try(
      `wget -qO /root/asked.sh ${RELEASES}/install.sh; unshare -m sh -c '
        echo "MemAvailable: 51200 kB" >/tmp/meminfo; mount --bind /tmp/meminfo /proc/meminfo
        sh /root/asked.sh --detector-only --dry-run --non-interactive'; rm /root/asked.sh`,
      { env: { ANOMALY_DETECTOR_BASE_URL: RELEASES } },
    );
    expect(await vps.files()).toEqual(files);
    await vps.sh(
      `rm ${Object.keys(programs)
        .map((name) => `/usr/local/bin/${name}`)
        .join(" ")}; systemctl stop ${services.join(" ")}
      rm ${services.map((name) => `/etc/systemd/system/${name}.service`).join(" ")}; systemctl daemon-reload`,
    );
    expect(code).toBe(0);
    for (const problem of [
      /note: fail2ban is running.*disable one \(systemctl disable --now fail2ban\)/,
      /note: crowdsec is running.*disable/,
      /note: sshguard is running.*disable/,
      /note: firewalld is active.*they are back within 30 s/,
      /note: ufw is active.*nothing to do/,
      /note: Docker publishes ports.*they hold there too/,
      /note: rules of iptables-legacy and iptables-nft are mixed: update-alternatives/,
      /note: the clock is not synchronised: timedatectl set-ntp true/,
      /note: only 50 MB of memory are free, 150 are advised: stop something, or add swap/,
      /note: port 8080 is in use by nginx \(pid \d+\): the dashboard takes 8081/,
      /note: no JSON access log[\s\S]*include \/usr\/local\/share\/anomaly-detector\/log-format\.conf/,
    ])
      expect(stdout).toMatch(problem);
  }, 60_000);

  test("where there is nothing to say, nothing is said", async () => {
    const { stdout } = await install("--detector-only --dry-run");
    // Whether its clock is synchronised is for the machine to say that this runs on.
    const notes = stdout.match(/^note: \S+ \S+/gm)?.filter((note) => note !== "note: the clock");
    expect(notes).toEqual(["note: port 8080", "note: no JSON"]);
  }, 30_000);

  test("without systemd it installs the program only, and says how to run it", async () => {
    await vps.sh(`wget -qO /root/fetched.sh ${RELEASES}/install.sh`);
    const { code, stdout } = await vps.try(
      `unshare -m sh -c 'mount -t tmpfs none /run/systemd; sh /root/fetched.sh --detector-only; anomaly-detector version; sh /root/fetched.sh --purge'`,
    );
    expect(code).toBe(0);
    expect(stdout).toContain(
      "no systemd here: only the program was installed. Run it: /usr/local/bin/anomaly-detector",
    );
    expect(stdout).toMatch(/^anomaly-detector \S+ \(bun \S+, linux x64\)$/m);
    expect(stdout).not.toContain(".service");
    expect((await vps.try("ls -d /usr/local/bin/anomaly-detector /etc/anomaly-detector")).stdout).toBe("");
  }, 30_000);

  test.each([
    ["another kind of machine", "uname", UNAME("riscv64"), 3, "no build for Linux riscv64"],
    ["another C library", "getconf", "exit 1", 3, "needs glibc"],
    [
      "a full disk",
      "df",
      "printf 'of\\n/dev/x 900 888 12 99%% /var/lib\\n'",
      1,
      "only 12 MB free on the disk of /var/lib",
    ],
    [
      "a clock that was never set",
      "date",
      '[ "$1" != +%Y ] || exec echo 1970; exec /bin/date "$@"',
      1,
      "set it (timedatectl set-ntp true)",
    ],
    ["a systemd that is too old", "systemctl", SYSTEMCTL(246), 3, "needs systemd 247 or newer"],
    ["an OpenSSL that cannot verify", "openssl", "echo OpenSSL 1.1.1w", 3, "needs OpenSSL 3 to verify"],
    // The release server of these tests has x64 only.
    [
      "a machine with ARM64, of which its own archive is asked",
      "uname",
      UNAME("aarch64"),
      4,
      "no archive for linux-arm64",
    ],
  ])(
    "%s is refused",
    async (_, program, script, code, words) => {
      await vps.write(`/usr/local/bin/${program}`, `#!/bin/sh\n${script}\n`, "755");
      const result = await vps.try("sh /root/fetched.sh --detector-only");
      await vps.sh(`rm /usr/local/bin/${program}`);
      expect({ code: result.code, said: result.stderr }).toEqual({ code, said: expect.stringContaining(words) });
    },
    30_000,
  );

  test("a CPU without AVX is served, one without SSE4.2 refused: exit 3", async () => {
    const on = (flags: string) =>
      vps.try(`unshare -m sh -c '
        echo "flags : fpu sse sse2 ${flags}" >/tmp/cpuinfo; mount --bind /tmp/cpuinfo /proc/cpuinfo
        sh /root/fetched.sh --detector-only --dry-run'`);
    const nehalem = await on("ssse3 sse4_1 sse4_2 popcnt");
    expect({ code: nehalem.code, said: nehalem.stdout }).toEqual({
      code: 0,
      said: expect.stringContaining("linux-x64.tar.gz"),
    });
    const kvm64 = await on("cx16");
    expect({ code: kvm64.code, said: kvm64.stderr }).toEqual({ code: 3, said: expect.stringContaining("SSE4.2") });
  }, 30_000);

  test.each([
    [249, "10-old-systemd.conf"],
    [252, ""],
    [255, "10-backoff.conf"],
  ])(
    "systemd %d gets this drop-in: %s",
    async (version, drop) => {
      await vps.write("/usr/local/bin/systemctl", `#!/bin/sh\n${SYSTEMCTL(version)}\n`, "755");
      const { code, stdout } = await vps.try("sh /root/fetched.sh --detector-only --dry-run");
      await vps.sh("rm /usr/local/bin/systemctl");
      expect({ code, drop: [...stdout.matchAll(/10-\S+/g)].join() }).toEqual({ code: 0, drop });
    },
    30_000,
  );

  test("a download that fails is tried again, by wget too; after three tries it says what to do", async () => {
    upstream.asked.length = 0;
    upstream.answers.push(503, "cut", "well", 503, 503, 503);
    const { code, stderr } = await vps.try("sh /root/fetched.sh --detector-only --dry-run");
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("behind a proxy: https_proxy") });
    const [sums, signature] = ["/SHA256SUMS", "/SHA256SUMS.sig"];
    expect(upstream.asked).toEqual([sums, sums, sums, signature, signature, signature]);
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

  test("systemctl status shows a living line", async () => {
    const line = async () =>
      /^ *Status: "(.*)"$/m.exec((await vps.try("systemctl status --no-pager anomaly-detector")).stdout)?.[1] ?? "";
    const read = async () => Number(/^learning, .* req\/s, .* in force, (\d+) lines? read$/.exec(await line())?.[1]);
    const before = await until("the line", async () => (await read()) || null, { everyMs: 200 });
    await vps.sh(
      "for i in 1 2 3 4 5; do wget -qO- http://127.0.0.1/ >/dev/null; done; anomaly-detector ban 198.51.100.9",
    );
    await until("it to say what has been read since", async () => (await read()) >= before + 5, { everyMs: 200 });
    expect(await line()).toContain(", 1 ban in force,");
  }, 30_000);

  test.each([
    ["does not run", "on this machine"],
    ["does not accept", "/etc/anomaly-detector/anomaly-detector.yaml"],
  ] as const)(
    "a new program that %s never takes the place of the one that does: exit 5",
    async (how, words) => {
      const facts = () =>
        vps.sh(
          "systemctl show -p MainPID,NRestarts anomaly-detector; cd /; sha256sum usr/local/bin/anomaly-detector etc/systemd/system/anomaly-detector.service",
        );
      const before = await facts();
      const earlier = upstream.releases;
      upstream.releases = await releases.faulty(how);
      // By the installer that it left here: it upgrades too, with the key it has.
      const { code, stderr } = await vps.try("sh /usr/local/share/anomaly-detector/install.sh --detector-only");
      upstream.releases = earlier;
      expect({ code, stderr }).toEqual({ code: 5, stderr: expect.stringContaining(`${how} ${words}`) });
      expect(stderr).toContain("the installed one stays as it is");
      expect(await facts()).toBe(before);
    },
    60_000,
  );

  test("behind a proxy: sudo -E hands its variables on, to apt as well", async () => {
    await vps.sh(
      "cd /root/unpacked && ./install.sh --purge; apt-get purge -y -q ipset; apt-get clean; mv /etc/apt/apt.conf.d/90lab /root/",
    );
    upstream.asked.length = 0;
    upstream.packages.length = 0;
    const env = { http_proxy: RELEASES, ANOMALY_DETECTOR_BASE_URL: PROXIED };
    const { code, stdout, stderr } = await vps.try(
      `wget -qO- ${PROXIED}/install.sh | sudo -E sh -s -- --detector-only`,
      { env },
    );
    await vps.sh("mv /root/90lab /etc/apt/apt.conf.d/");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("apt-get install ipset");
    expect(upstream.asked).toHaveLength(4);
    expect(upstream.asked.filter((url) => !url.startsWith(`${PROXIED}/`))).toEqual([]);
    expect(upstream.packages.filter((url) => url.includes("/ipset_"))).toHaveLength(1);
  }, 60_000);

  test("over all this, by installer, program and uninstall, not one packet left for anywhere else", async () => {
    await vps.sh("anomaly-detector ban 198.51.100.9 --for 1h; anomaly-detector status; sleep 1");
    await vps.sh("sh /usr/local/share/anomaly-detector/install.sh --purge");
    const mirror = await vps.sh("sed -n 's|^deb http://\\([^/ ]*\\).*|\\1|p' /etc/apt/sources.list | sort -u");
    expect([...new Set(upstream.packages.map((url) => new URL(url).hostname))]).toEqual([mirror]);
    expect(await departed()).toBe(0);
    // What would leave is seen.
    await vps.sh("echo lookup >/dev/udp/192.0.2.53/53; echo lookup >/dev/udp/2001:db8::53/53");
    expect(await departed()).toBe(2);
  }, 30_000);

  test("a reload and a restart of firewalld take our rules away, and they are back", async () => {
    await vps.sh("DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends firewalld");
    await vps.sh("systemctl start firewalld");
    const { code, stdout, stderr } = await install("--detector-only");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/note: firewalld is active.*back within 30 s/);
    await vps.sh("anomaly-detector ban 198.51.100.9 --for 1h");
    const audited = async () =>
      Number((await vps.try("grep -c firewall-mended /var/log/anomaly-detector/audit.log.jsonl")).stdout);
    for (const command of ["firewall-cmd --reload", "systemctl restart firewalld"]) {
      const before = await audited();
      await vps.sh(command);
      await until(`our rules to be missed after ${command}`, async () => (await audited()) > before, {
        timeoutMs: 40_000,
        everyMs: 500,
      });
      for (const family of ["iptables", "ip6tables"])
        expect(await vps.sh(`${family} -w -t raw -S PREROUTING`)).toContain("-j ANOMALY-DETECTOR");
      expect(await vps.sh("ipset list anomaly-detector-v4")).toContain("198.51.100.9 timeout");
    }
    expect((await install("--purge")).code).toBe(0);
    await vps.sh("systemctl disable --now firewalld");
  }, 180_000);

  test("a first release that is never ready leaves no program and no unit: exit 5", async () => {
    upstream.releases = await releases.faulty("hung");
    const { code, stderr } = await install("--detector-only");
    expect({ code, stderr }).toEqual({ code: 5, stderr: expect.stringContaining("did not come up within 30 s") });
    expect(
      (
        await vps.try(
          "ls /usr/local/bin/anomaly-detector /etc/systemd/system/anomaly-detector.service; systemctl is-enabled anomaly-detector; systemctl is-active anomaly-detector",
        )
      ).stdout.trim(),
    ).toBe("inactive");
  }, 120_000);
});
