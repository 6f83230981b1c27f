import type { AccessRecord } from "../accesslog/record.ts";
import { headOf, queryStart } from "./path-sketch.ts";
import { TopCounts } from "./top-counts.ts";

/** Counters for each: a flood over more paths than this is a flood of the site, and told as such. */
const PATHS = 64;
const AGENTS = 32;
const STATUSES = 16;
/** Characters kept of a path or a user agent. */
const MAX_TEXT = 200;
/** Requests of either time that a comparison of the two takes, each for what it stands for. */
const ENOUGH = 60;

/** What the whole site is asked for, and by what, over some time: bounded, whatever is asked. */
export class TrafficSketch {
  readonly paths = new TopCounts<string>(PATHS);
  readonly agents = new TopCounts<string>(AGENTS);
  readonly statuses = new TopCounts<number>(STATUSES);

  /** `weight`: how many requests it stands for. */
  add({ path, status, userAgent }: AccessRecord, weight: number): void {
    this.paths.add(sketchedPath(path), weight);
    this.statuses.add(status, weight);
    if (userAgent !== undefined) this.agents.add(sketchedText(userAgent), weight);
  }

  get isTelling(): boolean {
    return this.paths.total >= ENOUGH;
  }

  merge(other: TrafficSketch): void {
    this.paths.merge(other.paths);
    this.agents.merge(other.agents);
    this.statuses.merge(other.statuses);
  }
}

/** A path as sketches know it: without its query, and not longer than they keep. */
export function sketchedPath(path: string): string {
  return headOf(path, Math.min(queryStart(path), MAX_TEXT));
}

/** A text, not longer than sketches keep. */
export function sketchedText(text: string): string {
  return headOf(text, MAX_TEXT);
}

/** Rates of the site, per second, that two sketches are held against each other with. */
export interface SurgeRates {
  readonly calm: number;
  readonly surge: number;
}

/** What makes a path a surging one: its share of the excess, what all such must make up together, and its growth. */
export interface SurgeShares {
  readonly surgingShare: number;
  readonly surgingTotal: number;
  readonly surgingGrowth: number;
}

/**
 * The paths that the site's excess is made of: each with its share of what is asked now beyond what was asked in calm
 * times. None when the excess is spread over the site, or too little is known.
 */
export function surgingPaths(
  now: TrafficSketch,
  calm: TrafficSketch | null,
  rates: SurgeRates,
  { surgingShare, surgingTotal, surgingGrowth }: SurgeShares,
): ReadonlySet<string> {
  const excess = rates.surge - rates.calm;
  const found = new Set<string>();
  if (!now.isTelling || excess <= 0) return found;
  let sum = 0;
  for (const { key, count } of now.paths.top(PATHS)) {
    const before = calm === null || !calm.isTelling ? 0 : calm.paths.countOf(key) / calm.paths.total;
    const rate = (count / now.paths.total) * rates.surge;
    const share = (rate - before * rates.calm) / excess;
    if (share < surgingShare || rate < surgingGrowth * before * rates.calm) continue;
    found.add(key);
    sum += share;
  }
  return sum >= surgingTotal ? found : new Set();
}
