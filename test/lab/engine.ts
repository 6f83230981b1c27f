/**
 * A Docker engine of the tests' own: own data, own socket, no bridge and no rule of its own, so that it never
 * touches the machine's network. Containers get no network but what the lab plugs into them.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Background, type Finished, must, run, until } from "../e2e/process.ts";

/** Images and Debian packages stay here from one test file to the next, and from run to run. */
export const CACHE = "/var/tmp/anomaly-detector-lab";

const RUNS = "/tmp";
const RUN_PREFIX = "anomaly-detector-engine-";

/** Why there can be no engine here, or null: it is tried. */
export async function missingForEngine(): Promise<string | null> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root on Linux";
  const programs = ["dockerd", "docker", "debootstrap", "ip", "nsenter", "iptables-save", "ipset"];
  const missing = programs.filter((program) => !Bun.which(program));
  if (missing.length > 0) return `needs ${missing.join(", ")}`;
  const engine = new Engine();
  try {
    await engine.start();
    return null;
  } catch (error) {
    return `no Docker engine: ${String(error).slice(-200)}`;
  } finally {
    await engine.stop();
  }
}

export class Engine {
  readonly run: string;
  #daemon: Background | null = null;

  constructor() {
    mkdirSync(CACHE, { recursive: true });
    this.run = mkdtempSync(`${RUNS}/${RUN_PREFIX}`);
    writeFileSync(join(this.run, "owner"), String(process.pid));
  }

  get #socket(): string {
    return `unix://${join(this.run, "docker.sock")}`;
  }

  async start(): Promise<void> {
    await endOrphans();
    const data = join(CACHE, "docker");
    const places = [
      "-H",
      this.#socket,
      "--data-root",
      data,
      "--exec-root",
      join(this.run, "exec"),
      "-p",
      join(this.run, "pid"),
    ];
    const alone = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"];
    // Where the machine has a containerd of its own, dockerd takes that one: then at least not its containers.
    const apart = [
      "--containerd-namespace=anomaly-detector-lab",
      "--containerd-plugins-namespace=anomaly-detector-lab-plugins",
    ];
    this.#daemon = new Background(["dockerd", ...places, ...alone, ...apart]);
    await until(
      "the Docker engine",
      async () => {
        if (!this.#daemon!.running) throw new Error(`dockerd ended: ${this.#daemon!.stderr.slice(-2_000)}`);
        return (await this.docker("version")).code === 0;
      },
      { timeoutMs: 60_000 },
    );
    // What a killed run left behind.
    const { stdout } = await this.docker("ps", "-aq", "--filter", "label=anomaly-detector-lab");
    for (const id of stdout.split("\n").filter(Boolean)) await this.docker("rm", "-f", "-v", id);
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop("SIGTERM", 20_000);
    await removeRun(this.run);
  }

  docker(...args: readonly string[]): Promise<Finished> {
    return run(["docker", "-H", this.#socket, ...args], { timeoutMs: 300_000 });
  }

  mustDocker(...args: readonly string[]): Promise<string> {
    return must(["docker", "-H", this.#socket, ...args], { timeoutMs: 300_000 });
  }

  /** A shell line with $DOCKER_HOST set, for pipes into docker. */
  async shell(script: string): Promise<string> {
    return must(["env", `DOCKER_HOST=${this.#socket}`, "DOCKER_BUILDKIT=0", "bash", "-euo", "pipefail", "-c", script], {
      timeoutMs: 600_000,
    });
  }

  async has(image: string): Promise<boolean> {
    return (await this.docker("image", "inspect", image)).code === 0;
  }
}

/** Engines whose test run was killed: two cannot share the data. Each is known by the pid it wrote down itself. */
async function endOrphans(): Promise<void> {
  for (const name of readdirSync(RUNS).filter((name) => name.startsWith(RUN_PREFIX))) {
    const directory = join(RUNS, name);
    const pidIn = (file: string) =>
      existsSync(join(directory, file)) ? Number(readFileSync(join(directory, file), "utf8")) : 0;
    const [owner, daemon] = [pidIn("owner"), pidIn("pid")];
    if (owner > 0 && existsSync(`/proc/${owner}`)) continue;
    if (
      daemon > 0 &&
      existsSync(`/proc/${daemon}/comm`) &&
      readFileSync(`/proc/${daemon}/comm`, "utf8").trim() === "dockerd"
    ) {
      process.kill(daemon);
      await until("an orphaned engine to end", () => !existsSync(`/proc/${daemon}`), { timeoutMs: 20_000 });
    }
    await removeRun(directory);
  }
}

/** A killed engine leaves mounts of its containers' namespaces behind. */
async function removeRun(directory: string): Promise<void> {
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "");
  for (const mount of mounts.filter((path) => path.startsWith(`${directory}/`)).reverse()) await run(["umount", mount]);
  rmSync(directory, { recursive: true, force: true });
}
