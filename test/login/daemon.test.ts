/** The login of the real daemon: what a flood of it costs detection, and what a new password, or none, does. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { Background, run, until } from "../e2e/process.ts";
import { Daemon } from "../faults/daemon.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";

const why = whyNoNamespaces("iptables", "ipset");
const PROGRAM = process.env.DETECTOR
  ? [process.env.DETECTOR]
  : [process.execPath, resolve(import.meta.dir, "../../src/main.ts")];
const URL = "http://127.0.0.1:8080";
const PASSWORD = "correct horse battery";

describe.skipIf(why !== "")("the daemon's login", () => {
  let space: Namespace;
  let daemon: Daemon;
  let file: string;

  beforeEach(async () => {
    space = await Namespace.create();
    daemon = new Daemon(space);
    file = join(daemon.dir, "dashboard.hash");
    await password(PASSWORD);
    daemon.configure({ dashboard: { enabled: true, listen: "127.0.0.1:8080", password_file: file } });
  });
  afterEach(async () => {
    await daemon.destroy();
    await space.destroy();
  });

  const password = (text: string) => run([...PROGRAM, "password", "--file", file], { input: `${text}\n` });

  /** Status of a GET of the API, from inside. */
  async function api(text: string): Promise<string> {
    const curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", `me:${text}`, `${URL}/api/v1/status`];
    return (await run([...space.enter, ...curl])).stdout;
  }

  /** How long after its last line a source that floods is in the audit log as banned, in milliseconds. */
  async function banDelays(first: number, times: number): Promise<number[]> {
    const delays: number[] = [];
    for (let n = first; n < first + times; n++) {
      const source = `203.0.113.${n}`;
      daemon.write(new Array<string>(400).fill(source));
      const begun = performance.now();
      await until(`the ban of ${source}`, () => daemon.audited("BAN").some(({ ip }) => ip === source), { everyMs: 5 });
      delays.push(Math.round(performance.now() - begun));
      await Bun.sleep(200);
    }
    return delays;
  }

  const flood = (text: string, connections: number, places: number) =>
    new Background([
      ...space.enter,
      process.execPath,
      join(import.meta.dir, "flood.ts"),
      ...[URL, text, "6", String(connections), String(places)],
    ]);

  test("a flood of logins does not delay a ban by a second, and gets fifty guesses", async () => {
    await daemon.start();
    daemon.write(["198.51.100.1"], "/", Date.now() - 5000);
    await daemon.caughtUp();
    const calm = await banDelays(1, 5);

    const guessing = flood("wrong", 64, 200);
    await Bun.sleep(500);
    const guessed = await banDelays(11, 8);
    await guessing.ended();
    // Whoever knows the password is not throttled: the most argon2id that can be asked for.
    const knowing = flood(PASSWORD, 16, 0);
    await Bun.sleep(500);
    const known = await banDelays(31, 8);
    await knowing.ended();

    console.log(
      `ban after, ms: calm ${calm}; guessing ${guessed} ${guessing.stdout}  signing in ${known} ${knowing.stdout}`,
    );
    expect(Math.max(...guessed, ...known) - Math.min(...calm)).toBeLessThan(1000);
    const { statuses } = JSON.parse(guessing.stdout) as { statuses: Record<string, number> };
    expect(statuses["401"]).toBe(50);
    expect(statuses["429"]).toBeGreaterThan(200);
    expect((JSON.parse(knowing.stdout) as { statuses: Record<string, number> }).statuses["303"]).toBeGreaterThan(50);
    const told = daemon.process.stdout.split("\n").filter((line) => line.includes("dashboard login"));
    expect(told.filter((line) => line.includes("failed"))).toHaveLength(50);
    expect(told.filter((line) => line.includes("refused unseen")).length).toBeLessThan(5);
    expect(daemon.process.stdout + daemon.process.stderr).not.toContain(PASSWORD);
  }, 60_000);

  test("the hash is for its owner alone; a new password in the file is taken at SIGHUP, a bad file is not", async () => {
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await daemon.start();
    expect(await api(PASSWORD)).toBe("200");
    await password("another password");
    expect(await api(PASSWORD)).toBe("200");
    daemon.process.signal("SIGHUP");
    await until("the new password to be in force", async () => (await api("another password")) === "200", {
      everyMs: 100,
    });
    expect(await api(PASSWORD)).toBe("401");
    expect(daemon.process.stdout).toContain("everybody is signed out");
    await Bun.write(file, "not a hash\n");
    daemon.process.signal("SIGHUP");
    await until("it to be said", () => daemon.process.stdout.includes("cannot be used; the one in force stays"));
    expect(await api("another password")).toBe("200");
  }, 30_000);

  test("without the password that is asked for it does not start, and check says why", async () => {
    rmSync(file);
    const started = daemon.start().then(
      () => "",
      (error: Error) => error.message,
    );
    expect(await started).toContain(`dashboard.password_file ${file} does not exist`);
    const check = [...PROGRAM, "check", "--config", join(daemon.dir, "config.yaml")];
    expect((await run(check)).stdout).toMatch(/^FAIL +login +.*dashboard\.hash does not exist/m);
    await password(PASSWORD);
    expect((await run(check)).stdout).toMatch(/^ok +login +password from .*dashboard\.hash$/m);
    chmodSync(file, 0o644);
    expect((await run(check)).stdout).toMatch(/^warn +login +.*readable by every user$/m);
  }, 30_000);

  test("on every address it listens with a login, warned of; without one it is refused", async () => {
    const check = [...PROGRAM, "check", "--config", join(daemon.dir, "config.yaml")];
    daemon.configure({ dashboard: { enabled: true, listen: "0.0.0.0:8080" } });
    const open = await run(check);
    expect([open.code, open.stderr]).toEqual([2, expect.stringContaining("no login without dashboard.password_file")]);
    daemon.configure({ dashboard: { enabled: true, listen: "0.0.0.0:8080", password_file: file } });
    const closed = await run(check);
    expect([closed.code, closed.stderr]).toEqual([0, expect.stringContaining("is plain http")]);
    await daemon.start();
    expect(await api(PASSWORD)).toBe("200");
  }, 30_000);
});
