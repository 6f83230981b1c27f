/** `anomaly-detector replay`, as called from the table of commands and as a process. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandIo } from "../../src/cli/command.ts";
import { dispatch } from "../../src/cli/dispatch.ts";
import { ManualClock } from "../../src/clock.ts";
import { barText } from "../../src/replay/progress.ts";
import { readHtml } from "../html.ts";
import { BEGIN, FLOODER, lineText, quietSite, writeLog } from "./logs.ts";

let directory: string;
let config: string;
let lenient: string;
const at = (name: string) => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-replay-"));
  config = at("now.yaml");
  writeFileSync(config, "");
  lenient = at("lenient.yaml");
  writeFileSync(lenient, "detection: { z_score: 1000, rate_multiple: 1000 }\n");
  // Ten minutes of quiet, a flood; it comes back when its first ban is over.
  writeLog(
    at("access.log"),
    quietSite(40, [
      { at: 600, rate: 20 },
      { at: 1300, rate: 20 },
    ]),
  );
});
afterAll(() => rmSync(directory, { recursive: true }));

async function replay(...words: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const io: CommandIo = {
    out: (text) => out.push(...text.split("\n")),
    err: (text) => err.push(...text.split("\n")),
    env: {},
    color: false,
    width: null,
    clock: new ManualClock(),
  };
  const hasConfig = words.includes("--config");
  const code = await dispatch(["replay", ...words, ...(hasConfig ? [] : ["--config", config])], io);
  return { code, out, err };
}

describe("what it prints", () => {
  test("one line a ban on stdout, the summary on stderr", async () => {
    const { code, out, err } = await replay(at("access.log"));
    expect(code).toBe(0);
    expect(out.length).toBe(2);
    expect(out[0]).toMatch(/^2026-02-09 09:10:\d\dZ {2}BAN {4}203\.0\.113\.9 +10m +1st +z-score 3\.\d+ > 3\.\d+/);
    expect(out[1]).toMatch(/^2026-02-09 09:21:\d\dZ {2}BAN {4}203\.0\.113\.9 +30m +2nd /);
    expect(err[0]).toMatch(
      /^3000 lines in \d+\.\d s \(\d+ k lines\/s\): 2 bans of 1 source, 0 alerts, 2\d{3} requests would have been dropped, median time to ban \d s$/,
    );
    expect(err[1]).toBe(`most often banned: ${FLOODER} ×2`);
  });

  test("--list adds the evidence of each ban", async () => {
    const { out } = await replay(at("access.log"), "--list");
    const text = out.slice(0, 7).join("\n");
    expect(text).toMatch(/\n {6}requests +\d+ with 0 errors in 1 min: 2\.\d\d req\/s/);
    expect(text).toMatch(
      /\n {6}norm +1\.00 ± 0\.50 \(floor\), trigger 2\.50 req\/s\n {6}adaptive +held against busy sources\n/,
    );
    expect(text).toMatch(/\n {6}took +\d s from the first request of this visit\n/);
    expect(text).toMatch(/\n {6}paths +\/search ×\d+\n/);
  });

  test("time to ban is from the first request of the visit, not of the log", async () => {
    const lines = quietSite(40, [{ at: 1500, rate: 3 }]);
    // The flooder looked at a page once, long before: another visit.
    const log = writeLog(at("twice.log"), lineText({ at: 0, source: FLOODER }) + lines);
    const summary = JSON.parse((await replay(log, "--json")).out.join("\n"));
    const [ban] = summary.configurations[0].decisions;
    expect(ban.timeToBanSeconds).toBe(ban.ts - (BEGIN / 1000 + 1500));
  });

  test("--json is one document with what was read, decided and not counted", async () => {
    const log = writeLog(at("odd.log"), `${quietSite(20, [{ at: 600, rate: 20 }])}no JSON at all\n`);
    const { code, out } = await replay(log, "--json");
    const summary = JSON.parse(out.join("\n"));
    expect(code).toBe(0);
    expect(summary).toMatchObject({
      lines: 1500,
      notCounted: { late: 0, unconfirmed: 0, oversized: 0 },
      configurations: [
        { name: "now.yaml", profile: "adaptive", bans: 1, alerts: 0, sources: [{ source: FLOODER, bans: 1 }] },
      ],
    });
    expect(Object.values(summary.notCounted.failures)).toEqual([1]);
    expect(summary.configurations[0].decisions[0]).toMatchObject({ action: "BAN", ip: FLOODER, duration: 600 });
    expect(summary.configurations[0].dropped).toBeGreaterThan(1000);
  });

  test("--events writes what happened, unbans too", async () => {
    await replay(at("access.log"), "--events", at("events.jsonl"));
    const events = readFileSync(at("events.jsonl"), "utf8").trim().split("\n");
    expect(events.map((line) => JSON.parse(line).action)).toEqual(["BAN", "UNBAN", "BAN"]);
  });

  test("--open-loop does not let a ban cut the flood off", async () => {
    const closed = JSON.parse((await replay(at("access.log"), "--json")).out.join("\n"));
    const open = JSON.parse((await replay(at("access.log"), "--json", "--open-loop")).out.join("\n"));
    expect(open.configurations[0].decisions[0]).toEqual(closed.configurations[0].decisions[0]);
  });

  test("hostile paths and agents reach the terminal harmless", async () => {
    const log = writeLog(
      at("hostile.log"),
      quietSite(20, [{ at: 600, rate: 20, path: "/\x1b]0;x\x07\u202e", agent: "\x1b[2J" }]),
    );
    const { out } = await replay(log, "--list");
    expect(out.join("")).not.toMatch(/[\x1b\x07\u202e]/);
    expect(out.join("\n")).toContain("/\\x1b]0;x\\x07\\u{202e} ×");
  });
});

describe("--compare", () => {
  test("is a table, and who only one of them banned", async () => {
    const { code, out, err } = await replay(at("access.log"), "--compare", lenient);
    expect([code, err.length]).toEqual([0, 2]);
    expect(out[0]!.trim().split(/ {2,}/)).toEqual([
      "bans",
      "sources",
      "alerts",
      "dropped",
      "first",
      "median time to ban",
    ]);
    expect(out[1]).toMatch(/^ {2}now\.yaml +2 +1 +0 +2\d{3} +2026-02-09 09:10:\d\dZ +\d s$/);
    expect(out[2]).toMatch(/^ {2}lenient\.yaml +0 +0 +0 +0 +- +-$/);
    expect(out[3]).toBe(`  only now.yaml (1)   ${FLOODER} ×2`);
    expect(out[4]).toBe("  only lenient.yaml (0)");
  });

  test("gives both what they give alone: one does not disturb the other", async () => {
    const decisions = async (...words: string[]) =>
      JSON.parse((await replay(...words, "--json")).out.join("\n")).configurations;
    const contract = at("contract.yaml");
    writeFileSync(contract, "detection: { profile: contract }\n");
    const [a, b] = await decisions(at("access.log"), "--compare", contract);
    expect(a).toEqual((await decisions(at("access.log")))[0]);
    expect(b).toEqual((await decisions(at("access.log"), "--config", contract))[0]);
  });

  test("two files of the same name are told apart", async () => {
    mkdirSync(at("new"));
    writeFileSync(at("new/now.yaml"), "detection: { z_score: 1000, rate_multiple: 1000 }\n");
    const { out } = await replay(at("access.log"), "--compare", at("new/now.yaml"), "--json");
    expect(JSON.parse(out.join("\n")).configurations.map(({ name }: { name: string }) => name)).toEqual([
      config,
      at("new/now.yaml"),
    ]);
  });

  test("with a second configuration that is not valid replays nothing", async () => {
    writeFileSync(at("bad.yaml"), "detection: { z_scroe: 3 }\n");
    const { code, out, err } = await replay(at("access.log"), "--compare", at("bad.yaml"));
    expect([code, out]).toEqual([2, []]);
    expect(err.join("\n")).toContain('did you mean "z_score"');
  });
});

describe("input", () => {
  test("several files are one log; gzip is read", async () => {
    const text = quietSite(40, [
      { at: 600, rate: 20 },
      { at: 1300, rate: 20 },
    ]);
    const cut = text.indexOf("\n", text.length / 2) + 1;
    const older = writeLog(at("access.log.2.gz"), text.slice(0, cut));
    const newer = writeLog(at("access.log.1"), text.slice(cut));
    expect((await replay(older, newer)).out).toEqual((await replay(at("access.log"))).out);
  });

  test.each([
    ["no such file", "absent.log", /absent\.log: there is no such file$/],
    ["a directory", "", /: it is a directory, not a log$/],
    ["a gzip file cut short", "cut.gz", /cut\.gz: the compressed file ends too early$/],
  ])("%s is one clear error and exit 1", async (_, name, said) => {
    const whole = Bun.gzipSync(quietSite(5, []));
    writeFileSync(at("cut.gz"), whole.subarray(0, whole.length >> 1));
    const { code, out, err } = await replay(at(name));
    expect([code, out, err.length]).toEqual([1, [], 1]);
    expect(err[0]).toMatch(said);
  });

  test("an empty log says so", async () => {
    const { code, out, err } = await replay(writeLog(at("empty.log"), ""));
    expect([code, out]).toEqual([0, []]);
    expect(err).toEqual(["the log is empty: there was nothing to replay"]);
  });

  test("a file that is no access log says so, with the first reasons", async () => {
    const { code, err } = await replay(writeLog(at("prose.log"), "once upon a time\nthere was a log\n"));
    expect(code).toBe(1);
    expect(err[0]).toMatch(/^none of 2 lines is an access record \(2 \S+\)/);
  });

  /** The program itself, with these bytes on its standard input, one write each. */
  async function piped(writes: readonly Uint8Array[]) {
    const main = new URL("../../src/main.ts", import.meta.url).pathname;
    const child = Bun.spawn([process.execPath, main, "replay", "-", "--config", config], {
      cwd: new URL("../..", import.meta.url).pathname,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    for (const bytes of writes) {
      child.stdin.write(bytes);
      await child.stdin.flush();
      await Bun.sleep(20);
    }
    child.stdin.end();
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { out: out.trim().split("\n"), err, code };
  }

  test("standard input, plain or gzip, by the program itself", async () => {
    const plain = readFileSync(at("access.log"));
    const zipped = Bun.gzipSync(plain);
    const half = zipped.length >> 1;
    const expected = (await replay(at("access.log"))).out;
    const inputs: Record<string, readonly Uint8Array[]> = {
      plain: [plain],
      gzip: [zipped],
      // The two bytes that tell come alone, or one after the other.
      "gzip in pieces": [zipped.subarray(0, 1), zipped.subarray(1, 2), zipped.subarray(2, half), zipped.subarray(half)],
      "two gzips, one after the other, as zcat takes them": [
        Bun.gzipSync(plain.subarray(0, 1000)),
        Bun.gzipSync(plain.subarray(1000)),
      ],
    };
    for (const [name, writes] of Object.entries(inputs)) {
      const { out, err, code } = await piped(writes);
      expect([name, code, out]).toEqual([name, 0, expected]);
      expect(err).toContain("2 bans of 1 source");
    }
  });

  test("standard input that ends too early, or holds nothing or next to nothing", async () => {
    const zipped = Bun.gzipSync(readFileSync(at("access.log")));
    const cut = await piped([zipped.subarray(0, zipped.length >> 1)]);
    expect([cut.code, cut.err]).toEqual([1, expect.stringContaining("the compressed file ends too early")]);
    expect((await piped([])).err).toContain("the log is empty");
    expect(await piped([zipped.subarray(0, 1)])).toMatchObject({ code: 1, err: expect.stringContaining("1 line") });
  });

  test("a file that cannot be written is exit 1", async () => {
    for (const option of ["--html", "--events"]) {
      const { code, err } = await replay(at("access.log"), option, at("no/such/place"));
      expect([option, code]).toEqual([option, 1]);
      expect(err.at(-1)).toContain("no/such/place");
    }
  });
});

describe("--html", () => {
  test("is one page that needs nothing else and shows attacker text as text", async () => {
    const evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>';
    const log = writeLog(
      at("evil.log"),
      quietSite(20, [{ at: 600, rate: 20, path: `/${evil}`, agent: `${evil}</style>` }]),
    );
    await replay(log, "--html", at("evil.html"), "--compare", lenient);
    const page = readFileSync(at("evil.html"), "utf8");
    const { elements, text } = readHtml(page);
    expect(elements.filter(({ tag }) => ["script", "img", "link", "iframe", "object"].includes(tag))).toEqual([]);
    for (const { attributes } of elements)
      for (const name of Object.keys(attributes)) expect(name).not.toMatch(/^on|^src$|^href$|^style$/);
    expect(text).toContain(evil);
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/https?:\/\/(?!www\.bing)/);
    expect(text).toContain("1 source would have been banned, 1 time in all");
  });

  test("of an empty log says so", async () => {
    await replay(writeLog(at("empty.log"), ""), "--html", at("empty.html"));
    expect(readHtml(readFileSync(at("empty.html"), "utf8")).text).toContain("There was nothing to replay.");
  });

  test("draws the same decisions that are printed", async () => {
    const { out } = await replay(at("access.log"), "--html", at("report.html"));
    const { elements, text } = readHtml(readFileSync(at("report.html"), "utf8"));
    expect(out.length).toBe(2);
    expect(
      elements.filter(({ tag, attributes }) => tag === "rect" && /first|again/.test(attributes.class ?? "")).length,
    ).toBe(2);
    expect(text).toContain("3,000");
  });
});

describe("the bar", () => {
  test.each([
    [0, 0, 0.5, "replaying  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   0 %  0.00 M lines/s"],
    [0.5, 1_000_000, 1, "replaying  ███████████████░░░░░░░░░░░░░░░  50 %  1.00 M lines/s  1.0 s left"],
    [1, 2_000_000, 2, "replaying  ██████████████████████████████ 100 %  1.00 M lines/s  0.0 s left"],
    [null, 5, 1, "replaying  5 lines  0.00 M lines/s"],
  ] as const)("%p", (share, records, seconds, text) => expect(barText(share, records, seconds)).toBe(text));
});
