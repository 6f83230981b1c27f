/** How many events of each sort a message stands for, so that folding messages together loses no count. [pure] */
import type { Outcome } from "../decision.ts";

/** Counts by sort; a missing sort is zero. */
export type Tally = Readonly<Partial<Record<TallySort, number>>>;

/** The sorts of events that are counted apart. */
export type TallySort = "bans" | "unbans" | "dryRuns" | "failed" | "alerts";

/** One outcome as a tally. Baselines are never told, mode and permits never in a digest: they count for nothing. */
export function tallyOf(outcome: Outcome): Tally {
  const { kind } = outcome.decision;
  if (kind === "baseline" || kind === "mode" || kind === "permit") return {};
  if (kind === "alert") return { alerts: 1 };
  switch (outcome.result) {
    case "done":
      return kind === "ban" ? { bans: 1 } : { unbans: 1 };
    case "dry-run":
      return { dryRuns: 1 };
    case "failed":
      return { failed: 1 };
    default:
      return outcome.result satisfies never;
  }
}

/** What both stand for together. */
export function addTallies(a: Tally, b: Tally): Tally {
  const sum: Partial<Record<TallySort, number>> = { ...a };
  for (const sort of SORTS) if (b[sort] !== undefined) sum[sort] = (sum[sort] ?? 0) + b[sort];
  return sum;
}

/** "1,234 bans, 1 unban, 2 failed firewall commands"; "nothing" for an empty tally. */
export function tallyText(tally: Tally): string {
  const parts = SORTS.filter((sort) => (tally[sort] ?? 0) > 0).map((sort) => {
    const count = tally[sort]!;
    const [one, many] = NAMES[sort];
    return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
  });
  return parts.join(", ") || "nothing";
}

const NAMES: Readonly<Record<TallySort, readonly [one: string, many: string]>> = {
  bans: ["ban", "bans"],
  unbans: ["unban", "unbans"],
  dryRuns: ["dry-run decision", "dry-run decisions"],
  failed: ["failed firewall command", "failed firewall commands"],
  alerts: ["alert", "alerts"],
};
const SORTS = Object.keys(NAMES) as TallySort[];
