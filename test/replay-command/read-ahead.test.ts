/** A replay that reads in a thread of its own is the same replay: decisions, counts, progress and errors. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Glob } from "bun";
import { type Config, configSchema } from "../../src/config/schema.ts";
import { Contender, type ReplayDecision } from "../../src/replay/contender.ts";
import { Session, type SessionStatus } from "../../src/replay/session.ts";
import { Timeline } from "../../src/replay/timeline.ts";
import { BINARY } from "../e2e/detector.ts";
import { quietSite } from "./logs.ts";

setDefaultTimeout(60_000);

let directory: string;
const at = (name: string) => join(directory, name);
const profile = (name: string): Config => configSchema.parse({ detection: { profile: name } });

/** Floods on a quiet site; between the lines what no parser likes; the last line is half of one. */
function roughLog(): string {
  const floods = [600, 1300, 2400, 4000, 6200].map((at, i) => ({ at, rate: 20 + i, path: `/caf\u00e9/${i}?q=` }));
  const rough: string[] = [];
  for (const [i, line] of quietSite(120, floods).split("\n").entries()) {
    rough.push(line);
    if (i % 500 === 3)
      rough.push("{bad", "", `"${"x".repeat(70_000)}"`, '{"source_ip":"::1"}', line.replace("2026", "2031"));
  }
  const text = rough.join("\n");
  return text.slice(0, text.lastIndexOf('"status"'));
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-replay-ahead-"));
  const text = roughLog();
  const third = text.indexOf("\n", text.length / 3) + 1;
  const cut = text.indexOf("\n", text.length / 2) + 20;
  writeFileSync(at("3.gz"), gzipSync(text.slice(0, third)));
  writeFileSync(at("2"), text.slice(third, cut));
  writeFileSync(at("1"), text.slice(cut));
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Replayed {
  readonly decisions: readonly ReplayDecision[][];
  readonly status: SessionStatus;
  readonly states: readonly unknown[];
  readonly points: unknown;
  readonly error: string | null;
  readonly shares: readonly number[];
}

/** A replay of the files with these profiles side by side; from 0 bytes on it reads ahead, from Infinity never. */
async function replay(
  files: readonly string[],
  profiles: readonly string[],
  readAheadBytes: number,
): Promise<Replayed> {
  const contenders = profiles.map((name) => new Contender(name, profile(name), false));
  const decisions = contenders.map((contender) => {
    const told: ReplayDecision[] = [];
    contender.listen((decision) => told.push(decision));
    return told;
  });
  const timeline = new Timeline();
  const session = new Session(contenders as [Contender, ...Contender[]], timeline, readAheadBytes);
  const shares: number[] = [];
  const error = await session
    .run(files, () => void shares.push(session.status().share ?? -1))
    .then(
      () => null,
      (caught) => String(caught),
    );
  return {
    decisions,
    status: session.status(),
    states: contenders.map(({ engine }) => [engine.status(), engine.save(true)]),
    points: timeline.points({ mean: 0, stddev: 0, trigger: 0 }),
    error,
    shares,
  };
}

describe("reading ahead", () => {
  test.each([
    ["adaptive", ["adaptive"]],
    ["contract", ["contract"]],
    ["both, compared", ["adaptive", "contract"]],
  ])("decides the same, counts the same and ends in the same state: %s", async (_, profiles) => {
    const files = ["3.gz", "2", "1"].map(at);
    const { shares: hereShares, ...here } = await replay(files, profiles, Number.POSITIVE_INFINITY);
    const { shares, ...ahead } = await replay(files, profiles, 0);
    expect(ahead).toEqual(here);
    expect(here.error).toBeNull();
    for (const told of here.decisions) expect(told.length).toBeGreaterThan(4);
    // The log is as rough as it was meant to be.
    expect(Object.keys(here.status.failures).length).toBeGreaterThan(1);
    expect(here.status.oversized).toBeGreaterThan(0);
    expect(here.status.unconfirmed).toBeGreaterThan(5);
    expect(here.status.records).toBeGreaterThan(7000);
    expect([shares.at(-1), hereShares.at(-1)]).toEqual([1, 1]);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  });

  test("bans the same in every case of test/replay", async () => {
    let bans = 0;
    for (const file of new Glob("../replay/*/access.log.gz").scanSync({ cwd: import.meta.dir, absolute: true })) {
      const here = await replay([file], ["adaptive"], Number.POSITIVE_INFINITY);
      const ahead = await replay([file], ["adaptive"], 0);
      expect([file, ahead.decisions, ahead.states]).toEqual([file, here.decisions, here.states]);
      bans += here.decisions[0]!.filter(({ kind }) => kind === "ban").length;
    }
    expect(bans).toBeGreaterThan(100);
  });

  test("fails the same, and has judged what came before", async () => {
    const packed = readFileSync(at("3.gz"));
    writeFileSync(at("cut.gz"), packed.subarray(0, packed.length >> 1));
    const files = ["2", "cut.gz", "1"].map(at);
    const { shares: _here, ...here } = await replay(files, ["adaptive"], Number.POSITIVE_INFINITY);
    const { shares: _ahead, ...ahead } = await replay(files, ["adaptive"], 0);
    expect(ahead.error).toEndWith("cut.gz: the compressed file ends too early");
    expect(ahead).toEqual(here);
  });
});

const missing = existsSync(BINARY) ? null : "needs dist/anomaly-detector: npm run build";

describe.skipIf(missing !== null)(`the executable${missing ? ` (${missing})` : ""}`, () => {
  test("reads a large log in a thread of its own, and says what it says of the same lines from a pipe", async () => {
    writeFileSync(at("default.yaml"), "");
    const text = readFileSync(at("2"), "utf8") + readFileSync(at("1"), "utf8");
    // Whether a line is too long is only looked at where two pieces meet, and a pipe has other pieces.
    const lines = text.split("\n").filter((line) => line.length < 1000);
    const some = `${lines.join("\n")}\n`;
    writeFileSync(at("large"), some.repeat(Math.ceil((130 << 20) / some.length)));
    const start = (file: string) => {
      const argv = [BINARY, "replay", file, "--json", "--config", at("default.yaml")];
      return Bun.spawn(argv, { stdin: Bun.file(at("large")), stdout: "pipe", stderr: "ignore" });
    };
    const ahead = start(at("large"));
    const threads = new Set<string>();
    while (ahead.exitCode === null) {
      for (const name of threadsOf(ahead.pid)) threads.add(name);
      await Bun.sleep(5);
    }
    const piped = start("-");
    const said = async (child: typeof ahead) => ({ ...JSON.parse(await child.stdout.text()), seconds: 0 });
    expect(await said(ahead)).toEqual(await said(piped));
    expect([...threads]).toContain("Worker");
  });
});

/** The names of a process's threads; none when it is gone. */
function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, "utf8").trim());
  } catch {
    return [];
  }
}
