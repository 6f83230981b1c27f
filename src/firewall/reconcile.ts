/** What must change so that the kernel holds what the ledger says. [pure] */
import type { Source } from "../net/cidr.ts";
import type { FirewallEntry } from "./firewall.ts";
import { MAX_TIMEOUT_SECONDS } from "./sets.ts";

/** What makes the kernel's entries those that are wanted. */
export interface Reconciliation {
  /** Wanted and absent. */
  readonly add: FirewallEntry[];
  /** Present and not wanted. */
  readonly remove: Source[];
  /** Present with another end than wanted. */
  readonly refresh: FirewallEntry[];
}

const LONGEST_MS = MAX_TIMEOUT_SECONDS * 1000;

/**
 * Compares by source. An end that differs by more than `toleranceMs` is refreshed (kernel timeouts are whole
 * seconds, so less than 1,000 would refresh for ever). A wanted entry that has already ended counts as not wanted.
 */
export function reconcile(
  wanted: readonly FirewallEntry[],
  present: readonly FirewallEntry[],
  toleranceMs: number,
): Reconciliation {
  const result: Reconciliation = { add: [], remove: [], refresh: [] };
  const missing = new Map(wanted.filter(isRunning).map((entry) => [entry.source, entry]));
  for (const held of present) {
    const want = missing.get(held.source);
    missing.delete(held.source);
    if (!want) result.remove.push(held.source);
    else if (!sameEnd(want.remainingMs, held.remainingMs, toleranceMs)) result.refresh.push(want);
  }
  result.add.push(...missing.values());
  return result;
}

function isRunning(entry: FirewallEntry): boolean {
  return entry.remainingMs === "permanent" || entry.remainingMs > 0;
}

function sameEnd(want: FirewallEntry["remainingMs"], held: FirewallEntry["remainingMs"], toleranceMs: number): boolean {
  if (want === "permanent" || held === "permanent") return want === held;
  // Longer than the kernel can count: it holds its longest, and is wound up again when half of that has run down.
  if (want > LONGEST_MS) return held > LONGEST_MS / 2;
  return Math.abs(want - held) <= toleranceMs;
}
