/** What a storm of outcomes looks like when it is told in one message. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Outcome } from "../decision.ts";
import type { Source } from "../net/cidr.ts";
import { causeKindText } from "../wording.ts";
import { addTallies, type Tally, tallyOf } from "./tally.ts";

/** Several outcomes in one. Every outcome is counted; only the first few sources are named. */
export interface Digest {
  /** First and last decision in it. */
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly tally: Tally;
  /** The first few different sources. */
  readonly sources: readonly Source[];
  /** How many different sources there were. */
  readonly sourceCount: number;
  /** The most frequent cause among its bans, or null when it holds none. */
  readonly topCause: { readonly kind: string; readonly count: number } | null;
  /** The busiest of its bans, raw requests per second, or null when none was measured. */
  readonly busiest: { readonly source: Source; readonly rate: number } | null;
}

const MAX_NAMED = 5;
/** Different sources remembered for the count; one digest covers a minute, bans are bounded far below this. */
const MAX_SOURCES = 100_000;

/** Collects outcomes until it is taken as a Digest. */
export class DigestBuilder {
  #from = Number.POSITIVE_INFINITY;
  #to = Number.NEGATIVE_INFINITY;
  #tally: Tally = {};
  #sources = new Set<Source>();
  /** Keyed by causeKindText, which has a handful of values. */
  #causes = new Map<string, number>();
  #busiest: Digest["busiest"] = null;

  add(outcome: Outcome): void {
    const { decision } = outcome;
    this.#from = Math.min(this.#from, decision.at);
    this.#to = Math.max(this.#to, decision.at);
    this.#tally = addTallies(this.#tally, tallyOf(outcome));
    const source = sourceOf(outcome);
    if (source !== null && this.#sources.size < MAX_SOURCES) this.#sources.add(source);
    if (decision.kind !== "ban") return;
    const kind = causeKindText(decision.ban);
    this.#causes.set(kind, (this.#causes.get(kind) ?? 0) + 1);
    const { cause } = decision.ban;
    if (cause.scope === "source" && cause.rate > (this.#busiest?.rate ?? 0)) {
      this.#busiest = { source: cause.source, rate: cause.rate };
    }
  }

  digest(): Digest {
    const [topCause] = [...this.#causes].sort((a, b) => b[1] - a[1]);
    return {
      from: this.#from,
      to: this.#to,
      tally: this.#tally,
      sources: [...this.#sources].slice(0, MAX_NAMED),
      sourceCount: this.#sources.size,
      topCause: topCause ? { kind: topCause[0], count: topCause[1] } : null,
      busiest: this.#busiest,
    };
  }
}

/** The source an outcome is about; null for the whole site. */
function sourceOf(outcome: Outcome): Source | null {
  const { decision } = outcome;
  if (decision.kind === "ban" || decision.kind === "unban") return decision.ban.source;
  return decision.kind === "alert" && decision.alert.type === "ban-ineffective" ? decision.alert.ban.source : null;
}
