/**
 * Scores both profiles on the labelled development traces, closed loop, and prints the tables of docs/detection.md.
 *
 *   bun bench/detection/run.ts [--trace NAME]… [--profile adaptive|contract] [--each] [--innocents] [--sensitivity]
 *                              [--traces DIR]
 *
 * --innocents lists what each real source asked for that the labels call innocent and the profile banned.
 *
 * The traces and their scorer are not part of the repository: they are looked for in ../shared/traces.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { TUNING_NAMES, tunedNumber } from "../../src/detection/tuning.ts";
import { peers } from "./peers.ts";
import { replayTrace } from "./replay.ts";
import { type Labels, type Score, type Scorer, summarise, summaryRow, TABLE_HEAD, traceRow } from "./table.ts";

const NAMES = ["wiki", "wordpress", "joomla", "nasa", "busy", "nextcloud", "cold-shop", "cold-wiki"];

const argv = process.argv.slice(2);
const values = (name: string): string[] => argv.flatMap((arg, i) => (argv[i - 1] === `--${name}` ? [arg] : []));
const directory = resolve(values("traces")[0] ?? `${import.meta.dir}/../../../shared/traces`);
if (!existsSync(`${directory}/tools/score.ts`)) {
  console.error(`bench/detection: no traces in ${directory} (name them with --traces DIR)`);
  process.exit(2);
}
/** What of a trace's record is shown. */
interface TraceRecord {
  readonly source_ip: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

const names = values("trace").length > 0 ? values("trace") : NAMES;
const profiles = values("profile").length > 0 ? values("profile") : ["contract", "adaptive"];
const scorer = (await import(`${directory}/tools/score.ts`)) as Scorer;
const lib = (await import(`${directory}/tools/lib.ts`)) as {
  readTrace(file: string): TraceRecord[];
  readJson<T>(file: string): T;
};

const traces = names.map((name) => ({
  name,
  file: `${directory}/${name}.jsonl.gz`,
  records: lib.readTrace(`${directory}/${name}.jsonl.gz`),
  labels: lib.readJson<Labels>(`${directory}/${name}.labels.json`),
}));

async function scoreAll(profile: string, tuning?: Readonly<Record<string, number>>): Promise<Score[]> {
  const scores: Score[] = [];
  for (const trace of traces) {
    const events = await replayTrace(trace.file, profile, tuning);
    scores.push(scorer.score(trace.records, trace.labels, events));
  }
  return scores;
}

console.log(TABLE_HEAD);
for (const row of peers) console.log(row);
for (const profile of profiles) {
  const scores = await scoreAll(profile);
  console.log(summaryRow(`**${profile}**`, summarise(scores)));
  if (argv.includes("--each")) for (const score of scores) console.log(traceRow(score));
  if (argv.includes("--innocents")) for (const [i, score] of scores.entries()) showInnocents(score, traces[i]!.records);
}
if (argv.includes("--sensitivity")) await sensitivity();

/** Each banned source that the labels call innocent: why, how much it asked for, and for what. */
function showInnocents({ trace, falseBans }: Score, records: readonly TraceRecord[]): void {
  for (const example of falseBans.examples) {
    const source = example.split(" ", 1)[0]!;
    const sent = records.filter((record) => record.source_ip === source);
    const asked = new Set(sent.map(({ method, path, status }) => `${method} ${path.slice(0, 70)} ${status}`));
    const shown = [...asked].slice(0, 6).map((line) => `\n    ${JSON.stringify(line)}`);
    console.log(`${trace}: ${example}; ${sent.length} requests, ${asked.size} different:${shown.join("")}`);
  }
}

/** Each tuned number ± 30 %, one at a time. */
async function sensitivity(): Promise<void> {
  console.log(`\n${TABLE_HEAD}`);
  for (const name of TUNING_NAMES) {
    for (const factor of [0.7, 1.3]) {
      const value = tunedNumber(name)! * factor;
      // A share is at most everything.
      const tuning = { [name]: name.endsWith("Share") ? Math.min(1, value) : value };
      const scores = await scoreAll("adaptive", tuning);
      console.log(summaryRow(`${name} × ${factor}`, summarise(scores)));
    }
  }
}
