/** The program as a process: every exit code, which stream says what, colour, pipes that close. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "./clock.ts";
import { createControlClient } from "./control/client.ts";
import { FakeControlTarget } from "./control/fake.ts";
import { type ControlServer, createControlServer } from "./control/server.ts";

const MAIN = new URL("main.ts", import.meta.url).pathname;
const SHIPPED = new URL("../config/anomaly-detector.yaml", import.meta.url).pathname;

let directory: string;
let socket: string;
let server: ControlServer;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-main-"));
  chmodSync(directory, 0o755);
  socket = join(directory, "control.sock");
  server = createControlServer(new FakeControlTarget(systemClock, { "127.0.0.1": "loopback" }), socket);
  await server.start();
});

afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

interface Done {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const ENV = { PATH: process.env.PATH ?? "", HOME: tmpdir(), USER: "ada" };

async function exec(command: readonly string[], env: Record<string, string> = {}): Promise<Done> {
  const child = Bun.spawn([...command], {
    env: { ...ENV, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    cwd: directory,
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, out, err };
}

function program(...args: string[]): Promise<Done> {
  return exec([process.execPath, MAIN, ...args]);
}

function config(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** A daemon that touches no firewall, and where it would write. */
function daemon(name: string, control: string): { readonly argv: readonly string[]; readonly home: string } {
  const home = join(directory, name);
  const hash = config(
    `${name}.hash`,
    Bun.password.hashSync("secret", { algorithm: "argon2id", memoryCost: 8, timeCost: 1 }),
  );
  const path = config(
    `${name}.yaml`,
    `
log: { path: ${home}/access.log }
detection: { arm_after: 1d }
firewall: { backend: dry-run, snapshot_dir: "" }
audit: { path: ${home}/audit.log }
state: { path: ${home}/state.db }
dashboard: { listen: "127.0.0.1:0", password_file: ${hash} }
control: { socket: ${control} }
`,
  );
  return { argv: [process.execPath, MAIN, "run", "--config", path], home };
}

describe("run", () => {
  // Where the source runs, JSX is read as the tsconfig.json of the working directory says.
  const cwd = join(import.meta.dir, "..");

  test("beside a running one is refused before it has opened or written anything", async () => {
    const { argv, home } = daemon("second", socket);
    const child = Bun.spawn([...argv], { env: ENV, cwd, stdout: "pipe", stderr: "pipe" });
    expect(await child.stderr.text()).toContain(
      `control socket ${socket}: another anomaly-detector is running and answers there`,
    );
    expect(await child.exited).toBe(1);
    expect(existsSync(home)).toBe(false);
  });

  test("answers whoever asks as soon as there is a socket to ask", async () => {
    const early = join(directory, "early.sock");
    const child = Bun.spawn([...daemon("early", early).argv], { env: ENV, cwd, stdout: "ignore", stderr: "ignore" });
    // A first request takes longer than the moment that matters: between the socket and the first look at the log.
    await createControlClient(socket).status();
    while (!existsSync(early) && child.exitCode === null);
    // The file is there a moment before anybody listens.
    const ask = () => createControlClient(early).status();
    let first = await ask();
    while (first.kind === "not-running" && child.exitCode === null) first = await ask();
    child.kill();
    await child.exited;
    expect(first).toMatchObject({ kind: "answer", value: { armsAt: expect.any(Number) } });
  });
});

describe("exit 0", () => {
  test.each([
    [["--version"], /^anomaly-detector \S+ \(bun \S+, linux \w+\)\n$/],
    [["version"], /^anomaly-detector /],
    [["--help"], /^anomaly-detector learns .*\n\nUsage: /],
    [["help", "unban"], /^anomaly-detector unban: end a ban\./],
    [["ban", "--help"], /Usage: anomaly-detector ban ADDRESS \[OPTIONS\]/],
    [["completions", "bash"], /complete -F _anomaly_detector anomaly-detector\n$/],
  ])("%j, on stdout alone", async (args, expected) => {
    const { code, out, err } = await program(...args);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(expected);
  });

  test("version --json", async () => {
    const { out } = await program("version", "--json");
    expect(JSON.parse(out)).toMatchObject({
      name: "anomaly-detector",
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });

  test("check of a good file, whatever this host is like", async () => {
    const { code, out, err } = await program("check", "--config", SHIPPED);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toStartWith(`ok    config     ${SHIPPED}, 0 warnings\n`);
    expect(out).toMatch(/\n\d+ failed, \d+ warnings?, \d+ ok\n$/);
  });

  test("status, bans, ban, ban again, unban of a running daemon", async () => {
    for (const args of [
      ["status"],
      ["bans"],
      ["ban", "203.0.113.9"],
      ["ban", "203.0.113.9"],
      ["unban", "203.0.113.9"],
    ]) {
      const { code, err } = await program(...args, "--socket", socket);
      expect([args, code, err]).toEqual([args, 0, ""]);
    }
  });
});

describe("exit 1: a problem found", () => {
  test("check --host of a log that cannot be one, which without --host is only said", async () => {
    const path = config("log-is-a-directory.yaml", `log: { path: ${directory} }\n`);
    const { code, out } = await program("check", "--host", "--config", path);
    expect(code).toBe(1);
    expect(out).toMatch(/\nFAIL {2}log +\S+ is a directory\n +fix: /);
    expect((await program("check", "--config", path)).code).toBe(0);
  });

  test("ban of a protected address", async () => {
    const { code, out, err } = await program("ban", "127.0.0.1", "--socket", socket);
    expect([code, out, err]).toEqual([1, "", "not banned: loopback\n"]);
  });
});

describe("exit 2: usage or configuration", () => {
  test.each([
    [[], "no command given"],
    [["stauts"], 'did you mean "status"?'],
    [["run", "--confg"], 'did you mean "--config"?'],
    [["ban"], "ban needs an ADDRESS"],
    [["ban", "10.0.0.0/8"], "too wide"],
    [["completions", "tcsh"], "no completions"],
    [["help", "stauts"], 'did you mean "status"?'],
  ])("%j, on stderr alone", async (args, expected) => {
    const { code, out, err } = await program(...args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(expected);
  });

  test("check of a bad file tells everything at once", async () => {
    const path = config("bad.yaml", "log:\ndetection:\n  rate_mutiplier: 4\nbans:\n  durations: [10m, 30m, 2x]\n");
    const { code, out, err } = await program("check", "--config", path);
    expect([code, out]).toEqual([2, ""]);
    expect(err.split("\n")).toEqual([
      `${path}:3:3    detection: unknown key "rate_mutiplier", did you mean "rate_multiple"?`,
      `${path}:5:25   bans.durations[2]: "2x" is not a duration (10m, 2h30m, permanent)`,
      "2 errors; the running configuration is unchanged",
      "",
    ]);
    const json = await program("check", "--json", "--config", path);
    expect([json.code, json.err]).toEqual([2, ""]);
    expect(JSON.parse(json.out)).toMatchObject({
      valid: false,
      path,
      problems: [
        { path: "detection.rate_mutiplier", line: 3, column: 3, hint: 'did you mean "rate_multiple"?' },
        { line: 5 },
      ],
    });
  });

  test.each(["missing.yaml", "."])("check of %p", async (path) => {
    const { code, err } = await program("check", "--config", path);
    expect(code).toBe(2);
    expect(err).toMatch(/(does not exist|is a directory); .*\n1 error; /);
  });

  test("nothing in a file reaches the terminal as an escape", async () => {
    const path = config("hostile.yaml", '"\\e]0;x\\a": 1\ndetection: { mode: "\u202e\\e[2J" }\n');
    const { code, err } = await program("check", "--config", path);
    expect(code).toBe(2);
    expect(err).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  });
});

test("exit 3: the daemon is not running", async () => {
  for (const args of [["status"], ["bans"], ["ban", "203.0.113.9"], ["unban", "203.0.113.9"]]) {
    const { code, out, err } = await program(...args, "--socket", join(directory, "nobody.sock"));
    expect([args, code, out]).toEqual([args, 3, ""]);
    expect(err).toMatch(/^anomaly-detector is not running: .*nobody\.sock\nstart it: systemctl start anomaly-detector/);
  }
});

/** Runs as nobody, where we are root and nobody can read this checkout. */
const AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const canBeNobody =
  process.getuid?.() === 0 &&
  Bun.which("setpriv") !== null &&
  Bun.spawnSync([...AS_NOBODY, process.execPath, MAIN, "version"]).exitCode === 0;

test.skipIf(!canBeNobody)("exit 4: the socket is not for this user (needs root and setpriv)", async () => {
  const { code, out, err } = await exec([...AS_NOBODY, process.execPath, MAIN, "status", "--socket", socket]);
  expect([code, out]).toEqual([4, ""]);
  expect(err).toContain("use sudo");
});

test("exit 5: nothing of that name", async () => {
  const { code, out, err } = await program("unban", "203.0.113.200", "--socket", socket);
  expect([code, out]).toEqual([5, ""]);
  expect(err).toContain("203.0.113.200 is not banned");
});

describe("the streams", () => {
  const status = `${process.execPath} ${MAIN} status --socket`;

  test.skipIf(!Bun.which("script"))("colour on a terminal, unless NO_COLOR or TERM=dumb (needs script)", async () => {
    const onTerminal = (env: Record<string, string>) =>
      exec(["script", "-qec", `${status} ${socket}`, "/dev/null"], env);
    expect((await onTerminal({ TERM: "xterm" })).out).toContain("\x1b[32marmed\x1b[0m");
    expect((await onTerminal({ TERM: "xterm", NO_COLOR: "1" })).out).not.toContain("\x1b[");
    expect((await onTerminal({ TERM: "dumb" })).out).not.toContain("\x1b[");
    expect((await exec([...status.split(" "), socket], { TERM: "xterm" })).out).not.toContain("\x1b[");
  });

  test("a reader that goes away early is no error", async () => {
    const { err } = await exec(["sh", "-c", `{ ${status} ${socket} --json; echo "exit $?" >&2; } | head -c 10`]);
    expect(err).toBe("exit 0\n");
  });

  test.skipIf(!existsSync("/dev/full"))("a full disk is not taken for success", async () => {
    const { err } = await exec(["sh", "-c", `${process.execPath} ${MAIN} help >/dev/full; echo "exit $?" >&2`]);
    expect(err).toMatch(/ENOSPC[\s\S]*\nexit 1\n$/);
  });

  test("a slow reader gets all of a long answer", async () => {
    const path = config("long.yaml", Array.from({ length: 2000 }, (_, i) => `unknown_key_number_${i}: 1`).join("\n"));
    const { out } = await exec([
      "sh",
      "-c",
      `${process.execPath} ${MAIN} check --json --config ${path} | { sleep 0.3; cat; }`,
    ]);
    expect(JSON.parse(out).problems.length).toBe(2000);
  });
});
