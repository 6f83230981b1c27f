import type { AccessRecord, EpochMs } from "../accesslog/record.ts";
import type { Config } from "../config/schema.ts";
import type { BaselineSnapshot, GlobalVerdict, SiteLearning } from "../decision.ts";
import type { HistoryPoint } from "../status.ts";
import { Baseline, type BaselineSettings, type SavedBaseline } from "./baseline.ts";
import { type GlobalChange, GlobalWatch, type SavedWatch } from "./global-watch.ts";
import { type SavedHistory, SiteHistory } from "./history.ts";
import { type Minute, Minutes } from "./minutes.ts";
import { topNetworks } from "./networks.ts";
import type { SecondCount, SourceWindows } from "./source-windows.ts";
import { surgingPaths, TrafficSketch } from "./traffic-sketch.ts";
import type { Tuning } from "./tuning.ts";
import { compare, type Thresholds, Trigger } from "./verdict.ts";

export type SiteSettings = Pick<Config, "detection" | "baseline">;

export interface SiteEvents {
  global(change: NonNullable<GlobalChange>, since: EpochMs, verdict: GlobalVerdict): void;
}

/** What is learned about the site as a whole, as plain values. */
export interface SavedSite {
  readonly secondRequests: number;
  readonly secondErrors: number;
  readonly lastGlobal: GlobalVerdict | null;
  readonly watch: SavedWatch;
  readonly baseline: SavedBaseline;
  readonly history: SavedHistory;
  readonly minutes: readonly Minute[];
}

/** The site is sketched by one request in so many, a power of two. */
const SAMPLE_BITS = 3;
const SAMPLE = 1 << SAMPLE_BITS;

/** Entries of each list in the evidence. */
const TOP = 5;

const NOTHING: ReadonlySet<string> = new Set();

/** The site as a whole: its seconds, its baseline, and whether it is out of its normal now. */
export class Site {
  readonly #baseline: Baseline;
  readonly #watch: GlobalWatch;
  readonly #history = new SiteHistory();
  readonly #minutes = new Minutes();
  #thresholds: Thresholds;
  #trigger: Trigger;
  #sketch = new TrafficSketch();
  #lastSketch = new TrafficSketch();
  /** Of the time before the site went out of its normal; null while it is normal. */
  #calmSketch: TrafficSketch | null = null;
  /** Requests counted, to take one in SAMPLE by chance. */
  #counted = 0;
  /** Is every request sketched? While there is a surge whose participants may be banned. */
  #isClose = false;
  #secondRequests = 0;
  #secondErrors = 0;
  #lastGlobal: GlobalVerdict | null = null;

  constructor(
    private settings: SiteSettings,
    private readonly tuning: Tuning,
    private readonly windows: SourceWindows,
  ) {
    this.#thresholds = thresholdsOf(settings);
    this.#trigger = new Trigger(this.#thresholds);
    this.#baseline = new Baseline(baselineSettings(settings));
    this.#watch = new GlobalWatch(watchSettings(settings), tuning.calmMs);
  }

  get baseline(): BaselineSnapshot {
    return this.#baseline.snapshot;
  }

  /** The anomaly now firing, or null. */
  get anomaly(): { since: EpochMs; verdict: GlobalVerdict } | null {
    const since = this.#watch.firingSince;
    return since === null || this.#lastGlobal === null ? null : { since, verdict: this.#lastGlobal };
  }

  configure(settings: SiteSettings): void {
    this.settings = settings;
    this.#thresholds = thresholdsOf(settings);
    this.#trigger = new Trigger(this.#thresholds);
    this.#baseline.configure(baselineSettings(settings));
    this.#watch.configure(watchSettings(settings));
  }

  /** Counts a request in the open second. */
  count(record: AccessRecord): void {
    this.#secondRequests++;
    if (record.status >= 400) this.#secondErrors++;
    // Spread by a Weyl sequence: every eighth request would be the same file of every page load.
    if (this.#isClose) this.#sketch.add(record, 1);
    else if (Math.imul(++this.#counted, 0x9e3779b1) >>> (32 - SAMPLE_BITS) === 0) this.#sketch.add(record, SAMPLE);
  }

  /** The open second is over: it is learned from, unless the site is anomalous. */
  closeSecond(second: number): void {
    if (!this.#isFrozen(second * 1000))
      this.#baseline.addSecond(second, this.#secondRequests, this.#secondErrors, this.windows.table.active);
    this.#record(second, this.#secondRequests, this.#secondErrors);
    this.#secondRequests = this.#secondErrors = 0;
  }

  /** So many seconds from `second` on without anything in any window. */
  passIdle(second: number, seconds: number): void {
    this.#baseline.addIdle(second, seconds);
    // For the charts the last second of each minute stands for the minute.
    const end = second + seconds;
    for (let next = nextMinute(second); next < end; next = nextMinute(next)) this.#record(next - 1, 0, 0);
    this.#record(end - 1, 0, 0);
  }

  /** Nobody looked until `second`: the charts have nothing to show of that time. */
  passGap(second: number): void {
    this.#history.passGap(second);
  }

  /** A banned source must not have taught what is normal: its seconds are taken back. */
  retract(openSecond: number, seconds: ReadonlyMap<number, SecondCount>): void {
    for (const [second, { requests, errors }] of seconds) {
      if (second === openSecond) {
        this.#secondRequests = Math.max(0, this.#secondRequests - requests);
        this.#secondErrors = Math.max(0, this.#secondErrors - errors);
      } else this.#baseline.retract(second, requests, errors);
    }
  }

  recalculate(at: EpochMs): void {
    this.#baseline.recalculate(at);
    this.#turnSketch();
  }

  /** How the baseline learns now, for the evidence of a ban. */
  learning(at: EpochMs): SiteLearning {
    const { spikes, forget_banned } = this.settings.baseline;
    return {
      errorRate: this.baseline.errorRate,
      guarded: this.#baseline.guarded,
      spikes,
      grown: this.#baseline.grown,
      waitsSince: this.#isFrozen(at) ? (this.#watch.firingSince ?? undefined) : undefined,
      forgetsBanned: forget_banned,
    };
  }

  /** When the site began to be out of its normal, or null: before it is told, too. */
  get surgeSince(): EpochMs | null {
    return this.#watch.hotSince;
  }

  /** What the excess is made of while an anomaly fires; see surgingPaths. */
  surging(at: EpochMs): ReadonlySet<string> {
    const since = this.#watch.hotSince;
    if (this.#watch.firingSince === null || since === null || at <= since) return NOTHING;
    const now = this.#recentSketch();
    const rates = { calm: this.baseline.mean, surge: this.#rate };
    return surgingPaths(now, this.#calmSketch, rates, this.tuning);
  }

  /** A surge begins or is over: what is asked in it and what in calm times are not to be mixed. */
  #keepApart(): void {
    const isSurge = this.#watch.hotSince !== null;
    this.#calmSketch = isSurge ? this.#recentSketch() : null;
    this.#isClose = isSurge && bansParticipants(this.settings);
    this.#lastSketch = new TrafficSketch();
    this.#sketch = new TrafficSketch();
  }

  #turnSketch(): void {
    this.#lastSketch = this.#sketch;
    this.#sketch = new TrafficSketch();
  }

  /** The last minute or two; since the surge began when there is one. */
  #recentSketch(): TrafficSketch {
    const recent = new TrafficSketch();
    recent.merge(this.#sketch);
    recent.merge(this.#lastSketch);
    return recent;
  }

  /** Looks at the site now and tells what changed. */
  judge(at: EpochMs, events: SiteEvents): void {
    const rate = this.#rate;
    const isAbove = rate > this.#trigger.of(this.baseline);
    const hot = isAbove && (this.#isContract || this.#isWidespread());
    const since = this.#watch.firingSince;
    const before = this.#watch.hotSince;
    const change = this.#watch.update(at, hot);
    if ((before === null) !== (this.#watch.hotSince === null)) this.#keepApart();
    if (since === null) this.#forgetBuildUp();
    if (hot && (change !== null || this.#lastGlobal === null)) this.#lastGlobal = this.#verdict(at, rate);
    if (change === null) return;
    const verdict = this.#lastGlobal ?? this.#verdict(at, rate);
    events.global(change, this.#watch.firingSince ?? since ?? at, change === "resolved" ? { ...verdict, at } : verdict);
    if (change === "resolved") this.#lastGlobal = null;
  }

  history(): HistoryPoint[] {
    return this.#history.points();
  }

  hours(at: EpochMs): (BaselineSnapshot | null)[] {
    return this.#baseline.hours(at);
  }

  save(whole: boolean): SavedSite {
    return {
      secondRequests: this.#secondRequests,
      secondErrors: this.#secondErrors,
      lastGlobal: this.#lastGlobal,
      watch: this.#watch.save(),
      baseline: this.#baseline.save(whole),
      history: this.#history.save(whole),
      minutes: this.#minutes.save(),
    };
  }

  restore(saved: SavedSite): void {
    this.#baseline.restore(saved.baseline);
    this.#watch.restore(saved.watch);
    this.#history.restore(saved.history);
    this.#minutes.restore(saved.minutes);
    this.#lastGlobal = saved.lastGlobal;
  }

  /** The windows were filled again: the open second is what it was when it was saved. */
  resume(saved: SavedSite): void {
    this.#secondRequests = saved.secondRequests;
    this.#secondErrors = saved.secondErrors;
  }

  #record(second: number, requests: number, errors: number): void {
    const baseline = this.#baseline.snapshot;
    const trigger = this.#trigger.of(baseline);
    this.#history.add(second, requests, errors, baseline, trigger);
    this.#minutes.add(second, requests, errors, baseline, trigger);
  }

  get #isContract(): boolean {
    return this.settings.detection.profile === "contract";
  }

  get #rate(): number {
    return this.windows.requests / (this.settings.detection.window / 1000);
  }

  /** An anomaly has just begun to fire: what led up to it, as far as the window reaches back, was learned as normal. */
  #forgetBuildUp(): void {
    const since = this.#watch.firingSince;
    if (since === null || this.#isContract || this.tuning.freezeMs === 0) return;
    this.#baseline.forgetSince(Math.floor((since - this.settings.detection.window) / 1000) + 1);
  }

  /** While the site is anomalous the adaptive baseline waits, but not for ever: what lasts becomes normal. */
  #isFrozen(at: EpochMs): boolean {
    const since = this.#watch.firingSince;
    return !this.#isContract && since !== null && at - since < this.tuning.freezeMs;
  }

  /** A surge of the site, not of one source: enough sources, and still a surge without the busiest. */
  #isWidespread(): boolean {
    const { table, requests } = this.windows;
    const { min_sources } = this.settings.detection.global;
    if (table.active < min_sources) return false;
    // Where one source may make a surge there is nothing to be without.
    if (min_sources === 1) return true;
    const busiest = table.top(1, (slot) => table.rows.requests(slot))[0];
    // Nor one of the banned: what they had asked for until then stays in the window for its length.
    const without = requests - table.forgotten - (busiest === undefined ? 0 : table.rows.requests(busiest));
    return without / (this.settings.detection.window / 1000) > this.#trigger.of(this.baseline);
  }

  #verdict(at: EpochMs, rate: number): GlobalVerdict {
    const { table, requests, errors } = this.windows;
    const sketch = this.#recentSketch();
    if (!sketch.isTelling && this.#calmSketch !== null) sketch.merge(this.#calmSketch);
    const top = table.top(TOP, (slot) => table.rows.requests(slot));
    return {
      scope: "global",
      at,
      profile: this.settings.detection.profile,
      stream: "requests",
      windowMs: this.settings.detection.window,
      requests,
      errors,
      rate,
      comparedRate: rate,
      baseline: this.baseline,
      ...compare(rate, this.baseline, this.#thresholds),
      thresholds: this.#thresholds,
      trusted: false,
      topPaths: sketch.paths.top(TOP).map(({ key, count }) => ({ path: key, count })),
      statuses: sketch.statuses.top(TOP).map(({ key, count }) => ({ status: key, count })),
      sources: table.active,
      topSources: top.map((slot) => ({ source: table.sourceOf(slot), count: table.rows.requests(slot) })),
      topNetworks: topNetworks(table, TOP),
      topAgents: sketch.agents.top(TOP).map(({ key, count }) => ({ agent: key, count })),
      bansParticipants: bansParticipants(this.settings),
    };
  }
}

/** The first second of the minute after the one that holds `second`. */
function nextMinute(second: number): number {
  return (Math.floor(second / 60) + 1) * 60;
}

/** Is it asked for, and can it be done? The contract knows no classes to tell a page from what comes with it. */
export function bansParticipants({ detection }: SiteSettings): boolean {
  return detection.global.ban_participants && detection.profile !== "contract";
}

function baselineSettings({ baseline, detection }: SiteSettings): BaselineSettings {
  return {
    historySeconds: Math.round(baseline.history / 1000),
    hourSlotSamples: baseline.hour_slot_samples,
    spikeGuard: baseline.spike_guard,
    floorMean: baseline.floor.mean,
    floorStddev: baseline.floor.stddev,
    guardBy: detection.profile === "contract" || baseline.spikes === "left-out" ? "discard" : "winsorise",
    growthSeconds: Math.round(baseline.growth.after / 1000),
    growthSources: baseline.growth.sources,
  };
}

function thresholdsOf({ detection }: SiteSettings): Thresholds {
  return { zScore: detection.z_score, rateMultiple: detection.rate_multiple };
}

function watchSettings({ detection }: SiteSettings) {
  const contract = detection.profile === "contract";
  return { persistenceMs: contract ? 0 : detection.global.persistence, repeatEveryMs: detection.global.repeat_every };
}
