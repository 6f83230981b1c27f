/**
 * Whole files: fixtures/good load, fixtures/bad fail with exactly the lines of the .txt beside them. (The
 * directory is named fixtures so that no formatter mends what is wrong on purpose.)
 */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { loadConfig } from "../../src/config/load.ts";
import { problemLines } from "../../src/config/problem.ts";
import { configSchema } from "../../src/config/schema.ts";

const FIXTURES = new URL("fixtures/", import.meta.url).pathname;
const defaults = configSchema.parse({});

async function load(path: string) {
  return loadConfig(FIXTURES + path, {});
}

async function loadGood(name: string) {
  const result = await load(`good/${name}`);
  if (!result.ok) throw new Error(problemLines(name, result.problems).join("\n"));
  return result;
}

describe("bad files", () => {
  const names = readdirSync(`${FIXTURES}bad`).filter((name) => name.endsWith(".yaml"));
  test.each(names)("%s", async (name) => {
    const result = await load(`bad/${name}`);
    if (result.ok) throw new Error(`${name} was accepted`);
    const expected = await Bun.file(`${FIXTURES}bad/${name.replace(".yaml", ".txt")}`).text();
    expect(`${problemLines(name, result.problems).join("\n")}\n`).toBe(expected);
  });

  test("are many", () => expect(names.length).toBeGreaterThan(25));
});

describe("good files", () => {
  test.each(readdirSync(`${FIXTURES}good`))("%s loads", async (name) => {
    const { warnings } = await loadGood(name);
    if (name !== "warnings.yaml") expect(warnings).toEqual([]);
  });

  test.each(["empty.yaml", "comments-only.yaml"])("%s means the defaults", async (name) => {
    expect((await loadGood(name)).config).toEqual(defaults);
  });

  test("a section with nothing but comments means its defaults", async () => {
    const { config } = await loadGood("all-commented-section.yaml");
    expect(config).toEqual({ ...defaults, log: { ...defaults.log, poll: 100 } });
  });

  test("durations arrive in milliseconds", async () => {
    const { config } = await loadGood("durations.yaml");
    expect(config.bans.durations).toEqual([1_000, 5_400_000, 315_360_000_000, "permanent"]);
    expect(config.baseline.history).toBe(9_000_000);
    expect(config.firewall.timeout).toBe(1_500);
    expect(config.detection.trust.duration).toBe(0);
  });

  test("one field name and several both arrive as a list", async () => {
    const { config } = await loadGood("field-names.yaml");
    expect(config.log.fields).toEqual({ source_ip: ["client"], timestamp: ["time", "msec"] });
  });

  test("addresses arrive canonical", async () => {
    const { config } = await loadGood("allowlist.yaml");
    expect(config.allowlist as string[]).toEqual(["203.0.113.9", "10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]);
  });

  test("an anchor may be used twice", async () => {
    const { config } = await loadGood("anchors.yaml");
    expect(config.baseline.source_cap).toEqual({ mean: 2, stddev: 1 });
  });

  test("what is odd but possible is a warning, with its place", async () => {
    const { warnings } = await loadGood("warnings.yaml");
    expect(problemLines("warnings.yaml", warnings)).toEqual([
      "warnings.yaml:1:13    allowlist[0]: 128.0.0.0/1 is a large part of the whole Internet; nobody in it will ever be banned",
      "warnings.yaml:3:20    bans.durations[1]: 10m is shorter than the ban before it (30m)",
      "warnings.yaml:3:36    bans.durations[3]: stands after permanent, so no ban will ever have this duration",
      "warnings.yaml:5:31    detection.failures.per_10_minutes: 500 in ten minutes is never reached before 8 in one",
      "warnings.yaml:7:15    detection.classes[0].path: /** is every path, login forms and WebDAV too; name the paths of one application",
      "warnings.yaml:8:32    detection.classes[1].methods: without POST no attempt is counted; passwords are sent by POST",
      "warnings.yaml:10:23   baseline.source_cap.mean: 0.5 is below baseline.floor.mean (1): nothing is left to learn",
      "warnings.yaml:12:21   dashboard.trusted_proxies[0]: 2000::/3 is a large part of the whole Internet; anybody in it may say who they are",
    ]);
  });
});
