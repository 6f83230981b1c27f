/** How every message is laid out, and where untrusted text may stand in it. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Evidence } from "../decision.ts";
import { pathNoteText, timeText } from "../wording.ts";
import { type Block, type Fact, facts, header, message, paragraph } from "./blocks.ts";
import { defuse, defuseMrkdwn, escapeSlack } from "./escape.ts";
import type { Message } from "./notifier.ts";

/** A note may quote a failed command, which is longer than a path needs to be. */
const MAX_NOTE = 600;

/** Where many requests came from, and as what; safe to print. */
export interface Crowd {
  readonly sources: readonly string[];
  readonly networks: readonly string[];
  readonly agents: readonly string[];
}

const NOBODY: Crowd = { sources: [], networks: [], agents: [] };

/**
 * Lays out a message: title, note, facts, then what the traffic looked like. The fallback `text` repeats title, note and
 * facts on one line; paths and user agents never stand in it, because Slack may read it as mrkdwn.
 */
export function compose(
  title: string,
  note: string,
  at: EpochMs,
  hostname: string,
  rows: readonly Fact[],
  evidence: Evidence | null = null,
  crowd: Crowd = NOBODY,
): Message {
  const all = [...rows, { label: "Time", value: timeText(at) }, { label: "Host", value: hostname, untrusted: true }];
  const blocks: Block[] = [header(escapeSlack(title))];
  if (note) blocks.push(paragraph(defuse(note, MAX_NOTE)));
  blocks.push(facts(all.map((row) => ({ ...row, value: row.untrusted ? defuse(row.value) : escapeSlack(row.value) }))));
  const traffic = trafficText(evidence, crowd);
  if (traffic) blocks.push(paragraph(traffic));
  const inline = all.map(
    ({ label, value, untrusted }) => `${label}: ${untrusted ? defuseMrkdwn(value) : escapeSlack(value)}`,
  );
  return message(
    [escapeSlack(title), note && defuseMrkdwn(note, MAX_NOTE), ...inline].filter(Boolean).join(" | "),
    blocks,
  );
}

/** Where the requests went and came from, untrusted parts defused. A query may hold secrets and stays here. */
function trafficText(evidence: Evidence | null, { sources, networks, agents }: Crowd): string {
  if (evidence === null) return "";
  const paths = evidence.topPaths.map(
    (asked) => `${asked.count} × ${defuse(asked.path.replace(/\?.*/s, "?…")) || "(empty)"}${pathNoteText(asked)}`,
  );
  const statuses = evidence.statuses.map(({ status, count }) => `${count} × ${status}`);
  const agent = defuse(evidence.userAgent ?? "");
  return [
    sources.length > 0 ? `Top sources\n${sources.join("\n")}` : "",
    networks.length > 0 ? `Top networks\n${networks.join("\n")}` : "",
    paths.length > 0 ? `Top paths\n${paths.join("\n")}` : "",
    statuses.length > 0 ? `Statuses\n${statuses.join(", ")}` : "",
    agents.length > 0 ? `Top user agents\n${agents.join("\n")}` : "",
    agent ? `Last user agent\n${agent}` : "",
  ]
    .filter(Boolean)
    .join("\n\n");
}
