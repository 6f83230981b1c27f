/**
 * The demo: the real binary on a real log that a player keeps writing, the dashboard on loopback, and the audit
 * log on this screen. `npm run demo -- --help` lists the options.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { parseAuditLine } from "../src/audit/line.ts";
import { FLOOD_AT, FLOODER, SCAN_AT, SCANNER } from "./demo/player.ts";
import { PlainStage, type Stage } from "./demo/stage.ts";

const BINARY = resolve(import.meta.dir, "../dist/anomaly-detector");
const FIRST_PORT = 8080;
const PORTS_TRIED = 20;
const HELP = `npm run demo [-- OPTIONS]
  --real        with nginx, iptables and attackers in network namespaces (needs root and nginx)
  --seconds N   end after N seconds; without it, at Ctrl-C
`;

const options = readOptions();
process.exit(await demo());

function readOptions(): { readonly real: boolean; readonly seconds: number | null } {
  try {
    const { values } = parseArgs({
      options: { real: { type: "boolean" }, seconds: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    const seconds = values.seconds === undefined ? null : Number(values.seconds);
    if (seconds !== null && !(seconds > 0)) throw new Error(`--seconds ${values.seconds}: not a number of seconds`);
    return { real: values.real ?? false, seconds };
  } catch (error) {
    console.error(`demo: ${(error as Error).message}\n${HELP}`);
    process.exit(2);
  }
}

async function demo(): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "anomaly-detector-demo-"));
  const ended = endOfDemo();
  const stage = await createStage(dir);
  let detector: Bun.Subprocess | null = null;
  try {
    const port = await freePort();
    const startedAt = Date.now();
    await stage.start(startedAt);
    const config = join(dir, "config.yaml");
    writeFileSync(config, stringify(configuration(dir, stage, port)));
    const log = Bun.file(join(dir, "detector.log"));
    detector = Bun.spawn(stage.on([BINARY, "run", "--config", config]), { stdin: "ignore", stdout: log, stderr: log });
    const died = detector.exited.then(() => "died" as const);
    let now = await Promise.race([died, ended, answering(dir)]);
    if (now === "answering") {
      await stage.openDashboard(port);
      introduce(stage, port, config);
      const follower = followAudit(join(dir, "audit.log"), stage);
      now = await Promise.race([died, ended]);
      clearInterval(follower);
    }
    if (now === "died")
      console.error(`the detector ended by itself:\n${readFileSync(join(dir, "detector.log"), "utf8")}`);
    else console.log("\ndemo: ending");
    return now === "died" ? 1 : 0;
  } finally {
    await stopDetector(detector);
    await stage.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Resolves at Ctrl-C (or a closed terminal), or when the time given is over. */
function endOfDemo(): Promise<"ended"> {
  return new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => done("ended"));
    if (options.seconds !== null) setTimeout(() => done("ended"), options.seconds * 1000);
  });
}

async function createStage(dir: string): Promise<Stage> {
  if (!options.real) return new PlainStage(dir);
  const { missingForLab } = await import("../test/e2e/internet.ts");
  const missing = missingForLab();
  if (missing !== null) {
    console.error(`--real ${missing}`);
    rmSync(dir, { recursive: true });
    process.exit(2);
  }
  const { RealStage } = await import("./demo/real.ts");
  return new RealStage();
}

/** What takes minutes in production takes seconds here; everything it writes is in the demo's own directory. */
function configuration(dir: string, stage: Stage, port: number) {
  return {
    log: { path: stage.logPath },
    baseline: { warm_up: "30s", recalculate_every: "10s" },
    bans: { durations: ["30s", "1m", "2m", "permanent"] },
    firewall: { ...stage.firewall, snapshot_dir: join(dir, "snapshots") },
    audit: { path: join(dir, "audit.log") },
    state: { path: join(dir, "state.db") },
    dashboard: { listen: `127.0.0.1:${port}` },
    control: { socket: join(dir, "control.sock") },
  };
}

/** 8080, or the next port that nobody has. */
async function freePort(): Promise<number> {
  for (let port = FIRST_PORT; port < FIRST_PORT + PORTS_TRIED; port++) {
    if (await isFree(port)) return port;
    console.log(`port ${port} is taken, trying ${port + 1}`);
  }
  throw new Error(`no free port from ${FIRST_PORT} to ${FIRST_PORT + PORTS_TRIED - 1}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(false));
    server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
  });
}

/** Resolves when the detector's control socket is there. */
async function answering(dir: string): Promise<"answering"> {
  while (!existsSync(join(dir, "control.sock"))) await Bun.sleep(50);
  return "answering";
}

function introduce(stage: Stage, port: number, config: string): void {
  const binary = relative(process.cwd(), BINARY);
  console.log(`
  dashboard  http://127.0.0.1:${port}/
${stage.facts.map((fact) => `  ${fact}`).join("\n")}
  shortened  warm-up 30s (5m), recalculation 10s (60s), bans 30s, 1m, 2m, permanent (10m, 30m, 2h, permanent)
  command    ${stage.on([binary, "status", "--config", config]).join(" ")}

What comes, counted from now:
  0:00  it learns what is normal here
  ${clock(FLOOD_AT)}  ${stage instanceof PlainStage ? FLOODER : "198.18.1.1"} floods the login page, and again after each ban
  ${clock(SCAN_AT)}  ${stage instanceof PlainStage ? SCANNER : "198.18.1.2"} probes for paths that are not there
Ctrl-C ends it and removes everything. The audit log as it is written:
`);
}

function clock(ms: number): string {
  return `${Math.floor(ms / 60_000)}:${String((ms / 1000) % 60).padStart(2, "0")}`;
}

/** Prints the audit log as it grows, and tells the stage who is banned. */
function followAudit(path: string, stage: Stage): Timer {
  let read = 0;
  return setInterval(() => {
    if (!existsSync(path)) return;
    const bytes = readFileSync(path).subarray(read);
    const whole = bytes.subarray(0, bytes.lastIndexOf(10) + 1);
    read += whole.length;
    for (const line of whole.toString().split("\n").filter(Boolean)) {
      console.log(line);
      const event = parseAuditLine(line);
      if (event?.action === "BAN") stage.setBanned(event.ip, true);
      if (event?.action === "UNBAN") stage.setBanned(event.ip, false);
    }
  }, 100);
}

/** Asks it to end, and insists after five seconds. */
async function stopDetector(detector: Bun.Subprocess | null): Promise<void> {
  if (detector === null) return;
  detector.kill("SIGTERM");
  const insist = setTimeout(() => detector.kill("SIGKILL"), 5_000);
  await detector.exited;
  clearTimeout(insist);
}
