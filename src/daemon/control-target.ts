/** What the control socket may do to the running daemon. */

import { MOST_PERMITS } from "../bans/allowlist.ts";
import type { Clock } from "../clock.ts";
import type {
  AllowlistReply,
  AllowReply,
  AllowRequest,
  BanReply,
  BanRequest,
  ControlTarget,
  DisallowReply,
  DisallowRequest,
  UnbanReply,
  UnbanRequest,
} from "../control/protocol.ts";
import type { Outcome } from "../decision.ts";
import type { Effects } from "../effects.ts";
import type { Engine } from "../engine.ts";
import type { FullExplanation } from "../explanation.ts";
import { formatRange, type Source } from "../net/cidr.ts";
import type { SystemStatus } from "../status.ts";

/** What the target is made of. */
export interface ControlParts {
  readonly clock: Clock;
  readonly engine: Engine;
  readonly effects: Pick<Effects, "submit" | "outcomeOf">;
  readonly status: () => SystemStatus;
  readonly setMode: ControlTarget["setMode"];
  readonly reconcile: ControlTarget["reconcile"];
}

/** The command line waits for the firewall this long; then the answer is that it is still on its way. */
const WAIT_MS = 5000;

/** The daemon as the control server sees it. */
export function createControlTarget({
  clock,
  engine,
  effects,
  status,
  setMode,
  reconcile,
}: ControlParts): ControlTarget {
  const settled = async (pending: Promise<Outcome> | null): Promise<Outcome | null> =>
    pending === null ? null : Promise.race([pending, clock.sleep(WAIT_MS).then(() => null)]);

  return {
    status,
    setMode,
    reconcile,
    bans: () => engine.bans(),
    explain(named: Source): FullExplanation {
      const source = engine.banOf(named)?.ban.source ?? engine.grainOf(named);
      const { firewall, outcomes } = status();
      return {
        ...engine.explain(source),
        firewall: { backend: firewall.backend, hooks: firewall.hooks },
        droppedPackets: firewall.droppedBySource[source] ?? null,
        history: outcomes.filter(({ decision }) => "ban" in decision && decision.ban.source === source),
      };
    },
    async ban(request: BanRequest): Promise<BanReply> {
      const now = clock.now();
      const source = engine.grainOf(request.source);
      const duration =
        request.until === "default" ? undefined : request.until === "permanent" ? request.until : request.until - now;
      const cause = { scope: "manual" as const, at: now, by: request.by, note: request.note };
      const result = engine.ban(source, cause, duration, effects.submit);
      switch (result.result) {
        case "allowlisted":
          return { result: "refused", why: `${source} is protected: ${result.why}` };
        case "full":
          return { result: "refused", why: `${result.limit} bans are in force, the most that bans.max_active allows` };
        case "already-banned":
          return { result: "already-banned", ban: engine.banOf(result.ban.source)! };
        case "banned": {
          const outcome = await settled(effects.outcomeOf(source));
          if (outcome?.result === "failed")
            return { result: "failed", detail: outcome.detail ?? "the firewall refused" };
          const ban = engine.banOf(source);
          return ban === undefined ? { result: "failed", detail: "it was lifted at once" } : { result: "banned", ban };
        }
        default:
          return result satisfies never;
      }
    },
    allow({ source: named, until, by, note }: AllowRequest): AllowReply {
      const now = clock.now();
      const before = engine.bans().map(({ ban }) => ban.source);
      const permit = { source: named, since: now, until, by, note };
      if (!engine.allow(permit, effects.submit))
        return {
          result: "refused",
          why: `there are ${MOST_PERMITS} already: put ranges into the configuration's allowlist`,
        };
      const unbanned = before.filter((source) => engine.banOf(source) === undefined);
      return { result: "allowed", permit, unbanned };
    },
    disallow({ source, by }: DisallowRequest): DisallowReply {
      const permit = engine.disallow(source, clock.now(), by, effects.submit);
      if (permit !== null) return { result: "disallowed", permit };
      return { result: "not-allowed", source, fixed: engine.explain(source).allowed };
    },
    allowlist(): AllowlistReply {
      const fixed = engine.fixedAllowlist().map(({ range, why }) => ({ range: formatRange(range), why }));
      return { at: clock.now(), permits: engine.permits(), fixed };
    },
    async unban({ source: named, by, forget }: UnbanRequest): Promise<UnbanReply> {
      // An address inside a banned IPv6 prefix means that ban; a ban of the address itself comes first.
      const source = engine.banOf(named)?.ban.source === named ? named : engine.grainOf(named);
      const ban = engine.unban(source, clock.now(), by, forget, effects.submit);
      if (ban === null) return { result: "not-banned", source, forgotten: forget };
      const outcome = await settled(effects.outcomeOf(source));
      return outcome?.result === "failed"
        ? { result: "failed", detail: outcome.detail ?? "the firewall refused" }
        : { result: "unbanned", source, forgotten: forget };
    },
  };
}
