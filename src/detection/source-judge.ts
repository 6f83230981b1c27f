import type { EpochMs } from "../accesslog/record.ts";
import type { Config } from "../config/schema.ts";
import type { BaselineSnapshot, SourceVerdict } from "../decision.ts";
import type { SurgeReading, TestReading } from "../explanation.ts";
import type { Appraiser } from "./appraiser.ts";
import { type Bars, barsOf } from "./bars.ts";
import type { Suspect } from "./participants.ts";
import { RAMP_SPAN_MS, type Ramp } from "./ramps.ts";
import { SLOW_MS } from "./slow-failures.ts";
import type { SourceTable } from "./source-table.ts";
import { SUSTAINED_MS } from "./source-windows.ts";
import type { Tuning } from "./tuning.ts";
import { type Comparison, compare, partOf, type Thresholds, triggerRate } from "./verdict.ts";

/** What the site has learned, as far as single sources are held against it. */
export interface Norms {
  readonly at: EpochMs;
  readonly isLearning: boolean;
  readonly site: BaselineSnapshot;
  /** Busy sources, or (contract) the site itself. */
  readonly sources: BaselineSnapshot;
}

/** How one source stands now, for status and explain. */
export interface SourceReading {
  readonly source: SourceVerdict["source"];
  readonly requests: number;
  readonly errors: number;
  readonly rate: number;
  readonly comparedRate: number;
  readonly comparison: Comparison;
  readonly thresholds: Thresholds;
  readonly tightened: boolean;
  readonly trusted: boolean;
  readonly topPath: string | null;
  readonly topKind: string | null;
}

/** Failures of a source in one window, and the bar that they are held against. */
interface FailureTest {
  windowMs: number;
  count: number;
  bar: number;
}

/** Holds single sources against what was learned. It counts nothing and remembers nothing. */
export class SourceJudge {
  #bars: Bars;
  /** Filled anew for each source: most that fail now and then are nowhere near a bar. */
  readonly #failureTests: readonly FailureTest[] = Array.from({ length: 3 }, () => ({ windowMs: 0, count: 0, bar: 0 }));

  constructor(
    private settings: Config["detection"],
    private readonly tuning: Tuning,
    private readonly table: SourceTable,
    private readonly appraiser: Appraiser,
  ) {
    this.#bars = barsOf(settings, tuning);
  }

  configure(settings: Config["detection"]): void {
    this.settings = settings;
    this.#bars = barsOf(settings, this.tuning);
  }

  get thresholds(): Thresholds {
    return this.#bars.thresholds;
  }

  get tightenedThresholds(): Thresholds {
    return this.#bars.tightened;
  }

  /** The verdict on a source, or null when it is normal. `slowLevel`: its slow failures, where a request added one. */
  judge(slot: number, slowLevel: number, norms: Norms): SourceVerdict | null {
    if (this.#isContract) return norms.isLearning ? this.#ceiling(slot, norms) : this.#requests(slot, norms);
    if (norms.isLearning) return this.#ceiling(slot, norms) ?? this.#failures(slot, slowLevel, norms);
    return this.#requests(slot, norms) ?? this.#failures(slot, slowLevel, norms) ?? this.#sustained(slot, norms);
  }

  /** The verdict on a source that repeats itself at a pace that multiplies. Its rate is below its trigger. */
  ramp(slot: number, { spans, paths }: Ramp, norms: Norms): SourceVerdict | null {
    if (norms.isLearning || this.#isTrusted(slot, norms)) return null;
    const seconds = RAMP_SPAN_MS / 1000;
    const [before, then, now] = spans;
    const mean = before / seconds;
    // Of a span's own requests, as if each came by chance.
    const baseline: BaselineSnapshot = {
      at: norms.at,
      mean,
      stddev: Math.sqrt(before) / seconds,
      errorRate: 0,
      samples: 1,
      from: "rolling",
    };
    const rate = now / seconds;
    const verdict = this.#verdict(slot, "requests", RAMP_SPAN_MS, rate, baseline, this.thresholds, false, norms);
    const { rampRequests, rampGrowth, rampSteadiness } = this.tuning;
    const least = [
      rampRequests,
      rampGrowth ** 2 * before,
      rampGrowth ** 0.5 * then,
      then + rampSteadiness * (then - before),
    ];
    const triggerRate = Math.max(...least) / seconds;
    // Errors are known of one minute and of ten.
    const errors = Math.min(now, this.table.rows.sustainedErrors(slot));
    return { ...verdict, requests: now, errors, rate, triggerRate, reasons: ["ramp"], ramp: spans, rampPaths: paths };
  }

  /** The verdict on a source that does nothing but what surges since `since`. Its rate is below its trigger. */
  participant(suspect: Suspect, since: EpochMs, norms: Norms): SourceVerdict {
    const { source, firstAt, looks, requests, errors, paths, userAgent, crowd } = suspect;
    const windowMs = Math.max(1000, norms.at - firstAt);
    const rate = requests / (windowMs / 1000);
    return {
      scope: "source",
      source,
      at: norms.at,
      firstAt,
      profile: this.settings.profile,
      stream: "requests",
      windowMs,
      requests,
      errors,
      rate,
      comparedRate: rate,
      baseline: norms.sources,
      ...compare(rate, norms.sources, this.thresholds),
      reasons: ["participant"],
      thresholds: this.thresholds,
      trusted: false,
      topPaths: paths.slice(0, 5),
      statuses: [],
      userAgent,
      surge: { since, looks, crowd },
    };
  }

  read(slot: number, norms: Norms): SourceReading {
    const c = this.table.rows;
    const comparedRate = this.#comparedRate(slot);
    const tightened = this.#isSurge(slot, norms);
    const thresholds = tightened ? this.tightenedThresholds : this.thresholds;
    const top = this.table.sketchOf(slot)?.paths(1)[0];
    return {
      source: this.table.sourceOf(slot),
      requests: c.requests(slot),
      errors: c.errors(slot),
      rate: c.requests(slot) / this.#windowSeconds,
      comparedRate,
      comparison: compare(comparedRate, norms.sources, thresholds),
      thresholds,
      tightened,
      trusted: this.#isTrusted(slot, norms),
      topPath: top?.path ?? null,
      topKind: top?.kind ?? null,
    };
  }

  /** Every test a source is put to, fired or not. */
  tests(slot: number, norms: Norms): TestReading[] {
    const { failures } = this.settings;
    const isWatched = !this.#isContract && failures.enabled;
    const slow = this.appraiser.slow.levelOf(this.table.sourceOf(slot), norms.at);
    const bars = isWatched ? this.#testFailures(slot, slow, norms) : [];
    return [
      ...bars.map(({ windowMs, count, bar }): TestReading => {
        const seconds = windowMs / 1000;
        return { stream: "failures", windowMs, value: count / seconds, trigger: bar / seconds, by: "bar" };
      }),
      ...this.#requestTests(slot, norms),
    ];
  }

  surge(slot: number, norms: Norms): SurgeReading {
    const { multiple, floor } = this.settings.error_surge;
    return {
      ratio: this.#failing(slot) / this.#windowSeconds / Math.max(floor, norms.site.errorRate),
      multiple,
      isSurge: this.#isSurge(slot, norms),
      tightenedTrigger: triggerRate(norms.sources, this.tightenedThresholds),
    };
  }

  get #isContract(): boolean {
    return this.#bars.isContract;
  }

  get #windowSeconds(): number {
    return this.#bars.windowSeconds;
  }

  #requests(slot: number, norms: Norms): SourceVerdict | null {
    const rate = this.#comparedRate(slot);
    // The lower, tightened trigger first: most sources are below both, and a surge takes looking.
    if (rate <= this.#bars.tightenedTrigger.of(norms.sources)) return null;
    const surge = this.#isSurge(slot, norms);
    if (!surge && rate <= this.#bars.trigger.of(norms.sources)) return null;
    const thresholds = surge ? this.tightenedThresholds : this.thresholds;
    return this.#verdict(slot, "requests", this.settings.window, rate, norms.sources, thresholds, surge, norms);
  }

  #sustained(slot: number, norms: Norms): SourceVerdict | null {
    const rate = this.table.rows.sustainedCost(slot) / (SUSTAINED_MS / 1000);
    if (rate <= this.#bars.tightenedSustained.of(norms.sources)) return null;
    const surge = this.#isSurge(slot, norms);
    if (!surge && rate <= this.#bars.sustained.of(norms.sources)) return null;
    const thresholds = surge ? this.tightenedThresholds : this.thresholds;
    const baseline = partOf(norms.sources, this.tuning.sustainedShare);
    return this.#verdict(slot, "requests", SUSTAINED_MS, rate, baseline, thresholds, surge, norms);
  }

  #failures(slot: number, slowLevel: number, norms: Norms): SourceVerdict | null {
    if (!this.settings.failures.enabled) return null;
    const c = this.table.rows;
    if (slowLevel === 0 && c.sustainedCertain(slot) <= 0 && c.sustainedProbes(slot) === 0) return null;
    for (const test of this.#testFailures(slot, slowLevel, norms))
      if (test.count > test.bar) return this.#failed(slot, test, norms);
    return null;
  }

  /** The three failure tests of a source; good until the next call. */
  #testFailures(slot: number, slowLevel: number, norms: Norms): readonly FailureTest[] {
    const { failures, trust, window } = this.settings;
    const c = this.table.rows;
    const learning = this.#leniency(norms);
    const slack = (this.#isTrusted(slot, norms) ? trust.failures : 1) * learning;
    const fast = this.#failureCount(c.certain(slot), c.probes(slot), c.siblings(slot), c.requests(slot));
    const slow = this.#failureCount(
      c.sustainedCertain(slot),
      c.sustainedProbes(slot),
      c.sustainedSiblings(slot),
      c.sustainedRequests(slot),
    );
    // A shorter window is no reason to forgive less: people mistype in bursts.
    this.#setTest(0, window, fast, failures.per_minute * Math.max(1, window / 60_000) * slack);
    this.#setTest(1, SUSTAINED_MS, slow, failures.per_10_minutes * slack);
    const slowBar = failures.per_3_days * learning;
    this.#setTest(2, SLOW_MS, slowLevel, slowBar - this.#surgeTakes(slot, slowLevel, slowBar, norms.at));
    return this.#failureTests;
  }

  /** During the warm-up the bars are this many times higher. */
  #leniency({ isLearning }: Norms): number {
    return isLearning ? this.tuning.warmUpFailures : 1;
  }

  /**
   * What a surge of failures takes from the slow bar: its share of it, or, of who was banned, of the least that a ban
   * leaves. Looked for only where it decides.
   */
  #surgeTakes(slot: number, level: number, bar: number, now: EpochMs): number {
    const { failureSurgeSources, failureSurgeShare, secondChance } = this.tuning;
    const { slow } = this.appraiser;
    const source = this.table.sourceOf(slot);
    const most = slow.wasBanned(source, now) ? Math.min(bar, secondChance / 2) : bar;
    const taken = most * (1 - failureSurgeShare);
    if (level <= bar - taken || level > bar || !slow.isLikeBotnet(source)) return 0;
    return slow.isSurging(failureSurgeSources, now) ? taken : 0;
  }

  #setTest(i: number, windowMs: number, count: number, bar: number): void {
    const test = this.#failureTests[i]!;
    test.windowMs = windowMs;
    test.count = count;
    test.bar = bar;
  }

  /** Failures by meaning: the certain ones always, probing only when it is much of what the source does. */
  #failureCount(certain: number, probes: number, siblings: number, requests: number): number {
    if (probes < this.tuning.probeShare * requests) return certain;
    return certain + (probes - siblings * (1 - this.tuning.siblingWeight)) * this.tuning.probeWeight;
  }

  /** The bar as a baseline: mean and deviation such that the z-score test fires exactly above it. */
  #failed(slot: number, { windowMs, count, bar }: FailureTest, norms: Norms): SourceVerdict {
    const seconds = windowMs / 1000;
    const unit = bar / seconds / (1 + this.thresholds.zScore);
    const baseline: BaselineSnapshot = {
      at: norms.at,
      mean: unit,
      stddev: unit,
      errorRate: 0,
      samples: 0,
      from: "floor",
    };
    const verdict = this.#verdict(slot, "failures", windowMs, count / seconds, baseline, this.thresholds, false, norms);
    const isSurge = windowMs === SLOW_MS && bar < this.settings.failures.per_3_days * this.#leniency(norms);
    const tightenedBy = isSurge ? ("failure-surge" as const) : undefined;
    const fired = { ...verdict, triggerRate: bar / seconds, tightenedBy };
    if (norms.isLearning) return { ...fired, reasons: ["ceiling"] };
    // The bar decides; how its z-score rounds does not.
    return verdict.reasons.length > 0 ? fired : { ...fired, reasons: ["z-score"] };
  }

  #ceiling(slot: number, norms: Norms): SourceVerdict | null {
    const rate = this.#comparedRate(slot);
    const { ceiling, window } = this.settings;
    if (rate <= ceiling) return null;
    const verdict = this.#verdict(slot, "requests", window, rate, norms.sources, this.thresholds, false, norms);
    return { ...verdict, reasons: ["ceiling"], triggerRate: ceiling };
  }

  #requestTests(slot: number, norms: Norms): TestReading[] {
    const windowMs = this.settings.window;
    const rate = this.#comparedRate(slot);
    if (norms.isLearning)
      return [{ stream: "requests", windowMs, value: rate, trigger: this.settings.ceiling, by: "ceiling" }];
    const thresholds = this.#isSurge(slot, norms) ? this.tightenedThresholds : this.thresholds;
    const against = (baseline: BaselineSnapshot, value: number, windowMs: number): TestReading => {
      const { zScore, multiple, triggerRate: trigger } = compare(value, baseline, thresholds);
      const { mean, stddev } = baseline;
      return { stream: "requests", windowMs, value, trigger, by: "baseline", mean, stddev, zScore, multiple };
    };
    if (this.#isContract) return [against(norms.sources, rate, windowMs)];
    const sustained = this.table.rows.sustainedCost(slot) / (SUSTAINED_MS / 1000);
    const baseline = partOf(norms.sources, this.tuning.sustainedShare);
    return [against(norms.sources, rate, windowMs), against(baseline, sustained, SUSTAINED_MS)];
  }

  /** The rate that is compared: all requests alike (contract), or what they cost. */
  #comparedRate(slot: number): number {
    const c = this.table.rows;
    return (this.#isContract ? c.requests(slot) : c.cost(slot)) / this.#windowSeconds;
  }

  #failing(slot: number): number {
    const c = this.table.rows;
    return this.#isContract ? c.errors(slot) : c.blamed(slot);
  }

  /** Do the source's errors surge? Compared as counts, so that exactly three times the floor is three times the floor. */
  #isSurge(slot: number, norms: Norms): boolean {
    const { multiple, floor } = this.settings.error_surge;
    const failing = this.#failing(slot);
    const bar = multiple * Math.max(floor, norms.site.errorRate) * this.#windowSeconds;
    if (failing < bar - 1e-9) return false;
    return this.#isContract || failing >= this.tuning.surgeShare * this.table.rows.requests(slot);
  }

  #isTrusted(slot: number, norms: Norms): boolean {
    return !this.#isContract && this.appraiser.isTrusted(slot, norms.at);
  }

  #verdict(
    slot: number,
    stream: SourceVerdict["stream"],
    windowMs: number,
    comparedRate: number,
    baseline: BaselineSnapshot,
    thresholds: Thresholds,
    surge: boolean,
    norms: Norms,
  ): SourceVerdict {
    const c = this.table.rows;
    // Longer windows than ten minutes count failures only: what else the source did is known for ten.
    const isLong = windowMs > this.settings.window && windowMs >= SUSTAINED_MS;
    const sketch = this.table.sketchOf(slot);
    return {
      scope: "source",
      source: this.table.sourceOf(slot),
      at: norms.at,
      firstAt: c.since(slot),
      profile: this.settings.profile,
      stream,
      windowMs,
      requests: isLong ? c.sustainedRequests(slot) : c.requests(slot),
      errors: isLong ? c.sustainedErrors(slot) : c.errors(slot),
      rate: c.requests(slot) / this.#windowSeconds,
      comparedRate,
      baseline,
      ...compare(comparedRate, baseline, thresholds),
      thresholds,
      tightenedBy: surge ? "error-surge" : undefined,
      trusted: this.#isTrusted(slot, norms),
      topPaths: sketch?.paths() ?? [],
      statuses: sketch?.statuses() ?? [],
      userAgent: sketch?.userAgent,
    };
  }
}
