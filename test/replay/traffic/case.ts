/** What a case of test/replay/ is made of. */
import type { Trace } from "./trace.ts";

/** What must hold of a replay: one line of expected.jsonl. Times are seconds since the trace began. */
export type Expectation =
  /** The source is banned, at the latest so many seconds after `from`. */
  | { readonly must: "ban"; readonly source: string; readonly from: number; readonly within_seconds: number }
  /** The site's alert goes off, at the latest so many seconds after `from`. */
  | { readonly must: "alert"; readonly from: number; readonly within_seconds: number }
  /** The site's alert does not go off, in the whole trace. */
  | { readonly must: "no-alert" }
  /** Nobody is banned, by anything in the whole trace. */
  | { readonly must: "no-ban" };

export interface Case {
  /** The name of its directory. */
  readonly name: string;
  /** The README: one paragraph. */
  readonly why: string;
  /** Length of the trace. */
  readonly seconds: number;
  /** Without the ordinary background: the case brings all of its traffic. */
  readonly isAlone?: boolean;
  /** What its configuration says besides the profile: YAML under `detection:`. Without it the answer is another. */
  readonly config?: string;
  /** Adds what the case is about to the ordinary background. */
  build(trace: Trace): void;
  readonly expected: readonly Expectation[];
}
