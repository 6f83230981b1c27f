/**
 * Slack's layout blocks, and their limits. [pure]
 * https://docs.slack.dev/reference/block-kit/blocks: header 150 characters; section text 3,000; at most 10 fields of
 * 2,000; 50 blocks; about 13,000 characters in a message.
 */
import type { Message } from "./notifier.ts";

interface TextObject {
  readonly type: "plain_text" | "mrkdwn";
  readonly text: string;
  readonly emoji?: boolean;
  readonly verbatim?: boolean;
}

/** What of Slack's Block Kit we use. */
export type Block =
  | { readonly type: "header"; readonly text: TextObject }
  | { readonly type: "section"; readonly text: TextObject }
  | { readonly type: "section"; readonly fields: readonly TextObject[] };

const MAX_HEADER = 150;
const MAX_SECTION = 3000;
const MAX_FIELDS = 10;
const MAX_FIELD = 2000;
const MAX_BLOCKS = 50;
/** Of the message as JSON, so that escapes and structure count, too; a little is left for what the sender adds. */
const MAX_MESSAGE = 12_500;
const MAX_FALLBACK = 2000;

/** A large first line. All texts given here and below are already escaped. */
export function header(text: string): Block {
  return { type: "header", text: plain(text, MAX_HEADER) };
}

/** A paragraph in which nothing is active: the place for untrusted text. */
export function paragraph(text: string): Block {
  return { type: "section", text: plain(text, MAX_SECTION) };
}

/** A two-column table of our own words and numbers; an `untrusted` value loses the bold label and any activity. */
export function facts(rows: readonly Fact[]): Block {
  return {
    type: "section",
    fields: rows.slice(0, MAX_FIELDS).map(({ label, value, untrusted }) =>
      untrusted
        ? plain(`${label}\n${value}`, MAX_FIELD)
        : // verbatim: no mention, channel or URL in it becomes active.
          { type: "mrkdwn", text: cut(`*${label}*\n${value}`, MAX_FIELD), verbatim: true },
    ),
  };
}

/** One name and value of a message. `untrusted`: it comes from a request. */
export interface Fact {
  readonly label: string;
  readonly value: string;
  readonly untrusted?: boolean;
}

/** A message within every limit; blocks that would burst it are left out from the end. */
export function message(text: string, blocks: readonly Block[]): Message {
  const fallback = cut(text, MAX_FALLBACK);
  const kept: Block[] = [];
  let length = JSON.stringify({ text: fallback, blocks: [] }).length;
  for (const block of blocks.slice(0, MAX_BLOCKS)) {
    length += JSON.stringify(block).length + 1;
    if (length > MAX_MESSAGE) break;
    kept.push(block);
  }
  return { text: fallback, blocks: kept };
}

function plain(text: string, max: number): TextObject {
  // An empty text object makes Slack refuse the whole message.
  return { type: "plain_text", text: cut(text, max) || "-", emoji: false };
}

/** Cuts escaped text without leaving half an entity or half a character behind. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text
    .slice(0, max - 1)
    .replace(/&[a-z]{0,3}$/, "")
    .replace(/[\ud800-\udbff]$/, "")}…`;
}
