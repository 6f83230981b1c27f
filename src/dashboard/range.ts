/** How far back the chart of the traffic reaches: what a visitor may choose, by the word in the address. [pure] */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export interface Range {
  /** The word in `?range=`. */
  readonly name: "30m" | "24h" | "7d" | "30d";
  readonly text: string;
  readonly spanMs: number;
  /** One point stands for this long; some 360 points in all. */
  readonly stepMs: number;
  /** Distance of the times on the axis, in days; null where hours tell more. */
  readonly tickDays: number | null;
}

/** The last half hour, kept in memory and drawn anew each second. */
export const LIVE: Range = { name: "30m", text: "30 min", spanMs: 30 * MINUTE_MS, stepMs: 10_000, tickDays: null };

export const RANGES: readonly Range[] = [
  LIVE,
  { name: "24h", text: "24 h", spanMs: DAY_MS, stepMs: 5 * MINUTE_MS, tickDays: null },
  { name: "7d", text: "7 days", spanMs: 7 * DAY_MS, stepMs: 30 * MINUTE_MS, tickDays: 1 },
  { name: "30d", text: "30 days", spanMs: 30 * DAY_MS, stepMs: 2 * HOUR_MS, tickDays: 5 },
];

/** The range that an address asks for: the live one where it asks for none, null where it is none of ours. */
export function rangeOf(request: Request): Range | null {
  const name = new URL(request.url).searchParams.get("range");
  return name === null ? LIVE : (RANGES.find((range) => range.name === name) ?? null);
}

/** "" or "?range=24h": what an address needs to ask for it. */
export function queryOf(range: Range): string {
  return range === LIVE ? "" : `?range=${range.name}`;
}
