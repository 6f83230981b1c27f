/**
 * A closed internet of network namespaces on one bridge: a target, attackers, an innocent user, a host with
 * thousands of bot addresses, a Slack. Nothing of it is routed anywhere, and the machine's own interfaces and
 * firewall are never touched. IPv6 attackers live in a /64 each, as on the real internet.
 */
import { existsSync } from "node:fs";
import { must, run } from "./process.ts";

export const TARGET = { v4: "198.18.0.10", v6: "2001:db8:18::10" } as const;
const USER = { v4: "198.18.2.1", v6: "2001:db8:18:2::1" } as const;
export const SLACK = { v4: "198.18.3.1" } as const;

export function attacker(k: number): { name: string; v4: string; v6: string; v6Source: string } {
  const net = `2001:db8:18:a${k.toString(16).padStart(2, "0")}`;
  return { name: `a${k}`, v4: `198.18.1.${k}`, v6: `${net}::1`, v6Source: `${net}::/64` };
}

/** One of the bots' 16,384 addresses. */
export function bot(n: number): string {
  return `198.18.${64 + (n >> 8)}.${n & 255}`;
}

const PREFIX = "adlab";
const BRIDGE = "wanbr";

/** Why the lab cannot run here, or null when it can. */
export function missingForLab(): string | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux";
  const programs = ["ip", "nginx", "iptables", "ip6tables", "iptables-save", "ipset"];
  const missing = programs.filter((program) => Bun.which(program) === null);
  return missing.length > 0 ? `needs ${missing.join(", ")}` : null;
}

export class Internet {
  readonly #prefix = `${PREFIX}${process.pid}-`;
  readonly #namespaces: string[] = [];

  constructor(readonly attackers: number) {}

  /** Makes everything; what a killed run left behind is removed first. */
  async start(): Promise<void> {
    await removeOrphans();
    await this.#namespace("wan");
    await must(["ip", "-n", this.name("wan"), "link", "add", BRIDGE, "type", "bridge", "mcast_snooping", "0"]);
    await must(["ip", "-n", this.name("wan"), "link", "set", BRIDGE, "up"]);
    await this.#host("target", TARGET.v4, TARGET.v6);
    for (let k = 1; k <= this.attackers; k++) await this.#host(attacker(k).name, attacker(k).v4, attacker(k).v6);
    await this.#host("user", USER.v4, USER.v6);
    await this.#host("slack", SLACK.v4, "2001:db8:18:3::1");
    await this.#host("bots", "198.18.4.1", "2001:db8:18:4::1");
    await must(["ip", "-n", this.name("bots"), "route", "add", "local", "198.18.64.0/18", "dev", "lo"]);
    await must(["ip", "-n", this.name("target"), "route", "add", "198.18.64.0/18", "via", "198.18.4.1"]);
  }

  async stop(): Promise<void> {
    for (const namespace of this.#namespaces.reverse()) await removeNamespace(namespace);
    this.#namespaces.length = 0;
  }

  /** The full name of a host's namespace. */
  name(host: string): string {
    return this.#prefix + host;
  }

  /** The command line that runs `argv` on a host. `ip netns exec` replaces itself: the pid is the program's own. */
  on(host: string, argv: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.name(host), ...argv];
  }

  async #namespace(host: string): Promise<void> {
    await must(["ip", "netns", "add", this.name(host)]);
    this.#namespaces.push(this.name(host));
    await must(["ip", "-n", this.name(host), "link", "set", "lo", "up"]);
  }

  /** A namespace with one interface on the bridge, made inside: the machine itself never sees it. */
  async #host(host: string, v4: string, v6: string): Promise<void> {
    await this.#namespace(host);
    const inside = ["ip", "-n", this.name(host)];
    const peer = ["peer", "name", host, "netns", this.name("wan")];
    await must([...inside, "link", "add", "eth0", "type", "veth", ...peer]);
    await must(["ip", "-n", this.name("wan"), "link", "set", host, "master", BRIDGE, "up"]);
    await must(
      this.on(host, ["sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0", "net.ipv6.conf.eth0.accept_dad=0"]),
    );
    await must([...inside, "addr", "add", `${v4}/16`, "dev", "eth0"]);
    await must([...inside, "addr", "add", `${v6}/48`, "dev", "eth0", "nodad"]);
    await must([...inside, "link", "set", "eth0", "up"]);
  }
}

/** Ends what still runs inside, each by its own pid, then removes the namespace. */
async function removeNamespace(namespace: string): Promise<void> {
  const { stdout } = await run(["ip", "netns", "pids", namespace]);
  for (const pid of stdout.split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended by itself meanwhile.
    }
  }
  await run(["ip", "netns", "del", namespace]);
}

/** Labs carry their maker's pid in their names: one whose maker is gone was killed before it could clean up. */
async function removeOrphans(): Promise<void> {
  for (const line of (await must(["ip", "netns", "list"])).split("\n")) {
    const match = new RegExp(`^(${PREFIX}(\\d+)-\\S+)`).exec(line);
    if (match && !existsSync(`/proc/${match[2]}`)) await removeNamespace(match[1]!);
  }
}
