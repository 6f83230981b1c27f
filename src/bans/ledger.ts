import type { EpochMs } from "../accesslog/record.ts";
import type { Ban, Outcome } from "../decision.ts";
import { covers, parseRange, type Range, type Source } from "../net/cidr.ts";
import { RecencyMap } from "../recency.ts";
import type { BanStatus } from "../status.ts";
import { type BanDuration, durationOf, endOf } from "./backoff.ts";

/** How long bans last, how long they are remembered, and how many there may be. */
export interface LedgerSettings {
  readonly durations: readonly BanDuration[];
  readonly decayMs: number;
  readonly maxActive: number;
  /** Length of the prefix that IPv6 sources are counted by. */
  readonly ipv6Prefix: number;
}

/** A source's record: how often it was banned, and when last. */
export interface Offence {
  readonly source: Source;
  readonly banCount: number;
  readonly lastAt: EpochMs;
}

/** Most offenders remembered; the one banned longest ago is forgotten first. */
const MOST_OFFENDERS = 200_000;

interface Entry {
  ban: Ban;
  enforcement: BanStatus["enforcement"];
  /** Wall-clock time at which the firewall said it was in force. */
  inForceAt: EpochMs | null;
  leaked: number;
  lastLeakAt: EpochMs | undefined;
  toldIneffective: boolean;
}

/**
 * The one truth about who is banned, since when, until when and why. The firewall is its projection: an entry
 * is "pending" until an outcome says what the kernel really did.
 */
export class Ledger {
  #settings: LedgerSettings;
  #active = new Map<Source, Entry>();
  /** Active bans of more than one source, made by hand: looked through one by one. */
  #wide: { range: Range; entry: Entry }[] = [];
  /** Whose offences a person had forgotten since the last look. */
  #forgotten = new Set<Source>();
  /** In order of last ban, so that the oldest goes first. */
  #offences = new RecencyMap<Offence>(MOST_OFFENDERS);
  /** Earliest end of a temporary ban, so that expiry costs nothing until then. */
  #nextEnd = Number.POSITIVE_INFINITY;

  constructor(settings: LedgerSettings) {
    this.#settings = settings;
  }

  get size(): number {
    return this.#active.size;
  }

  get isFull(): boolean {
    return this.#active.size >= this.#settings.maxActive;
  }

  configure(settings: LedgerSettings): void {
    this.#settings = settings;
  }

  /** The ban that covers a source, or undefined. */
  find(source: Source): Ban | undefined {
    return this.#entryOf(source)?.ban;
  }

  status(source: Source): BanStatus | undefined {
    const entry = this.#entryOf(source);
    return entry && toStatus(entry);
  }

  /** All bans in force, latest first. */
  list(): BanStatus[] {
    return [...this.#active.values()].map(toStatus).reverse();
  }

  /** Every remembered offence, the one of longest ago first. */
  offences(): Offence[] {
    return this.#offences.keys().map((source) => this.#offences.get(source)!);
  }

  /** When the source was last banned; undefined when never, or long ago. */
  lastBannedAt(source: Source): EpochMs | undefined {
    return this.#offences.get(source)?.lastAt;
  }

  /** When the source's last ban ended or will end, if nobody ended it by hand; undefined as above. */
  lastBanEnd(source: Source): EpochMs | "permanent" | undefined {
    const offence = this.#offences.get(source);
    return offence && endOf(offence.lastAt, durationOf(offence.banCount, this.#settings.durations));
  }

  /** Whose offences were forgotten on request since the last call, unless there are new ones. */
  takeForgotten(): Source[] {
    const forgotten = [...this.#forgotten].filter((source) => this.#offences.get(source) === undefined);
    this.#forgotten.clear();
    return forgotten;
  }

  /** Bans so far that still count at `at`. */
  banCountOf(source: Source, at: EpochMs): number {
    const offence = this.#offences.get(source);
    return offence && at - offence.lastAt < this.#settings.decayMs ? offence.banCount : 0;
  }

  /** Bans a source: the next duration of its back-off unless one is given. The caller has seen that it is not banned. */
  ban(source: Source, at: EpochMs, cause: Ban["cause"], duration?: BanDuration): Ban {
    const banCount = this.banCountOf(source, at) + 1;
    const ban: Ban = {
      source,
      banCount,
      since: at,
      until: endOf(at, duration ?? durationOf(banCount, this.#settings.durations)),
      cause,
    };
    this.#offences.set(source, { source, banCount, lastAt: at });
    this.#enter(pendingEntry(ban));
    return ban;
  }

  /** Ends a ban; undefined when there was none. Offences stay unless `forget`. */
  unban(source: Source, forget = false): Ban | undefined {
    if (forget && this.#offences.delete(source)) this.#forgotten.add(source);
    const entry = this.#active.get(source);
    if (entry === undefined) return undefined;
    this.#active.delete(source);
    this.#wide = this.#wide.filter((wide) => wide.entry !== entry);
    return entry.ban;
  }

  /** Ends every ban whose time has passed, earliest first. */
  expire(now: EpochMs): Ban[] {
    if (now < this.#nextEnd) return [];
    const ended: Ban[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const { ban } of this.#active.values()) {
      if (ban.until === "permanent") continue;
      if (ban.until <= now) ended.push(ban);
      else next = Math.min(next, ban.until);
    }
    this.#nextEnd = next;
    ended.sort((a, b) => (a.until as number) - (b.until as number));
    for (const ban of ended) this.unban(ban.source);
    return ended;
  }

  /** Takes in what the firewall really did with a ban. */
  settle(outcome: Outcome): void {
    if (outcome.decision.kind !== "ban") return;
    const entry = this.#active.get(outcome.decision.ban.source);
    if (entry === undefined || entry.ban !== outcome.decision.ban) return;
    entry.enforcement = outcome.result === "done" ? "in-force" : outcome.result;
    if (outcome.result === "done") entry.inForceAt ??= outcome.at;
    // Nothing holds it back any more: its requests prove nothing.
    else if (outcome.result === "dry-run") entry.inForceAt = null;
  }

  /**
   * A request of a banned source that began at `startedAt` reached the log, `at` when it ended. Returns how many such
   * there were when this makes the ban provably ineffective for the first time, else null.
   */
  leak(
    source: Source,
    startedAt: EpochMs,
    graceMs: number,
    needed: number,
    at: EpochMs = startedAt,
  ): { ban: Ban; requests: number; sinceBanMs: number } | null {
    const entry = this.#entryOf(source);
    if (!entry || entry.inForceAt === null || startedAt <= entry.inForceAt + graceMs) return null;
    entry.leaked++;
    entry.lastLeakAt = at;
    if (entry.toldIneffective || entry.leaked < needed) return null;
    entry.toldIneffective = true;
    return { ban: entry.ban, requests: entry.leaked, sinceBanMs: startedAt - entry.inForceAt };
  }

  /** The firewall was moved to another hook or backend at `at`: earlier leaks prove nothing any more. */
  restartProof(at: EpochMs): void {
    for (const entry of this.#active.values()) {
      if (entry.inForceAt !== null) entry.inForceAt = at;
      entry.leaked = 0;
      entry.lastLeakAt = undefined;
      entry.toldIneffective = false;
    }
  }

  /** Puts back what an earlier run knew. */
  restore(bans: readonly BanStatus[], offences: readonly Offence[]): void {
    for (const offence of offences) this.#offences.set(offence.source, offence);
    for (const { ban } of bans) this.#enter(pendingEntry(ban));
  }

  #enter(entry: Entry): void {
    const { ban } = entry;
    this.#active.set(ban.source, entry);
    if (ban.until !== "permanent") this.#nextEnd = Math.min(this.#nextEnd, ban.until);
    if (!ban.source.includes("/")) return;
    const range = parseRange(ban.source)!;
    if (!range.v6 || range.prefix < this.#settings.ipv6Prefix) this.#wide.push({ range, entry });
  }

  #entryOf(source: Source): Entry | undefined {
    const exact = this.#active.get(source);
    if (exact !== undefined || this.#wide.length === 0) return exact;
    const range = parseRange(source);
    return range === null ? undefined : this.#wide.find((wide) => covers(wide.range, range))?.entry;
  }
}

/** A ban of which nothing is known yet but that it was decided. */
function pendingEntry(ban: Ban): Entry {
  return {
    ban,
    enforcement: "pending",
    inForceAt: null,
    leaked: 0,
    lastLeakAt: undefined,
    toldIneffective: false,
  };
}

function toStatus({ ban, enforcement, leaked, lastLeakAt }: Entry): BanStatus {
  return { ban, enforcement, leakedRequests: leaked, lastLeakAt };
}
