/** "10m" to milliseconds and back. Strict on purpose: a bare number or "1.5h" has no obvious unit or precision. */

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const PATTERN = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** Parses "500ms", "10s", "2h30m", "30d" to milliseconds; null for anything else, the empty string and bare numbers included. */
export function parseDuration(text: string): number | null {
  const match = PATTERN.exec(text);
  if (text === "" || !match) return null;
  const [, d, h, m, s, ms] = match.map((part) => Number(part ?? 0));
  const total = d! * UNITS.d + h! * UNITS.h + m! * UNITS.m + s! * UNITS.s + ms!;
  return Number.isSafeInteger(total) ? total : null;
}

/** The shortest exact text: 600000 is "10m", 9000000 is "2h30m", 0 is "0s". */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  let text = "";
  for (const unit of ["d", "h", "m", "s", "ms"] as const) {
    const count = Math.floor(rest / UNITS[unit]);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * UNITS[unit];
  }
  return text || "0s";
}
