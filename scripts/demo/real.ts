/**
 * The demo with real things, as root: nginx, the detector and its iptables rules in a network namespace; every
 * person and attacker in namespaces of the same closed internet. The machine's own firewall is never touched.
 */
import { join } from "node:path";
import { attacker } from "../../test/e2e/internet.ts";
import { Lab } from "../../test/e2e/lab.ts";
import { until } from "../../test/e2e/process.ts";
import { FLOOD_AT, SCAN_AT } from "./player.ts";
import { listenRelay } from "./relay.ts";
import type { Stage } from "./stage.ts";
import { STANDIN_PORT } from "./standin.ts";

const PROXY = `location / { proxy_pass http://127.0.0.1:${STANDIN_PORT}; }`;

export class RealStage implements Stage {
  readonly firewall = { backend: "auto", flush_on_exit: true };
  readonly facts = [
    "traffic    real requests of some 30 addresses to a real nginx, in network namespaces of their own",
    "firewall   real: raw PREROUTING inside the namespace; this machine's own rules are not touched",
    "           the dashboard is served inside the namespace too; a small relay brings it to this port",
  ];
  readonly #lab = new Lab(2, PROXY);
  readonly #timers: Timer[] = [];
  #closeRelay: (() => void) | null = null;

  get logPath(): string {
    return this.#lab.site.logPath;
  }

  on(argv: readonly string[]): string[] {
    return this.#lab.internet.on("target", argv);
  }

  async start(startedAt: number): Promise<void> {
    await this.#lab.start();
    const standin = this.#run("target", "standin.ts");
    await until("the stand-in for Nextcloud", () => standin.stdout.includes("ready"));
    this.#run("bots", "crowd.ts", String(startedAt));
    this.#at(startedAt + FLOOD_AT, () => this.#attack(1, "/login", 25));
    this.#at(startedAt + SCAN_AT, () => this.#attack(2, "", 200));
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#closeRelay?.();
    await this.#lab.stop();
  }

  /** The real firewall sees to it. */
  setBanned(): void {}

  /** A socket file is seen from every network namespace: one relay on either side of it. */
  async openDashboard(port: number): Promise<void> {
    const socket = join(this.#lab.dir, "dashboard.sock");
    const inside = this.#run("target", "relay.ts", socket, String(port));
    await until("the relay", () => inside.stdout.includes("ready"));
    this.#closeRelay = await listenRelay({ host: "127.0.0.1", port }, { path: socket });
  }

  #run(host: string, script: string, ...args: readonly string[]) {
    return this.#lab.background(host, [process.execPath, join(import.meta.dir, script), ...args]);
  }

  #at(epochMs: number, run: () => void): void {
    this.#timers.push(setTimeout(run, Math.max(0, epochMs - Date.now())));
  }

  /** A flood of one path, or probes of ever new ones. */
  #attack(k: number, path: string, everyMs: number): void {
    const paths = path ? [path] : Array.from({ length: 500 }, (_, i) => `/old-${i}/wp-login.php`);
    this.#lab.load(attacker(k).name, { paths, everyMs, seconds: 1_500 });
  }
}
