import type { AccessRecord, EpochMs } from "../accesslog/record.ts";
import type { Config } from "../config/schema.ts";
import type { Source } from "../net/cidr.ts";
import type { RequestClass } from "./class-table.ts";
import { failureWeight, Mark } from "./event-ring.ts";
import { failureOf } from "./failures.ts";
import { hashText } from "./hash.ts";
import { queryStart } from "./path-sketch.ts";
import { Classifier, classOf, isBlatant, isInQuery, type Target } from "./request-class.ts";
import { SlowFailures } from "./slow-failures.ts";
import { DOUBLES, Double, WORDS, Word } from "./source-rows.ts";
import type { SourceTable } from "./source-table.ts";
import { Tries, type Try } from "./tries.ts";
import { Trust } from "./trust.ts";
import { BUSY_REQUESTS, type Costs, PERIOD_MS, type Tuning } from "./tuning.ts";
import { VisitKind, Visits } from "./visits.ts";

/** What one request of one source means. The same object is filled anew for each request. */
export interface Appraisal {
  /** What it counts in the window, and in the sustained one. */
  cost: number;
  sustainedCost: number;
  marks: number;
  /** What it asked for, without the query, the hash of that, and whether it is part of a page. */
  path: string;
  hash: number;
  isPart: boolean;
  kind: RequestClass;
  /** How full the source's slow bucket is now; 0 where this request did not add to it. */
  slowLevel: number;
}

/**
 * Weighs requests for the adaptive profile: what each costs by class and by how often it was asked before, what
 * its failure means, and whether its source has proved an account.
 */
export class Appraiser {
  readonly trust: Trust;
  readonly slow: SlowFailures;
  readonly #classifier: Classifier;
  readonly #visits = new Visits();
  /** 401s that wait for a success, and logins not refused that wait for the page behind them. */
  readonly #refusals: Tries;
  readonly #logins: Tries;
  #spared: ReadonlySet<number>;
  readonly #appraisal: Appraisal = {
    cost: 0,
    sustainedCost: 0,
    marks: 0,
    path: "",
    hash: 0,
    isPart: false,
    kind: "page",
    slowLevel: 0,
  };

  constructor(
    private settings: Config["detection"],
    private readonly tuning: Tuning,
    private readonly table: SourceTable,
  ) {
    this.#classifier = new Classifier(settings.classes);
    this.#spared = new Set(settings.failures.not_blamed);
    this.trust = new Trust(settings.trust.duration);
    this.slow = new SlowFailures(settings.failures.per_3_days);
    this.#refusals = new Tries(tuning.answerMs, table.rows, Word.refusals);
    this.#logins = new Tries(tuning.answerMs, table.rows, Word.logins);
  }

  configure(settings: Config["detection"]): void {
    this.settings = settings;
    this.#classifier.configure(settings.classes);
    this.#spared = new Set(settings.failures.not_blamed);
    this.trust.configure(settings.trust.duration);
    this.slow.configure(settings.failures.per_3_days);
  }

  /**
   * A source begins a visit in this slot. `isRefill`: it is read again, with what trust came of it known already; then
   * who proved an account during the visit proves it again.
   */
  begin(slot: number, source: Source, at: EpochMs, isRefill: boolean): void {
    const address = this.table.rows.address(slot);
    this.#trustUntil(slot, isRefill && this.trust.since(source) >= at ? 0 : this.trust.until(source, address));
    this.#setPeople(slot, 1);
  }

  isTrusted(slot: number, at: EpochMs): boolean {
    return this.table.rows.trustedUntil(slot) > at;
  }

  /** Does a 401 wait for its answer? Then time may not be skipped. */
  get isWaiting(): boolean {
    return this.#refusals.isWaiting;
  }

  /** Weighs one request. `fillsSlow` is false where its failures were counted in an earlier run. */
  appraise(record: AccessRecord, source: Source, slot: number, at: EpochMs, fillsSlow: boolean): Appraisal {
    const appraisal = this.#appraisal;
    const target = this.#classifier.targetOf(record.path);
    const kind = classOf(record, target);
    const trusted = this.isTrusted(slot, at);
    if (kind === "proof") this.#prove(slot, source, at);
    if (record.status < 400 && this.#refusals.openOf(slot) > 0) this.#answer(record, kind, target, slot);
    this.#price(record, kind, slot, at, trusted || kind === "proof");
    appraisal.marks = this.#marks(record, kind, target, slot, at, trusted);
    appraisal.path = target.path;
    appraisal.hash = target.hash;
    appraisal.isPart = target.isPart;
    appraisal.kind = kind;
    appraisal.slowLevel = trusted || !fillsSlow ? 0 : this.#fillSlow(record, kind, target, slot, at);
    return appraisal;
  }

  /**
   * Hands on the slots whose tries proved wrong by now, once for each: a 401 that nothing answered, which counts from
   * now on, with a slow level of 0; and a login that no page followed, with how full the slow bucket is with it.
   */
  mature(now: EpochMs, fillsSlow: boolean, fail: (slot: number, failed: Try, slowLevel: number) => void): void {
    this.#refusals.mature(now, (slot, failed) => {
      if (failed !== null) fail(slot, failed, 0);
      // Where the window is shorter than the wait, nothing else may have held the slot.
      this.table.releaseIfEmpty(slot);
    });
    this.#logins.mature(now, (slot, failed) => {
      if (failed === null) return;
      if (fillsSlow && this.table.isLive(slot) && !this.isTrusted(slot, now))
        fail(slot, failed, this.slow.add(this.table.sourceOf(slot), 1, now));
    });
  }

  /** After a ban: trust has to be earned anew, slow failing forgives only so much, and logins that waited were wrong. */
  punish(source: Source, slot: number | undefined, at: EpochMs): void {
    this.trust.revoke(source);
    const wrong = slot === undefined || this.isTrusted(slot, at) ? 0 : this.#logins.openOf(slot);
    if (wrong > 0) this.slow.add(source, wrong, at);
    this.slow.afterBan(source, this.tuning.secondChance, at);
  }

  #prove(slot: number, source: Source, at: EpochMs): void {
    const { duration } = this.settings.trust;
    // Refreshing the map for each of fifty requests a second buys nothing: a coarse grain is plenty.
    if (this.table.rows.trustedUntil(slot) - at > duration - Math.min(60_000, duration / 10)) return;
    this.#trustUntil(slot, this.trust.prove(source, at, this.table.rows.address(slot)));
  }

  /** A success may answer 401s: one that takes an account answers all of its discovery, any other its own target's. */
  #answer(record: AccessRecord, kind: RequestClass, target: Target, slot: number): void {
    if (record.status >= 300 && record.status !== 304) return;
    if (kind === "proof" || kind === "dav") this.#refusals.excuse(slot, this.tuning.excusedBySuccess);
    else if (this.table.rows.words[slot * WORDS + Word.refused] === (target.hash | 0)) this.#refusals.excuse(slot, 1);
  }

  #price(record: AccessRecord, kind: RequestClass, slot: number, at: EpochMs, trusted: boolean): void {
    // Behind an address where several have logged in, several ask.
    const people = Math.min(this.table.rows.people(slot), this.tuning.peopleCounted);
    const share = (trusted ? this.settings.trust.weight : 1) / people;
    const name = this.#costOf(record, kind, slot, at, trusted);
    const { cost } = this.tuning;
    this.#appraisal.cost = exact(name === "proof" ? cost.proof : cost[name] * share);
    const isFirst = name === "firstVisit";
    this.#appraisal.sustainedCost = isFirst ? exact(cost.firstVisitSustained * share) : this.#appraisal.cost;
  }

  /** Which cost it is, before trust. By name: two of them may have the same value. */
  #costOf(record: AccessRecord, kind: RequestClass, slot: number, at: EpochMs, trusted: boolean): keyof Costs {
    const { visits } = this.tuning;
    const requests = this.table.rows.requests(slot);
    const isBusy = requests >= BUSY_REQUESTS;
    const people = this.table.rows.people(slot);
    const succeeded = record.status < 300 || record.status === 304;
    const seen = (kind: VisitKind, whole: boolean, periodMs: number): number =>
      isBusy ? this.#visit(kind, slot, record.path, whole, at, periodMs) : 1;
    switch (kind) {
      case "proof":
        return "proof";
      case "dav":
        // Reading files over WebDAV is as cheap as writing them, for a source that proved its account by other means.
        if (succeeded && trusted) return "proof";
        break;
      case "asset": {
        // A missing one is asked for by a page like any other.
        if (!succeeded && record.status !== 404) break;
        const natural = (record.status === 304 ? visits.notModified : visits.asset) * people;
        const few = seen(VisitKind.asset, false, PERIOD_MS.asset) <= natural;
        return few && requests < visits.assetFlood * people ? "asset" : "assetRepeated";
      }
      case "preview":
      case "share":
        if (!succeeded && record.status !== 404) break;
        return seen(VisitKind.asset, true, PERIOD_MS.asset) <= visits.asset * people ? "preview" : "page";
      case "probe":
        if (!succeeded) break;
        return seen(VisitKind.asset, false, PERIOD_MS.probe) <= visits.probe ? "probe" : "page";
      case "login":
        if (isBusy && record.method !== "POST" && record.status < 400) return "login";
        break;
      case "page":
        break;
      default:
        return kind satisfies never;
    }
    // What the server got wrong is no less a first look.
    if (!isBusy || (record.status >= 400 && record.status < 500)) return "page";
    // A checker asks with HEAD and then with GET: each is a first look once.
    const look = record.method === "HEAD" ? VisitKind.head : VisitKind.page;
    return seen(look, false, PERIOD_MS.page) === 1 ? "firstVisit" : "page";
  }

  #marks(
    record: AccessRecord,
    kind: RequestClass,
    target: Target,
    slot: number,
    at: EpochMs,
    trusted: boolean,
  ): number {
    const marks = Mark.request | (record.status >= 400 ? Mark.error : 0);
    if (this.#logins.openOf(slot) > 0 && this.#isExcused(record, kind, slot, at)) return marks | Mark.excused;
    // What failureOf would say of most requests, known with their target.
    const isBare = record.path.length === target.path.length;
    if (record.status < 400 && kind !== "login" && isBare && !target.injects) return marks;
    switch (failureOf(record, kind, trusted, this.#spared)) {
      case "none":
        return marks;
      case "login":
        if (record.status < 400) this.#logins.add(slot, at, record);
        return marks | Mark.certain | (record.status >= 400 ? Mark.blamed : 0);
      case "unanswered":
        this.table.rows.words[slot * WORDS + Word.refused] = target.hash;
        return marks | Mark.blamed | (this.#refusals.add(slot, at, record) ? 0 : Mark.certain);
      case "probe":
        if (!this.#isNew(VisitKind.failure, slot, record.path, false, at)) return marks;
        // Every link that does not exist is a guess at one, wherever it lies.
        return marks | Mark.probe | Mark.blamed | (kind === "share" ? 0 : this.#siblingMark(record.path, slot, at));
      case "exploit":
        // A page may pull in one dead script with many queries; injection and counting are done in the query.
        if (!this.#isNew(VisitKind.failure, slot, record.path, isInQuery(record.path), at)) return marks;
        return marks | Mark.exploit | Mark.blamed | (isBlatant(record.path) ? Mark.certain : 0);
    }
  }

  #siblingMark(path: string, slot: number, at: EpochMs): number {
    const directory = directoryOf(path);
    if (directory === null || APPLICATION.test(directory)) return 0;
    return this.#visit(VisitKind.directory, slot, directory, true, at, PERIOD_MS.page) === 1 ? 0 : Mark.sibling;
  }

  /**
   * A login answered with anything but a refusal was right when a page follows that is not the login form again.
   * Public pages would do as well, so only so many logins are excused.
   */
  #isExcused(record: AccessRecord, kind: RequestClass, slot: number, at: EpochMs): boolean {
    if (record.method !== "GET" || kind !== "page" || record.status !== 200) return false;
    const excused = this.#visit(VisitKind.excuse, slot, "", false, at, PERIOD_MS.failure);
    if (excused > this.tuning.excusedLogins) return false;
    this.#logins.excuse(slot, 1);
    this.#setPeople(slot, Math.min(255, 1 + excused));
    return true;
  }

  /** Adds to the slow bucket what this request says about guessing; returns how full it is, 0 where it says nothing. */
  #fillSlow(record: AccessRecord, kind: RequestClass, target: Target, slot: number, at: EpochMs): number {
    const { marks } = this.#appraisal;
    const source = this.table.sourceOf(slot);
    if (marks & Mark.excused) this.slow.forgive(source, at);
    const weight = failureWeight(marks, this.tuning);
    if (marks & Mark.exploit)
      return this.slow.addExploit(source, weight, at, attemptOf(record, target), (marks & Mark.certain) !== 0);
    // A login that was not refused is known to be wrong only when no page has followed.
    if (kind === "login" && record.method === "POST" && record.status < 400) return 0;
    if (weight > 0) return this.slow.add(source, weight, at);
    // Who comes back after a ban, and be it an office, has to look at the form.
    if (kind !== "login" || record.method !== "GET" || this.slow.wasBanned(source, at)) return 0;
    return this.slow.add(source, this.tuning.loginFormWeight, at);
  }

  #trustUntil(slot: number, until: EpochMs): void {
    this.table.rows.doubles[slot * DOUBLES + Double.trustedUntil] = until;
  }

  #setPeople(slot: number, people: number): void {
    this.table.rows.words[slot * WORDS + Word.people] = people;
  }

  #isNew(kind: VisitKind, slot: number, path: string, whole: boolean, at: EpochMs): boolean {
    return this.#visit(kind, slot, path, whole, at, PERIOD_MS.failure) === 1;
  }

  #visit(kind: VisitKind, slot: number, path: string, whole: boolean, at: EpochMs, periodMs: number): number {
    return this.#visits.count(kind, this.table.seedOf(slot), path, whole, at, periodMs);
  }
}

/** Rounded to 1/1024, so that sums of costs are exact and a rate at its trigger is exactly at it. */
function exact(cost: number): number {
  return Math.round(cost * 1024) / 1024;
}

/** What an exploit tries, as a number: where the query is the attempt, another query is another one. */
function attemptOf({ path }: AccessRecord, target: Target): number {
  return isInQuery(path) ? hashText(path, path.length, 0) : target.hash;
}

/** Where an application keeps its own code: no link leads there, and it does not move. */
const APPLICATION =
  /\/(?:wp-admin|wp-includes|wp-content\/(?:plugins|themes)|administrator|components\/com_\w+|modules\/mod_\w+)(?:\/|$)/i;

/** The directory that a target lies in; null for one at the root. */
function directoryOf(path: string): string | null {
  const end = queryStart(path);
  const slash = path.lastIndexOf("/", path.charCodeAt(end - 1) === 47 ? end - 2 : end - 1);
  return slash <= 0 ? null : path.slice(0, slash);
}
