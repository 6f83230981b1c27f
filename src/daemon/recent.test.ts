import { expect, test } from "bun:test";
import { ban, baselineDecision } from "../../test/outcomes.ts";
import type { Outcome } from "../decision.ts";
import { withOutcome } from "./recent.ts";

const done = (decision: Outcome["decision"]): Outcome => ({ decision, result: "done", at: decision.at });
const banned = (at: number) => done({ kind: "ban", at, ban: ban({ since: at }) });
const all = (outcomes: readonly Outcome[]) => outcomes.reduce<readonly Outcome[]>(withOutcome, []);

test("a day of baselines pushes out no ban; the newest of them stays, in its place", () => {
  const day = Array.from({ length: 1440 }, () => done(baselineDecision()));
  const last = banned(3);
  const kept = all([banned(1), ...day, banned(2), ...day, last]);
  expect(kept.map(({ decision }) => decision.kind)).toEqual(["ban", "ban", "baseline", "ban"]);
  expect(kept.at(-1)).toBe(last);
});

test("fifty are kept, the newest last", () => {
  const kept = all(Array.from({ length: 70 }, (_, i) => banned(i)));
  expect([kept.length, kept[0]?.at, kept.at(-1)?.at]).toEqual([50, 20, 69]);
});
