import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { configSchema } from "./schema.ts";
import { readWebhook, redact } from "./webhook.ts";

const directory = mkdtempSync(join(tmpdir(), "anomaly-detector-webhook-"));
afterAll(() => rmSync(directory, { recursive: true }));

const URL_A = "https://hooks.slack.com/services/T0000/B0000/AAAAAAAAAAAAAAAAAAAAx9Qa";
const URL_B = "https://hooks.slack.com/services/T0000/B0000/BBBBBBBBBBBBBBBBBBBBy8Rb";
const none = configSchema.parse({});

function file(name: string, content: string, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, content, { mode });
  return path;
}

function naming(path: string) {
  return configSchema.parse({ slack: { webhook_file: path } });
}

async function revealed(...args: Parameters<typeof readWebhook>) {
  const result = await readWebhook(...args);
  return result.kind === "webhook" ? result.webhook.reveal() : result.kind;
}

describe("where it is looked for", () => {
  const variable = { ANOMALY_DETECTOR_SLACK_WEBHOOK: URL_B };

  test("the named file wins over everything", async () => {
    expect(await revealed(naming(file("a", `${URL_A}\n`)), variable)).toBe(URL_A);
  });

  test("a FIFO does not hold us", async () => {
    const path = join(directory, "fifo");
    expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
    const result = await Promise.race([readWebhook(naming(path), variable), Bun.sleep(500)]);
    expect(result).toMatchObject({ kind: "problem", from: path, message: "is not a file" });
  });

  test("a named file that is missing is a problem, not a reason to look further", async () => {
    expect(await readWebhook(naming(join(directory, "missing")), variable)).toMatchObject({
      kind: "problem",
      message: "does not exist",
    });
  });

  test("the systemd credential comes before the variable", async () => {
    file("slack_webhook", URL_A);
    expect(await revealed(none, { ...variable, CREDENTIALS_DIRECTORY: directory })).toBe(URL_A);
  });

  test("a credentials directory without ours is passed over", async () => {
    expect(await revealed(none, { ...variable, CREDENTIALS_DIRECTORY: join(directory, "other") })).toBe(URL_B);
  });

  test("an empty credential is none: the unit hands one on that may be", async () => {
    file("slack_webhook", "\n");
    expect(await revealed(none, { CREDENTIALS_DIRECTORY: directory })).toBe("none");
    expect(await revealed(none, { ...variable, CREDENTIALS_DIRECTORY: directory })).toBe(URL_B);
    expect(await revealed(naming(join(directory, "slack_webhook")), variable)).toBe("problem");
  });

  test("the variable comes last, and an empty one is none", async () => {
    expect(await revealed(none, variable)).toBe(URL_B);
    expect(await revealed(none, { ANOMALY_DETECTOR_SLACK_WEBHOOK: " " })).toBe("none");
    expect(await revealed(none, {})).toBe("none");
  });
});

describe("what it may be", () => {
  test.each([
    URL_A,
    "http://127.0.0.1:9000/hook",
    "http://localhost:9000/hook",
    "http://[::1]:9000/hook",
    "http://10.20.30.40/hook",
    "http://172.31.0.1/hook",
    "http://192.168.1.1/hook",
    "http://198.19.255.1/hook",
    "http://[fd00::1]/hook",
    "https://chat.example.org/hooks/xyz",
  ])("%s", async (url) => expect(await revealed(none, { ANOMALY_DETECTOR_SLACK_WEBHOOK: url })).toBe(url));

  test.each([
    ["http://hooks.slack.com/services/T/B/X", "is not https"],
    ["http://8.8.8.8/hook", "is not https"],
    ["http://172.32.0.1/hook", "is not https"],
    ["http://198.20.0.1/hook", "is not https"],
    ["http://127.0.0.1.example.org/hook", "is not https"],
    ["file:///etc/passwd", "is not https"],
    ["https://user:secret@hooks.slack.com/x", "user name"],
    ["hooks.slack.com/services/T/B/X", "does not hold a URL"],
    ["two words", "does not hold a URL"],
    [`${URL_A}\n${URL_B}`, "does not hold a URL"],
    ["", "is empty"],
    ["x".repeat(5000), "too long"],
  ])("%p is refused", async (text, reason) => {
    const result = await readWebhook(naming(file("refused", text)), {});
    expect(result).toMatchObject({ kind: "problem", message: expect.stringContaining(reason) });
    // The message may name the host of a wrong URL, never its path or password.
    expect(JSON.stringify(result)).not.toMatch(/secret|services/);
  });

  test("a directory is a problem", async () => {
    expect(await readWebhook(naming(directory), {})).toMatchObject({ kind: "problem", message: "is a directory" });
  });
});

describe("a webhook keeps its URL to itself", () => {
  test("however it is printed", async () => {
    const result = await readWebhook(naming(file("mode", URL_A)), {});
    for (const text of [inspect(result), JSON.stringify(result), `${Object.values(result)[1]}`, Bun.inspect(result)]) {
      expect(text).toContain("hooks.slack.com/…/…x9Qa");
      expect(text).not.toContain("AAAA");
    }
  });

  test("and says when others can read its file", async () => {
    for (const [mode, all] of [
      [0o600, false],
      [0o640, false],
      [0o644, true],
    ] as const) {
      const result = await readWebhook(naming(file(`mode${mode}`, URL_A, mode)), {});
      expect(result.kind === "webhook" && result.webhook.readableByAll).toBe(all);
    }
  });

  test.each([
    [URL_A, "hooks.slack.com/…/…x9Qa"],
    ["http://127.0.0.1:9000/hook", "127.0.0.1:9000/…"],
    ["https://example.org/long-enough-token", "example.org/…/…oken"],
    ["https://example.org/short-token", "example.org/…"],
    ["https://user:password@example.org/short", "example.org/…"],
    ["https://example.org/?token=secret", "example.org/…"],
    ["not a url", "…"],
  ])("redact(%p) is %p", (url, shown) => expect(redact(url)).toBe(shown));
});
