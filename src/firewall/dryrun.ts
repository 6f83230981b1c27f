import type { Source } from "../net/cidr.ts";
import type { DropCounter, Firewall, FirewallEntry, FirewallInfo } from "./firewall.ts";

/** Says what it would do and does nothing: bans live in memory until their time is up. No command is ever run. */
export class DryRunFirewall implements Firewall {
  #untilBySource = new Map<Source, number | "permanent">();

  constructor(
    private readonly hooks: readonly string[],
    private readonly now: () => number,
  ) {}

  init(): Promise<number> {
    return Promise.resolve(0);
  }

  ban(entries: readonly FirewallEntry[]): Promise<void> {
    for (const { source, remainingMs } of entries)
      this.#untilBySource.set(source, remainingMs === "permanent" ? remainingMs : this.now() + remainingMs);
    return Promise.resolve();
  }

  unban(sources: readonly Source[]): Promise<void> {
    for (const source of sources) this.#untilBySource.delete(source);
    return Promise.resolve();
  }

  list(): Promise<FirewallEntry[]> {
    return Promise.resolve(this.#entries());
  }

  counters(): Promise<DropCounter[]> {
    return Promise.resolve([]);
  }

  escalate(): Promise<boolean> {
    return Promise.resolve(false);
  }

  snapshot(): Promise<string> {
    const lines = this.#entries().map(({ source, remainingMs }) => `${source} ${remainingMs}`);
    return Promise.resolve(["# dry-run: nothing of this is in the kernel", ...lines.slice(0, 2_000), ""].join("\n"));
  }

  info(): FirewallInfo {
    return { backend: "dry-run", hooks: this.hooks, entries: this.#entries().length };
  }

  remove(): Promise<void> {
    this.#untilBySource.clear();
    return Promise.resolve();
  }

  #entries(): FirewallEntry[] {
    const now = this.now();
    const entries: FirewallEntry[] = [];
    for (const [source, until] of this.#untilBySource) {
      if (until === "permanent") entries.push({ source, remainingMs: until });
      else if (until > now) entries.push({ source, remainingMs: until - now });
      else this.#untilBySource.delete(source);
    }
    return entries;
  }
}
