/**
 * Text of others, made harmless for Slack. [pure]
 *
 * Slack acts on <…> (links, <!channel>, <@U123>), on &entities;, on *bold* and friends, on bare URLs and on :emoji:.
 * https://docs.slack.dev/messaging/formatting-message-text#escaping asks for & < > alone to be escaped; the rest is
 * inert inside plain_text objects, which is where untrusted text goes.
 */

/** Longest piece of untrusted text in a message, in characters. */
const MAX_UNTRUSTED = 120;

/** Escapes what Slack asks to be escaped. For our own words, which hold nothing else to fear. */
export function escapeSlack(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Untrusted text for a plain_text object: one line, no controls, bidi marks or backticks, cut, escaped. */
export function defuse(text: string, max = MAX_UNTRUSTED): string {
  // Paths can be tens of kilobytes: cut before the costly part. Removals only make it shorter.
  const line = text
    .slice(0, max * 8)
    .replace(/[`\p{Cf}\p{Cs}]|(?!\s)\p{Cc}/gu, "")
    .replace(/\s+/g, " ")
    .trim();
  const characters = [...line];
  return escapeSlack(characters.length <= max ? line : `${characters.slice(0, max - 1).join("")}…`);
}

/** Untrusted text for a place that Slack reads as mrkdwn (the `text` fallback): also no emphasis and no link. */
export function defuseMrkdwn(text: string, max = MAX_UNTRUSTED): string {
  return defuse(text.replaceAll("://", ": //").replace(/[*_~]/g, " "), max);
}
