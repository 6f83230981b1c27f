import type { Variant } from "./chain.ts";
import { attempt } from "./command.ts";
import { DryRunFirewall } from "./dryrun.ts";
import type { Exec } from "./exec.ts";
import { type Firewall, FirewallError } from "./firewall.ts";
import { IpsetFirewall } from "./ipset.ts";
import { LadderFirewall, type LadderSettings, type Rung, rungsFrom } from "./ladder.ts";
import type { Hook } from "./rules.ts";

/** Which firewall is wanted. */
export interface FirewallSettings {
  /** auto: ipset where it is proven to work, else plain iptables rules; never dry-run. */
  readonly backend: "auto" | "ipset" | "iptables" | "dry-run";
  readonly hooks: readonly Hook[];
  /** TCP ports a ban never cuts. */
  readonly sparePorts: readonly number[];
  /** Default ANOMALY-DETECTOR. */
  readonly chain?: string;
  /** Default anomaly-detector: the sets are PREFIX-v4 and PREFIX-v6. */
  readonly setPrefix?: string;
}

/**
 * The Firewall for these settings, proven by installing it: chain, hooks and sets are there when it returns (and
 * `init` repairs them from then on). Throws FirewallError with every cause when nothing works.
 */
export async function createFirewall(
  settings: FirewallSettings,
  exec: Exec,
  now: () => number = Date.now,
): Promise<Firewall> {
  if (settings.backend === "dry-run") return new DryRunFirewall(settings.hooks, now);
  const ladder: LadderSettings = {
    sparePorts: settings.sparePorts,
    chain: settings.chain ?? "ANOMALY-DETECTOR",
    setPrefix: settings.setPrefix ?? "anomaly-detector",
  };
  const other = await otherVariant(exec);
  const backends = settings.backend === "auto" ? (["ipset", "iptables"] as const) : [settings.backend];
  const causes: string[] = [];
  for (const backend of backends) {
    const first: Rung = { backend, variant: "default", hooks: settings.hooks };
    const firewall = new LadderFirewall(rungsFrom(first, other), ladder, exec, now);
    try {
      await firewall.init();
      await firewall.sweep();
      return firewall;
    } catch (error) {
      if (!(error instanceof FirewallError)) throw error;
      causes.push(`${backend}: ${error.message}`);
      if (backend === "ipset") await forgetSets(ladder, exec);
    }
  }
  throw new FirewallError(`no firewall works here: ${causes.join("; ")} (firewall.backend: dry-run only watches)`);
}

/** Sets without a rule are of no use to the next backend. In use they cannot be destroyed, and need not be. */
async function forgetSets(settings: LadderSettings, exec: Exec): Promise<void> {
  const sets = new IpsetFirewall({ ...settings, hooks: [], variant: "default" }, exec);
  await sets.destroySets().catch((error: unknown) => {
    if (!(error instanceof FirewallError)) throw error;
  });
}

/** The iptables that `iptables` is not: tables of the two stand side by side in the kernel. Null where there is none. */
async function otherVariant(exec: Exec): Promise<Variant | null> {
  const version = await attempt(exec, { argv: ["iptables", "-V"], doing: "ask iptables for its version" });
  const other = version.stdout.includes("nf_tables") ? "legacy" : "nft";
  const found = await attempt(exec, { argv: [`iptables-${other}-save`, "-V"], doing: "look for the other iptables" });
  return found.exitCode === 0 ? other : null;
}
