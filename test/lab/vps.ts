/** A fresh VPS: Debian with systemd as PID 1 in a container with a network, and so a firewall, of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Background, type Finished, must, run, until } from "../e2e/process.ts";
import type { Engine } from "./engine.ts";
import { VPS_IMAGE } from "./images.ts";
import type { Upstream } from "./upstream.ts";

/** Not --privileged: what systemd and a Docker engine inside need. */
const CAPABILITIES = [
  "SYS_ADMIN",
  "NET_ADMIN",
  "NET_RAW",
  "SYS_PTRACE",
  "DAC_READ_SEARCH",
  "SYS_CHROOT",
  "MKNOD",
  "AUDIT_WRITE",
  "SYSLOG",
  "SYS_NICE",
  "IPC_LOCK",
];
const UNCONFINED = ["apparmor=unconfined", "seccomp=unconfined", "systempaths=unconfined"];
/** Where the release server and the package proxy listen inside. */
export const RELEASES = "http://127.0.0.1:8899";

export class Vps {
  readonly name: string;
  pid = 0;
  #relay: Background | null = null;
  readonly #scratch = mkdtempSync(join(tmpdir(), "anomaly-detector-vps-"));

  constructor(
    readonly engine: Engine,
    readonly upstream: Upstream,
    name: string,
  ) {
    this.name = `adlab-${process.pid}-${name}`;
  }

  /** Some 5 s. */
  async start(): Promise<void> {
    const hasV2 = (await run(["test", "-e", "/sys/fs/cgroup/cgroup.controllers"])).code === 0;
    await this.engine.mustDocker(
      ...[
        "run",
        "-d",
        "--name",
        this.name,
        "--hostname",
        "vps",
        "--label",
        "anomaly-detector-lab",
        "--network",
        "none",
      ],
      ...CAPABILITIES.flatMap((name) => ["--cap-add", name]),
      ...UNCONFINED.flatMap((option) => ["--security-opt", option]),
      ...[
        "--memory",
        "2g",
        "--cpus",
        "2",
        "--stop-signal",
        "SIGRTMIN+3",
        "--tmpfs",
        "/run",
        "--tmpfs",
        "/run/lock",
        "--tmpfs",
        "/tmp:exec",
      ],
      // /var/lib/docker off overlayfs, so that overlay2 works inside; an anonymous volume goes with the container.
      ...["-v", "/var/lib/docker", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", ...(hasV2 ? ["--cgroupns=private"] : [])],
      ...["--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "net.ipv6.conf.all.disable_ipv6=0"],
      ...[VPS_IMAGE, "/sbin/init"],
    );
    this.pid = Number(await this.engine.mustDocker("inspect", "-f", "{{.State.Pid}}", this.name));
    await until(
      "systemd",
      async () => /running|degraded/.test((await this.try("systemctl is-system-running")).stdout),
      { timeoutMs: 60_000 },
    );
    // As on a real machine, and not in a container: credentials of services need the one, sudo's patience the other.
    await this.sh("mount --make-rshared /; echo 127.0.1.1 vps >>/etc/hosts");
    const relay = [process.execPath, join(import.meta.dir, "relay.ts"), "8899", this.upstream.socket];
    this.#relay = new Background(["nsenter", "-t", String(this.pid), "-n", ...relay]);
    await until("the relay", () => this.#relay!.stdout.includes("ready"));
    await this.write("/etc/apt/apt.conf.d/90lab", `Acquire::http::Proxy "${RELEASES}";\nAcquire::Languages "none";\n`);
  }

  async stop(): Promise<void> {
    await this.#relay?.stop();
    await this.engine.docker("rm", "-f", "-v", this.name);
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  /** Runs a shell script inside, as root. */
  try(
    script: string,
    options: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<Finished> {
    const env = Object.entries(options.env ?? {}).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    const socket = join(this.engine.run, "docker.sock");
    const argv = ["docker", "-H", `unix://${socket}`, "exec", "-i", ...env, this.name, "bash", "-c", script];
    return run(argv, { timeoutMs: 300_000, ...(options.input === undefined ? {} : { input: options.input }) });
  }

  /** The same for a script that has to succeed; its standard output, trimmed. */
  async sh(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.try(script);
    if (code !== 0) throw new Error(`${script}: exit ${code}: ${stderr}${stdout}`);
    return stdout.trim();
  }

  async write(path: string, text: string, mode = "644"): Promise<void> {
    const { code, stderr } = await this.try(`cat >'${path}' && chmod ${mode} '${path}'`, { input: text });
    if (code !== 0) throw new Error(`${path}: ${stderr}`);
  }

  async copyIn(from: string, to: string): Promise<void> {
    await this.engine.mustDocker("cp", from, `${this.name}:${to}`);
  }

  /** Rules and sets as text without counters and comments, read from outside: a fresh Debian has no tool for it. */
  async firewall(): Promise<string> {
    const inside = ["nsenter", "-t", String(this.pid), "-n"];
    const parts: string[] = [];
    for (const argv of [["iptables-save"], ["ip6tables-save"], ["ipset", "save"]])
      parts.push((await run([...inside, ...argv])).stdout);
    return parts
      .join("")
      .replace(/^#.*\n/gm, "")
      .replace(/\[\d+:\d+\]/g, "")
      .replace(/ (timeout|packets|bytes) \d+/g, "");
  }

  /** Everything that could be left behind: path, mode, owner, and the content's hash, by path. */
  async files(): Promise<Map<string, string>> {
    const list = await this.sh(
      `find /etc /usr /opt /root /home /srv /var/lib /var/log /var/spool /lib/systemd -xdev \\( -path /var/lib/docker -o -path /var/log/journal \\) -prune -o -printf '%p\\t%y %m %u:%g %l\\n'; ` +
        `find /etc /opt /root /usr/local -xdev -type f -exec sha256sum {} + | sed 's/^\\([0-9a-f]*\\)  \\(.*\\)/\\2\\t\\1/'`,
    );
    const files = new Map<string, string>();
    for (const line of list.split("\n")) {
      const [path = "", facts = ""] = line.split("\t");
      files.set(path, `${files.get(path) ?? ""} ${facts}`.trim());
    }
    return files;
  }

  /** Gives it the address of the lab's target: moves the cable of a namespace into it. */
  async plug(
    namespace: string,
    device: string,
    addresses: readonly string[],
    routes: readonly (readonly string[])[] = [],
  ): Promise<void> {
    await must(["ip", "-n", namespace, "link", "set", device, "netns", String(this.pid)]);
    const inside = ["nsenter", "-t", String(this.pid), "-n"];
    await must([
      ...inside,
      "sysctl",
      "-qw",
      `net.ipv6.conf.${device}.disable_ipv6=0`,
      `net.ipv6.conf.${device}.accept_dad=0`,
    ]);
    await must([...inside, "ip", "link", "set", device, "up"]);
    for (const address of addresses)
      await must([...inside, "ip", "addr", "add", address, "dev", device, ...(address.includes(":") ? ["nodad"] : [])]);
    for (const route of routes) await must([...inside, "ip", "route", ...route]);
  }

  /** A file of this test, for copyIn. */
  scratch(name: string, text: string): string {
    const path = join(this.#scratch, name);
    writeFileSync(path, text);
    return path;
  }
}
