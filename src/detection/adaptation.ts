import type { Adaptation, BaselineSnapshot, SiteLearning, SourceNorm, SourceVerdict } from "../decision.ts";
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
  verdict: Pick<SourceVerdict, "stream" | "windowMs" | "baseline" | "reasons">,
  { norm, people, blamed, site }: Present,
  settings: SiteSettings,
  { peopleCounted }: Tuning,
): Adaptation {
  const { window, failures } = settings.detection;
  return {
    norm: isAgainstNorm(verdict) ? normOf(verdict.baseline, norm, settings) : undefined,
    people: Math.max(1, Math.min(people, peopleCounted)),
    blamed: verdict.windowMs === window ? blamed : undefined,
    notBlamed: failures.not_blamed,
    site,
  };
}

function isAgainstNorm({ stream, reasons }: Pick<SourceVerdict, "stream" | "reasons">): boolean {
  return stream === "requests" && reasons.some((reason) => reason === "z-score" || reason === "rate-multiple");
}

/** `used`: what the verdict names as its baseline, a part of the whole where a part is enough. */
function normOf(
  used: BaselineSnapshot,
  whole: BaselineSnapshot,
  { detection: { source_norm }, baseline: { source_cap } }: SiteSettings,
): SourceNorm {
  const isLearned = source_norm === "busy-sources" && whole.from !== "floor";
  return {
    of: source_norm,
    isCapped: isLearned && (whole.mean >= source_cap.mean || whole.stddev >= source_cap.stddev),
    share: Number((used.mean / whole.mean).toFixed(6)),
  };
}
