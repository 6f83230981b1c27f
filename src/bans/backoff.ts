import type { EpochMs } from "../accesslog/record.ts";

/** Milliseconds, or "permanent". */
export type BanDuration = number | "permanent";

/** The duration of the n-th ban of a source (n from 1): the list in order, its last entry repeating. */
export function durationOf(banCount: number, durations: readonly BanDuration[]): BanDuration {
  return durations[Math.min(banCount, durations.length) - 1]!;
}

/** When a ban that begins at `since` ends. */
export function endOf(since: EpochMs, duration: BanDuration): EpochMs | "permanent" {
  return duration === "permanent" ? "permanent" : since + duration;
}
