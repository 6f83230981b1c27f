/** Outcomes in the daemon's own log. */
import { printable } from "../cli/terminal.ts";
import type { Decision, Outcome } from "../decision.ts";
import { alertText, banLengthText, causeText, modeText, permitText } from "../wording.ts";
import type { Logger } from "./logger.ts";

/** Writes one line: an error when it failed, else a warning; a baseline only at level debug. */
export function logOutcome(log: Logger, { decision, result, detail }: Outcome): void {
  if (result === "failed") log.error({ detail }, describe(decision));
  else if (decision.kind === "baseline")
    log.debug({ site: decision.site, sources: decision.sources }, describe(decision));
  else log.warn(result === "dry-run" ? { dryRun: true } : {}, describe(decision));
}

function describe(decision: Decision): string {
  switch (decision.kind) {
    case "ban":
      return printable(`ban ${decision.ban.source} for ${banLengthText(decision.ban)}: ${causeText(decision.ban)}`);
    case "unban":
      return `unban ${decision.ban.source}: ${decision.why}`;
    case "alert":
      return alertText(decision.alert);
    case "baseline":
      return "baseline recalculated";
    case "mode":
      return printable(`${decision.mode === "enforce" ? "armed" : "disarmed"} ${modeText(decision)}`, 300);
    case "permit": {
      const what = decision.change === "given" ? "allowed" : "no longer allowed:";
      return printable(`${what} ${decision.permit.source} ${permitText(decision)}`, 500);
    }
    default:
      return decision satisfies never;
  }
}
