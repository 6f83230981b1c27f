/** The table of replay cases, and what each is made into. */
import { ATTACKS } from "./traffic/attacks.ts";
import { background } from "./traffic/background.ts";
import type { Case, Expectation } from "./traffic/case.ts";
import { INNOCENTS } from "./traffic/innocents.ts";
import { Trace } from "./traffic/trace.ts";

export type { Case, Expectation };

export const CASES: readonly Case[] = [...ATTACKS, ...INNOCENTS];

/** The access log of a case: the same bytes every time. */
export function accessLog({ name, seconds, isAlone, build }: Case): string {
  const trace = new Trace(Number(BigInt(Bun.hash(name)) & 0xffff_ffffn));
  if (!isAlone) background(trace, seconds);
  build(trace);
  return trace.text();
}
