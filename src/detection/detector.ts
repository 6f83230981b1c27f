import type { AccessRecord, EpochMs } from "../accesslog/record.ts";
import type { Config } from "../config/schema.ts";
import type { BaselineSnapshot, GlobalVerdict, SourceVerdict } from "../decision.ts";
import type { DetectorExplanation } from "../explanation.ts";
import type { Source } from "../net/cidr.ts";
import { v4Of } from "../net/ip.ts";
import type { HistoryPoint } from "../status.ts";
import { adaptationOf } from "./adaptation.ts";
import { type Appraisal, Appraiser } from "./appraiser.ts";
import type { RequestClass } from "./class-table.ts";
import { Mark } from "./event-ring.ts";
import { Participants } from "./participants.ts";
import { PathSketch } from "./path-sketch.ts";
import { canSeeRamps, RAMP_LOOK_SECONDS, Ramps } from "./ramps.ts";
import { bansParticipants, type SavedSite, Site } from "./site.ts";
import type { SavedLevel } from "./slow-failures.ts";
import { type SavedSourceBaseline, SourceBaseline } from "./source-baseline.ts";
import { type Norms, SourceJudge, type SourceReading } from "./source-judge.ts";
import { SourceWindows } from "./source-windows.ts";
import type { SavedTrust } from "./trust.ts";
import { BUSY_REQUESTS, type Tuning, tuned } from "./tuning.ts";
import { type Thresholds, triggerRate } from "./verdict.ts";

export type DetectorSettings = Pick<Config, "detection" | "baseline">;
export type { SourceReading } from "./source-judge.ts";

export interface DetectorEvents {
  /** Time has come this far; everything dated later comes out later. */
  elapsed(now: EpochMs): void;
  verdict(verdict: SourceVerdict): void;
  global(change: "firing" | "still-firing" | "resolved", since: EpochMs, verdict: GlobalVerdict): void;
  baseline(site: BaselineSnapshot, sources: BaselineSnapshot): void;
}

/**
 * What a Detector has learned, as plain values. The windows are not in it: the log itself holds them, and a
 * restart reads the last minutes of it again (`refill`).
 */
export interface SavedDetector extends SavedSite {
  readonly now: EpochMs;
  readonly startedAt: EpochMs;
  /** The second that was open. */
  readonly second: number;
  readonly recalculateAt: EpochMs;
  readonly sourceBaseline: SavedSourceBaseline;
  readonly trust: readonly SavedTrust[];
  readonly slow: readonly SavedLevel[];
}

/** A source's requests are sketched one by one up to this many in the window, then one in SAMPLE. */
const SKETCHED_WHOLE = 64;
const SAMPLE = 8;
/** Idle stretches longer than this are skipped but for their last part: windows, history and hour slots hold no more. */
const LONG_IDLE_SECONDS = 26 * 3600;

/**
 * The windows, the baselines and the comparisons between them. Records and ticks in, verdicts out; it knows
 * nothing of bans. Time only moves forward: the caller clamps.
 */
export class Detector {
  #settings: DetectorSettings;
  #now: EpochMs = Number.NEGATIVE_INFINITY;
  #startedAt: EpochMs | null = null;
  /** The second that is open. */
  #second = -1;
  #recalculateAt: EpochMs = Number.POSITIVE_INFINITY;
  readonly #tuning: Tuning;
  readonly #windows: SourceWindows;
  readonly #appraiser: Appraiser;
  readonly #judge: SourceJudge;
  readonly #site: Site;
  readonly #sourceBaseline: SourceBaseline;
  readonly #ramps: Ramps;
  /** Who takes part in a surge; null unless such sources are to be banned. */
  #participants: Participants | null;
  /** What `resume` goes on from, while the windows are being refilled: nothing is taught or judged until then. */
  #refilling: SavedDetector | null = null;
  /** No time has passed since `resume`. */
  #isResumed = false;
  #isContract: boolean;
  #isAgainstSite: boolean;
  /** The same object for every request: nobody keeps it. */
  readonly #present: { -readonly [K in keyof Norms]: Norms[K] };

  /** `settings.detection.tuning` is read here, and not again. */
  constructor(settings: DetectorSettings) {
    const { detection } = settings;
    const tuning = tuned(detection.tuning);
    this.#settings = settings;
    this.#tuning = tuning;
    this.#isContract = detection.profile === "contract";
    this.#isAgainstSite = isAgainstSite(settings);
    this.#sourceBaseline = new SourceBaseline(sourceSettings(settings), tuning.busyShare);
    this.#windows = new SourceWindows(windowSettings(settings), detection.max_sources, tuning, (peak) => {
      if (this.#refilling === null) this.#sourceBaseline.add(this.#now, peak);
    });
    this.#appraiser = new Appraiser(detection, tuning, this.#windows.table);
    this.#judge = new SourceJudge(detection, tuning, this.#windows.table, this.#appraiser);
    this.#ramps = new Ramps(this.#windows.table, tuning);
    this.#site = new Site(settings, tuning, this.#windows);
    this.#participants = bansParticipants(settings) ? new Participants(tuning) : null;
    this.#present = { at: 0, isLearning: true, site: this.#site.baseline, sources: this.sourceBaseline };
  }

  get now(): EpochMs {
    return this.#now;
  }

  get learnedMs(): number {
    if (this.#refilling !== null) return this.#refilling.now - this.#refilling.startedAt;
    return this.#startedAt === null ? 0 : Math.max(0, this.#now - this.#startedAt);
  }

  get isLearning(): boolean {
    return this.learnedMs < this.#settings.baseline.warm_up;
  }

  get site(): { requests: number; errors: number; active: number } {
    return { requests: this.#windows.requests, errors: this.#windows.errors, active: this.#windows.table.active };
  }

  get siteBaseline(): BaselineSnapshot {
    return this.#site.baseline;
  }

  /** What a single source is compared with: busy sources, or (contract, or told to) the site itself. */
  get sourceBaseline(): BaselineSnapshot {
    return this.#isAgainstSite ? this.#site.baseline : this.#sourceBaseline.snapshot;
  }

  get thresholds(): Thresholds {
    return this.#judge.thresholds;
  }

  get tightenedThresholds(): Thresholds {
    return this.#judge.tightenedThresholds;
  }

  get nextRecalculationAt(): EpochMs {
    return this.#recalculateAt;
  }

  get anomaly(): { since: EpochMs; verdict: GlobalVerdict } | null {
    return this.#site.anomaly;
  }

  /** Sources put out because there were too many. */
  get shed(): number {
    return this.#windows.table.shed + (this.#participants?.missed ?? 0);
  }

  history(): HistoryPoint[] {
    return this.#site.history();
  }

  hours(): (BaselineSnapshot | null)[] {
    return this.#site.hours(this.#now);
  }

  configure(settings: DetectorSettings): void {
    this.#settings = settings;
    this.#isContract = settings.detection.profile === "contract";
    this.#isAgainstSite = isAgainstSite(settings);
    this.#windows.configure(windowSettings(settings));
    this.#appraiser.configure(settings.detection);
    this.#judge.configure(settings.detection);
    this.#site.configure(settings);
    this.#participants = bansParticipants(settings) ? (this.#participants ?? new Participants(this.#tuning)) : null;
    this.#sourceBaseline.configure(sourceSettings(settings));
    if (!canSeeRamps(settings.detection)) this.#ramps.forgetAll();
  }

  /** Moves time forward: events leave windows, seconds close, the baseline is recalculated, the site is judged. */
  advance(at: EpochMs, events: DetectorEvents): void {
    if ((at <= this.#now && this.#startedAt !== null) || this.#refilling !== null) return;
    const second = Math.floor(at / 1000);
    if (this.#startedAt === null) this.#begin(at, second);
    if (this.#isResumed) this.#passGap(second, events);
    while (this.#second < second) this.#closeSecond(second, events);
    this.#now = at;
    this.#windows.evict(at);
  }

  /**
   * Counts one record at the present time and, unless it is exempt, judges its source. The caller has advanced
   * to the record's time. `address`: v4Of(source), where the caller has it.
   */
  observe(record: AccessRecord, source: Source, exempt: boolean, events: DetectorEvents, address = v4Of(source)): void {
    const slot = this.#slotOf(source, address);
    const appraisal = this.#isContract
      ? null
      : this.#appraiser.appraise(record, source, slot, this.#now, this.#refilling === null);
    if (appraisal === null)
      this.#windows.count(slot, this.#now, 1, 1, Mark.request | (record.status >= 400 ? Mark.error : 0));
    else this.#windows.count(slot, this.#now, appraisal.cost, appraisal.sustainedCost, appraisal.marks);
    const slowLevel = appraisal === null ? 0 : appraisal.slowLevel;
    const kind = appraisal?.kind;
    this.#site.count(record);
    if (this.#participants !== null && !exempt) this.#participate(record, source, slot, kind ?? "page");
    this.#sketch(record, appraisal, slot);
    if (!exempt) this.#judgeSource(slot, record, slowLevel, events, kind);
    if (this.#isContract) this.#judgeSite(events);
  }

  /** Drops everything known about a source's present: after a ban it starts from nothing, and has taught nothing. */
  forget(source: Source): void {
    const { table } = this.#windows;
    const slot = table.slotOf(source);
    this.#appraiser.punish(source, slot, this.#now);
    this.#participants?.forget(source);
    this.#ramps.forget(source);
    if (slot === undefined) return;
    if (!this.#isContract && this.#settings.baseline.forget_banned)
      this.#site.retract(this.#second, this.#windows.secondsOf(slot));
    table.forget(slot);
  }

  /** A person, or the allow-list, says that a source's ban was a mistake: what it failed until now is not held against it. */
  pardon(source: Source): void {
    this.#appraiser.slow.forget(source);
  }

  /** Drops a source's windows alone: the saved state knows already that it was banned. */
  drop(source: Source): void {
    const { table } = this.#windows;
    const slot = table.slotOf(source);
    this.#ramps.forget(source);
    if (slot !== undefined) table.forget(slot);
  }

  /** The busiest sources by how close they are to their trigger. */
  top(count: number): SourceReading[] {
    const { table } = this.#windows;
    const { rows } = table;
    const norms = this.#norms();
    return table
      .top(count, (slot) => (rows.requests(slot) === 0 ? 0 : rows.cost(slot) + rows.requests(slot) * 1e-6))
      .map((slot) => this.#judge.read(slot, norms));
  }

  read(source: Source): SourceReading | null {
    const slot = this.#windows.table.slotOf(source);
    return slot === undefined ? null : this.#judge.read(slot, this.#norms());
  }

  /** Every test this source is put to and where it stands; null when nothing of it is in a window. */
  explain(source: Source): DetectorExplanation | null {
    const { table } = this.#windows;
    const slot = table.slotOf(source);
    if (slot === undefined) return null;
    const norms = this.#norms();
    const { requests, errors, rate, comparedRate, trusted, topPath, topKind, thresholds } = this.#judge.read(
      slot,
      norms,
    );
    const tests = this.#judge.tests(slot, norms);
    const surge = this.#judge.surge(slot, norms);
    const firstAt = table.rows.since(slot);
    return { firstAt, requests, errors, rate, comparedRate, trusted, topPath, topKind, thresholds, tests, surge };
  }

  /** How many sources are above this share of their trigger. */
  countAbove(share: number): number {
    const cost = triggerRate(this.sourceBaseline, this.thresholds) * share * (this.#settings.detection.window / 1000);
    const { table } = this.#windows;
    let n = 0;
    table.forEach((slot) => {
      if (table.rows.cost(slot) > cost) n++;
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
      ...this.#site.save(whole),
      now: this.#now,
      startedAt: this.#startedAt,
      second: this.#second,
      recalculateAt: this.#recalculateAt,
      sourceBaseline: this.#sourceBaseline.save(whole),
      trust: this.#appraiser.trust.save(whole),
      slow: this.#appraiser.slow.save(whole),
    };
  }

  /** Takes in what an earlier run saved. Before anything else; then `refill` the windows, then `resume`. */
  restore(saved: SavedDetector): void {
    this.#site.restore(saved);
    this.#sourceBaseline.restore(saved.sourceBaseline);
    this.#appraiser.trust.restore(saved.trust);
    this.#appraiser.slow.restore(saved.slow);
    this.#refilling = saved;
  }

  /** Counts a record that the saved state has already learned from: it fills the windows, teaches and judges nothing. */
  refill(record: AccessRecord, source: Source): void {
    this.#passSilently(Math.max(record.at, this.#now));
    this.observe(record, source, true, SILENT);
  }

  /** The windows are as full as the log can make them: goes on where the state was saved; returns when that was. */
  resume(): EpochMs {
    const saved = this.#refilling;
    if (saved === null) return this.#now;
    this.#passSilently(Math.max(saved.now, this.#now));
    this.#startedAt = saved.startedAt;
    this.#recalculateAt = saved.recalculateAt;
    this.#site.resume(saved);
    this.#refilling = null;
    this.#isResumed = true;
    return saved.now;
  }

  #norms(): Norms {
    const present = this.#present;
    present.at = this.#now;
    present.isLearning = this.isLearning;
    present.site = this.#site.baseline;
    present.sources = this.sourceBaseline;
    return present;
  }

  #begin(at: EpochMs, second: number): void {
    this.#startedAt = at;
    this.#second = second;
    this.#recalculateAt = at + this.#settings.baseline.recalculate_every;
  }

  #slotOf(source: Source, address: number): number {
    const known = this.#windows.slotOf(source, address);
    if (known !== undefined) return known;
    const slot = this.#windows.claim(source, this.#now, address);
    this.#appraiser.begin(slot, source, this.#now, this.#refilling !== null);
    return slot;
  }

  /** Time passes for the windows alone. */
  #passSilently(at: EpochMs): void {
    const second = Math.floor(at / 1000);
    if (!Number.isFinite(this.#now)) this.#second = second;
    while (this.#second < second) {
      this.#now = ++this.#second * 1000;
      this.#windows.evict(this.#now);
      this.#mature(SILENT);
      this.#lookForRamps();
    }
    this.#now = at;
    this.#windows.evict(at);
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
    this.#site.passGap(second);
    this.#now = second * 1000;
    this.#startedAt! += skippedMs;
    this.#recalculateAt += skippedMs;
    this.#windows.evict(this.#now);
    // A 401 of that time cannot be told from one whose answer nobody saw.
    this.#appraiser.mature(this.#now, false, () => {});
  }

  /** Closes the present second, then any idle ones up to the next recalculation or `until`. */
  #closeSecond(until: number, events: DetectorEvents): void {
    this.#site.closeSecond(this.#second++);
    this.#now = Math.max(this.#now, this.#second * 1000);
    this.#windows.evict(this.#now);
    events.elapsed(this.#now);
    this.#mature(events);
    this.#lookForRamps();
    this.#judgeSite(events);
    if (this.#participants !== null) this.#judgeParticipants(this.#participants, events);
    if (this.#now >= this.#recalculateAt) this.#recalculate(events);
    const isIdle = this.#windows.isEmpty && this.#site.anomaly === null && !this.#appraiser.isWaiting;
    if (isIdle && this.#second < until) this.#skipIdle(until, events);
  }

  /** Nothing is in any window: whole stretches of idle seconds close at once, in steps of one recalculation. */
  #skipIdle(until: number, events: DetectorEvents): void {
    while (this.#second < until) {
      const next = Math.min(until, Math.ceil(this.#recalculateAt / 1000));
      if (next > this.#second) this.#site.passIdle(this.#second, next - this.#second);
      this.#second = Math.max(this.#second, next);
      this.#now = Math.max(this.#now, this.#second * 1000);
      events.elapsed(this.#now);
      if (this.#now < this.#recalculateAt) continue;
      const skipped = until - this.#second - LONG_IDLE_SECONDS;
      if (skipped > 0) {
        this.#second += skipped;
        this.#now += skipped * 1000;
        this.#recalculateAt = this.#now;
      }
      this.#recalculate(events);
    }
    this.#judgeSite(events);
  }

  #lookForRamps(): void {
    if (this.#second % RAMP_LOOK_SECONDS !== 0 || !canSeeRamps(this.#settings.detection)) return;
    this.#ramps.look(this.#second / RAMP_LOOK_SECONDS, this.#settings.detection.window);
  }

  #recalculate(events: DetectorEvents): void {
    const every = this.#settings.baseline.recalculate_every;
    this.#recalculateAt += Math.max(1, Math.ceil((this.#now - this.#recalculateAt + 1) / every)) * every;
    this.#site.recalculate(this.#now);
    if (!this.#isContract) this.#sourceBaseline.recalculate(this.#now);
    events.baseline(this.#site.baseline, this.sourceBaseline);
  }

  /** 401s that no success followed become failures now, and logins that no page followed slow ones. */
  #mature(events: DetectorEvents): void {
    this.#appraiser.mature(this.#now, this.#refilling === null, (slot, failed, slowLevel) => {
      if (!this.#windows.table.isLive(slot)) return;
      if (slowLevel === 0) this.#windows.count(slot, this.#now, 0, 0, Mark.certain);
      this.#judgeSource(slot, failed, slowLevel, events, slowLevel === 0 ? undefined : "login");
    });
  }

  /** Remembers what a busy source asks for: all of its first requests, then a sample. */
  #sketch(record: AccessRecord, appraisal: Appraisal | null, slot: number): void {
    const { table } = this.#windows;
    const requests = table.rows.requests(slot);
    if (requests < BUSY_REQUESTS) return;
    const weight = requests < SKETCHED_WHOLE ? 1 : SAMPLE;
    if (requests % weight !== 0) return;
    const sketch = table.openSketch(slot);
    const { status, userAgent } = record;
    if (appraisal === null) {
      sketch.add(record.path, status, userAgent, weight);
      return;
    }
    sketch.add(appraisal.path, status, userAgent, weight, appraisal.kind, appraisal.cost);
    if (weight === 1) sketch.addLook(appraisal.hash, appraisal.isPart, this.#second);
    if (status === 200 && record.method === "GET") sketch.addFetch(record.bytes, weight);
  }

  #judgeSource(slot: number, asked: Asked, slowLevel: number, events: DetectorEvents, kind?: RequestClass): void {
    if (this.#refilling !== null || !this.#windows.table.isLive(slot)) return;
    const norms = this.#norms();
    let found = this.#judge.judge(slot, slowLevel, norms);
    if (found === null) {
      const ramp = this.#ramps.of(slot);
      if (ramp !== null) found = this.#judge.ramp(slot, ramp, norms);
    }
    if (found === null) return;
    const verdict = this.#adapted(found, slot);
    // A source too quiet to be sketched is known by the request that decided.
    if (verdict.topPaths.length > 0) events.verdict(verdict);
    else events.verdict({ ...verdict, ...sketchOf(asked, kind) });
  }

  #participate(record: AccessRecord, source: Source, slot: number, kind: RequestClass): void {
    const seed = this.#windows.table.seedOf(slot);
    this.#participants?.observe(record, source, seed, kind, this.#now, this.#site.surgeSince);
  }

  /** Once a second while an anomaly fires: who does nothing but what surges? */
  #judgeParticipants(participants: Participants, events: DetectorEvents): void {
    const since = this.#site.surgeSince;
    if (since === null || this.isLearning || this.#refilling !== null) return;
    const { trust } = this.#appraiser;
    const suspects = participants.suspects(
      this.#site.surging(this.#now),
      (source) => trust.until(source) > this.#now,
      this.#settings.detection.global.min_sources,
    );
    for (const suspect of suspects) {
      participants.forget(suspect.source);
      const verdict = this.#judge.participant(suspect, since, this.#norms());
      events.verdict(this.#adapted(verdict, this.#windows.table.slotOf(suspect.source)));
    }
  }

  /** A verdict with what of the adaptive profile had a part in it. `slot`: of its source, where it still has one. */
  #adapted(verdict: SourceVerdict, slot: number | undefined): SourceVerdict {
    if (this.#isContract) return verdict;
    const { rows } = this.#windows.table;
    const present = {
      norm: this.sourceBaseline,
      people: slot === undefined ? 1 : rows.people(slot),
      blamed: slot === undefined ? 0 : rows.blamed(slot),
      site: this.#site.learning(this.#now),
    };
    return { ...verdict, adaptation: adaptationOf(verdict, present, this.#settings, this.#tuning) };
  }

  #judgeSite(events: DetectorEvents): void {
    if (this.isLearning || this.#refilling !== null) return;
    this.#site.judge(this.#now, events);
  }
}

const SILENT: DetectorEvents = { elapsed() {}, verdict() {}, global() {}, baseline() {} };

/** What is known of the request that a verdict was made at. */
type Asked = Pick<AccessRecord, "path" | "status"> & Partial<Pick<AccessRecord, "userAgent">>;

function sketchOf(
  { path, status, userAgent }: Asked,
  kind: RequestClass | undefined,
): Pick<SourceVerdict, "topPaths" | "statuses" | "userAgent"> {
  const sketch = new PathSketch();
  sketch.add(path, status, userAgent, 1, kind);
  return { topPaths: sketch.paths(), statuses: sketch.statuses(), userAgent: sketch.userAgent };
}

function isAgainstSite({ detection }: DetectorSettings): boolean {
  return detection.profile === "contract" || detection.source_norm === "site";
}

function windowSettings({ detection }: DetectorSettings) {
  return { windowMs: detection.window, isSustained: detection.profile !== "contract" };
}

function sourceSettings({ baseline }: DetectorSettings) {
  return {
    floorMean: baseline.floor.mean,
    floorStddev: baseline.floor.stddev,
    capMean: Math.max(baseline.floor.mean, baseline.source_cap.mean),
    capStddev: Math.max(baseline.floor.stddev, baseline.source_cap.stddev),
  };
}
