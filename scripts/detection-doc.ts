/** The tables of docs/detection.md that are made from the code itself, so that the page cannot say otherwise. */
import type { AccessRecord } from "../src/accesslog/record.ts";
import { formatDuration } from "../src/config/duration.ts";
import { configSchema } from "../src/config/schema.ts";
import { BUILT_IN, type PathShape } from "../src/detection/class-table.ts";
import { failureOf } from "../src/detection/failures.ts";
import { Classifier } from "../src/detection/request-class.ts";
import { TUNING } from "../src/detection/tuning.ts";
import { triggerRate } from "../src/detection/verdict.ts";
import { parseIp } from "../src/net/ip.ts";

type Row = readonly (string | number)[];

/** Replaces what stands between `<!-- made: NAME -->` and `<!-- end -->`. Throws for a name that nobody makes. */
export function renderDetectionDoc(page: string, tuningSource: string): string {
  return page.replace(/(<!-- made: ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, head, name, end) => {
    const make = TABLES[name];
    if (make === undefined) throw new Error(`docs/detection.md: nobody makes "${name}"`);
    return `${head}\n${make(tuningSource)}\n${end}`;
  });
}

/** The rows themselves: what the first match is looked for in. */
function builtInTable(): string {
  const rows = BUILT_IN.map(({ kind, path, answers, meaning, costs }): Row => {
    const asked =
      answers === undefined ? "any" : [...answers].map(([method, codes]) => `${method} ${codes.join(", ")}`);
    return [`**${kind}**`, shapeText(path), [asked].flat().join("; "), meaning, costs];
  });
  return table(["class", "path without its query", "method and answer", "meaning", "cost"], rows);
}

function shapeText(path: PathShape): string {
  switch (path.by) {
    case "expression":
      return `\`${path.matches.source.replaceAll("\\/", "/")}\`${path.except ? ", not the device login" : ""}`;
    case "extension":
      return `ends in ${path.words.map((word) => `\`.${word}\``).join(" ")}`;
    case "whole path":
      return path.words.map((word) => `\`${word}\``).join(" ");
    case "anything":
      return "any";
    default:
      return path satisfies never;
  }
}

const TABLES: Readonly<Record<string, (tuningSource: string) => string>> = {
  "built-in": builtInTable,
  classes: classTable,
  costs: (source) => numberTable("cost", source),
  visits: (source) => numberTable("visits", source),
  judgement: (source) => numberTable(null, source),
  failures: failureTable,
  triggers: triggerTable,
};

/** Requests as they stand in real logs, one or more for each class; what is said of them is computed. */
const EXAMPLES: readonly (readonly [method: string, path: string, status: number, meaning: string])[] = [
  ["PROPFIND", "/remote.php/dav/files/anna/", 207, "Nextcloud, any CalDAV or CardDAV server: listed with a password"],
  ["PUT", "/remote.php/dav/files/anna/a.txt", 201, "written with a password"],
  ["PROPFIND", "/remote.php/dav/files/anna/", 401, "asked without a password first, as WebDAV clients do"],
  ["GET", "/remote.php/dav/files/anna/a.txt", 200, "read over WebDAV"],
  ["GET", "/dist/core-common.js?v=3a1", 200, "a file that a page pulls in"],
  ["GET", "/theme/header.jpg", 304, "the same, unchanged"],
  ["GET", "/index.php/core/preview?fileId=7&x=256", 404, "a thumbnail that is not made yet"],
  ["GET", "/index.php/avatar/anna/64", 200, "a face"],
  ["GET", "/status.php", 200, "health, asked by clients and monitors"],
  ["POST", "/index.php/login", 303, "a password, right or wrong: Nextcloud says 303 to both"],
  ["POST", "/wp-login.php", 200, "a wrong password in WordPress"],
  ["GET", "/login", 200, "the form"],
  ["POST", "/index.php/login/v2/poll", 404, "the device login, waiting for its owner"],
  ["GET", "/2026/02/an-article/", 200, "a page"],
  ["GET", "/2026/02/gone/", 404, "a dead link, or a guess"],
  ["GET", "/.env", 404, "nobody asks for this by mistake"],
  ["GET", "/?q=1+union+select+2", 200, "injection, whatever it answers"],
  ["PUT", "/remote.php/dav/files/anna/big.iso", 413, "too large: the server's limit, not the client's fault"],
  ["GET", "/apps/files/", 502, "the server's own fault"],
];

function classTable(): string {
  const classifier = new Classifier();
  const spared = new Set(configSchema.parse({}).detection.failures.not_blamed);
  const rows = EXAMPLES.map(([method, path, status, meaning]): Row => {
    const record: AccessRecord = { at: 0, source: parseIp("203.0.113.9")!, method, path, status, bytes: 0 };
    const kind = classifier.classify(record);
    const failure = failureOf(record, kind, false, spared);
    return [`\`${method} ${path}\``, status, `**${kind}**`, failure === "none" ? "–" : failure, meaning];
  });
  return table(["request", "answer", "class", "failure", "meaning"], rows);
}

/** The numbers of one group of src/detection/tuning.ts (null: those in none) with the comment that stands above each. */
function numberTable(group: "cost" | "visits" | null, source: string): string {
  const values: Readonly<Record<string, unknown>> = group === null ? { ...TUNING } : { ...TUNING[group] };
  const reasons = reasonsOf(source);
  const rows = Object.entries(values).flatMap(([name, value]): Row[] =>
    typeof value === "number"
      ? [[`\`${name}\``, numberText(name, value), reasons.get(`${group ?? ""}.${name}`) ?? ""]]
      : [],
  );
  return table(["name", "value", "the traffic it stands for"], rows);
}

function numberText(name: string, value: number): string {
  return name.endsWith("Ms") ? formatDuration(value) : String(value);
}

/** "cost.asset" to the comment lines above that key inside TUNING. A key without one shares the comment before it. */
function reasonsOf(source: string): Map<string, string> {
  const lines = source.slice(source.indexOf("export const TUNING")).split("\n");
  const reasons = new Map<string, string>();
  let group = "";
  let comment: string[] = [];
  for (const line of lines) {
    const text = /^\s*\/\/ (.*)$/.exec(line)?.[1];
    const key = /^\s*(\w+):/.exec(line)?.[1];
    if (text !== undefined) comment.push(text);
    else if (key !== undefined && line.trimEnd().endsWith("{")) group = key;
    else if (key !== undefined) {
      reasons.set(`${group}.${key}`, comment.join(" "));
      comment = [];
    } else if (line.trim() === "},") group = "";
    else if (line.startsWith("}")) break;
  }
  return reasons;
}

function failureTable(): string {
  const { failures, trust } = configSchema.parse({}).detection;
  const rows: Row[] = [
    ["one minute", `> ${failures.per_minute}`, "`detection.failures.per_minute`", `× ${trust.failures}`],
    ["ten minutes", `> ${failures.per_10_minutes}`, "`detection.failures.per_10_minutes`", `× ${trust.failures}`],
    ["three days, a leaky bucket", `> ${failures.per_3_days}`, "`detection.failures.per_3_days`", "not counted"],
  ];
  return table(["span", "a ban falls at", "key", "for a trusted source"], rows);
}

function triggerTable(): string {
  const { detection, baseline } = configSchema.parse({});
  const thresholds = { zScore: detection.z_score, rateMultiple: detection.rate_multiple };
  const tightened = {
    zScore: thresholds.zScore * detection.error_surge.tighten,
    rateMultiple: thresholds.rateMultiple * detection.error_surge.tighten,
  };
  const row = (name: string, { mean, stddev }: { mean: number; stddev: number }): Row => {
    const [plain, during] = [triggerRate({ mean, stddev }, thresholds), triggerRate({ mean, stddev }, tightened)];
    return [name, `${mean} ± ${stddev}`, rate(plain), Math.floor(plain * 60), rate(during)];
  };
  return table(
    [
      "norm for one source",
      "mean ± σ per second",
      "trigger",
      "requests of cost 1 in a minute",
      "during an error surge",
    ],
    [
      row("floor (the quietest site)", baseline.floor),
      row("cap (the busiest that may be learned)", baseline.source_cap),
    ],
  );
}

function rate(value: number): string {
  return `${value.toFixed(2)} /s`;
}

function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row) => `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|")).join(" | ")} |\n`;
  return line(head) + line(head.map(() => "---")) + rows.map(line).join("");
}
