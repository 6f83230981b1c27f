/**
 * The long form of what the tests show in seconds: bun run soak [--minutes 120] [--rate 2000] [--sources 1000000]
 * [--load-only]. The real daemon in a network namespace, its log rotated each minute, attackers among visitors who
 * come and go; then 5 million hostile lines, 200 kills and 100 losses of power. Prints a line a minute and exits 1 when
 * something grew, lagged or was miscounted. Needs root; DETECTOR names a binary to take in place of the source.
 */
import { appendFileSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { Daemon } from "../test/faults/daemon.ts";
import { Namespace, whyNoNamespaces } from "../test/netns/namespace.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "120" },
    rate: { type: "string", default: "2000" },
    sources: { type: "string", default: "1000000" },
    "load-only": { type: "boolean", default: false },
  },
});
const minutes = Number(values.minutes);
const rate = Number(values.rate);
/** New visitors a second, so that all of them have come by the end of two hours. */
const churn = Number(values.sources) / 7200;

/** How often lines are appended; visitors who are there at one time; who floods, how often and how much. */
const BATCH_MS = 50;
const PRESENT = 500;
const ATTACK_EVERY_MS = 10_000;
const ATTACK_LINES = 300;
const SAMPLE_MS = 5_000;
const LAG_LIMIT_MS = 1_000;
const FD_LIMIT = 5;

interface Sample {
  /** Minutes since the start. */
  readonly at: number;
  readonly rss: number;
  readonly fds: number;
  readonly lagMs: number;
}

const sourceNumber = (n: number) => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;

/** Megabytes an hour, by least squares. */
function slope(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number) => samples.reduce((sum, s) => sum + of(s), 0) / samples.length;
  const [x, y] = [mean((s) => s.at), mean((s) => s.rss)];
  const over = samples.reduce((sum, s) => sum + (s.at - x) * (s.rss - y), 0);
  return (60 * over) / samples.reduce((sum, s) => sum + (s.at - x) ** 2, 0) / 1e6;
}

class Traffic {
  written = 0;
  attacks = 0;
  #seen = 0;

  constructor(
    private readonly path: string,
    private readonly begun: number,
  ) {}

  get distinct(): number {
    return this.#seen + this.attacks;
  }

  /** What is due until `now`; a machine that was late gets all of it. */
  write(now: number): void {
    const due = Math.floor(((now - this.begun) / 1000) * rate) - this.written;
    const lines: string[] = [];
    const newest = Math.floor(((now - this.begun) / 1000) * churn) + PRESENT;
    this.#seen = newest;
    for (let i = 0; i < due; i++)
      lines.push(line(now, sourceNumber(newest - Math.floor(Math.random() * PRESENT)), "/page", 200));
    this.written += Math.max(0, due);
    if (now - this.begun > (this.attacks + 1) * ATTACK_EVERY_MS) {
      const source = `203.0.${this.attacks >> 8}.${this.attacks & 255}`;
      this.attacks++;
      // Beyond the rate, and not counted towards it.
      for (let i = 0; i < ATTACK_LINES; i++) lines.push(line(now, source, "/wp-login.php", 404));
    }
    appendFileSync(this.path, lines.join(""));
  }

  rotate(): void {
    renameSync(this.path, `${this.path}.1`);
  }
}

const line = (at: number, source: string, path: string, status: number): string =>
  `{"source_ip":"${source}","msec":"${(at / 1000).toFixed(3)}","method":"GET","path":"${path}?${at}","status":${status},"response_size":512}\n`;

async function sample(daemon: Daemon, begun: number): Promise<Sample & { text: string }> {
  const { pid } = daemon.process;
  const { log, engine, host } = await daemon.status();
  const rss = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024;
  const fds = readdirSync(`/proc/${pid}/fd`).length;
  const lagMs = log.unreadBytes === 0 ? 0 : Math.max(0, Date.now() - (log.newestAt ?? Date.now()));
  const at = (Date.now() - begun) / 60_000;
  const sizes = ["", "-wal"].map((part) => statSync(daemon.statePath + part, { throwIfNoEntry: false })?.size ?? 0);
  const state = sizes.reduce((sum, size) => sum + size, 0);
  const text = [
    `${at.toFixed(1).padStart(6)} min`,
    `RSS ${(rss / 1e6).toFixed(0)} MB`,
    `${fds} fds`,
    `lag ${lagMs} ms`,
    `CPU ${(100 * host.processCpu).toFixed(0)} %`,
    `${engine.counters.records} requests`,
    `${engine.sources.active} sources`,
    `${engine.bans.length} bans`,
    `state ${(state / 1e6).toFixed(1)} MB`,
  ].join("   ");
  return { at, rss, fds, lagMs, text };
}

async function load(): Promise<string[]> {
  const space = await Namespace.create();
  const daemon = new Daemon(space, { bans: { durations: ["1m"] } });
  const samples: Sample[] = [];
  try {
    await daemon.start();
    const begun = Date.now();
    const traffic = new Traffic(daemon.logPath, begun);
    let [sampledAt, printedAt, rotatedAt] = [begun, begun, begun];
    while (Date.now() - begun < minutes * 60_000) {
      await Bun.sleep(BATCH_MS);
      const now = Date.now();
      traffic.write(now);
      if (now - rotatedAt >= 60_000) {
        rotatedAt = now;
        traffic.rotate();
      }
      if (now - sampledAt < SAMPLE_MS) continue;
      sampledAt = now;
      const { text, ...taken } = await sample(daemon, begun);
      samples.push(taken);
      if (now - printedAt < 60_000) continue;
      printedAt = now;
      console.log(text);
    }
    const written = traffic.written + traffic.attacks * ATTACK_LINES;
    await daemon.caughtUp(written);
    const bans = daemon.audited("BAN").length;
    if ((await daemon.stop()) !== 0) return ["it did not stop cleanly"];
    return judge(
      samples,
      `${written} requests of ${traffic.distinct} sources, ${bans} bans of ${traffic.attacks} attackers`,
    );
  } finally {
    await daemon.destroy();
    await space.destroy();
  }
}

/** Prints the figures; returns what is not as it must be. */
function judge(samples: readonly Sample[], what: string): string[] {
  // The first quarter fills windows, caches and the JIT.
  const settled = samples.slice(samples.length >> 2);
  const lag = Math.max(...samples.map((s) => s.lagMs));
  const fds = settled.at(-1)!.fds - settled[0]!.fds;
  const perHour = slope(settled);
  console.log(`${what}; each counted once`);
  console.log(
    `RSS ${(samples.at(-1)!.rss / 1e6).toFixed(0)} MB at the end, slope ${perHour.toFixed(1)} MB/h after the first quarter; fds ${fds >= 0 ? "+" : ""}${fds}; lag at most ${lag} ms`,
  );
  const wrong: string[] = [];
  if (lag >= LAG_LIMIT_MS) wrong.push(`it lagged ${lag} ms`);
  if (fds > FD_LIMIT) wrong.push(`${fds} more file descriptors`);
  // In a few minutes the garbage collector's waves are steeper than any leak.
  if (minutes >= 60 && perHour > 8) wrong.push(`its memory grows by ${perHour.toFixed(1)} MB an hour`);
  return wrong;
}

/** A test in its long form. */
async function longForm(file: string, env: Record<string, string>): Promise<string[]> {
  const argv = [process.execPath, "test", "--timeout", "10000000", resolve(import.meta.dir, "../test/faults", file)];
  const child = Bun.spawn(argv, { env: { ...process.env, ...env }, stdout: "inherit", stderr: "inherit" });
  return (await child.exited) === 0 ? [] : [`${file} failed`];
}

const why = whyNoNamespaces("iptables", "ipset");
if (why !== "") process.exit(1);
const wrong = await load();
if (!values["load-only"]) {
  wrong.push(...(await longForm("hostile.test.ts", { FUZZ_LINES: "5000000" })));
  wrong.push(...(await longForm("kill.test.ts", { KILLS: "200" })));
  wrong.push(...(await longForm("power.test.ts", { POWER_LOSSES: "100" })));
}
for (const problem of wrong) console.error(`FAILED: ${problem}`);
process.exit(wrong.length === 0 ? 0 : 1);
