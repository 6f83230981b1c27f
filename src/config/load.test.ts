import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { configKeys } from "./keys.ts";
import { loadConfig, parseConfig } from "./load.ts";
import { problemLines } from "./problem.ts";
import { configSchema } from "./schema.ts";

const directory = mkdtempSync(join(tmpdir(), "anomaly-detector-load-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

async function problemsOf(path: string): Promise<string[]> {
  const result = await loadConfig(path, {});
  return result.ok ? [] : problemLines("F", result.problems);
}

describe("the file itself", () => {
  test("none at all means the defaults", async () => {
    expect(await loadConfig(null, {})).toEqual({ ok: true, config: configSchema.parse({}), warnings: [] });
  });

  test("missing", async () => {
    const [line] = await problemsOf(join(directory, "missing.yaml"));
    expect(line).toBe("F   does not exist; check the path; without --config the defaults are used");
  });

  test("a directory", async () => {
    mkdirSync(join(directory, "d.yaml"));
    expect(await problemsOf(join(directory, "d.yaml"))).toEqual(["F   is a directory; name the file in it"]);
  });

  test("below something that is no directory", async () => {
    const path = join(file("plain", ""), "x.yaml");
    expect((await problemsOf(path))[0]).toStartWith("F   does not exist");
  });

  test("larger than 1 MB is refused, exactly 1 MB is read", async () => {
    expect((await problemsOf(file("big.yaml", `#${"x".repeat(1_048_576)}`)))[0]).toStartWith("F   is larger than 1 MB");
    expect(await problemsOf(file("full.yaml", `#${"x".repeat(1_048_575)}`))).toEqual([]);
  });

  test("an endless device is refused, not read for ever", async () => {
    expect((await problemsOf("/dev/zero"))[0]).toStartWith("F   is larger than 1 MB");
  });

  test("text that is not UTF-8 is told with its place", async () => {
    const path = file("latin1.yaml", Buffer.concat([Buffer.from("# für alle\nlog: # f"), Buffer.from([0xfc, 0x72])]));
    expect(await problemsOf(path)).toEqual(["F:2:9   is not UTF-8 text from here on; save it as UTF-8"]);
  });

  test("UTF-16, as some editors save it, too", async () => {
    const path = file("utf16.yaml", Buffer.from("\ufefflog:\n", "utf16le"));
    expect(await problemsOf(path)).toEqual(["F:1:1   is not UTF-8 text from here on; save it as UTF-8"]);
  });

  test("a hidden control character is told with its place", async () => {
    expect(await problemsOf(file("nul.yaml", "log:\n  path: a\u0000b\n"))).toEqual([
      "F:2:10   control character U+0000; remove it",
    ]);
  });

  test("writable by everybody is a warning", async () => {
    const path = file("open.yaml", "log: {}\n");
    chmodSync(path, 0o666);
    const result = await loadConfig(path, {});
    expect(problemLines("F", result.warnings)).toEqual(["F   can be changed by every user of this machine; chmod o-w"]);
    expect(result.ok).toBe(true);
  });
});

describe("the webhook file", () => {
  test("that cannot be read is a warning at its key: detection goes on without Slack", async () => {
    const path = file("hook.yaml", "slack:\n  webhook_file: /nonexistent/hook\n");
    const result = await loadConfig(path, {});
    expect(result.ok).toBe(true);
    expect(problemLines("F", result.warnings)).toEqual([
      "F:2:17   slack.webhook_file: /nonexistent/hook does not exist; create it, mode 0600, with the URL as its only line; until then nothing is sent to Slack",
    ]);
  });

  test("readable by everybody is a warning, and its URL is not in it", async () => {
    const hook = file("hook", "https://hooks.slack.com/services/T0000/B0000/secretsecretx9Qa\n");
    chmodSync(hook, 0o644);
    const result = await loadConfig(file("hook2.yaml", `slack: { webhook_file: ${hook} }\n`), {});
    expect(result.warnings.map(({ message }) => message)).toEqual([
      `${hook} can be read by every user of this machine`,
    ]);
    expect(JSON.stringify(result)).not.toContain("secretsecret");
  });
});

describe("any text", () => {
  test("gives a result and never throws, problems in the order of the file", () => {
    const words = configKeys().flatMap((key) => key.path);
    const piece = fc.oneof(
      fc.constantFrom(
        ...words,
        ...["\n", "\n  ", ": ", "- ", "[", "]", "{", "}", '"', "&a ", "*a", "#", "~", "10m", "5", "!x "],
      ),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const result = parseConfig(pieces.join(""));
        if (result.ok) return;
        const places = result.problems.map(({ line, column }) => (line ?? 0) * 1e6 + (column ?? 0));
        expect(places).toEqual(places.toSorted((a, b) => a - b));
        expect(result.problems.length).toBeGreaterThan(0);
        expect(result.problems.every(({ line }) => line! >= 1)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("one wrong value anywhere is told at its own key, whatever the key", () => {
    const takesText = ["path", "socket", "snapshot_dir", "webhook_file", "password_file"];
    for (const { path, isSection } of configKeys()) {
      if (!isSection && (takesText.includes(path.at(-1)!) || path[1] === "fields")) continue;
      const result = parseConfig(`${path.map((part, i) => `${"  ".repeat(i)}${part}:`).join("\n")} wrong\n`);
      const problems = result.ok ? [] : result.problems;
      expect(problems.map((problem) => [problem.path, problem.line])).toEqual([[path.join("."), path.length]]);
    }
  });
});
