/** Numbers, lengths of time and foreign text as short words for a table cell. [pure] */

import { spanText } from "../wording.ts";

/** Tells nothing: an unknown, undefined or infinite figure. */
export const NOTHING = "—";
const THIN_SPACE = "\u202f";
const MINUS = "\u2212";

/** "0", "1 800", "38.1 k", "254 k", "1.2 M": at most four figures. */
export function countText(n: number): string {
  if (!Number.isFinite(n)) return NOTHING;
  if (n < 10_000) return grouped(Math.round(n));
  const [value, unit] = n < 999_500 ? [n / 1e3, "k"] : n < 999_500_000 ? [n / 1e6, "M"] : [n / 1e9, "G"];
  return `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)}${THIN_SPACE}${unit}`;
}

function grouped(n: number): string {
  return n < 1000 ? String(n) : `${Math.floor(n / 1000)}${THIN_SPACE}${String(n % 1000).padStart(3, "0")}`;
}

/** "512 B", "58 MB", "1.9 GB" (powers of 1000). */
export function bytesText(bytes: number): string {
  if (!Number.isFinite(bytes)) return NOTHING;
  let value = bytes;
  for (const unit of ["B", "kB", "MB", "GB", "TB"]) {
    if (value < 999.5) return `${unit === "B" || value >= 99.95 ? value.toFixed(0) : short(value)}${THIN_SPACE}${unit}`;
    value /= 1000;
  }
  return `${countText(value)}${THIN_SPACE}PB`;
}

function short(value: number): string {
  return value < 9.95 ? value.toFixed(1) : value.toFixed(value < 19.95 ? 1 : 0);
}

/** A rate without its unit: "0.42", "13.2", "1 204". */
export function rateFigure(rate: number): string {
  if (!Number.isFinite(rate)) return NOTHING;
  if (rate < 0.995) return rate === 0 ? "0" : rate.toFixed(2);
  return rate < 999.5 ? rate.toFixed(1) : countText(rate);
}

/** A share 0–1 as percent without its sign: "0", "2.1", "49"; below 10 one decimal. */
export function percentFigure(share: number): string {
  if (!Number.isFinite(share)) return NOTHING;
  const percent = share * 100;
  return percent === 0 ? "0" : percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0);
}

/** "+2.3", "−0.1", "0.0". */
export function signed(n: number): string {
  if (!Number.isFinite(n)) return NOTHING;
  const text = Math.abs(n) < 999.5 ? Math.abs(n).toFixed(1) : countText(Math.abs(n));
  return text === "0.0" ? text : `${n < 0 ? MINUS : "+"}${text}`;
}

/** The length of a window as people name it: "60 s", "10 min". */
export function windowText(ms: number): string {
  return ms <= 120_000 ? `${Math.round(ms / 1000)} s` : spanText(ms);
}

/** What is left of a ban: "0:09", "13:36", "1:31:12", "3 d 4 h". Rounded up, so that 0:00 means over. */
export function countdownText(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds >= 2 * 86_400) return spanText(seconds * 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** "no source", "one source", "3 sources". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return n === 0 ? `no ${many}` : n === 1 ? `one ${one}` : `${countText(n)} ${many}`;
}

/** Control characters, and the bidirectional ones that reorder their surroundings; not visible as such. */
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Attacker text for the screen: control and bidi characters spelt out ("\u202e"), cut to `most` characters. */
export function visibleText(text: string, most = 160): string {
  const shown = text
    .slice(0, most)
    .toWellFormed()
    .replace(INVISIBLE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return text.length > most ? `${shown}…` : shown;
}
