import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "./load.ts";
import { isPasswordHash, readPasswordFile } from "./password-file.ts";
import { problemLines } from "./problem.ts";

const directory = mkdtempSync(join(tmpdir(), "anomaly-detector-password-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string, mode = 0o600): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const hash = (memoryCost: number, timeCost: number) =>
  Bun.password.hash("a long enough password", { algorithm: "argon2id", memoryCost, timeCost });

describe("what a hash is", () => {
  test("whatever Bun makes", async () => {
    for (const [memory, time] of [
      [8, 1],
      [64, 3],
      [19_456, 2],
    ] as const) {
      expect(isPasswordHash(await hash(memory, time))).toBe(true);
    }
  });

  test.each([
    ["the password itself", () => "a long enough password"],
    ["another kind of argon2", (good: string) => good.replace("argon2id", "argon2i")],
    ["bcrypt", () => "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"],
    ["more memory than the service has", (good: string) => good.replace("m=64", "m=999999")],
    ["too many passes", (good: string) => good.replace("t=1", "t=99")],
    ["a missing end", (good: string) => good.slice(0, good.lastIndexOf("$"))],
    ["a hash cut by one character", (good: string) => good.slice(0, -2)],
    ["two lines", (good: string) => `${good}\n${good}`],
    ["something after it", (good: string) => `${good} # mine`],
  ])("not: %s", async (_, spoil) => {
    expect(isPasswordHash(spoil(await hash(64, 1)))).toBe(false);
  });
});

describe("the file", () => {
  test("none is named", async () => expect(await readPasswordFile(undefined)).toEqual({ kind: "none" }));

  test("a good one, with or without a last newline", async () => {
    const good = await hash(64, 1);
    for (const text of [good, `${good}\n`]) {
      const from = file("good", text);
      expect(await readPasswordFile(from)).toEqual({ kind: "hash", hash: good, from, readableByAll: false });
    }
  });

  test.each([
    ["missing", () => join(directory, "nowhere"), "does not exist"],
    ["a directory", () => directory, "is not a file"],
    ["a device that never ends", () => "/dev/zero", "is not a file"],
    ["empty", () => file("empty", "\n"), "is empty"],
    ["the password in clear", () => file("clear", "hunter2hunter2\n"), "does not hold an argon2id hash"],
    ["long", () => file("long", "x".repeat(5000)), "does not hold an argon2id hash"],
  ])("%s", async (_, path, message) => {
    const result = await readPasswordFile(path());
    expect(result).toMatchObject({ kind: "problem", message: expect.stringContaining(message) });
    expect(JSON.stringify(result)).not.toContain("hunter2");
  });

  test("a FIFO does not hold us", async () => {
    const path = join(directory, "fifo");
    await Bun.$`mkfifo ${path}`;
    expect(await readPasswordFile(path)).toMatchObject({ kind: "problem", message: "is not a file" });
  });
});

describe("as a warning of the configuration", () => {
  const warnings = async (text: string) => {
    const result = await loadConfig(file("config.yaml", text), {});
    return result.ok ? problemLines("F", result.warnings) : ["not ok"];
  };

  test("a file that cannot be used, with its place", async () => {
    expect(await warnings("dashboard:\n  password_file: /nonexistent/hash\n")).toEqual([
      "F:2:18   dashboard.password_file: /nonexistent/hash does not exist; make it with: anomaly-detector password --file FILE",
    ]);
  });

  test("one that everybody may read", async () => {
    const path = file("open", await hash(64, 1), 0o644);
    expect((await warnings(`dashboard: { password_file: ${path} }\n`)).join()).toContain(
      "can be read by every user of this machine; chmod o-r",
    );
  });

  test("plain http on the network, with a login, is allowed and warned of", async () => {
    const path = file("public", await hash(64, 1));
    expect(await warnings(`dashboard:\n  listen: 0.0.0.0:8080\n  password_file: ${path}\n`)).toEqual([
      "F:2:11   dashboard.listen: 0.0.0.0:8080 is plain http: whoever is on the way to it can read the password; put TLS in front of it, or listen on 127.0.0.1:8080 and use ssh -L 8080:127.0.0.1:8080 HOST",
    ]);
  });

  test("on loopback a login is nothing to warn of", async () => {
    const path = file("loopback", await hash(64, 1));
    expect(await warnings(`dashboard: { password_file: ${path} }\n`)).toEqual([]);
  });
});
