/**
 * The design as a table: which part may import which, and what the pure files must not touch. A line added here is
 * a change of the design; its `why` is the note that explains it.
 */
import { describe, expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dir, "..");

interface Zone {
  /** Path prefix; of several that fit, the longest is the file's zone. */
  readonly zone: string;
  /** Path prefixes or packages; "type …" may be imported as types only. A zone may always import itself. */
  readonly may: readonly string[];
  readonly why: string;
}

const RECORD = "type src/accesslog/record.ts";
const DECISION = "type src/decision.ts";
const STATUS = "type src/status.ts";
const NET = "src/net/";
const CLOCK = "src/clock.ts";

const ZONES: readonly Zone[] = [
  // Words: values that everybody may speak of.
  { zone: "src/net/", may: [], why: "addresses know nothing of us" },
  { zone: "src/config/duration.ts", may: [], why: "text to number and back" },
  { zone: "src/clock.ts", may: [], why: "the port to time" },
  { zone: "src/steady-clock.ts", may: ["type src/clock.ts"], why: "a clock made of another clock" },
  { zone: "src/version.ts", may: ["package.json"], why: "the one place that knows the version" },
  { zone: "src/accesslog/record.ts", may: ["type src/net/"], why: "what one request means; no parser needed" },
  { zone: "src/decision.ts", may: [RECORD, "type src/net/"], why: "words between core and world are only types" },
  { zone: "src/status.ts", may: [RECORD, DECISION, "type src/net/"], why: "plain data, nothing that runs" },
  {
    zone: "src/explanation.ts",
    may: [RECORD, DECISION, STATUS, "type src/net/"],
    why: "plain data, nothing that runs",
  },
  { zone: "src/wording.ts", may: ["src/config/duration.ts", DECISION], why: "one wording for all who tell" },
  { zone: "src/events.ts", may: ["src/wording.ts", DECISION], why: "decisions as JSON, in the common wording" },
  { zone: "src/lag.ts", may: [RECORD, DECISION], why: "judges plain figures" },
  {
    zone: "src/health.ts",
    may: [STATUS, "src/lag.ts", "src/wording.ts"],
    why: "judges plain figures, in the one wording",
  },
  { zone: "src/arming.ts", may: [RECORD, "type src/config/schema.ts"], why: "decides on values handed to it" },

  // The core.
  { zone: "src/source-index.ts", may: [NET], why: "a table that finds sources by their address" },
  { zone: "src/recency.ts", may: [NET, "src/source-index.ts"], why: "a bounded table that knows only sources" },
  {
    zone: "src/bans/",
    may: [RECORD, DECISION, STATUS, NET, "src/recency.ts"],
    why: "who is banned does not depend on why",
  },
  {
    zone: "src/detection/",
    may: [
      RECORD,
      DECISION,
      STATUS,
      "src/recency.ts",
      "src/source-index.ts",
      "type src/explanation.ts",
      NET,
      "type src/config/schema.ts",
    ],
    why: "detection knows nothing of bans; of the configuration only its shape; it finds addresses by their number",
  },
  {
    zone: "src/engine.ts",
    may: [
      "src/bans/",
      "src/detection/",
      "src/recency.ts",
      NET,
      RECORD,
      DECISION,
      STATUS,
      "type src/explanation.ts",
      "type src/config/schema.ts",
    ],
    why: "the whole core, and nothing of the world",
  },

  // Between core and world.
  {
    zone: "src/pump.ts",
    may: [RECORD, "type src/accesslog/parse.ts", "type src/engine.ts"],
    why: "moves records; is handed parser and engine",
  },
  {
    zone: "src/read-ahead",
    may: ["src/accesslog/", "type src/read-ahead-thread.ts"],
    why: "reading in a thread of its own: moves records; both files lie beside main.ts, where the executable finds them",
  },
  {
    zone: "src/refill.ts",
    may: [RECORD, "type src/accesslog/parse.ts", "type src/engine.ts"],
    why: "moves records; is handed parser and engine",
  },
  {
    zone: "src/effects.ts",
    may: [
      DECISION,
      "type src/clock.ts",
      "type src/firewall/firewall.ts",
      "type src/firewall/worker.ts",
      "type src/net/",
    ],
    why: "carries out decisions through the port it is handed",
  },

  // Adapters: each speaks to one thing in the world, and none to another adapter.
  { zone: "src/accesslog/", may: [NET, "type src/clock.ts", "node:"], why: "files and lines; records out" },
  {
    zone: "src/audit/",
    may: [RECORD, DECISION, "src/wording.ts", "type src/clock.ts", "node:"],
    why: "outcomes to a file",
  },
  { zone: "src/firewall/", may: [NET, "type src/clock.ts", "node:"], why: "sources in, kernel rules out" },
  {
    zone: "src/notify/",
    may: [RECORD, DECISION, "type src/net/", "src/wording.ts", CLOCK],
    why: "outcomes to Slack; no file, no process",
  },
  {
    zone: "src/host/",
    may: [NET, STATUS, "node:", "bun:ffi"],
    why: "reads the host; bun:ffi for systemd's datagram socket",
  },
  {
    zone: "src/state/",
    may: [
      NET,
      RECORD,
      DECISION,
      STATUS,
      "type src/engine.ts",
      "type src/bans/",
      "type src/detection/",
      "type src/arming.ts",
      "bun:sqlite",
      "node:",
      "zod",
    ],
    why: "stores the core's plain values; runs none of it",
  },
  {
    zone: "src/control/",
    may: [
      NET,
      RECORD,
      DECISION,
      STATUS,
      "type src/explanation.ts",
      "type src/arming.ts",
      "src/config/duration.ts",
      CLOCK,
      "node:",
    ],
    why: "requests over a socket to a target it is handed",
  },
  {
    zone: "src/dashboard/",
    may: [
      ...[NET, RECORD, DECISION, STATUS, "src/wording.ts", CLOCK, "views/"],
      ...["elysia", "@elysiajs/html", "htmx.org", "node:crypto"],
    ],
    why: "one status value in, pages out; it cannot reach engine or firewall; crypto for the login",
  },
  {
    zone: "src/config/",
    may: [NET, "src/detection/tuning.ts", "zod", "yaml", "node:"],
    why: "file and environment in, Config out; it knows the names of the tuned numbers",
  },
  {
    zone: "views/",
    may: ["type src/dashboard/", "type src/replay/", "src/replay/report-model.ts", "@elysiajs/html"],
    why: "places what a model has worded; never fetches or computes",
  },

  // Composition.
  {
    zone: "src/replay/",
    may: [
      RECORD,
      DECISION,
      NET,
      "type src/config/schema.ts",
      "src/accesslog/",
      "src/engine.ts",
      "src/pump.ts",
      "src/read-ahead.ts",
      "node:os",
      "src/detection/verdict.ts",
      "src/events.ts",
      "src/wording.ts",
      "src/cli/terminal.ts",
      "src/dashboard/geometry.ts",
    ],
    why: "the backtest: the engine over old logs; draws with the dashboard's pure geometry",
  },
  {
    zone: "src/cli/",
    may: ["src/commands/", "src/config/", "src/control/client.ts", "src/wording.ts", CLOCK, "node:"],
    why: "arguments and terminal, in the one wording; commands are loaded when named",
  },
  { zone: "src/daemon/", may: ["src/", "node:os", "pino"], why: "the parts that src/commands/run.ts puts together" },
  {
    zone: "src/commands/",
    may: ["src/", "views/", "node:"],
    why: "with src/daemon/ the only place where adapters are built",
  },
  { zone: "src/main.ts", may: ["src/cli/"], why: "picks a command" },
];

interface Import {
  readonly target: string;
  readonly isType: boolean;
}

/** Everything a file imports: static, re-exported, for its effect, or when called. */
function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, isType: boolean) =>
    found.push({ target: specifier.startsWith(".") ? join(dirname(file), specifier) : specifier, isType });
  for (const [, type, names, specifier] of text.matchAll(
    /^(?:import|export)\s+(type\s)?([^;"]*?)\s*from\s+"([^"]+)"/gm,
  )) {
    const list =
      /^\{([^}]*)\}$/
        .exec(names!.trim())?.[1]
        ?.split(",")
        .filter((name) => name.trim() !== "") ?? [];
    const isAllTypes = list.length > 0 && list.every((name) => name.trim().startsWith("type "));
    add(specifier!, type !== undefined || isAllTypes);
  }
  for (const [, specifier] of text.matchAll(/^import\s+"([^"]+)"/gm)) add(specifier!, false);
  for (const [, specifier] of text.matchAll(/\bimport\("([^"]+)"\)/g)) add(specifier!, false);
  return found;
}

const zoneOf = (file: string): Zone | undefined =>
  ZONES.filter(({ zone }) => file.startsWith(zone)).toSorted((a, b) => b.zone.length - a.zone.length)[0];

function isAllowed({ zone, may }: Zone, { target, isType }: Import): boolean {
  // A zone inside another (config/duration.ts in config/) is still that zone's own neighbour.
  if (zone.endsWith("/") && target.startsWith(zone)) return true;
  return may.some((rule) =>
    rule.startsWith("type ") ? isType && target.startsWith(rule.slice(5)) : target.startsWith(rule),
  );
}

/** What a file does against the table, in words; empty when nothing. */
function violations(file: string, text: string): string[] {
  const zone = zoneOf(file);
  if (zone === undefined) return [`${file} is in no zone: give it one, and say what it may import and why`];
  return importsOf(file, text)
    .filter((one) => !isAllowed(zone, one))
    .map(
      ({ target, isType }) =>
        `${file} imports ${isType ? "type " : ""}${target}, but ${zone.zone} may only import ${zone.may.join(", ") || "nothing"} (${zone.why})`,
    );
}

/** What a pure file must not touch, and why. */
const IMPURE: readonly (readonly [name: string, pattern: RegExp, why: string])[] = [
  ["the clock", /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.|\bTemporal\.Now\b/, "time is an argument"],
  ["chance", /\bMath\.random\b|\bcrypto\.|\brandomUUID\b/, "the same log must give the same decisions"],
  ["timers", /\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, "nothing happens but in answer to a call"],
  ["the process", /\bprocess\./, "settings are arguments"],
  ["the runtime", /\bBun\.|\bimport\.meta\b/, "the core is plain TypeScript"],
  ["the platform", /"(?:node|bun):/, "no files, no sockets, no processes"],
  ["the network", /\bfetch\(|\bWebSocket\b/, "adapters speak to the world"],
  ["the console", /\bconsole\./, "decisions are the only output"],
];

/** Pure by place; besides these, every file whose first lines say [pure]. */
const PURE =
  /^src\/(?:net|bans|detection)\/|^src\/(?:engine|decision|status|explanation|wording|events|lag|health|arming|pump|refill)\.ts$|^src\/accesslog\/(?:record|fields|layout|values|time|intern|fast|parse)\.ts$|^src\/config\/(?:duration|schema)\.ts$/;

/** Where a pure file may touch one of these all the same: "file: what", with the reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "src/accesslog/parse.ts: the runtime": "Bun.JSONL parses a whole window at once; bytes in, values out",
  "src/cli/terminal.ts: the runtime": "Bun.stringWidth and its kin measure text; they touch nothing",
};

/** The text without comments, so that a comment may say what the code must not do. */
const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");

function impurities(file: string, text: string): string[] {
  return IMPURE.filter(
    ([name, pattern]) => pattern.test(code(text)) && EXCEPTIONS[`${file}: ${name}`] === undefined,
  ).map(([name, pattern, why]) => `${file} touches ${name} (${pattern.exec(code(text))?.[0]}), but it is pure: ${why}`);
}

const files = [...new Glob("{src,views}/**/*.{ts,tsx}").scanSync(ROOT)]
  .filter((file) => !/\.test\.tsx?$|\.contract\.ts$|\.d\.ts$/.test(file))
  .sort();
const texts = new Map(
  await Promise.all(files.map(async (file) => [file, await Bun.file(join(ROOT, file)).text()] as const)),
);
const isPure = (file: string): boolean => PURE.test(file) || texts.get(file)!.slice(0, 400).includes("[pure]");

describe("imports point inward", () => {
  test.each(ZONES.map(({ zone, why }) => [zone, why] as const))("%s: %s", (zone) => {
    const own = files.filter((file) => zoneOf(file)?.zone === zone);
    expect(own.length).toBeGreaterThan(0);
    expect(own.flatMap((file) => violations(file, texts.get(file)!))).toEqual([]);
  });

  test("every file is in a zone", () => {
    expect(files.filter((file) => zoneOf(file) === undefined)).toEqual([]);
  });
});

describe("pure files are pure", () => {
  test("no clock, chance, timer, process, network or console", () => {
    expect(files.filter(isPure).flatMap((file) => impurities(file, texts.get(file)!))).toEqual([]);
  });

  test("every exception is still needed", () => {
    for (const exception of Object.keys(EXCEPTIONS)) {
      const [file, name] = exception.split(": ") as [string, string];
      expect(IMPURE.find(([known]) => known === name)![1].test(code(texts.get(file) ?? ""))).toBe(true);
    }
  });
});

describe("the check itself", () => {
  test.each([
    ["src/engine.ts", 'import { readFileSync } from "node:fs";', "imports node:fs, but src/engine.ts may only import"],
    ["src/engine.ts", 'import { configSchema } from "./config/schema.ts";', "imports src/config/schema.ts"],
    ["src/detection/a.ts", 'import {\n  type A,\n  b,\n} from "../bans/ledger.ts";', "imports src/bans/ledger.ts"],
    ["src/notify/a.ts", 'export { a } from "../firewall/exec.ts";', "imports src/firewall/exec.ts"],
    ["src/audit/a.ts", 'import "../notify/slack.ts";', "imports src/notify/slack.ts"],
    ["src/control/a.ts", 'const a = await import("../engine.ts");', "imports src/engine.ts"],
    ["views/a.tsx", 'import { a } from "../src/dashboard/model.ts";', "imports src/dashboard/model.ts"],
    ["src/new/a.ts", "", "is in no zone"],
  ])("%s: %j is found", (file, text, message) => {
    expect(violations(file, text).join()).toContain(message);
  });

  test.each([
    ["src/engine.ts", 'import type { Config } from "./config/schema.ts";'],
    ["src/detection/a.ts", 'import { type A, type B } from "../config/schema.ts";'],
    ["src/config/load.ts", 'import { parseDuration } from "./duration.ts";'],
    ["views/a.tsx", 'import type { A } from "../src/dashboard/model.ts";'],
  ])("%s: %j is allowed", (file, text) => {
    expect(violations(file, text)).toEqual([]);
  });

  test.each([
    ["const at = Date.now();", "the clock"],
    ["new Date( )", "the clock"],
    ["Math.random()", "chance"],
    ["setTimeout(run, 5)", "timers"],
    ["process.env.HOME", "the process"],
    ["Bun.file(path)", "the runtime"],
    ['import "node:fs";', "the platform"],
    ["await fetch(url)", "the network"],
    ["console.log(1)", "the console"],
  ])("%s touches %s", (text, name) => {
    expect(impurities("src/engine.ts", text).join()).toContain(`touches ${name} (`);
  });

  test.each(["new Date(at).toISOString()", "// Date.now() is not for us", "/* process.exit */", "request.process"])(
    "%s is fine",
    (text) => {
      expect(impurities("src/engine.ts", text)).toEqual([]);
    },
  );
});
