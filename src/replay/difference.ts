/** What two configurations did differently over the same lines. [pure] */
import type { Source } from "../net/cidr.ts";
import type { Contender } from "./contender.ts";

/** A source and how often it was banned. */
export type Banned = readonly [source: Source, bans: number];

/** Who was banned by one, by the other, by both. */
export interface Difference {
  /** Sources that only one of them banned, the most often banned first. */
  readonly onlyFirst: readonly Banned[];
  readonly onlySecond: readonly Banned[];
  /** Sources that both banned, though perhaps not at the same time. */
  readonly both: number;
}

/** Compares by source, not by time. */
export function difference(first: Contender, second: Contender): Difference {
  const [a, b] = [first.bansBySource(), second.bansBySource()];
  const [inA, inB] = [new Set(a.map(([source]) => source)), new Set(b.map(([source]) => source))];
  const onlyFirst = a.filter(([source]) => !inB.has(source));
  return { onlyFirst, onlySecond: b.filter(([source]) => !inA.has(source)), both: a.length - onlyFirst.length };
}
