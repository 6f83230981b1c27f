/** The whole core: records and ticks in, decisions out. No clock, no I/O; run, replay, bench and tests share it. */
import type { AccessRecord, EpochMs } from "./accesslog/record.ts";
import { type Allowed, Allowlist } from "./bans/allowlist.ts";
import type { BanDuration } from "./bans/backoff.ts";
import { Breaker, type SavedBreaker } from "./bans/breaker.ts";
import { Ledger, type Offence } from "./bans/ledger.ts";
import type { Config } from "./config/schema.ts";
import type {
  Ban,
  BaselineSnapshot,
  Decision,
  GlobalVerdict,
  Manual,
  Outcome,
  Permit,
  SourceVerdict,
} from "./decision.ts";
import { Detector, type DetectorEvents, type SavedDetector, type SourceReading } from "./detection/detector.ts";
import { compare, triggerRate } from "./detection/verdict.ts";
import type { Explanation } from "./explanation.ts";
import { parseRange, type Source, singleSource, sourceOf } from "./net/cidr.ts";
import { type Ip, isV6, NO_V4, parseIp, v4Of } from "./net/ip.ts";
import { RecencyMap } from "./recency.ts";
import type { BanStatus, EngineCounters, EngineState, EngineStatus, SourceStatus } from "./status.ts";

/** The sections of the configuration that the core answers to. */
export type EngineSettings = Pick<Config, "detection" | "baseline" | "bans" | "allowlist"> & {
  readonly firewall: Pick<Config["firewall"], "proof_grace">;
  readonly log: Pick<Config["log"], "future_tolerance">;
};

/** Takes each decision as it is made. */
export type Emit = (decision: Decision) => void;

/** What came of a wish to ban. */
export type BanResult =
  | { readonly result: "banned"; readonly ban: Ban }
  | { readonly result: "already-banned"; readonly ban: Ban }
  | { readonly result: "allowlisted"; readonly why: string }
  | { readonly result: "full"; readonly limit: number };

/** What an Engine has learned, as plain values; bans and offences are kept beside it. */
export interface SavedEngine extends SavedDetector {
  readonly breaker: SavedBreaker;
  /** The one of bans of participants in a flood. */
  readonly crowdBreaker: SavedBreaker;
  /** Sources whose ban was withheld in the last minutes, and when: as after a ban, they started from nothing. */
  readonly withheld: readonly (readonly [source: Source, at: EpochMs])[];
  readonly counters: Readonly<Record<string, number>>;
}

/** What ended longer ago than this when its lines were read (a backlog) teaches, but bans nobody. */
const STALE_MS = 120_000;
/** Raw lines of a banned source that prove its ban ineffective: one where the log says when a request began, else several. */
const LEAKS_WITH_START = 1;
const LEAKS_WITHOUT_START = 3;
/** Entries of the caches of IPv6 prefixes and of exempt sources; full, they begin anew. */
const MOST_CACHED = 65_536;
/** Withheld bans that are remembered over a restart: how many, and how long (the longest window). */
const MOST_WITHHELD = 1_000;
const WITHHELD_MS = 610_000;

/** Windows, baseline, verdicts and the ledger behind one door. Time is an argument and never goes back. */
export class Engine {
  #settings: EngineSettings;
  readonly #detector: Detector;
  readonly #ledger: Ledger;
  readonly #breaker: Breaker;
  /** Participants of a global anomaly come by the hundred, and must not keep an attacker beside them from being banned. */
  readonly #crowdBreaker: Breaker;
  readonly #allowlist: Allowlist;
  /** Wall clock as last told; null in a replay, where the log's clock is the only one. */
  #wall: EpochMs | null = null;
  #emit: Emit = () => {};
  #prefixes = new Map<Ip, Source>();
  /** Allow-listed sources that would have been banned: not judged again until the list changes. */
  #exempt = new Set<Source>();
  /** When a ban of a source was last withheld. */
  readonly #withheld = new RecencyMap<EpochMs>(MOST_WITHHELD);
  /** While the windows are refilled: sources whose lines so far are from before their last ban, made or withheld. */
  #paid = new Set<Source>();
  /** Lines up to here may have been judged by an earlier run. */
  #recalledUntil = Number.NEGATIVE_INFINITY;
  #counters = { records: 0, late: 0, future: 0, banned: 0, allowlisted: 0, bans: 0, unbans: 0, bansWithheld: 0 };

  /** `openLoop`: go on counting the requests of banned sources, as if no ban had cut them off (replay). */
  constructor(
    settings: EngineSettings,
    private readonly options: { readonly openLoop?: boolean } = {},
  ) {
    this.#settings = settings;
    this.#detector = new Detector(settings);
    this.#ledger = new Ledger(ledgerSettings(settings));
    this.#breaker = new Breaker(settings.bans.circuit_breaker.bans_per_minute);
    this.#crowdBreaker = new Breaker(settings.bans.circuit_breaker.participants_per_minute);
    this.#allowlist = new Allowlist(settings.allowlist);
  }

  /** Event time: never goes back. */
  get now(): EpochMs {
    return this.#detector.now;
  }

  get banCount(): number {
    return this.#ledger.size;
  }

  get allowlistSize(): number {
    return this.#allowlist.size;
  }

  /** Tells the wall clock, so that lines dated too far ahead are refused and a backlog bans nobody. Moves nothing. */
  setWall(now: EpochMs): void {
    this.#wall = now;
  }

  /**
   * Takes in one access record; decisions come out of `emit` before it returns. `address`:
   * v4Of(record.source), where the caller has it, so that nobody needs to read the text.
   */
  observe(record: AccessRecord, emit: Emit, address = v4Of(record.source)): void {
    this.#counters.records++;
    if (this.#wall !== null && record.at > this.#wall + this.#settings.log.future_tolerance) {
      this.#counters.future++;
      return;
    }
    if (record.at <= this.#detector.now - this.#settings.detection.window) {
      this.#counters.late++;
      return;
    }
    this.#emit = emit;
    if (record.at > this.#detector.now) this.#moveTo(record.at);
    const source = address === NO_V4 ? this.#sourceOf(record.source) : singleSource(record.source);
    const isBanned = this.#ledger.size > 0 && this.#ledger.find(source) !== undefined;
    if (isBanned) this.#observeBanned(record, source);
    if (!isBanned && this.#isPaidFor(record, source)) this.#counters.banned++;
    else if (!isBanned || this.options.openLoop)
      this.#detector.observe(record, source, this.#isExempt(source), this.#events, address);
  }

  /** Moves time forward in silence, so that bans expire and quiet seconds count when no request comes. */
  tick(now: EpochMs, emit: Emit): void {
    this.#emit = emit;
    if (now > this.#detector.now) this.#moveTo(now);
  }

  /** A ban a person asked for. `duration` absent: the next of the source's back-off. */
  ban(source: Source, cause: Manual, duration: BanDuration | undefined, emit: Emit): BanResult {
    const present = this.#ledger.find(source);
    if (present !== undefined) return { result: "already-banned", ban: present };
    const allowed = this.#allowlist.match(source);
    if (allowed !== null) return { result: "allowlisted", why: allowed.why };
    if (this.#ledger.isFull) return { result: "full", limit: this.#settings.bans.max_active };
    return { result: "banned", ban: this.#ban(source, cause.at, cause, emit, duration) };
  }

  /** Ends a ban because a person asked; null when the source is not banned. */
  unban(source: Source, now: EpochMs, by: string, forget: boolean, emit: Emit): Ban | null {
    const ban = this.#ledger.unban(source, forget);
    if (ban !== undefined || forget) this.#detector.pardon(source);
    if (ban === undefined) return null;
    this.#counters.unbans++;
    emit({ kind: "unban", at: now, ban, why: "manual", by });
    return ban;
  }

  /** Nobody in this range is banned from now on, and bans there end; false when there are too many permits. */
  allow(permit: Permit, emit: Emit): boolean {
    if (!this.#allowlist.permit(permit)) return false;
    emit({ kind: "permit", at: permit.since, change: "given", permit });
    this.#allowlistChanged(emit);
    return true;
  }

  /** Takes a permit back; null when there is none for exactly this range. */
  disallow(source: Source, now: EpochMs, by: string, emit: Emit): Permit | null {
    const permit = this.#allowlist.forbid(source);
    if (permit === undefined) return null;
    emit({ kind: "permit", at: now, change: "taken-back", permit, by });
    this.#allowlistChanged(emit);
    return permit;
  }

  /** What people have permitted, in the order in which they did. */
  permits(): Permit[] {
    return this.#allowlist.permits;
  }

  /** Ranges that are never banned by the configuration, or because the host must not lose them. */
  fixedAllowlist(): readonly Allowed[] {
    return this.#allowlist.fixed;
  }

  /** Takes in what really came of a decision. */
  settle(outcome: Outcome): void {
    this.#ledger.settle(outcome);
  }

  /** The firewall was moved to another hook or backend: the proof of every ban begins anew. */
  restartProof(at: EpochMs): void {
    this.#ledger.restartProof(at);
  }

  /** Takes a new configuration; windows, baselines and bans stay. Bans that the new allow-list covers end. */
  configure(settings: EngineSettings, emit: Emit): void {
    this.#settings = settings;
    this.#detector.configure(settings);
    this.#ledger.configure(ledgerSettings(settings));
    this.#breaker.configure(settings.bans.circuit_breaker.bans_per_minute);
    this.#crowdBreaker.configure(settings.bans.circuit_breaker.participants_per_minute);
    this.#allowlist.configure(settings.allowlist);
    this.#allowlistChanged(emit);
  }

  /** Replaces the addresses the host itself must not lose. */
  protect(ranges: readonly Allowed[], emit: Emit): void {
    this.#allowlist.protect(ranges);
    this.#allowlistChanged(emit);
  }

  /** Puts back what an earlier run knew, or what the firewall still holds; nothing is told. */
  restore(bans: readonly BanStatus[], offences: readonly Offence[], permits: readonly Permit[] = []): void {
    this.restorePermits(permits);
    this.#ledger.restore(bans, offences);
    this.#restoreBreakers(null, Number.NEGATIVE_INFINITY);
  }

  /** Those alone, where they could be read only later. Bans that they speak against end with the next `protect`. */
  restorePermits(permits: readonly Permit[]): void {
    for (const permit of permits) this.#allowlist.permit(permit);
    this.#prefixes.clear();
  }

  /** The source that a named address counts as: its IPv6 prefix, unless that holds an address that must not be banned. */
  grainOf(source: Source): Source {
    const ip = parseIp(source);
    return ip === null ? source : this.#sourceOf(ip);
  }

  /** How often each source was banned. */
  offences(): Offence[] {
    return this.#ledger.offences();
  }

  /** Whose offences were forgotten on request since the last call. */
  takeForgotten(): Source[] {
    return this.#ledger.takeForgotten();
  }

  /** What survives a restart besides bans and offences; null before the first record. See Detector.save. */
  save(whole: boolean): SavedEngine | null {
    const saved = this.#detector.save(whole);
    if (saved === null) return null;
    const withheld = this.#withheld.keys().map((source) => [source, this.#withheld.get(source)!] as const);
    const [breaker, crowdBreaker] = [this.#breaker.save(), this.#crowdBreaker.save()];
    const lately = withheld.filter(([, at]) => at > saved.now - WITHHELD_MS);
    return { ...saved, breaker, crowdBreaker, withheld: lately, counters: { ...this.#counters } };
  }

  /**
   * Takes in what an earlier run saved; bans and offences first. Lines that it had already learned from go to
   * `refill`; `resume` must follow. `now`: wall clock.
   */
  recall(saved: SavedEngine, now: EpochMs): void {
    this.#detector.restore(saved);
    Object.assign(this.#counters, saved.counters);
    for (const [source, at] of saved.withheld) this.#withheld.set(source, at);
    this.#restoreBreakers(saved, saved.now);
    this.#recalledUntil = now;
  }

  /** A line that an earlier run has counted: it fills the windows again and does nothing else. */
  refill(record: AccessRecord): void {
    const source = this.#sourceOf(record.source);
    if (record.at <= this.#detector.now - this.#settings.detection.window) return;
    const never = Number.NEGATIVE_INFINITY;
    const isPaid =
      record.at <= Math.max(this.#ledger.lastBannedAt(source) ?? never, this.#withheld.get(source) ?? never);
    if (!isPaid && this.#wasBanned(record, source)) return;
    // What led to a ban is still in the site's window, but the source itself starts from nothing.
    if (isPaid) this.#paid.add(source);
    else if (this.#paid.delete(source)) this.#detector.drop(source);
    this.#detector.refill(record, source);
  }

  /** The windows are full again: from here on records are new. */
  resume(): void {
    const savedAt = this.#detector.resume();
    for (const source of this.#paid) {
      if ((this.#ledger.lastBannedAt(source) ?? 0) > savedAt) this.#detector.forget(source);
      else this.#detector.drop(source);
    }
    this.#paid.clear();
  }

  /** The ban that covers a source, or undefined. */
  banOf(source: Source): BanStatus | undefined {
    return this.#ledger.status(source);
  }

  /** Why this source is banned, or how far it is from it. */
  explain(source: Source): Explanation {
    const ban = this.#ledger.status(source);
    return {
      at: Number.isFinite(this.now) ? this.now : 0,
      source,
      state: this.#state(),
      profile: this.#settings.detection.profile,
      allowed: this.#allowlist.match(source)?.why ?? null,
      ban: ban ?? null,
      offences: this.#ledger.banCountOf(ban?.ban.source ?? source, this.now),
      now: ban === undefined ? this.#detector.explain(source) : null,
    };
  }

  /** Bans in force, latest first. */
  bans(): BanStatus[] {
    return this.#ledger.list();
  }

  /** The present state as plain data, with the `topCount` busiest sources. */
  status(topCount = 10): EngineStatus {
    const detector = this.#detector;
    const seconds = this.#settings.detection.window / 1000;
    const { requests, errors, active } = detector.site;
    const site = detector.siteBaseline;
    const thresholds = detector.thresholds;
    const comparison = compare(requests / seconds, site, thresholds);
    return {
      at: Number.isFinite(detector.now) ? detector.now : 0,
      state: this.#state(),
      warmUp: {
        learnedMs: Math.min(detector.learnedMs, this.#settings.baseline.warm_up),
        neededMs: this.#settings.baseline.warm_up,
      },
      profile: this.#settings.detection.profile,
      windowMs: this.#settings.detection.window,
      site: {
        requests,
        errors,
        rate: requests / seconds,
        errorRate: errors / seconds,
        zScore: comparison.zScore,
        multiple: comparison.multiple,
        triggerRate: comparison.triggerRate,
        baseline: site,
        thresholds,
        anomaly: detector.anomaly,
      },
      sources: {
        active,
        aboveHalfTrigger: detector.countAbove(0.5),
        baseline: detector.sourceBaseline,
        triggerRate: triggerRate(detector.sourceBaseline, thresholds),
        tightenedTriggerRate: triggerRate(detector.sourceBaseline, detector.tightenedThresholds),
        top: detector.top(topCount).map((reading) => this.#sourceStatus(reading)),
      },
      bans: this.#ledger.list(),
      breaker: {
        open: this.#breaker.isOpen,
        bansInMinute: this.#breaker.bansInMinute,
        limit: this.#settings.bans.circuit_breaker.bans_per_minute,
      },
      nextRecalculationAt: detector.nextRecalculationAt,
      hours: detector.hours(),
      history: detector.history(),
      counters: this.counters(),
    };
  }

  counters(): EngineCounters {
    return { ...this.#counters, sourcesShed: this.#detector.shed };
  }

  #isExempt(source: Source): boolean {
    return this.#exempt.size > 0 && this.#exempt.has(source);
  }

  readonly #events: DetectorEvents = {
    elapsed: (now) => this.#elapse(now),
    verdict: (verdict) => this.#consider(verdict),
    global: (state, since, verdict) => this.#alertGlobal(state, since, verdict),
    baseline: (site, sources) => this.#tellBaseline(site, sources),
  };

  #moveTo(at: EpochMs): void {
    this.#detector.advance(at, this.#events);
    this.#elapse(at);
  }

  /** What time alone brings about. */
  #elapse(now: EpochMs): void {
    for (const breaker of [this.#breaker, this.#crowdBreaker])
      if (breaker.isOpen && breaker.tick(now)) this.#alertBreaker(breaker, now, "closed");
    for (const ban of this.#ledger.expire(now)) {
      this.#counters.unbans++;
      this.#emit({ kind: "unban", at: ban.until as EpochMs, ban, why: "expired" });
    }
    const over = this.#allowlist.expire(now);
    for (const permit of over) this.#emit({ kind: "permit", at: permit.until as EpochMs, change: "expired", permit });
    if (over.length > 0) this.#allowlistChanged(this.#emit);
  }

  /** A verdict on a source becomes a ban unless something speaks against it. */
  #consider(verdict: SourceVerdict): void {
    const { source, at } = verdict;
    if (this.options.openLoop && this.#ledger.find(source) !== undefined) return;
    if (this.#wall !== null && at < this.#wall - STALE_MS) {
      this.#counters.bansWithheld++;
      return;
    }
    if (this.#allowlist.match(source) !== null) {
      this.#counters.allowlisted++;
      if (this.#exempt.size >= MOST_CACHED) this.#exempt.clear();
      this.#exempt.add(source);
      return;
    }
    const breaker = verdict.reasons.includes("participant") ? this.#crowdBreaker : this.#breaker;
    const wasOpen = breaker.isOpen;
    if (this.#ledger.isFull || !breaker.admit(at)) {
      this.#counters.bansWithheld++;
      this.#withheld.set(source, at);
      this.#detector.forget(source);
      if (!wasOpen && breaker.isOpen) this.#alertBreaker(breaker, at, "open");
      return;
    }
    this.#ban(source, at, verdict, this.#emit);
  }

  #ban(source: Source, at: EpochMs, cause: SourceVerdict | Manual, emit: Emit, duration?: BanDuration): Ban {
    const ban = this.#ledger.ban(source, at, cause, duration);
    // After the ban the source starts from nothing: its old window must not ban it again without a new offence.
    this.#detector.forget(source);
    this.#counters.bans++;
    emit({ kind: "ban", at, ban });
    return ban;
  }

  /** The storm an earlier run was in goes on: what it saved, and what it banned after `savedAt`. */
  #restoreBreakers(saved: Pick<SavedEngine, "breaker" | "crowdBreaker"> | null, savedAt: EpochMs): void {
    const bannedAt = (ofCrowd: boolean) =>
      this.#ledger.list().flatMap(({ ban: { cause, since } }) => {
        const isOurs = cause.scope === "source" && cause.reasons.includes("participant") === ofCrowd;
        return isOurs && since > savedAt ? [since] : [];
      });
    this.#breaker.restore(saved?.breaker ?? null, bannedAt(false));
    this.#crowdBreaker.restore(saved?.crowdBreaker ?? null, bannedAt(true));
  }

  /** A line of a banned source: kept out of windows and baseline. Late ones prove that the ban does not block. */
  #observeBanned(record: AccessRecord, source: Source): void {
    this.#counters.banned++;
    // A connection that the ban cut off is logged when nginx gives up waiting: that is no request that came through.
    if (record.status === 408 || record.status === 499) return;
    const begun = record.requestSeconds;
    const startedAt = record.at - (begun ?? 0) * 1000;
    const needed = begun === undefined ? LEAKS_WITHOUT_START : LEAKS_WITH_START;
    const leak = this.#ledger.leak(source, startedAt, this.#settings.firewall.proof_grace, needed, record.at);
    if (leak !== null) this.#emit({ kind: "alert", at: this.now, alert: { type: "ban-ineffective", ...leak } });
  }

  /** Did this line of an earlier run reach the log although its source was banned? */
  #wasBanned(record: AccessRecord, source: Source): boolean {
    if (this.#ledger.find(source) !== undefined) return true;
    const end = this.#ledger.lastBanEnd(source);
    return end !== undefined && (end === "permanent" || record.at < end);
  }

  /** Was the source banned at or after this line, by an earlier run? Then it starts from nothing, as after every ban. */
  #isPaidFor(record: AccessRecord, source: Source): boolean {
    return (
      record.at <= this.#recalledUntil && record.at <= (this.#ledger.lastBannedAt(source) ?? Number.NEGATIVE_INFINITY)
    );
  }

  #alertGlobal(state: "firing" | "still-firing" | "resolved", since: EpochMs, verdict: GlobalVerdict): void {
    this.#emit({ kind: "alert", at: this.now, alert: { type: "global-anomaly", state, since, verdict } });
  }

  #alertBreaker(breaker: Breaker, at: EpochMs, state: "open" | "closed"): void {
    const { bansInMinute, limit } = breaker;
    const of = breaker === this.#crowdBreaker ? ({ of: "participants" } as const) : {};
    this.#emit({ kind: "alert", at, alert: { type: "circuit-breaker", state, bansInMinute, limit, ...of } });
  }

  #tellBaseline(site: BaselineSnapshot, sources: BaselineSnapshot): void {
    this.#emit({ kind: "baseline", at: this.now, site, sources });
  }

  #allowlistChanged(emit: Emit): void {
    this.#prefixes.clear();
    this.#exempt.clear();
    for (const { ban } of this.#ledger.list()) {
      if (this.#allowlist.match(ban.source) === null) continue;
      this.#ledger.unban(ban.source);
      this.#detector.pardon(ban.source);
      this.#counters.unbans++;
      emit({ kind: "unban", at: this.#wall ?? this.now, ban, why: "allowlisted" });
    }
  }

  #sourceOf(ip: Ip): Source {
    if (!isV6(ip)) return singleSource(ip);
    let source = this.#prefixes.get(ip);
    if (source === undefined) {
      if (this.#prefixes.size >= MOST_CACHED) this.#prefixes.clear();
      const prefix = sourceOf(ip, this.#settings.bans.ipv6_prefix);
      // A neighbour in the host's own /64 must be bannable without banning the host with it.
      source = this.#allowlist.splits(parseRange(prefix)!) ? singleSource(ip) : prefix;
      this.#prefixes.set(ip, source);
    }
    return source;
  }

  #state(): EngineState {
    if (this.#settings.detection.mode === "watch-only") return "watch-only";
    if (this.#breaker.isOpen) return "paused";
    return this.#detector.isLearning ? "learning" : "armed";
  }

  #sourceStatus(reading: SourceReading): SourceStatus {
    const near = reading.comparedRate > 0.7 * reading.comparison.triggerRate;
    const allowed = this.#exempt.has(reading.source) || this.#allowlist.match(reading.source) !== null;
    return {
      source: reading.source,
      requests: reading.requests,
      errors: reading.errors,
      rate: reading.rate,
      comparedRate: reading.comparedRate,
      triggerRate: reading.comparison.triggerRate,
      zScore: reading.comparison.zScore,
      tightened: reading.tightened,
      trusted: reading.trusted,
      state: allowed ? "allowed" : near ? "watching" : "normal",
      topPath: reading.topPath,
    };
  }
}

function ledgerSettings({ bans }: EngineSettings) {
  return { durations: bans.durations, decayMs: bans.decay, maxActive: bans.max_active, ipv6Prefix: bans.ipv6_prefix };
}
