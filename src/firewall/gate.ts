import { DryRunFirewall } from "./dryrun.ts";
import type { DropCounter, Firewall, FirewallEntry, FirewallInfo } from "./firewall.ts";

/**
 * The real firewall behind a gate. Closed, nothing of ours is in the kernel and every ban is a dry run; open, it
 * is the real one. To be opened and closed while no other command runs (FirewallWorker.exclusive).
 */
export class FirewallGate implements Firewall {
  readonly #dryRun: DryRunFirewall;
  #real: Firewall | null = null;

  /** `create` installs the real one; it is called at each opening, so that a host mended meanwhile is seen anew. */
  constructor(
    private readonly create: () => Promise<Firewall>,
    hooks: readonly string[],
    now: () => number,
  ) {
    this.#dryRun = new DryRunFirewall(hooks, now);
  }

  get isOpen(): boolean {
    return this.#real !== null;
  }

  /** Installs the real firewall. Throws FirewallError when none works here; the gate is closed then. */
  async open(): Promise<void> {
    if (this.#real !== null) return;
    this.#real = await this.create();
    await this.#dryRun.remove();
  }

  /** Takes everything of ours out of the kernel. When that fails (FirewallError) the gate stays open. */
  async close(): Promise<void> {
    await this.#real?.remove();
    this.#real = null;
  }

  /** Takes out what an earlier, armed run left in the kernel. Throws FirewallError where that cannot be known. */
  async clear(): Promise<void> {
    const left = await this.create();
    await left.remove();
  }

  get #inner(): Firewall {
    return this.#real ?? this.#dryRun;
  }

  init(): Promise<number> {
    return this.#inner.init();
  }

  ban(entries: readonly FirewallEntry[]): Promise<void> {
    return this.#inner.ban(entries);
  }

  unban(sources: Parameters<Firewall["unban"]>[0]): Promise<void> {
    return this.#inner.unban(sources);
  }

  list(): Promise<FirewallEntry[]> {
    return this.#inner.list();
  }

  counters(): Promise<DropCounter[]> {
    return this.#inner.counters();
  }

  escalate(): Promise<boolean> {
    return this.#inner.escalate();
  }

  snapshot(): Promise<string> {
    return this.#inner.snapshot();
  }

  info(): FirewallInfo {
    return this.#inner.info();
  }

  remove(): Promise<void> {
    return this.#inner.remove();
  }
}
