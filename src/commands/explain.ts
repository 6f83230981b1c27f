/** `explain ADDRESS`: why it is banned, or what it would take. */
import { type CommandIo, type CommandRun, EXIT } from "../cli/command.ts";
import { connect, tellNoAnswer, toldAsJson } from "../cli/control.ts";
import { columns, paint, printable, spanText, timeText } from "../cli/terminal.ts";
import { readSource } from "../control/protocol.ts";
import type { Outcome, SourceVerdict } from "../decision.ts";
import type { DetectorExplanation, FullExplanation, SurgeReading, TestReading } from "../explanation.ts";
import type { BanStatus } from "../status.ts";
import {
  adaptationText,
  banLengthText,
  causeText,
  conditionText,
  digitsApart,
  ordinal,
  pathNoteText,
} from "../wording.ts";

/** Asks the daemon; works for an address that was never seen, too. */
export const run: CommandRun = async (args, io) => {
  const named = args.operands[0]!;
  const read = readSource(named);
  if (!read.ok) {
    io.err(`anomaly-detector explain: ${printable(read.error.replace(/^"source"/, "ADDRESS"))}`);
    return EXIT.usage;
  }
  const connection = await connect(args, io);
  if (!connection.ok) return connection.exitCode;
  const result = await connection.client.explain(named);
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  if (!toldAsJson(args, io, result.value)) io.out(explainLines(result.value, io).join("\n"));
  return EXIT.ok;
};

type Row = readonly string[];

/** The answer as lines for a terminal. */
export function explainLines(told: FullExplanation, io: Pick<CommandIo, "color">): string[] {
  const rows = told.ban ? bannedRows(told, told.ban, io) : freeRows(told, io);
  return [headline(told, io), ...table(rows)];
}

/** Figures stand in columns; a row of one sentence must not push them apart. */
function table(rows: readonly Row[]): string[] {
  const figures = columns(rows.filter((row) => row.length > 2).map((row) => row.slice(1)));
  return columns(rows.map((row) => [`  ${row[0]}`, row.length > 2 ? figures.shift()! : row[1]!]));
}

function headline(
  { source, ban, at, offences, allowed, state, now }: FullExplanation,
  io: Pick<CommandIo, "color">,
): string {
  if (ban !== null) {
    const left = ban.ban.until === "permanent" ? "permanently" : `${spanText(ban.ban.until - at)} left`;
    const word = ban.enforcement === "dry-run" ? "would be banned (dry run)" : "banned";
    return `${source}   ${paint(io, "red", word)}, ${ordinal(ban.ban.banCount)} offence, ${left}`;
  }
  const facts = [paint(io, "green", allowed === null ? "not banned" : "exempt from bans")];
  if (offences > 0) facts.push(`${ordinal(offences)} offence served`);
  if (now?.trusted) facts.push("trusted: it proved an account lately");
  if (state !== "armed") facts.push(`the detector is ${state === "learning" ? "still learning" : state}`);
  return `${source}   ${facts.join(", ")}`;
}

function bannedRows(
  told: FullExplanation,
  { ban, enforcement, leakedRequests }: BanStatus,
  io: Pick<CommandIo, "color">,
): Row[] {
  const { cause } = ban;
  const why = cause.scope === "source" ? verdictRows(cause, io) : [["why", printable(causeText(ban), 300)]];
  const packets = told.droppedPackets === null ? "" : `, ${told.droppedPackets} packets dropped`;
  const leaks = leakedRequests > 0 ? `, ${leakedRequests} requests came through` : "";
  return [
    ...why,
    allowRow(told),
    [
      "rule",
      `${told.firewall.backend} from ${told.firewall.hooks.join(" + ")}, ${enforcement.replace("-", " ")}${packets}${leaks}`,
    ],
    ...historyRows(told.history),
    ["undo", `anomaly-detector unban ${ban.source}   (--forget also clears its offences)`],
  ];
}

/** The tests at the moment of the ban, and what the source was doing then. */
function verdictRows(verdict: SourceVerdict, io: Pick<CommandIo, "color">): Row[] {
  const paths = verdict.topPaths.map((asked) => `${printable(asked.path, 60)}${pathNoteText(asked)} ×${asked.count}`);
  const adapted = adaptationText(verdict);
  const tightened = verdict.tightenedBy ? `tightened by ${verdict.tightenedBy}` : "not tightened";
  return [
    ...firedRows(verdict, io),
    ["thresholds", `${tightened}, ${verdict.trusted ? "trusted" : "not trusted"}`],
    ...(adapted === null ? [] : [["adaptive", adapted]]),
    ...(paths.length > 0 ? [["asked for", paths.join(", ")]] : []),
    ...(verdict.userAgent === undefined ? [] : [["as", printable(verdict.userAgent, 120)]]),
  ];
}

function firedRows(verdict: SourceVerdict, io: Pick<CommandIo, "color">): Row[] {
  const { zScore, multiple, thresholds, baseline, reasons, rate, comparedRate, triggerRate, windowMs } = verdict;
  const span = spanText(windowMs);
  const fired = paint(io, "red", "fired");
  if (verdict.stream === "failures") {
    const learning = reasons.includes("ceiling") ? ", the higher bar of the warm-up" : "";
    return [
      ["failures", count(comparedRate, windowMs), `> ${count(triggerRate, windowMs)}`, fired, `in ${span}${learning}`],
    ];
  }
  const weighted = comparedRate.toFixed(2) === rate.toFixed(2) ? "" : ` (${comparedRate.toFixed(2)} weighted)`;
  const doing = `${rate.toFixed(2)} req/s${weighted} over ${span}`;
  if (reasons.includes("ceiling")) {
    const [value, limit] = apart(comparedRate, triggerRate, 2);
    return [["ceiling", value, `> ${limit} req/s`, fired, `${doing}, during the warm-up`]];
  }
  for (const reason of ["participant", "ramp"] as const)
    if (reasons.includes(reason)) return [[reason, printable(conditionText(verdict), 300), fired, doing]];
  const norm = `norm for one source ${baseline.mean.toFixed(2)} ± ${baseline.stddev.toFixed(2)}`;
  const test = (name: string, reason: "z-score" | "rate-multiple", value: number, limit: number, unit: string): Row => {
    const [left, right] = apart(value, limit, 1);
    const has = reasons.includes(reason);
    return [name, left + unit, `${has ? ">" : "of"} ${right}${unit}`, has ? fired : "quiet"];
  };
  return [
    [...test("z-score", "z-score", zScore, thresholds.zScore, ""), `${doing}, ${norm}`],
    test("rate / mean", "rate-multiple", multiple, thresholds.rateMultiple, "×"),
  ];
}

/** Both with as many digits as it takes to tell them apart: never "3.0 > 3.0". */
function apart(value: number, limit: number, least: number): [string, string] {
  const digits = digitsApart(value, limit, least);
  return [value.toFixed(digits), limit.toFixed(digits)];
}

function freeRows(told: FullExplanation, io: Pick<CommandIo, "color">): Row[] {
  const rows = told.now === null ? [["requests", "none in the last ten minutes"]] : nowRows(told.now, io);
  return [...rows, allowRow(told), ...historyRows(told.history)];
}

function nowRows(now: DetectorExplanation, io: Pick<CommandIo, "color">): Row[] {
  const weighted =
    now.comparedRate.toFixed(2) === now.rate.toFixed(2) ? "" : `, ${now.comparedRate.toFixed(2)} weighted`;
  const top =
    now.topPath === null
      ? ""
      : `, mostly ${printable(now.topPath, 80)}${pathNoteText({ kind: now.topKind ?? undefined })}`;
  return [
    [
      "requests",
      `${now.requests} with ${now.errors} errors in the window: ${now.rate.toFixed(2)} req/s${weighted}${top}`,
    ],
    ...now.tests.flatMap((test) => testRows(test, now.thresholds)),
    surgeRow(now.surge, now.comparedRate, io),
  ];
}

function testRows(test: TestReading, thresholds: DetectorExplanation["thresholds"]): Row[] {
  const { value, trigger, windowMs } = test;
  const span = spanText(windowMs);
  if (test.stream === "failures")
    return [["failures", count(value, windowMs), `of ${count(trigger, windowMs)}`, `in ${span}`]];
  const more = trigger > value ? `${(trigger - value).toFixed(2)} more` : "above it";
  const would = `over ${span} it would fire at ${trigger.toFixed(2)} req/s, now ${value.toFixed(2)} (${more})`;
  if (test.by === "ceiling")
    return [["ceiling", value.toFixed(2), `of ${trigger.toFixed(2)} req/s`, `${would}, the warm-up's ceiling`]];
  return [
    ["z-score", (test.zScore ?? 0).toFixed(1), `of ${thresholds.zScore.toFixed(1)}`, would],
    [
      "rate / mean",
      `${(test.multiple ?? 0).toFixed(1)}×`,
      `of ${thresholds.rateMultiple.toFixed(1)}×`,
      `norm for one source ${test.mean?.toFixed(2)} ± ${test.stddev?.toFixed(2)}`,
    ],
  ];
}

function surgeRow(surge: SurgeReading, rate: number, io: Pick<CommandIo, "color">): Row {
  const limit = `${surge.tightenedTrigger.toFixed(2)} req/s`;
  const already = rate > surge.tightenedTrigger ? ", which it is already above" : "";
  const meaning = surge.isSurge
    ? paint(io, "yellow", `on: its limit is ${limit}`)
    : `at ${surge.multiple}× its limit drops to ${limit}${already}`;
  return ["error surge", `${surge.ratio.toFixed(1)}×`, `of ${surge.multiple}×`, meaning];
}

function allowRow({ allowed }: FullExplanation): Row {
  return ["allow list", allowed === null ? "no match" : printable(allowed, 200)];
}

function historyRows(history: readonly Outcome[]): Row[] {
  const events = history.flatMap(({ decision, at, result }) => {
    const time = timeText(at).slice(11, 19);
    const how = result === "done" ? "" : ` (${result})`;
    if (decision.kind === "ban") return [`${time} ban ${banLengthText(decision.ban)}${how}`];
    return decision.kind === "unban" ? [`${time} unban${how}`] : [];
  });
  return events.length === 0 ? [] : [["history", events.join(" · ")]];
}

/** Events in the window, with one decimal only where there is a fraction. */
function count(perSecond: number, windowMs: number): string {
  const events = (perSecond * windowMs) / 1000;
  return Number(events.toFixed(1)).toString();
}
