import type { Adaptation, BaselineSnapshot, SiteLearning, SourceVerdict } from "../decision.ts";
import type { SiteSettings } from "./site.ts";
import type { Tuning } from "./tuning.ts";

/** What is known of the source and of the site beside its verdict. */
export interface Present {
  /** What sources are compared with now, whole. */
  readonly norm: BaselineSnapshot;
  /** People behind the address, and errors inside the window that were blamed on it. */
  readonly people: number;
  readonly blamed: number;
  readonly site: SiteLearning;
}

/** What of the adaptive profile had a part in a verdict: what no other piece of its evidence tells. */
export function adaptationOf(
  { stream, windowMs, baseline }: Pick<SourceVerdict, "stream" | "windowMs" | "baseline">,
  { norm, people, blamed, site }: Present,
  { detection, baseline: { source_cap } }: SiteSettings,
  { peopleCounted }: Tuning,
): Adaptation {
  const isLearned = detection.source_norm === "busy-sources" && norm.from !== "floor";
  return {
    norm: detection.source_norm,
    isCapped: isLearned && (norm.mean >= source_cap.mean || norm.stddev >= source_cap.stddev),
    // A bar of failures is made of no norm.
    share: stream === "requests" ? Number((baseline.mean / norm.mean).toFixed(6)) : 1,
    people: Math.max(1, Math.min(people, peopleCounted)),
    blamed: windowMs === detection.window ? blamed : undefined,
    notBlamed: detection.failures.not_blamed,
    site,
  };
}
