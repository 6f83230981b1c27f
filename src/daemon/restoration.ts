/** What the last run banned, decided and did not finish, made true again at a start. */
import { bannedKey, recentBans } from "../audit/recent.ts";
import type { AuditWriter } from "../audit/writer.ts";
import type { Ban, Decision } from "../decision.ts";
import type { Engine } from "../engine.ts";
import type { Firewall } from "../firewall/firewall.ts";
import type { Enforcement } from "./enforcement.ts";
import type { Ground } from "./ground.ts";
import type { Memory } from "./memory.ts";

/** Who knows of the last run, and who makes it true. */
export interface RestorationParts {
  readonly memory: Memory;
  readonly audit: AuditWriter;
  readonly enforcement: Enforcement;
}

/** Bans of the last run come back in one bulk, untold; what it decided and did not finish is done and told now. */
export async function restoreBans(ground: Ground, { memory, audit, enforcement }: RestorationParts): Promise<void> {
  const { engine, settings, log } = ground;
  const { gate, effects, reconciler, protect } = enforcement;
  if (memory.isLost) await adopt(ground, gate);
  else if (engine.banCount > 0) log.info({ bans: engine.banCount }, "remembered the bans");
  protect();
  const audited = recentBans(settings.config.audit.path);
  const isAudited = (ban: Ban) => audited.has(bannedKey(ban.since, ban.source));
  for (const outcome of memory.unaudited(isAudited)) audit.write(outcome);
  for (const decision of memory.unfinished(gate.isOpen)) if (isDue(decision, engine)) effects.submit(decision);
  await reconciler.now();
}

/** A ban that is over already is not carried out: its source was put on the allowlist since. */
function isDue(decision: Decision, engine: Pick<Engine, "banOf">): boolean {
  return decision.kind !== "ban" || engine.banOf(decision.ban.source)?.ban === decision.ban;
}

/** Bans the kernel still holds from an earlier run stay, and end on time. */
async function adopt({ clock, engine, log }: Ground, firewall: Pick<Firewall, "list">): Promise<void> {
  const now = clock.now();
  const entries = await firewall.list();
  const bans = entries.map(({ source, remainingMs }) => ({
    ban: {
      source,
      banCount: 1,
      since: now,
      until: remainingMs === "permanent" ? remainingMs : now + remainingMs,
      cause: { scope: "adopted" as const, at: now },
    },
    enforcement: "in-force" as const,
    leakedRequests: 0,
  }));
  engine.restore(bans, []);
  if (bans.length > 0) log.info({ bans: bans.length }, "kept the bans found in the firewall");
}
