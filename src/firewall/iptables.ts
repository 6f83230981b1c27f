import type { Source } from "../net/cidr.ts";
import { type BackendSettings, OwnChain, SNAPSHOT_LINES } from "./chain.ts";
import { subjectText } from "./command.ts";
import type { Exec } from "./exec.ts";
import { type DropCounter, type Firewall, type FirewallEntry, FirewallError, type FirewallInfo } from "./firewall.ts";
import { bannedBy, banRule, type Family, familyOf, spareRules, type Tables } from "./rules.ts";

/** Most rules a family: each packet of an innocent client walks them all. */
export const MAX_RULES = 5_000;

/**
 * Bans as one rule each in our own chain, for hosts without ipset. The kernel ends nothing by itself: who calls
 * must unban. How long each ban has left is remembered here, and only here: after a restart `list` says permanent.
 */
export class IptablesFirewall implements Firewall {
  readonly chain: OwnChain;
  #hooks: readonly string[];
  #untilBySource = new Map<Source, number | "permanent">();
  #entries = 0;

  constructor(
    private readonly settings: BackendSettings,
    exec: Exec,
    private readonly now: () => number,
  ) {
    this.chain = new OwnChain(exec, settings.variant, settings.chain, settings.hooks);
    this.#hooks = settings.hooks;
  }

  async init(): Promise<number> {
    const spare = spareRules(this.settings.sparePorts);
    const { hooks, repaired } = await this.chain.repair(() => spare, true);
    this.#hooks = hooks;
    return repaired;
  }

  /** Adds what fits under MAX_RULES; throws when something did not fit. */
  async ban(entries: readonly FirewallEntry[]): Promise<void> {
    const doing = `ban ${subjectText(entries.map((entry) => entry.source))}`;
    for (const [family, mine] of byFamily(entries, (entry) => entry.source)) await this.#banFamily(family, mine, doing);
  }

  async #banFamily(family: Family, entries: readonly FirewallEntry[], doing: string): Promise<void> {
    if (family === "v6" && this.chain.v6Missing)
      throw new FirewallError(`${doing}: this host cannot filter IPv6 (${this.chain.v6Missing})`);
    const tables = await this.#lookInstalled(family, doing);
    const held = this.#held(tables, "every");
    const room = Math.max(0, MAX_RULES - held.size);
    const added = new Set(entries.map((entry) => entry.source).filter((source) => !held.has(source)));
    const fitting = [...added].slice(0, room);
    await this.chain.change(
      family,
      (table) => {
        const present = bansIn(tables, table);
        return fitting.filter((source) => !present.has(source)).map((source) => banRule(this.settings.chain, source));
      },
      doing,
    );
    const refused = new Set([...added].slice(room));
    for (const { source, remainingMs } of entries)
      if (!refused.has(source))
        this.#untilBySource.set(source, remainingMs === "permanent" ? remainingMs : this.now() + remainingMs);
    if (refused.size > 0)
      throw new FirewallError(
        `${doing}: ${refused.size} not made, the chain holds its most of ${MAX_RULES} rules (install ipset)`,
      );
  }

  async unban(sources: readonly Source[]): Promise<void> {
    const doing = `unban ${subjectText(sources)}`;
    for (const [family, mine] of byFamily(sources, (source) => source)) {
      const tables = await this.chain.look(family, doing);
      await this.chain.change(
        family,
        (table) => {
          const present = bansIn(tables, table);
          const gone = [...new Set(mine)].filter((source) => present.has(source));
          return gone.map((source) => `-D ${banRule(this.settings.chain, source).slice(3)}`);
        },
        doing,
      );
    }
    for (const source of sources) this.#untilBySource.delete(source);
  }

  async list(): Promise<FirewallEntry[]> {
    const held: FirewallEntry[] = [];
    for (const family of this.chain.families) {
      const tables = await this.chain.look(family, "list the bans");
      const whole = this.#held(tables, "every");
      // What one table has lost is about to end for whoever compares: it is banned anew, or taken out.
      for (const source of this.#held(tables, "some"))
        held.push({ source, remainingMs: whole.has(source) ? this.#remaining(source) : 0 });
    }
    this.#forget(new Set(held.map(({ source }) => source)));
    this.#entries = held.length;
    return held;
  }

  async counters(): Promise<DropCounter[]> {
    const totals = new Map<Source, DropCounter>();
    for (const family of this.chain.families) {
      const text = await this.chain.save(family, Number.POSITIVE_INFINITY, true);
      for (const line of text.split("\n")) {
        const match = /^\[(\d+):(\d+)\] (-A .*)$/.exec(line);
        const source = match && match[3]!.startsWith(`-A ${this.settings.chain} `) ? bannedBy(match[3]!) : null;
        if (!match || source === null) continue;
        const before = totals.get(source) ?? { packets: 0, bytes: 0 };
        const packets = before.packets + Number(match[1]);
        totals.set(source, { source, packets, bytes: before.bytes + Number(match[2]) });
      }
    }
    return [...totals.values()];
  }

  escalate(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async snapshot(): Promise<string> {
    const parts: string[] = [];
    for (const family of this.chain.families) parts.push(await this.chain.save(family, SNAPSHOT_LINES));
    return parts.join("\n");
  }

  info(): FirewallInfo {
    return { backend: "iptables", hooks: this.#hooks, entries: this.#entries };
  }

  async remove(): Promise<void> {
    await this.chain.remove();
    this.#untilBySource.clear();
    this.#entries = 0;
  }

  async #lookInstalled(family: Family, doing: string): Promise<Tables> {
    const tables = await this.chain.look(family, doing);
    const missing = this.chain.tables.find((table) => this.#isUsed(table) && !this.#hasChain(tables, table));
    if (missing !== undefined)
      throw new FirewallError(`${doing}: the chain ${this.settings.chain} is gone from table ${missing} (repair it)`);
    return tables;
  }

  #hasChain(tables: Tables, table: string): boolean {
    return tables.get(table)?.chains.has(this.settings.chain) ?? false;
  }

  /** The table of DOCKER-USER alone, where Docker is not there, has no chain of ours. */
  #isUsed(table: string): boolean {
    return this.#hooks.some((hook) => hook.startsWith(`${table}/`) && !hook.includes("("));
  }

  /** Sources banned in every table in use, or in some of them. */
  #held(tables: Tables, where: "every" | "some"): Set<Source> {
    const sets = this.chain.tables
      .filter((table) => this.#hasChain(tables, table))
      .map((table) => bansIn(tables, table));
    const all = new Set(sets.flatMap((set) => [...set]));
    return where === "some" ? all : new Set([...all].filter((source) => sets.every((set) => set.has(source))));
  }

  #remaining(source: Source): number | "permanent" {
    const until = this.#untilBySource.get(source) ?? "permanent";
    return until === "permanent" ? until : Math.max(0, until - this.now());
  }

  #forget(held: ReadonlySet<Source>): void {
    for (const source of this.#untilBySource.keys()) if (!held.has(source)) this.#untilBySource.delete(source);
  }
}

function bansIn(tables: Tables, table: string): Set<Source> {
  const sources = (tables.get(table)?.rules ?? []).map(bannedBy);
  return new Set(sources.filter((source) => source !== null));
}

function byFamily<T>(items: readonly T[], sourceOf: (item: T) => Source): [Family, T[]][] {
  const groups: [Family, T[]][] = [
    ["v4", items.filter((item) => familyOf(sourceOf(item)) === "v4")],
    ["v6", items.filter((item) => familyOf(sourceOf(item)) === "v6")],
  ];
  return groups.filter(([, group]) => group.length > 0);
}
