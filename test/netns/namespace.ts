/** Network namespaces for tests: a firewall of one's own, and hosts to attack it from, without touching the machine's. */
import { createExec, type Exec, findProgram } from "../../src/firewall/exec.ts";

const exec = createExec({ timeoutMs: 20_000 });

/** Why tests in namespaces cannot run here; "" when they can. Prints it once, so that a skip is seen. */
export function whyNoNamespaces(...programs: readonly string[]): string {
  const missing = ["ip", "nsenter", "unshare", ...programs].filter((program) => findProgram(program) === null);
  const why =
    process.getuid?.() !== 0 ? "not root" : missing.length > 0 ? `missing: ${missing.join(", ")}` : cannotMakeOne();
  if (why) console.warn(`SKIPPED, no network namespaces: ${why}`);
  return why;
}

function cannotMakeOne(): string {
  const tried = Bun.spawnSync([findProgram("unshare")!, "--net", "true"]);
  return tried.exitCode === 0 ? "" : `unshare --net: ${tried.stderr.toString().trim()}`;
}

/** One namespace. Its name holds our pid, so that two test runs never meet. */
export class Namespace {
  private static count = 0;

  private constructor(readonly name: string) {}

  static async create(): Promise<Namespace> {
    const space = new Namespace(`ad-${process.pid}-${Namespace.count++}`);
    await must(["ip", "netns", "add", space.name]);
    await must(["ip", "-n", space.name, "link", "set", "lo", "up"]);
    return space;
  }

  /** An Exec whose programs run inside. */
  readonly exec: Exec = (argv, options) => exec([...this.enter, ...argv], options);

  /** Runs a program inside and returns its standard output; throws when it fails. */
  async run(...argv: [string, ...string[]]): Promise<string> {
    return must([...this.enter, ...argv]);
  }

  /** argv prefix for a program of one's own, started with Bun.spawn. */
  get enter(): [string, ...string[]] {
    return ["nsenter", `--net=/run/netns/${this.name}`, "--"];
  }

  /** Joins two namespaces by a cable: `a` gets 198.18.N.1 and 2001:db8:18:N::1, `b` gets .2 and ::2. */
  static async connect(a: Namespace, b: Namespace, subnet: number): Promise<void> {
    const ends = [`v${subnet}a`, `v${subnet}b`] as const;
    await must(["ip", "-n", a.name, "link", "add", ends[0], "type", "veth", "peer", "name", ends[1], "netns", b.name]);
    for (const [i, space] of [a, b].entries()) {
      const device = ends[i]!;
      await must(["ip", "-n", space.name, "addr", "add", `198.18.${subnet}.${i + 1}/24`, "dev", device]);
      await must(["ip", "-n", space.name, "addr", "add", `2001:db8:18:${subnet}::${i + 1}/64`, "dev", device, "nodad"]);
      await must(["ip", "-n", space.name, "link", "set", device, "up"]);
    }
  }

  async destroy(): Promise<void> {
    await exec(["ip", "netns", "del", this.name]);
  }
}

async function must(argv: readonly [string, ...string[]]): Promise<string> {
  const result = await exec(argv);
  if (result.exitCode !== 0) throw new Error(`${argv.join(" ")}: ${result.stderr.trim()}`);
  return result.stdout;
}
