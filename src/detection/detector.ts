import type { AccessRecord, EpochMs } from "../accesslog/record.ts";
import type { Config } from "../config/schema.ts";
import type { BaselineSnapshot, GlobalVerdict, SourceVerdict } from "../decision.ts";
import type { Source } from "../net/cidr.ts";
import type { HistoryPoint } from "../status.ts";
import { Baseline, type BaselineSettings, type SavedBaseline } from "./baseline.ts";
import { EventRing, Mark } from "./event-ring.ts";
import { failureOf, Unanswered } from "./failures.ts";
import { GlobalWatch, type SavedWatch } from "./global-watch.ts";
import { type SavedHistory, SiteHistory } from "./history.ts";
import { type Minute, Minutes } from "./minutes.ts";
import { PathSketch, queryStart } from "./path-sketch.ts";
import { Classifier, type RequestClass } from "./request-class.ts";
import { type SavedLevel, SLOW_MS, SlowFailures } from "./slow-failures.ts";
import { type SavedSourceBaseline, SourceBaseline } from "./source-baseline.ts";
import { SourceTable } from "./source-table.ts";
import { BUCKET_MS, SustainedRing } from "./sustained-ring.ts";
import { Trust } from "./trust.ts";
import { BUSY_REQUESTS, PERIOD_MS, TUNING, type Tuning } from "./tuning.ts";
import { type Comparison, compare, scaled, type Thresholds, triggerRate } from "./verdict.ts";
import { hashText, VisitKind, Visits } from "./visits.ts";

export type DetectorSettings = Pick<Config, "detection" | "baseline">;

/** Bounds that are not worth a key: events in a window (17 bytes each), buckets in the sustained window. */
const MOST_EVENTS = 8_000_000;
const MOST_BUCKETS = 1_000_000;
/** The slow window. */
const SUSTAINED_MS = 600_000;

export interface DetectorEvents {
  verdict(verdict: SourceVerdict): void;
  global(change: "firing" | "still-firing" | "resolved", since: EpochMs, verdict: GlobalVerdict): void;
  baseline(site: BaselineSnapshot, sources: BaselineSnapshot): void;
}

/**
 * What a Detector has learned, as plain values. The windows are not in it: the log itself holds them, and a
 * restart reads the last minutes of it again (`refill`).
 */
export interface SavedDetector {
  readonly now: EpochMs;
  readonly startedAt: EpochMs;
  /** The second that was open, and what it had counted so far. */
  readonly second: number;
  readonly secondRequests: number;
  readonly secondErrors: number;
  readonly recalculateAt: EpochMs;
  readonly lastGlobal: GlobalVerdict | null;
  readonly watch: SavedWatch;
  readonly baseline: SavedBaseline;
  readonly sourceBaseline: SavedSourceBaseline;
  readonly trust: readonly (readonly [source: Source, until: EpochMs | null])[];
  readonly slow: readonly SavedLevel[];
  readonly history: SavedHistory;
  readonly minutes: readonly Minute[];
}

/** How one source stands now, for status and explain. */
export interface SourceReading {
  readonly source: Source;
  readonly requests: number;
  readonly errors: number;
  readonly rate: number;
  readonly comparedRate: number;
  readonly comparison: Comparison;
  readonly thresholds: Thresholds;
  readonly tightened: boolean;
  readonly trusted: boolean;
  readonly topPath: string | null;
}

/**
 * The windows, the baselines and the comparisons between them. Records and ticks in, verdicts out; it knows
 * nothing of bans. Time only moves forward: the caller clamps.
 */
export class Detector {
  #settings: DetectorSettings;
  readonly #tuning: Tuning;
  #now: EpochMs = Number.NEGATIVE_INFINITY;
  #startedAt: EpochMs | null = null;
  readonly #ring = new EventRing(MOST_EVENTS);
  readonly #sustained = new SustainedRing(MOST_BUCKETS);
  readonly #sources: SourceTable;
  readonly #classifier = new Classifier();
  readonly #visits = new Visits();
  readonly #unanswered = new Unanswered();
  #pending: Uint8Array = new Uint8Array(1024);
  /** Logins answered with a redirect that wait to be told right or wrong, and when the last one was. */
  #redirected: Uint8Array = new Uint8Array(1024);
  #redirectedAt: Float64Array = new Float64Array(1024);
  #seeds: Uint32Array = new Uint32Array(1024);
  #trustedUntil: Float64Array = new Float64Array(1024);
  readonly #trust: Trust;
  readonly #slow: SlowFailures;
  readonly #baseline: Baseline;
  readonly #sourceBaseline: SourceBaseline;
  readonly #watch: GlobalWatch;
  readonly #history = new SiteHistory();
  readonly #minutes = new Minutes();
  #siteSketch = new PathSketch();
  #lastSiteSketch = new PathSketch();
  #requests = 0;
  #errors = 0;
  /** Sources with a request inside the window. */
  #active = 0;
  #second = -1;
  #secondRequests = 0;
  #secondErrors = 0;
  #recalculateAt: EpochMs = Number.POSITIVE_INFINITY;
  #lastGlobal: GlobalVerdict | null = null;
  /** What `resume` goes on from, while the windows are being refilled: nothing is taught or judged until then. */
  #refilling: SavedDetector | null = null;
  /** No time has passed since `resume`. */
  #isResumed = false;

  constructor(settings: DetectorSettings, tuning: Tuning = TUNING) {
    this.#settings = settings;
    this.#tuning = tuning;
    this.#sources = new SourceTable(settings.detection.max_sources, tuning.exploitWeight);
    this.#trust = new Trust(settings.detection.trust.duration);
    this.#slow = new SlowFailures(settings.detection.failures.per_6_hours);
    this.#baseline = new Baseline(siteSettings(settings));
    this.#sourceBaseline = new SourceBaseline(sourceSettings(settings), tuning.busyShare);
    this.#watch = new GlobalWatch(watchSettings(settings), tuning.calmMs);
  }

  get now(): EpochMs {
    return this.#now;
  }

  get learnedMs(): number {
    return this.#startedAt === null ? 0 : Math.max(0, this.#now - this.#startedAt);
  }

  get isLearning(): boolean {
    return this.learnedMs < this.#settings.baseline.warm_up;
  }

  get site(): { requests: number; errors: number; active: number } {
    return { requests: this.#requests, errors: this.#errors, active: this.#active };
  }

  get siteBaseline(): BaselineSnapshot {
    return this.#baseline.snapshot;
  }

  /** What a single source is compared with: busy sources, or (contract) the site itself. */
  get sourceBaseline(): BaselineSnapshot {
    return this.#isContract ? this.#baseline.snapshot : this.#sourceBaseline.snapshot;
  }

  get thresholds(): Thresholds {
    return { zScore: this.#settings.detection.z_score, rateMultiple: this.#settings.detection.rate_multiple };
  }

  get tightenedThresholds(): Thresholds {
    return scaled(this.thresholds, this.#settings.detection.error_surge.tighten);
  }

  get nextRecalculationAt(): EpochMs {
    return this.#recalculateAt;
  }

  get anomaly(): { since: EpochMs; verdict: GlobalVerdict } | null {
    const since = this.#watch.firingSince;
    return since === null || this.#lastGlobal === null ? null : { since, verdict: this.#lastGlobal };
  }

  get shed(): number {
    return this.#sources.shed;
  }

  history(): HistoryPoint[] {
    return this.#history.points();
  }

  hours(): (BaselineSnapshot | null)[] {
    return this.#baseline.hours(this.#now);
  }

  configure(settings: DetectorSettings): void {
    this.#settings = settings;
    this.#trust.configure(settings.detection.trust.duration);
    this.#slow.configure(settings.detection.failures.per_6_hours);
    this.#baseline.configure(siteSettings(settings));
    this.#sourceBaseline.configure(sourceSettings(settings));
    this.#watch.configure(watchSettings(settings));
  }

  /** Moves time forward: events leave windows, seconds close, the baseline is recalculated, the site is judged. */
  advance(at: EpochMs, events: DetectorEvents): void {
    if ((at <= this.#now && this.#startedAt !== null) || this.#refilling !== null) return;
    const second = Math.floor(at / 1000);
    if (this.#startedAt === null) this.#begin(at, second);
    if (this.#isResumed) this.#passGap(second, events);
    while (this.#second < second) this.#closeSecond(second, events);
    this.#now = at;
    this.#evict(at);
  }

  /**
   * Counts one record at the present time and, unless it is exempt, judges its source. The caller has advanced
   * to the record's time.
   */
  observe(record: AccessRecord, source: Source, exempt: boolean, events: DetectorEvents): void {
    const at = this.#now;
    const slot = this.#claim(source);
    const isError = record.status >= 400;
    const contract = this.#isContract;
    const trusted = !contract && this.#trustedUntil[slot]! > at;
    let slowLevel = 0;
    let marks: number = Mark.request | (isError ? Mark.error : 0);
    let cost = 1;
    if (!contract) {
      const kind = this.#classifier.classify(record);
      if (kind === "proof") this.#prove(slot, source, at);
      cost = this.#costOf(record, kind, slot, trusted || kind === "proof");
      marks |= this.#failureMarks(record, kind, slot, trusted);
      if (!trusted && this.#refilling === null) slowLevel = this.#fillSlow(record, kind, source, marks);
      if (record.status < 300 && kind !== "asset" && kind !== "page")
        this.#pending[slot] = Math.max(0, this.#pending[slot]! - this.#tuning.excusedBySuccess);
    }
    this.#requests++;
    this.#secondRequests++;
    if (isError) {
      this.#errors++;
      this.#secondErrors++;
    }
    this.#count(slot, cost, marks);
    this.#sketch(record, slot);
    if (!exempt) this.#judgeSource(slot, record, slowLevel, events);
    if (contract) this.#judgeSite(events);
  }

  /** Drops everything known about a source's present: after a ban it starts from nothing. */
  forget(source: Source): void {
    const slot = this.#sources.slotOf(source);
    if (slot === undefined) return;
    if (this.#sources.columns.requests[slot]! > 0) this.#active--;
    this.#pending[slot] = 0;
    this.#trust.revoke(source);
    this.#slow.afterBan(source, this.#tuning.secondChance, this.#now);
    this.#sources.forget(slot);
  }

  /** The busiest sources by how close they are to their trigger. */
  top(count: number): SourceReading[] {
    const c = this.#sources.columns;
    return this.#sources
      .top(count, (slot) => (c.requests[slot]! === 0 ? 0 : c.cost[slot]! + c.requests[slot]! * 1e-6))
      .map((slot) => this.#read(slot));
  }

  read(source: Source): SourceReading | null {
    const slot = this.#sources.slotOf(source);
    return slot === undefined ? null : this.#read(slot);
  }

  /** How many sources are above this share of their trigger. */
  countAbove(share: number): number {
    const rate = triggerRate(this.sourceBaseline, this.thresholds) * share * this.#windowSeconds;
    const c = this.#sources.columns;
    let n = 0;
    this.#sources.forEach((slot) => {
      if (c.cost[slot]! > rate) n++;
    });
    return n;
  }

  /**
   * What survives a restart; null before the first record. `whole`: everything; else only what changed since the
   * last save, as rows to be written over older ones.
   */
  save(whole: boolean): SavedDetector | null {
    if (this.#startedAt === null || this.#refilling !== null) return null;
    return {
      now: this.#now,
      startedAt: this.#startedAt,
      second: this.#second,
      secondRequests: this.#secondRequests,
      secondErrors: this.#secondErrors,
      recalculateAt: this.#recalculateAt,
      lastGlobal: this.#lastGlobal,
      watch: this.#watch.save(),
      baseline: this.#baseline.save(whole),
      sourceBaseline: this.#sourceBaseline.save(whole),
      trust: this.#trust.save(whole),
      slow: this.#slow.save(whole),
      history: this.#history.save(whole),
      minutes: this.#minutes.save(),
    };
  }

  /** Takes in what an earlier run saved. Before anything else; then `refill` the windows, then `resume`. */
  restore(saved: SavedDetector): void {
    this.#baseline.restore(saved.baseline);
    this.#sourceBaseline.restore(saved.sourceBaseline);
    this.#trust.restore(saved.trust);
    this.#slow.restore(saved.slow);
    this.#watch.restore(saved.watch);
    this.#history.restore(saved.history);
    this.#minutes.restore(saved.minutes);
    this.#lastGlobal = saved.lastGlobal;
    this.#refilling = saved;
  }

  /** Counts a record that the saved state has already learned from: it fills the windows, teaches and judges nothing. */
  refill(record: AccessRecord, source: Source): void {
    this.#passSilently(Math.max(record.at, this.#now));
    this.observe(record, source, true, SILENT);
  }

  /** The windows are as full as the log can make them: goes on where the state was saved. */
  resume(): void {
    const saved = this.#refilling;
    if (saved === null) return;
    this.#passSilently(Math.max(saved.now, this.#now));
    this.#startedAt = saved.startedAt;
    this.#secondRequests = saved.secondRequests;
    this.#secondErrors = saved.secondErrors;
    this.#recalculateAt = saved.recalculateAt;
    this.#refilling = null;
    this.#isResumed = true;
  }

  get #isContract(): boolean {
    return this.#settings.detection.profile === "contract";
  }

  get #windowSeconds(): number {
    return this.#settings.detection.window / 1000;
  }

  #begin(at: EpochMs, second: number): void {
    this.#startedAt = at;
    this.#second = second;
    this.#recalculateAt = at + this.#settings.baseline.recalculate_every;
  }

  /** Time passes for the windows alone. */
  #passSilently(at: EpochMs): void {
    const second = Math.floor(at / 1000);
    if (!Number.isFinite(this.#now)) this.#second = second;
    while (this.#second < second) {
      this.#now = ++this.#second * 1000;
      this.#evict(this.#now);
      this.#mature(SILENT);
    }
    this.#now = at;
    this.#evict(at);
  }

  /**
   * More than a window without a line and without a tick: nobody looked, so these were not idle seconds. The
   * baseline learns nothing from them, and they do not count as time learned.
   */
  #passGap(second: number, events: DetectorEvents): void {
    this.#isResumed = false;
    if ((second - this.#second) * 1000 <= this.#settings.detection.window) return;
    this.#closeSecond(this.#second + 1, events);
    const skippedMs = (second - this.#second) * 1000;
    this.#second = second;
    this.#now = second * 1000;
    this.#startedAt! += skippedMs;
    this.#recalculateAt += skippedMs;
    this.#evict(this.#now);
    // A 401 of that time cannot be told from one whose answer nobody saw.
    while (this.#unanswered.nextDue <= this.#now) this.#unanswered.shift();
  }

  /** The slot of a source; a new one gets its seed and its remembered trust. */
  #claim(source: Source): number {
    const known = this.#sources.slotOf(source);
    if (known !== undefined) return known;
    const slot = this.#sources.claim(source);
    if (slot >= this.#pending.length) this.#growExtras();
    this.#pending[slot] = 0;
    this.#redirected[slot] = 0;
    this.#seeds[slot] = hashText(source, source.length, 0);
    this.#trustedUntil[slot] = this.#trust.until(source);
    return slot;
  }

  #growExtras(): void {
    const size = this.#pending.length * 2;
    this.#pending = widened(this.#pending, new Uint8Array(size));
    this.#redirected = widened(this.#redirected, new Uint8Array(size));
    this.#redirectedAt = widened(this.#redirectedAt, new Float64Array(size));
    this.#seeds = widened(this.#seeds, new Uint32Array(size));
    this.#trustedUntil = widened(this.#trustedUntil, new Float64Array(size));
  }

  #prove(slot: number, source: Source, at: EpochMs): void {
    // Refreshing the map for each of fifty requests a second buys nothing: a minute's grain is plenty.
    if (this.#trustedUntil[slot]! - at > this.#settings.detection.trust.duration - 60_000) return;
    this.#trustedUntil[slot] = this.#trust.prove(source, at);
  }

  #costOf(record: AccessRecord, kind: RequestClass, slot: number, trusted: boolean): number {
    const share = trusted ? this.#settings.detection.trust.weight : 1;
    if (kind === "proof") return this.#tuning.cost.proof;
    const requests = this.#sources.columns.requests[slot]!;
    const isBusy = requests >= BUSY_REQUESTS;
    const succeeded = record.status < 300 || record.status === 304;
    if (kind === "asset" && succeeded) {
      const visits = isBusy ? this.#visit(VisitKind.asset, slot, record.path, false, PERIOD_MS.asset) : 1;
      const few = visits <= (record.status === 304 ? this.#tuning.visits.notModified : this.#tuning.visits.asset);
      return (
        (few && requests < this.#tuning.visits.assetFlood ? this.#tuning.cost.asset : this.#tuning.cost.assetRepeated) *
        share
      );
    }
    if (kind === "preview" && (succeeded || record.status === 404)) {
      const visits = isBusy ? this.#visit(VisitKind.asset, slot, record.path, true, PERIOD_MS.asset) : 1;
      return (visits <= this.#tuning.visits.asset ? this.#tuning.cost.preview : this.#tuning.cost.page) * share;
    }
    // Reading files over WebDAV is as cheap as writing them, for a source that proved its account by other means.
    if (kind === "dav" && succeeded && trusted) return this.#tuning.cost.proof;
    if (kind === "probe" && succeeded) {
      const visits = isBusy ? this.#visit(VisitKind.asset, slot, record.path, false, PERIOD_MS.probe) : 1;
      return (visits <= this.#tuning.visits.probe ? this.#tuning.cost.probe : this.#tuning.cost.page) * share;
    }
    // What the server got wrong is no less a first look.
    if (!isBusy || (record.status >= 400 && record.status < 500)) return this.#tuning.cost.page * share;
    if (kind === "login" && record.method !== "POST") return this.#tuning.cost.login * share;
    return (
      (this.#visit(VisitKind.page, slot, record.path, false, PERIOD_MS.page) === 1
        ? this.#tuning.cost.firstVisit
        : this.#tuning.cost.page) * share
    );
  }

  #visit(kind: VisitKind, slot: number, path: string, wholeTarget: boolean, periodMs: number): number {
    return this.#visits.count(kind, this.#seeds[slot]!, path, wholeTarget, Math.floor(this.#now / periodMs));
  }

  /** Adds to the slow bucket what a request says about guessing; returns how full it is, 0 where it says nothing. */
  #fillSlow(record: AccessRecord, kind: RequestClass, source: Source, marks: number): number {
    if (marks & SLOW_MARKS) return this.#slow.add(source, this.#weightOf(marks), this.#now);
    if (kind !== "login" || record.method !== "GET") return 0;
    return this.#slow.add(source, this.#tuning.loginFormWeight, this.#now);
  }

  #weightOf(marks: number): number {
    return marks & Mark.excused ? -1 : marks & Mark.exploit ? this.#tuning.exploitWeight : 1;
  }

  #failureMarks(record: AccessRecord, kind: RequestClass, slot: number, trusted: boolean): number {
    if (this.#redirected[slot]! > 0 && record.method === "GET" && this.#excuses(record, kind, slot))
      return Mark.excused;
    switch (failureOf(record, kind, trusted)) {
      case "none":
        return 0;
      case "login":
        if (record.status === 302 || record.status === 303) {
          this.#redirected[slot] = Math.min(255, this.#redirected[slot]! + 1);
          this.#redirectedAt[slot] = this.#now;
        }
        return Mark.certain | (record.status >= 400 ? Mark.blamed : 0);
      case "unanswered":
        if (this.#unanswered.isFull || this.#pending[slot] === 255) return Mark.certain | Mark.blamed;
        this.#pending[slot]!++;
        this.#unanswered.push(slot, this.#now + this.#tuning.answerMs);
        return Mark.blamed;
      case "probe":
        return this.#visit(VisitKind.failure, slot, record.path, false, PERIOD_MS.failure) === 1
          ? Mark.probe | Mark.blamed | this.#siblingMark(record.path, slot)
          : 0;
      case "exploit":
        return this.#visit(VisitKind.failure, slot, record.path, true, PERIOD_MS.failure) === 1
          ? Mark.exploit | Mark.blamed
          : 0;
    }
  }

  #siblingMark(path: string, slot: number): number {
    const directory = directoryOf(path);
    if (directory === null) return 0;
    return this.#visit(VisitKind.directory, slot, directory, true, PERIOD_MS.page) === 1 ? 0 : Mark.sibling;
  }

  /**
   * A login answered with a redirect was right when a page follows that is not the login form again. Public pages
   * would do as well, so only so many logins are excused.
   */
  #excuses(record: AccessRecord, kind: RequestClass, slot: number): boolean {
    if (this.#now - this.#redirectedAt[slot]! > this.#tuning.answerMs) {
      this.#redirected[slot] = 0;
      return false;
    }
    if (kind !== "login" && !(kind === "page" && record.status === 200)) return false;
    this.#redirected[slot]!--;
    if (kind === "login") return false;
    return this.#visit(VisitKind.excuse, slot, "", false, PERIOD_MS.failure) <= this.#tuning.excusedLogins;
  }

  /** Puts an event into both windows. */
  #count(slot: number, cost: number, marks: number): void {
    if (this.#ring.isFull) {
      this.#ring.shift(this.#leave);
      this.#ring.overflowed++;
    }
    const c = this.#sources.columns;
    if (marks & Mark.request && c.requests[slot] === 0) this.#active++;
    const sustainedCost = cost === this.#tuning.cost.firstVisit ? this.#tuning.cost.firstVisitSustained : cost;
    const stored = this.#ring.push(this.#now, slot, cost, marks);
    this.#sources.add(slot, stored, marks);
    const rate = c.cost[slot]! / this.#windowSeconds;
    if (rate > c.peak[slot]!) c.peak[slot] = rate;
    if (!this.#isContract) this.#sustain(slot, sustainedCost, marks);
  }

  /** Adds to the source's open bucket when it is worth watching over ten minutes. */
  #sustain(slot: number, cost: number, marks: number): void {
    const c = this.#sources.columns;
    const worth = c.buckets[slot]! > 0 || (marks & FAILURE_MARKS) !== 0 || c.requests[slot]! >= BUSY_REQUESTS;
    if (!worth) return;
    const start = Math.floor(this.#now / BUCKET_MS) * BUCKET_MS;
    let serial = c.openBucket[slot]!;
    if (!this.#sustained.isOpen(serial, slot, start)) {
      if (this.#sustained.isFull) this.#shiftBucket();
      serial = this.#sustained.open(slot, start);
      c.openBucket[slot] = serial;
      c.buckets[slot]!++;
    }
    const request = marks & Mark.request ? 1 : 0;
    const error = marks & Mark.error ? 1 : 0;
    const certain = marks & SLOW_MARKS ? this.#weightOf(marks) : 0;
    const probe = marks & Mark.probe ? 1 : 0;
    const sibling = marks & Mark.sibling ? 1 : 0;
    this.#sustained.add(serial, request, error, certain, probe, sibling, cost);
    c.sustainedRequests[slot]! += request;
    c.sustainedErrors[slot]! += error;
    c.sustainedCertain[slot]! += certain;
    c.sustainedProbes[slot]! += probe;
    c.sustainedSiblings[slot]! += sibling;
    c.sustainedCost[slot]! += cost;
  }

  #shiftBucket(): void {
    const b = this.#sustained.shift();
    const c = this.#sources.columns;
    c.sustainedRequests[b.slot]! -= b.requests;
    c.sustainedErrors[b.slot]! -= b.errors;
    c.sustainedCertain[b.slot]! -= b.certain;
    c.sustainedProbes[b.slot]! -= b.probes;
    c.sustainedSiblings[b.slot]! -= b.siblings;
    c.sustainedCost[b.slot]! -= b.cost;
    c.buckets[b.slot]!--;
    this.#endVisit(b.slot);
  }

  #evict(at: EpochMs): void {
    const oldest = at - this.#settings.detection.window;
    while (this.#ring.oldestAt <= oldest) this.#ring.shift(this.#leave);
    while (this.#sustained.oldestStart + BUCKET_MS <= at - SUSTAINED_MS) this.#shiftBucket();
  }

  readonly #leave = (slot: number, cost: number, marks: number): void => {
    this.#sources.remove(slot, cost, marks);
    const isLast = this.#sources.columns.requests[slot] === 0;
    if (marks & Mark.request) {
      this.#requests--;
      if (marks & Mark.error) this.#errors--;
      // A forgotten source stopped being active when it was forgotten.
      if (isLast && this.#sources.isLive(slot)) this.#active--;
    }
    if (isLast) this.#endVisit(slot);
  };

  #endVisit(slot: number): void {
    const peak = this.#sources.columns.peak[slot]!;
    if (this.#sources.columns.requests[slot] === 0 && peak > 0) {
      if (this.#refilling === null) this.#sourceBaseline.add(this.#now, peak);
      this.#sources.columns.peak[slot] = 0;
    }
    this.#sources.releaseIfEmpty(slot);
  }

  /** Closes the present second, then any idle ones up to the next recalculation or `until`. */
  #closeSecond(until: number, events: DetectorEvents): void {
    const closed = this.#second;
    if (!this.#isFrozen(closed * 1000))
      this.#baseline.addSecond(closed, this.#secondRequests, this.#secondErrors, this.#active);
    const baseline = this.#baseline.snapshot;
    const trigger = triggerRate(baseline, this.thresholds);
    this.#history.add(closed, this.#secondRequests, this.#secondErrors, baseline, trigger);
    this.#minutes.add(closed, this.#secondRequests, this.#secondErrors, baseline, trigger);
    this.#secondRequests = this.#secondErrors = 0;
    this.#second = closed + 1;
    this.#now = Math.max(this.#now, this.#second * 1000);
    this.#evict(this.#now);
    this.#mature(events);
    this.#judgeSite(events);
    if (this.#now >= this.#recalculateAt) this.#recalculate(events);
    if (this.#ring.length === 0 && this.#sustained.length === 0 && this.#second < until) this.#skipIdle(until, events);
  }

  /** Nothing is in any window: whole stretches of idle seconds close at once, in steps of one recalculation. */
  #skipIdle(until: number, events: DetectorEvents): void {
    while (this.#second < until) {
      const next = Math.min(until, Math.ceil(this.#recalculateAt / 1000));
      const idle = next - this.#second;
      if (idle > 0) this.#baseline.addIdle(this.#second, idle);
      this.#second = Math.max(this.#second, next);
      this.#now = Math.max(this.#now, this.#second * 1000);
      if (this.#now < this.#recalculateAt) continue;
      if (until - this.#second > LONG_IDLE_SECONDS) {
        const skipped = until - this.#second - LONG_IDLE_SECONDS;
        this.#second += skipped;
        this.#now += skipped * 1000;
        this.#recalculateAt = this.#now;
      }
      this.#recalculate(events);
    }
    this.#judgeSite(events);
  }

  #recalculate(events: DetectorEvents): void {
    const every = this.#settings.baseline.recalculate_every;
    this.#recalculateAt += Math.max(1, Math.ceil((this.#now - this.#recalculateAt + 1) / every)) * every;
    this.#baseline.recalculate(this.#now);
    if (!this.#isContract) this.#sourceBaseline.recalculate(this.#now);
    this.#lastSiteSketch = this.#siteSketch;
    this.#siteSketch = new PathSketch();
    events.baseline(this.#baseline.snapshot, this.sourceBaseline);
  }

  /** While the site is anomalous the adaptive baseline waits, but not for ever: what lasts becomes normal. */
  #isFrozen(at: EpochMs): boolean {
    const since = this.#watch.firingSince;
    return !this.#isContract && since !== null && at - since < this.#tuning.freezeMs;
  }

  /** 401s that no success followed become failures now. */
  #mature(events: DetectorEvents): void {
    while (this.#unanswered.nextDue <= this.#now) {
      const slot = this.#unanswered.shift();
      if (this.#pending[slot] === 0 || !this.#sources.isLive(slot)) continue;
      this.#pending[slot]!--;
      this.#count(slot, 0, Mark.certain);
      this.#judgeSource(slot, null, 0, events);
    }
  }

  /** Remembers what a busy source and the site ask for: all of a source's first requests, then a sample. */
  #sketch(record: AccessRecord, slot: number): void {
    const requests = this.#sources.columns.requests[slot]!;
    if (requests >= BUSY_REQUESTS) {
      const weight = requests < SKETCHED_WHOLE ? 1 : SAMPLE;
      if (requests % weight === 0)
        this.#sources.openSketch(slot).add(record.path, record.status, record.userAgent, weight);
    }
    if (this.#requests % SAMPLE === 0) this.#siteSketch.add(record.path, record.status, record.userAgent, SAMPLE);
  }

  #judgeSource(slot: number, record: AccessRecord | null, slowLevel: number, events: DetectorEvents): void {
    if (this.#refilling !== null) return;
    const verdict = this.#isContract ? this.#contractVerdict(slot) : this.#adaptiveVerdict(slot, slowLevel);
    if (verdict !== null) events.verdict(this.#withSketch(verdict, slot, record));
  }

  #contractVerdict(slot: number): SourceVerdict | null {
    const c = this.#sources.columns;
    const seconds = this.#windowSeconds;
    const rate = c.requests[slot]! / seconds;
    if (this.isLearning) return this.#ceilingVerdict(slot, rate);
    const surge = this.#isSurge(c.errors[slot]! / seconds);
    const baseline = this.#baseline.snapshot;
    const thresholds = surge ? this.tightenedThresholds : this.thresholds;
    if (rate <= triggerRate(baseline, thresholds)) return null;
    return this.#verdict(slot, "requests", this.#settings.detection.window, rate, baseline, thresholds, surge);
  }

  #adaptiveVerdict(slot: number, slowLevel: number): SourceVerdict | null {
    const c = this.#sources.columns;
    const seconds = this.#windowSeconds;
    const rate = c.cost[slot]! / seconds;
    const failures = this.#failureVerdict(slot, slowLevel);
    if (failures !== null) return failures;
    if (this.isLearning) return this.#ceilingVerdict(slot, rate);
    const surge =
      this.#isSurge(c.blamed[slot]! / seconds) && c.blamed[slot]! >= this.#tuning.surgeShare * c.requests[slot]!;
    const thresholds = surge ? this.tightenedThresholds : this.thresholds;
    const baseline = this.#sourceBaseline.snapshot;
    const trigger = triggerRate(baseline, thresholds);
    if (rate > trigger)
      return this.#verdict(slot, "requests", this.#settings.detection.window, rate, baseline, thresholds, surge);
    const sustained = c.sustainedCost[slot]! / (SUSTAINED_MS / 1000);
    if (sustained <= trigger * this.#tuning.sustainedShare) return null;
    return this.#verdict(
      slot,
      "requests",
      SUSTAINED_MS,
      sustained,
      share(baseline, this.#tuning.sustainedShare),
      thresholds,
      surge,
    );
  }

  #failureVerdict(slot: number, slowLevel: number): SourceVerdict | null {
    const { failures, trust, window } = this.#settings.detection;
    if (!failures.enabled) return null;
    const c = this.#sources.columns;
    const learning = this.isLearning ? this.#tuning.warmUpFailures : 1;
    const slack = (this.#isTrusted(slot) ? trust.failures : 1) * learning;
    const fast = this.#failureCount(c.certain[slot]!, c.probes[slot]!, c.siblings[slot]!, c.requests[slot]!);
    const fastBar = ((failures.per_minute * window) / 60_000) * slack;
    if (fast > fastBar) return this.#failed(slot, window, fast, fastBar, learning > 1);
    const slow = this.#failureCount(
      c.sustainedCertain[slot]!,
      c.sustainedProbes[slot]!,
      c.sustainedSiblings[slot]!,
      c.sustainedRequests[slot]!,
    );
    const slowBar = failures.per_10_minutes * slack;
    if (slow > slowBar) return this.#failed(slot, SUSTAINED_MS, slow, slowBar, learning > 1);
    if (slowLevel <= failures.per_6_hours) return null;
    const verdict = this.#failed(slot, SLOW_MS, slowLevel, failures.per_6_hours, false);
    // What the source did over six hours is only known as failures.
    return { ...verdict, requests: Math.ceil(slowLevel), errors: Math.ceil(slowLevel), rate: verdict.comparedRate };
  }

  /** Failures by meaning: the certain ones always, probing only when it is much of what the source does. */
  #failureCount(certain: number, probes: number, siblings: number, requests: number): number {
    if (probes < this.#tuning.probeShare * requests) return certain;
    return certain + (probes - siblings * (1 - this.#tuning.siblingWeight)) * this.#tuning.probeWeight;
  }

  /** The bar as a baseline: mean and deviation such that the z-score test fires exactly above it. */
  #failed(slot: number, windowMs: number, failures: number, bar: number, learning: boolean): SourceVerdict {
    const thresholds = this.thresholds;
    const unit = bar / (windowMs / 1000) / (1 + thresholds.zScore);
    const baseline: BaselineSnapshot = {
      at: this.#now,
      mean: unit,
      stddev: unit,
      errorRate: 0,
      samples: 0,
      from: "floor",
    };
    const verdict = this.#verdict(
      slot,
      "failures",
      windowMs,
      failures / (windowMs / 1000),
      baseline,
      thresholds,
      false,
    );
    return learning ? { ...verdict, reasons: ["ceiling"] } : verdict;
  }

  #ceilingVerdict(slot: number, rate: number): SourceVerdict | null {
    const ceiling = this.#settings.detection.ceiling;
    if (rate <= ceiling) return null;
    const verdict = this.#verdict(
      slot,
      "requests",
      this.#settings.detection.window,
      rate,
      this.sourceBaseline,
      this.thresholds,
      false,
    );
    return { ...verdict, reasons: ["ceiling"], triggerRate: ceiling };
  }

  #isTrusted(slot: number): boolean {
    return !this.#isContract && this.#trustedUntil[slot]! > this.#now;
  }

  #isSurge(errorRate: number): boolean {
    const { multiple, floor } = this.#settings.detection.error_surge;
    return errorRate >= multiple * Math.max(floor, this.#baseline.snapshot.errorRate);
  }

  #verdict(
    slot: number,
    stream: SourceVerdict["stream"],
    windowMs: number,
    comparedRate: number,
    baseline: BaselineSnapshot,
    thresholds: Thresholds,
    surge: boolean,
  ): SourceVerdict {
    const c = this.#sources.columns;
    const isSustained = windowMs === SUSTAINED_MS && windowMs !== this.#settings.detection.window;
    const requests = isSustained ? c.sustainedRequests[slot]! : c.requests[slot]!;
    return {
      scope: "source",
      source: this.#sources.sourceOf(slot),
      at: this.#now,
      profile: this.#settings.detection.profile,
      stream,
      windowMs,
      requests,
      errors: isSustained ? c.sustainedErrors[slot]! : c.errors[slot]!,
      rate: requests / (windowMs / 1000),
      comparedRate,
      baseline,
      ...compare(comparedRate, baseline, thresholds),
      thresholds,
      tightenedBy: surge ? "error-surge" : undefined,
      trusted: this.#isTrusted(slot),
      topPaths: [],
      statuses: [],
    };
  }

  #withSketch(verdict: SourceVerdict, slot: number, record: AccessRecord | null): SourceVerdict {
    let sketch = this.#sources.sketchOf(slot);
    if (sketch === undefined && record !== null) {
      sketch = new PathSketch();
      sketch.add(record.path, record.status, record.userAgent, 1);
    }
    return sketch === undefined
      ? verdict
      : { ...verdict, topPaths: sketch.paths(), statuses: sketch.statuses(), userAgent: sketch.userAgent };
  }

  /** Looks at the whole site: once a second, and in the contract profile at every request. */
  #judgeSite(events: DetectorEvents): void {
    if (this.isLearning || this.#refilling !== null) return;
    const rate = this.#requests / this.#windowSeconds;
    const baseline = this.#baseline.snapshot;
    const thresholds = this.thresholds;
    const hot =
      rate > triggerRate(baseline, thresholds) && (this.#isContract || this.#isWidespread(baseline, thresholds));
    const since = this.#watch.firingSince;
    const change = this.#watch.update(this.#now, hot);
    if (hot && (change !== null || this.#lastGlobal === null))
      this.#lastGlobal = this.#globalVerdict(rate, baseline, thresholds);
    if (change === null) return;
    const verdict = this.#lastGlobal ?? this.#globalVerdict(rate, baseline, thresholds);
    events.global(
      change,
      this.#watch.firingSince ?? since ?? this.#now,
      change === "resolved" ? { ...verdict, at: this.#now } : verdict,
    );
    if (change === "resolved") this.#lastGlobal = null;
  }

  /** A surge of the site, not of one source: enough sources, and still a surge without the busiest. */
  #isWidespread(baseline: BaselineSnapshot, thresholds: Thresholds): boolean {
    if (this.#active < this.#settings.detection.global.min_sources) return false;
    const c = this.#sources.columns;
    const busiest = this.#sources.top(1, (slot) => c.requests[slot]!)[0];
    const without = this.#requests - (busiest === undefined ? 0 : c.requests[busiest]!);
    return without / this.#windowSeconds > triggerRate(baseline, thresholds);
  }

  #globalVerdict(rate: number, baseline: BaselineSnapshot, thresholds: Thresholds): GlobalVerdict {
    const c = this.#sources.columns;
    const sketch = this.#siteSketch.paths(1).length > 0 ? this.#siteSketch : this.#lastSiteSketch;
    const top = this.#sources.top(5, (slot) => c.requests[slot]!);
    return {
      scope: "global",
      at: this.#now,
      profile: this.#settings.detection.profile,
      stream: "requests",
      windowMs: this.#settings.detection.window,
      requests: this.#requests,
      errors: this.#errors,
      rate,
      comparedRate: rate,
      baseline,
      ...compare(rate, baseline, thresholds),
      thresholds,
      trusted: false,
      topPaths: sketch.paths(),
      statuses: sketch.statuses(),
      sources: this.#active,
      topSources: top.map((slot) => ({ source: this.#sources.sourceOf(slot), count: c.requests[slot]! })),
    };
  }

  #read(slot: number): SourceReading {
    const c = this.#sources.columns;
    const seconds = this.#windowSeconds;
    const contract = this.#isContract;
    const comparedRate = (contract ? c.requests[slot]! : c.cost[slot]!) / seconds;
    const failing = contract ? c.errors[slot]! : c.blamed[slot]!;
    const tightened =
      this.#isSurge(failing / seconds) && (contract || failing >= this.#tuning.surgeShare * c.requests[slot]!);
    const thresholds = tightened ? this.tightenedThresholds : this.thresholds;
    return {
      source: this.#sources.sourceOf(slot),
      requests: c.requests[slot]!,
      errors: c.errors[slot]!,
      rate: c.requests[slot]! / seconds,
      comparedRate,
      comparison: compare(comparedRate, this.sourceBaseline, thresholds),
      thresholds,
      tightened,
      trusted: this.#isTrusted(slot),
      topPath: this.#sources.sketchOf(slot)?.paths(1)[0]?.path ?? null,
    };
  }
}

const SILENT: DetectorEvents = { verdict() {}, global() {}, baseline() {} };

const FAILURE_MARKS = Mark.certain | Mark.probe | Mark.exploit;
/** The marks that also fill (or drain) the slow bucket. */
const SLOW_MARKS = Mark.certain | Mark.exploit | Mark.excused;

/** A source's requests are sketched one by one up to this many in the window, then, like the site's, one in SAMPLE. */
const SKETCHED_WHOLE = 64;
const SAMPLE = 8;

/** Idle stretches longer than this are skipped but for their last part: windows, history and hour slots hold no more. */
const LONG_IDLE_SECONDS = 26 * 3600;

/** The directory that a target lies in; null for one at the root. */
function directoryOf(path: string): string | null {
  const end = queryStart(path);
  const slash = path.lastIndexOf("/", path.charCodeAt(end - 1) === 47 ? end - 2 : end - 1);
  return slash <= 0 ? null : path.slice(0, slash);
}

function widened<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function share(baseline: BaselineSnapshot, part: number): BaselineSnapshot {
  return { ...baseline, mean: baseline.mean * part, stddev: baseline.stddev * part };
}

function siteSettings({ baseline, detection }: DetectorSettings): BaselineSettings {
  return {
    historySeconds: Math.round(baseline.history / 1000),
    hourSlotSamples: baseline.hour_slot_samples,
    spikeGuard: baseline.spike_guard,
    floorMean: baseline.floor.mean,
    floorStddev: baseline.floor.stddev,
    guardBy: detection.profile === "contract" ? "discard" : "winsorise",
  };
}

function sourceSettings({ baseline }: DetectorSettings) {
  return {
    floorMean: baseline.floor.mean,
    floorStddev: baseline.floor.stddev,
    capMean: Math.max(baseline.floor.mean, baseline.source_cap.mean),
    capStddev: Math.max(baseline.floor.stddev, baseline.source_cap.stddev),
  };
}

function watchSettings({ detection }: DetectorSettings) {
  const contract = detection.profile === "contract";
  return { persistenceMs: contract ? 0 : detection.global.persistence, repeatEveryMs: detection.global.repeat_every };
}
