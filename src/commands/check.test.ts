/** The host checks, each against the thing itself: files, a FIFO, a port in use, a running daemon. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../clock.ts";
import { configSchema } from "../config/schema.ts";
import { FakeControlTarget } from "../control/fake.ts";
import { createControlServer } from "../control/server.ts";
import { checkHost, checkSsh, type HostCheck } from "./host-checks.ts";

const directory = mkdtempSync(join(tmpdir(), "anomaly-detector-check-"));
afterAll(() => rmSync(directory, { recursive: true }));

const LINE = `{"source_ip":"203.0.113.9","timestamp":"2026-04-25T12:00:00Z","method":"GET","path":"/","status":200,"response_size":5}\n`;

type Input = Parameters<typeof configSchema.parse>[0] & object;

async function check(name: string, input: Input, env: Record<string, string> = {}): Promise<HostCheck> {
  const config = configSchema.parse({ control: { socket: join(directory, "none.sock") }, ...input });
  const found = (await checkHost(config, { PATH: process.env.PATH, ...env })).find((one) => one.name === name);
  if (!found) throw new Error(`no check named ${name}`);
  return found;
}

function checkLog(name: string, content: string, fields = {}): Promise<HostCheck> {
  writeFileSync(join(directory, name), content);
  return check("log", { log: { path: join(directory, name), fields } });
}

describe("the log", () => {
  test("missing is a warning: nginx may not have run yet", async () => {
    const found = await check("log", { log: { path: join(directory, "missing.log") } });
    expect(found).toMatchObject({ level: "warn", text: expect.stringContaining("does not exist") });
  });

  test("empty is fine", async () => expect((await checkLog("empty.log", "")).level).toBe("ok"));

  test("whole lines are counted, the one still being written is not", async () => {
    expect(await checkLog("good.log", LINE.repeat(3) + LINE.slice(0, 20))).toMatchObject({
      level: "ok",
      text: expect.stringContaining("3 of its last 3 lines understood"),
    });
  });

  test("only the end of a large one is read", async () => {
    const { level, text } = await checkLog("large.log", `not json\n${LINE.repeat(20_000)}`);
    expect(level).toBe("ok");
    expect(Number(/of its last (\d+) lines/.exec(text)![1])).toBeLessThan(2_000);
  });

  test("some bad lines are a warning, most are a failure, and the sample is harmless", async () => {
    expect((await checkLog("some.log", `${LINE.repeat(9)}rubbish\n`)).level).toBe("warn");
    const found = await checkLog("most.log", `203.0.113.9 - - "GET /\x1b[2J HTTP/1.1" 200\n`.repeat(3));
    expect(found.level).toBe("FAIL");
    expect(found.fix).toContain("not-json: 203.0.113.9");
    expect(found.fix).not.toContain("\x1b");
  });

  test("other field names count when log.fields names them", async () => {
    const line = LINE.replace("source_ip", "who");
    expect((await checkLog("other.log", line)).level).toBe("FAIL");
    expect((await checkLog("other.log", line, { source_ip: "who" })).level).toBe("ok");
  });

  test("a directory or a FIFO in its place is a failure, and does not hang us", async () => {
    expect((await check("log", { log: { path: directory } })).text).toContain("is a directory");
    const fifo = join(directory, "fifo");
    Bun.spawnSync(["mkfifo", fifo]);
    expect(await check("log", { log: { path: fifo } })).toMatchObject({ level: "FAIL", text: `${fifo} is not a file` });
  });
});

describe("the dashboard's port", () => {
  test("in use by another program is a failure; by the running daemon it is not", async () => {
    const other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const dashboard = { listen: `127.0.0.1:${other.port}` };
    expect(await check("dashboard", { dashboard })).toMatchObject({
      level: "FAIL",
      fix: expect.stringContaining("dashboard.listen"),
    });
    const socket = join(directory, "live.sock");
    const server = createControlServer(new FakeControlTarget(systemClock), socket);
    await server.start();
    expect((await check("dashboard", { dashboard, control: { socket } })).level).toBe("ok");
    await server.stop();
    other.stop(true);
    expect(await check("dashboard", { dashboard })).toMatchObject({
      level: "ok",
      text: expect.stringContaining("is free"),
    });
  });

  test("is not asked for when it is off", async () => {
    expect(await check("dashboard", { dashboard: { enabled: false } })).toEqual({
      level: "ok",
      name: "dashboard",
      text: "off",
    });
  });
});

describe("places to write", () => {
  test("that can be made are fine, and are not made", async () => {
    const path = join(directory, "deep", "er", "audit.log");
    expect(await check("audit", { audit: { path } })).toMatchObject({
      level: "ok",
      text: expect.stringContaining("will be made"),
    });
    expect(readdirSync(directory)).not.toContain("deep");
  });

  test("below a file are a failure", async () => {
    const file = join(directory, "file");
    writeFileSync(file, "");
    chmodSync(file, 0o755);
    expect((await check("state", { state: { path: join(file, "state.db") } })).level).not.toBe("ok");
  });
});

describe("slack", () => {
  const env = (url: string) => ({ ANOMALY_DETECTOR_SLACK_WEBHOOK: url });

  test("without a webhook is a warning", async () => expect((await check("slack", {})).level).toBe("warn"));

  test("shows which webhook, not what it is", async () => {
    const found = await check("slack", {}, env("https://hooks.slack.com/services/T0/B0/secretsecretx9Qa"));
    expect(found).toEqual({
      level: "ok",
      name: "slack",
      text: "hooks.slack.com/…/…x9Qa from $ANOMALY_DETECTOR_SLACK_WEBHOOK",
    });
  });

  test("fails on a file it cannot use", async () => {
    expect((await check("slack", { slack: { webhook_file: "/no/such/directory" } })).level).toBe("FAIL");
  });
});

test("a dry-run needs no firewall command", async () => {
  expect((await check("firewall", { firewall: { backend: "dry-run" } })).level).toBe("ok");
});

test.each([
  [undefined, [22], "ok"],
  [undefined, [2222], "ok"],
  [[22], [22], "ok"],
  [[22], [22, 2222], "FAIL"],
  [[443], [22], "FAIL"],
])("ssh: sparing %j with sshd on %j is %p", (spared, ports, level) => {
  expect(checkSsh(spared as number[] | undefined, ports as number[]).level).toBe(level as never);
});
