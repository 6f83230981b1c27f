/** How text reaches a terminal: attacker text made harmless, colour, columns, spans of time. [pure] */

import { spanText as flooredSpanText } from "../wording.ts";

/**
 * What a terminal or a reader would obey rather than show: control characters (C0, DEL, C1), line and
 * paragraph separators, bidirectional controls, zero-width characters, tags, lone surrogates.
 */
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\p{Surrogate}]/gu;

/** `text` on one line with nothing hidden in it: "\x1b[31m" shows as its escape; cut to `max` characters. */
export function printable(text: string, max = 500): string {
  const cut = text.length > max ? `${text.slice(0, max - 1)}…` : text;
  return cut.replace(UNPRINTABLE, (char) => {
    const code = char.codePointAt(0)!;
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** JSON, indented, that is still safe to look at: what `printable` would replace is written as \uXXXX. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(UNPRINTABLE, (char) => {
    if (char === "\n") return char;
    return [...Array(char.length).keys()].map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`).join("");
  });
}

const COLORS = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;

/** `text` in a colour, or as it is when there is no colour. */
export function paint(io: { readonly color: boolean }, color: keyof typeof COLORS, text: string): string {
  return io.color ? `\x1b[${COLORS[color]}m${text}\x1b[0m` : text;
}

/** Rows as aligned columns, two spaces apart; the last column is not padded. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, Bun.stringWidth(cell));
  }
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell + " ".repeat(widths[i]! - Bun.stringWidth(cell))))
      .join("  ")
      .trimEnd(),
  );
}

/** The two greatest units of a span, rounded to the second: "12 d 4 h", "13 min 36 s", "8 s". Never negative. */
export function spanText(ms: number): string {
  return flooredSpanText(Math.round(ms / 1000) * 1000);
}

/** "2026-04-25 12:00:00Z": UTC, to the second. */
export function timeText(at: number): string {
  return new Date(at)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, "Z");
}

/** "1 ban", "2 bans" */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
