import { counted } from "../cli/terminal.ts";
import type { SystemStatus } from "../status.ts";

/** The living line of `systemctl status`: what is ill comes first, else what goes on. [pure] */
export function serviceStatusLine({ engine, health, log }: SystemStatus): string {
  const ill = health.filter((check) => check.level === "bad").map((check) => `${check.name}: ${check.short}`);
  if (ill.length > 0) return ill.join("; ");
  const { site, bans, state, warmUp } = engine;
  const learnt = warmUp.neededMs > 0 ? Math.min(100, Math.floor((100 * warmUp.learnedMs) / warmUp.neededMs)) : 100;
  const mood = site.anomaly !== null ? "site-wide anomaly" : state === "learning" ? `learning, ${learnt} %` : state;
  return `${mood}: ${site.rate.toFixed(1)} req/s, ${counted(bans.length, "ban")} in force, ${counted(log.lines, "line")} read`;
}
