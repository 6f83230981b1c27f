/**
 * The contract's algorithm, written as naively as possible: lists of timestamps, filtered at every request, plain
 * loops. It shares nothing with the product but the words. What it is for: the Engine with
 * `detection.profile: contract` must decide the same on every log.
 *
 * Conventions, where the contract leaves a choice: the baseline is recalculated at the first whole second at or
 * after (first record + k × 60 s); deviation is that of a population; an hour's slot starts anew with its hour and
 * is preferred from 300 seconds on; ten seconds must be known before a baseline or the spike guard counts; the
 * guard gives way after 600 guarded seconds with at least ten sources each; comparisons are strict, that of error
 * rates is not; lines of banned sources are ignored; a ban empties its source's window.
 */
export interface Request {
  /** Milliseconds; never decreasing from one request to the next. */
  readonly at: number;
  readonly source: string;
  readonly status: number;
}

/** "BAN 1767600003000 203.0.113.10 600", "UNBAN 1767600603000 203.0.113.10", "ALERT 1767600003000 firing" */
export type Told = string;

const WINDOW = 60_000;
const MINUTE = 60_000;
const DURATIONS = [600, 1800, 7200, Number.POSITIVE_INFINITY];

export function decide(requests: readonly Request[]): Told[] {
  const told: Told[] = [];
  const site: number[] = [];
  let sites: { [source: string]: { at: number; isError: boolean }[] } = {};
  const bans: { [source: string]: number } = {};
  const offences: { [source: string]: number } = {};

  // The baseline.
  const admitted: { count: number; errors: number }[] = [];
  let hourSlot: { hour: number; seconds: { count: number; errors: number }[] } = { hour: Number.NaN, seconds: [] };
  let mean = 1;
  let stddev = 0.5;
  let errorRate = 0;
  let grown = 0;
  let second = Number.NaN;
  let secondCount = 0;
  let secondErrors = 0;
  let recalculateAt = Number.NaN;

  // The global anomaly.
  let firing = false;
  let lastHot = Number.NEGATIVE_INFINITY;
  let lastTold = Number.NEGATIVE_INFINITY;
  let isTold = false;

  const isAbove = (rate: number, factor: number) => rate > Math.min(mean + 3 * factor * stddev, mean * 5 * factor);

  const lookAtSite = (now: number) => {
    while (site.length > 0 && site[0]! <= now - WINDOW) site.shift();
    if (isAbove(site.length / 60, 1)) {
      lastHot = now;
      if (!firing) isTold = false;
      firing = true;
      if (now - lastTold < 10 * MINUTE) return;
      told.push(`ALERT ${now} ${isTold ? "still-firing" : "firing"}`);
      lastTold = now;
      isTold = true;
    } else if (firing && now - lastHot >= MINUTE) {
      firing = false;
      if (isTold) told.push(`ALERT ${now} resolved`);
    }
  };

  const closeSecond = () => {
    const count = secondCount;
    const closed = { count, errors: secondErrors };
    const hour = Math.floor(second / 3600);
    if (hourSlot.hour !== hour) hourSlot = { hour, seconds: [] };
    let isAdmitted = true;
    if (admitted.length >= 10 && count > 10 * mean) {
      const oldest = (second + 1) * 1000 - 1000 - WINDOW;
      const sources = Object.values(sites).filter((list) => list.some(({ at }) => at > oldest)).length;
      if (sources >= 10) grown++;
      isAdmitted = sources >= 10 && grown > 600;
    } else if (grown > 0) grown--;
    if (isAdmitted) {
      admitted.push(closed);
      hourSlot.seconds.push(closed);
    }
    secondCount = 0;
    secondErrors = 0;
    second++;
    const now = second * 1000;
    lookAtSite(now);
    if (now >= recalculateAt) recalculate(now);
  };

  const recalculate = (now: number) => {
    while (recalculateAt <= now) recalculateAt += MINUTE;
    const isHour = hourSlot.hour === Math.floor(now / 3_600_000) && hourSlot.seconds.length >= 300;
    const from = isHour ? hourSlot.seconds : admitted.slice(-1800);
    if (from.length < 10) {
      [mean, stddev, errorRate] = [1, 0.5, 0];
      return;
    }
    let sum = 0;
    let errors = 0;
    for (const { count, errors: failed } of from) {
      sum += count;
      errors += failed;
    }
    const trueMean = sum / from.length;
    let squares = 0;
    for (const { count } of from) squares += (count - trueMean) ** 2;
    mean = Math.max(1, trueMean);
    stddev = Math.max(0.5, Math.sqrt(squares / from.length));
    errorRate = errors / from.length;
    // Only so that the naive way needs neither the memory nor the time of the whole log.
    if (admitted.length > 3600) admitted.splice(0, admitted.length - 1800);
    sites = Object.fromEntries(Object.entries(sites).filter(([, list]) => list.at(-1)!.at > now - WINDOW));
  };

  for (const { at, source, status } of requests) {
    if (Number.isNaN(second)) {
      second = Math.floor(at / 1000);
      recalculateAt = at + MINUTE;
    }
    while (second < Math.floor(at / 1000)) closeSecond();

    for (const banned in bans)
      if (bans[banned]! <= at) {
        told.push(`UNBAN ${bans[banned]} ${banned}`);
        delete bans[banned];
      }
    if (bans[source] !== undefined) continue;

    const isError = status >= 400;
    site.push(at);
    secondCount++;
    if (isError) secondErrors++;
    const own = [...(sites[source] ?? []), { at, isError }].filter((request) => request.at > at - WINDOW);
    sites[source] = own;

    const errors = own.filter((request) => request.isError).length;
    const isSurge = errors >= 3 * Math.max(0.1, errorRate) * 60 - 1e-9;
    if (isAbove(own.length / 60, isSurge ? 0.5 : 1)) {
      const count = (offences[source] ?? 0) + 1;
      offences[source] = count;
      const duration = DURATIONS[Math.min(count, 4) - 1]!;
      bans[source] = at + duration * 1000;
      delete sites[source];
      told.push(`BAN ${at} ${source} ${duration}`);
    }
    lookAtSite(at);
  }
  return told;
}
