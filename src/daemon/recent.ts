/** The outcomes that the dashboard shows: what was done lately, not what is done every minute. [pure] */
import type { Outcome } from "../decision.ts";

const MOST = 50;

/**
 * `outcomes` with one more, newest last. Of recalculated baselines only the newest is kept: there is one each minute,
 * and an hour of them would leave no ban to be seen.
 */
export function withOutcome(outcomes: readonly Outcome[], outcome: Outcome): readonly Outcome[] {
  const isBaseline = outcome.decision.kind === "baseline";
  const kept = isBaseline ? outcomes.filter(({ decision }) => decision.kind !== "baseline") : outcomes;
  return [...kept, outcome].slice(-MOST);
}
