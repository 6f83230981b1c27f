/** Every case of this directory through the product's own engine, closed loop, against what must hold of it. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { readArchive } from "../../src/accesslog/archive.ts";
import { createParser } from "../../src/accesslog/parse.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/schema.ts";
import type { Decision } from "../../src/decision.ts";
import { Engine } from "../../src/engine.ts";
import { Pump } from "../../src/pump.ts";
import { banLengthText, causeText } from "../../src/wording.ts";
import { accessLog, CASES, type Expectation } from "./cases.ts";
import { Trace } from "./traffic/trace.ts";

/** Cases that the engine does not answer rightly yet; an entry that passes fails the suite, so it must be taken out. */
const FAILING: ReadonlySet<string> = new Set([
  // What grows by four fifths in five minutes is, by chance, at times not told from a page that two more have opened; and
  // those must not be banned.
  "ramp_quiet",
]);

const BEGIN = new Trace(0).start;

type Setting = "its own" | "the defaults" | "participants banned";

async function configOf(name: string, setting: Setting): Promise<Config> {
  const loaded = await loadConfig(setting === "the defaults" ? null : `${import.meta.dir}/${name}/config.yaml`, {});
  if (!loaded.ok) throw new Error(`${name}: config.yaml is bad`);
  const { config } = loaded;
  if (setting !== "participants banned") return config;
  const { detection } = config;
  return { ...config, detection: { ...detection, global: { ...detection.global, ban_participants: true } } };
}

async function replay(name: string, setting: Setting = "its own"): Promise<Decision[]> {
  const directory = `${import.meta.dir}/${name}`;
  const config = await configOf(name, setting);
  const decisions: Decision[] = [];
  const parser = createParser({ fields: {} });
  const pump = new Pump(new Engine(config), parser, (decision) => decisions.push(decision));
  const progress = { bytes: 0, oversized: 0 };
  await readArchive(`${directory}/access.log.gz`, config.log.max_line_bytes, progress, (buffer, start, end) =>
    pump.window(buffer, start, end),
  );
  pump.end();
  expect(pump.status().failures).toEqual({});
  return decisions;
}

function expectations(name: string): Expectation[] {
  const text = readFileSync(`${import.meta.dir}/${name}/expected.jsonl`, "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Expectation);
}

/** What is wrong with these decisions, in words; null when nothing is. */
function complaint(expected: Expectation, decisions: readonly Decision[]): string | null {
  const seconds = (decision: Decision) => (decision.at - BEGIN) / 1000;
  const bans = decisions.flatMap((decision) => (decision.kind === "ban" ? [decision] : []));
  switch (expected.must) {
    case "no-ban": {
      const [ban] = bans;
      if (ban === undefined) return null;
      return `${bans.length} bans; ${ban.ban.source} at ${seconds(ban)} s for ${banLengthText(ban.ban)}: ${causeText(ban.ban)}`;
    }
    case "ban": {
      const ban = bans.find((one) => one.ban.source === expected.source && seconds(one) >= expected.from);
      if (ban === undefined) return `${expected.source} was never banned`;
      const after = seconds(ban) - expected.from;
      return after <= expected.within_seconds ? null : `${expected.source} was banned only after ${after} s`;
    }
    case "no-alert": {
      const alert = decisions.find((one) => one.kind === "alert" && one.alert.type === "global-anomaly");
      return alert === undefined ? null : `a global alert at ${seconds(alert)} s`;
    }
    case "alert": {
      const alert = decisions.find(
        (one) =>
          one.kind === "alert" &&
          one.alert.type === "global-anomaly" &&
          one.alert.state === "firing" &&
          seconds(one) >= expected.from,
      );
      if (alert === undefined) return "no alert";
      const after = seconds(alert) - expected.from;
      return after <= expected.within_seconds ? null : `the alert came only after ${after} s`;
    }
    default:
      return expected satisfies never;
  }
}

describe("adaptive profile, closed loop", () => {
  for (const { name } of CASES) {
    (FAILING.has(name) ? test.failing : test)(name, async () => {
      const decisions = await replay(name);
      expect(expectations(name).flatMap((expected) => complaint(expected, decisions) ?? [])).toEqual([]);
    });
  }
});

describe("a configuration of its own", () => {
  for (const { name } of CASES.filter(({ config }) => config !== undefined)) {
    test(`${name}: the defaults answer otherwise`, async () => {
      const decisions = await replay(name, "the defaults");
      expect(expectations(name).flatMap((expected) => complaint(expected, decisions) ?? [])).not.toEqual([]);
    });
  }
});

describe("detection.global.ban_participants", () => {
  test("bans in no innocent case whom the defaults do not", async () => {
    const banned: string[] = [];
    for (const { name, expected } of CASES) {
      if (FAILING.has(name) || !expected.some(({ must }) => must === "no-ban")) continue;
      for (const decision of await replay(name, "participants banned"))
        if (decision.kind === "ban") banned.push(`${name}: ${decision.ban.source} ${causeText(decision.ban)}`);
    }
    expect(banned).toEqual([]);
  }, 60_000);

  test("bans nearly all of a distributed flood that comes again and again, and nobody else", async () => {
    const decisions = await replay("dist_500", "participants banned");
    const bans = decisions.flatMap((decision) => (decision.kind === "ban" ? [decision.ban] : []));
    expect(bans.filter(({ source }) => !source.startsWith("198.19."))).toEqual([]);
    expect(new Set(bans.map(({ source }) => source)).size).toBeGreaterThan(300);
    for (const { cause } of bans)
      expect(cause).toMatchObject({ reasons: ["participant"], surge: { looks: expect.any(Number) } });
    // Without it nobody is.
    expect((await replay("dist_500")).filter(({ kind }) => kind === "ban")).toEqual([]);
  });

  test("who looks once or twice is no participant, although three thousand do", async () => {
    const decisions = await replay("dist_5000", "participants banned");
    const bans = decisions.flatMap((decision) => (decision.kind === "ban" ? [decision.ban.source] : []));
    expect(bans.filter((source) => !source.startsWith("198.19."))).toEqual([]);
    expect(bans.length).toBeLessThan(30);
  });
});

describe("attackers only", () => {
  test("are banned in the attack cases: nobody of the background pays for them", async () => {
    const banned: string[] = [];
    for (const { name, expected } of CASES) {
      if (expected.some(({ must }) => must === "no-ban")) continue;
      const wanted = new Set(expected.map((row) => (row.must === "ban" ? row.source : "")));
      for (const decision of await replay(name))
        if (decision.kind === "ban" && !wanted.has(decision.ban.source)) banned.push(`${name}: ${decision.ban.source}`);
    }
    expect(banned).toEqual([]);
  });
});

describe("the corpus", () => {
  test("is what the generator makes, and small", () => {
    const directories = readdirSync(import.meta.dir, { withFileTypes: true }).filter(
      (entry) => entry.isDirectory() && entry.name !== "traffic",
    );
    expect(directories.map(({ name }) => name).sort()).toEqual(CASES.map(({ name }) => name).sort());
    let total = 0;
    for (const one of CASES) {
      const log = readFileSync(`${import.meta.dir}/${one.name}/access.log.gz`);
      expect([one.name, gunzipSync(log).toString() === accessLog(one)]).toEqual([one.name, true]);
      expect(log.length).toBeLessThanOrEqual(60 * 1024);
      total += log.length;
    }
    expect(total).toBeLessThanOrEqual(2 * 1024 * 1024);
  });
});
