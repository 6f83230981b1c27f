/**
 * What survives a restart, as plain values. [pure]
 *
 * A checkpoint is one moment: everything learned from the log, and the place in the log up to which it was
 * learned. Both are written in one transaction, so after a crash each line is learned from exactly once: what lies
 * behind the place was in the checkpoint, what lies ahead is read again. Bans and offences are not in it: they are
 * written at once, and deciding one of them again is harmless.
 */
import type { EpochMs } from "../accesslog/record.ts";
import type { Ban, UnbanWhy } from "../decision.ts";
import type { SavedEngine } from "../engine.ts";
import type { BanStatus } from "../status.ts";

/** Where a log stands; the tail's own words (inode, offset, fingerprint). */
export interface Position {
  readonly inode: number;
  readonly offset: number;
  readonly fingerprint: string;
}

/** From where to read after a restart: the first `refill` lines from `position` were learned from already. */
export interface Place {
  readonly position: Position;
  readonly refill: number;
}

/** `whole`: every row of every part; else only what changed since the last one. */
export interface Checkpoint {
  readonly at: EpochMs;
  readonly whole: boolean;
  /** The best first: the one that fills the windows again, then the one with the least to read. Empty before any log. */
  readonly places: readonly Place[];
  /** Null where a log was opened, but nothing learned from it yet. */
  readonly engine: SavedEngine | null;
}

/** An unban that the firewall has not confirmed. */
export interface Ending {
  readonly at: EpochMs;
  readonly why: UnbanWhy;
  readonly by?: string | undefined;
}

/** A ban as it was when the last run ended. */
export interface RememberedBan {
  readonly ban: Ban;
  /** pending: its outcome was never seen, so nobody was told. */
  readonly enforcement: BanStatus["enforcement"];
  readonly ending: Ending | null;
}

/** The rows of a checkpoint that have tables of their own, and the rest, which is one small value. */
export interface Parts {
  readonly rest: string;
  readonly seconds: readonly (readonly [slot: number, requests: number, errors: number])[];
  readonly visitHours: readonly (readonly [hour: number, visits: string])[];
  readonly trust: SavedEngine["trust"];
  readonly slow: SavedEngine["slow"];
  readonly points: readonly (readonly [at: EpochMs, point: string])[];
  readonly minutes: SavedEngine["minutes"];
}

/** Takes a saved engine apart for the tables. */
export function partsOf(engine: SavedEngine): Parts {
  const { baseline, sourceBaseline, trust, slow, history, minutes } = engine;
  const rest: SavedEngine = {
    ...engine,
    baseline: { ...baseline, ring: [] },
    sourceBaseline: { ...sourceBaseline, hours: [] },
    trust: [],
    slow: [],
    history: { ...history, points: [] },
    minutes: [],
  };
  return {
    rest: JSON.stringify(rest),
    seconds: baseline.ring,
    visitHours: sourceBaseline.hours.map(([hour, visits]) => [hour, JSON.stringify(visits)]),
    trust,
    slow,
    points: history.points.map((point) => [point.at, JSON.stringify(point)]),
    minutes,
  };
}

/** Puts them together again. Throws (SyntaxError, TypeError, RangeError) where they are not what `partsOf` made. */
export function engineOf(parts: Parts): SavedEngine {
  const rest = JSON.parse(parts.rest) as SavedEngine;
  const saved: SavedEngine = {
    ...rest,
    baseline: { ...rest.baseline, ring: parts.seconds.filter(([slot]) => slot < rest.baseline.size) },
    sourceBaseline: {
      ...rest.sourceBaseline,
      hours: parts.visitHours.map(([hour, visits]) => [hour, JSON.parse(visits) as [number, number][]]),
    },
    trust: parts.trust,
    slow: parts.slow,
    history: { ...rest.history, points: parts.points.map(([, point]) => JSON.parse(point)) },
    minutes: parts.minutes,
  };
  check(saved);
  return saved;
}

/** Arithmetic on a missing number would poison every baseline from then on. */
function check(saved: SavedEngine): void {
  const { baseline } = saved;
  const numbers = [saved.now, saved.startedAt, saved.second, saved.secondRequests, saved.secondErrors];
  numbers.push(saved.recalculateAt, baseline.size, baseline.head, baseline.hour, baseline.grown);
  numbers.push(
    ...saved.breaker.wishes.flat(),
    ...saved.crowdBreaker.wishes.flat(),
    ...saved.withheld.map(([, at]) => at),
  );
  numbers.push(...baseline.rolling, ...baseline.hours.flat(), ...baseline.ring.flat());
  for (const snapshot of [baseline.snapshot, saved.sourceBaseline.snapshot])
    numbers.push(snapshot.at, snapshot.mean, snapshot.stddev, snapshot.errorRate);
  if (!numbers.every((number) => Number.isFinite(number))) throw new RangeError("a number is missing");
  if (baseline.hours.length !== 24 || baseline.ring.length < Math.min(baseline.rolling[0], baseline.size))
    throw new RangeError("a part of the baseline is missing");
}
