/** `password` as a program of its own: what it reads, from where, and what it leaves behind. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isPasswordHash } from "../config/password-file.ts";

const MAIN = resolve(import.meta.dir, "../main.ts");
const directory = mkdtempSync(join(tmpdir(), "anomaly-detector-password-"));
afterAll(() => rmSync(directory, { recursive: true }));

async function password(args: readonly string[], input: string) {
  const child = Bun.spawn([process.execPath, MAIN, "password", ...args], {
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out: out.trimEnd(), err, code };
}

describe("from standard input", () => {
  test.each([
    ["a line", "correct horse\n"],
    ["a line that does not end", "correct horse"],
    ["a line of Windows'", "correct horse\r\n"],
    ["the first of several", "correct horse\nbattery\n"],
  ])("%s: the hash is of the password alone, at the cost that is advised", async (_, input) => {
    const { out, err, code } = await password([], input);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toStartWith("$argon2id$v=19$m=19456,t=2,p=1$");
    expect(isPasswordHash(out)).toBe(true);
    expect(await Bun.password.verify("correct horse", out)).toBe(true);
  });

  test.each([
    ["nothing", "", "no password was given"],
    ["an empty line", "\n", "at least 8 characters"],
    ["too little", "1234567\n", "at least 8 characters"],
    ["too much", "x".repeat(1025), "at most 1024 bytes"],
    ["no end of it", "x".repeat(1_000_000), "at most 1024 bytes"],
  ])("%s is refused", async (_, input, words) => {
    const { out, err, code } = await password([], input);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(words);
  });

  test("argv is no place for it", async () => {
    const { code, err } = await password(["correct horse"], "");
    expect(code).toBe(2);
    expect(err).toContain("does not know what to do with");
  });
});

describe("--file", () => {
  const path = (name: string) => join(directory, name);

  test("a new one is 0600, and nothing else is left", async () => {
    const { out, code } = await password(["--file", path("new")], "correct horse\n");
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(statSync(path("new")).mode & 0o777).toBe(0o600);
    expect(await Bun.password.verify("correct horse", readFileSync(path("new"), "utf8").trim())).toBe(true);
    expect(readdirSync(directory)).toEqual(["new"]);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "one that is there keeps owner and group, and no rights for others",
    async () => {
      writeFileSync(path("old"), "");
      chownSync(path("old"), 65_534, 4);
      chmodSync(path("old"), 0o666);
      await password(["--file", path("old")], "correct horse\n");
      const { mode, uid, gid } = statSync(path("old"));
      expect([mode & 0o777, uid, gid]).toEqual([0o640, 65_534, 4]);
    },
  );

  test("a directory, or one that is not there, is a problem with its cause", async () => {
    for (const [file, words] of [
      [directory, "it is not a file"],
      [path("nowhere/hash"), "ENOENT"],
    ] as const) {
      const { err, code } = await password(["--file", file], "correct horse\n");
      expect({ code, said: err.includes(words) }).toEqual({ code: 1, said: true });
    }
  });
});

test("--generate prints a new password each time, and its hash or file", async () => {
  const [a, b] = await Promise.all([password(["--generate"], ""), password(["--generate"], "")]);
  const [first, hash] = a.out.split("\n");
  expect(first).toMatch(/^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
  expect(b.out).not.toContain(first!);
  expect(await Bun.password.verify(first!, hash!)).toBe(true);
  const file = join(directory, "generated");
  const { out } = await password(["--generate", "--file", file], "");
  expect(await Bun.password.verify(out, readFileSync(file, "utf8").trim())).toBe(true);
});

/** Types at a terminal of its own (util-linux script), each part after the prompt before it. */
async function type(...parts: readonly string[]): Promise<string> {
  const line = `${process.execPath} ${MAIN} password; echo "exit $?"; stty -a | grep -o '.echo '`;
  const child = Bun.spawn(["script", "-qec", line, "/dev/null"], { stdin: "pipe", stdout: "pipe", stderr: "ignore" });
  let seen = "";
  const prompts = ["New password", "once more"];
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    seen += chunk;
    while (prompts[0] !== undefined && seen.includes(prompts[0])) {
      prompts.shift();
      child.stdin.write(parts[1 - prompts.length] ?? "");
      child.stdin.flush();
    }
    if (/ ?-?echo \r?\n/.test(seen) && seen.includes("exit ")) break;
  }
  child.stdin.end();
  await child.exited;
  return seen;
}

describe.skipIf(Bun.which("script") === null)("at a terminal", () => {
  test("it is asked for twice and never shown; editing works; the terminal is as it was", async () => {
    const seen = await type(
      "correkt\x7f\x7fct horse\r",
      "wrong\x15correct\x1b[D horse\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x15correct horse\r",
    );
    const hash = /\$argon2id\S+/.exec(seen)?.[0] ?? "";
    expect(await Bun.password.verify("correct horse", hash)).toBe(true);
    expect(seen).not.toMatch(/corre|horse/);
    expect(seen).toContain("exit 0");
    expect(seen).toContain(" echo ");
  }, 15_000);

  test.each([
    ["two that differ", ["correct horse\r", "correct house\r"], "the two are not the same"],
    ["Ctrl-C", ["corr\x03"], "no password was given"],
    ["Ctrl-D", ["\x04"], "no password was given"],
  ] as const)(
    "%s",
    async (_, parts, words) => {
      const seen = await type(...parts);
      expect(seen).toContain(words);
      expect(seen).toContain("exit 2");
      expect(seen).toContain(" echo ");
    },
    15_000,
  );
});
