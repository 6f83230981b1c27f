import type { Source } from "../net/cidr.ts";
import { type BackendSettings, OwnChain, type Variant } from "./chain.ts";
import { attempt } from "./command.ts";
import type { Exec } from "./exec.ts";
import { type DropCounter, type Firewall, type FirewallEntry, FirewallError, type FirewallInfo } from "./firewall.ts";
import { IpsetFirewall } from "./ipset.ts";
import { IptablesFirewall } from "./iptables.ts";
import { ALL_HOOKS, type Hook } from "./rules.ts";

/** One way of enforcing. */
export interface Rung {
  readonly backend: "ipset" | "iptables";
  readonly variant: Variant;
  readonly hooks: readonly Hook[];
}

/** What all rungs have in common. */
export type LadderSettings = Omit<BackendSettings, "hooks" | "variant">;

/** Every way worth trying, the wanted one first: more hooks, then plain rules, then the other iptables. [pure] */
export function rungsFrom(first: Rung, other: Variant | null): Rung[] {
  const rungs = [first];
  let hooks = first.hooks;
  for (const hook of ALL_HOOKS.filter((hook) => !first.hooks.includes(hook))) {
    hooks = [...hooks, hook];
    rungs.push({ ...first, hooks });
  }
  if (first.backend === "ipset") rungs.push({ ...first, backend: "iptables", hooks });
  if (other !== null) rungs.push({ backend: "iptables", variant: other, hooks });
  return rungs;
}

/** The Firewall that stands on one rung and climbs when bans are seen not to block. */
export class LadderFirewall implements Firewall {
  #rung = 0;
  #current: IpsetFirewall | IptablesFirewall;

  constructor(
    private readonly rungs: readonly Rung[],
    private readonly settings: LadderSettings,
    private readonly exec: Exec,
    private readonly now: () => number,
  ) {
    this.#current = this.#build(rungs[0]!);
  }

  init(): Promise<number> {
    return this.#current.init();
  }

  ban(entries: readonly FirewallEntry[]): Promise<void> {
    return this.#current.ban(entries);
  }

  unban(sources: readonly Source[]): Promise<void> {
    return this.#current.unban(sources);
  }

  list(): Promise<FirewallEntry[]> {
    return this.#current.list();
  }

  counters(): Promise<DropCounter[]> {
    return this.#current.counters();
  }

  snapshot(): Promise<string> {
    return this.#current.snapshot();
  }

  info(): FirewallInfo {
    return this.#current.info();
  }

  /** Rungs that cannot be had here, or that would change nothing, are passed over. */
  async escalate(): Promise<boolean> {
    while (this.#rung < this.rungs.length - 1) {
      this.#rung++;
      if (await this.#climb(this.rungs[this.#rung]!)) return true;
    }
    return false;
  }

  async #climb(rung: Rung): Promise<boolean> {
    const from = this.#current;
    const entries = await from.list();
    const to = this.#build(rung);
    try {
      await to.init();
      if (isSameRung(from, to)) return false;
      await to.ban(entries);
      if (from.chain.variant !== to.chain.variant) await from.remove();
      else if (from instanceof IpsetFirewall && to instanceof IptablesFirewall) await from.destroySets();
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error;
      await this.#return(from, to);
      return false;
    }
    this.#current = to;
    return true;
  }

  /** Puts back the rung we stood on; a failure here is the repair's business. */
  async #return(from: IpsetFirewall | IptablesFirewall, to: IpsetFirewall | IptablesFirewall): Promise<void> {
    if (from.chain.variant !== to.chain.variant) await to.chain.remove();
    await from.init();
  }

  /** Takes away what any rung, also one of an earlier run, may have left behind. */
  async remove(): Promise<void> {
    await this.#current.remove();
    for (const variant of new Set(this.rungs.map((rung) => rung.variant)))
      await new OwnChain(this.exec, variant, this.settings.chain, ALL_HOOKS).remove();
    if ((await attempt(this.exec, { argv: ["ipset", "list", "-n"], doing: "look for ipset" })).exitCode === 0)
      await new IpsetFirewall({ ...this.settings, ...this.rungs[0]! }, this.exec).destroySets();
  }

  /** Our chain in the other iptables is an earlier escalation's: nobody would ever unban what it holds. */
  async sweep(): Promise<void> {
    for (const { variant } of this.rungs)
      if (variant !== this.#current.chain.variant)
        await new OwnChain(this.exec, variant, this.settings.chain, ALL_HOOKS).remove();
  }

  #build(rung: Rung): IpsetFirewall | IptablesFirewall {
    const settings: BackendSettings = { ...this.settings, hooks: rung.hooks, variant: rung.variant };
    return rung.backend === "ipset"
      ? new IpsetFirewall(settings, this.exec)
      : new IptablesFirewall(settings, this.exec, this.now);
  }
}

/** A hook that is absent here (no Docker) adds nothing. */
function isSameRung(from: IpsetFirewall | IptablesFirewall, to: IpsetFirewall | IptablesFirewall): boolean {
  const inForce = (firewall: Firewall) => firewall.info().hooks.filter((hook) => !hook.endsWith("(absent)"));
  return (
    from.info().backend === to.info().backend &&
    from.chain.variant === to.chain.variant &&
    inForce(from).join() === inForce(to).join()
  );
}
