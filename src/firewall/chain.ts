import { attempt, must } from "./command.ts";
import type { Exec } from "./exec.ts";
import {
  type ChainLayout,
  chainOf,
  type Family,
  type Hook,
  hookExists,
  parseSave,
  removeText,
  repairText,
  restoreText,
  TABLE_MARK,
  type Tables,
  tableOf,
} from "./rules.ts";

/** Which iptables: the one the system calls `iptables`, or one by name where both are installed. */
export type Variant = "default" | "nft" | "legacy";

/** What both kernel backends are told. */
export interface BackendSettings {
  readonly hooks: readonly Hook[];
  /** TCP ports a ban never cuts. */
  readonly sparePorts: readonly number[];
  readonly chain: string;
  /** The sets are called PREFIX-v4 and PREFIX-v6. */
  readonly setPrefix: string;
  readonly variant: Variant;
}

/** What OwnChain.repair found. */
export interface Repaired {
  /** The hooks now in force, in words. */
  readonly hooks: readonly string[];
  /** Tables, of both families, that had to be changed. */
  readonly repaired: number;
}

/** Most lines of one table or set in a snapshot. */
export const SNAPSHOT_LINES = 2_000;

const FAMILIES: readonly Family[] = ["v4", "v6"];

/**
 * Our own chain in every table that is hooked, for both families. It looks with `iptables-save` (which makes no
 * table) and changes with one `iptables-restore --noflush` a family, a transaction a table.
 */
export class OwnChain {
  /** Tables that iptables-nft made at our first use, as "v4 raw". */
  #madeTables = new Set<string>();
  #v6Missing = "";

  constructor(
    private readonly exec: Exec,
    readonly variant: Variant,
    readonly name: string,
    readonly hooks: readonly Hook[],
  ) {}

  /** The families in use: v6 is left out only while the host's ip6tables cannot work at all. */
  get families(): readonly Family[] {
    return this.#v6Missing ? ["v4"] : FAMILIES;
  }

  /** Why bans of IPv6 sources are impossible; "" when they are possible. */
  get v6Missing(): string {
    return this.#v6Missing;
  }

  /** Table names in use, without repeats. */
  get tables(): readonly string[] {
    return [...new Set(this.hooks.map((hook) => tableOf(hook)))];
  }

  async look(family: Family, doing = "look at the rules"): Promise<Tables> {
    return parseSave(await must(this.exec, { argv: [this.#program(family, "-save")], doing }), this.name);
  }

  /** The text of `iptables-save` for the tables in use, at most `maxLines` of it. */
  async save(family: Family, maxLines: number, counters = false): Promise<string> {
    const argv = [this.#program(family, "-save"), ...(counters ? ["-c"] : [])] as [string, ...string[]];
    const text = await must(this.exec, { argv, doing: "save the rules" });
    return cutSave(text, this.tables, maxLines);
  }

  /** Makes chain, head rules and hooks where they are missing. */
  async repair(headOf: (family: Family) => readonly string[], holdsBans: boolean): Promise<Repaired> {
    const v4 = await this.#repairFamily("v4", headOf("v4"), holdsBans);
    let v6: { readonly tables: Tables; readonly repaired: number };
    try {
      v6 = await this.#repairFamily("v6", headOf("v6"), holdsBans);
      this.#v6Missing = "";
    } catch (error) {
      if (!(error instanceof Error) || !isWithoutV6(error.message)) throw error;
      this.#v6Missing = error.message;
      return { hooks: this.hooks.map((hook) => `${hook} (IPv4 only)`), repaired: v4.repaired };
    }
    const hooks = this.hooks.map((hook) => describeHook(hook, v4.tables, v6.tables));
    return { hooks, repaired: v4.repaired + v6.repaired };
  }

  async #repairFamily(family: Family, head: readonly string[], holdsBans: boolean) {
    const tables = await this.look(family);
    for (const name of this.tables) if (!tables.has(name)) this.#madeTables.add(`${family} ${name}`);
    const own = this.tables.filter((name) => this.#madeTables.has(`${family} ${name}`));
    const layout: ChainLayout = { chain: this.name, hooks: this.hooks, head, holdsBans, ownTables: new Set(own) };
    const text = repairText(tables, layout);
    await this.restore(family, text, `install the ${this.name} chain`);
    return { tables, repaired: text.match(/^COMMIT$/gm)?.length ?? 0 };
  }

  /** Adds or deletes rules in every table in use, in one command. */
  async change(family: Family, linesOf: (table: string) => readonly string[], doing: string): Promise<void> {
    await this.restore(family, restoreText(this.tables.map((table) => [table, linesOf(table)] as const)), doing);
  }

  async restore(family: Family, stdin: string, doing: string): Promise<void> {
    if (stdin === "") return;
    await must(this.exec, { argv: [this.#program(family, "-restore"), "--noflush", "-w", "5"], stdin, doing });
  }

  /** Takes hooks and chain away. Where iptables-nft made a table for us and it is empty again, the table too. */
  async remove(): Promise<void> {
    for (const family of FAMILIES) {
      const looked = await attempt(this.exec, { argv: [this.#program(family, "-save")], doing: "look at the rules" });
      // A family whose tool does not work cannot hold anything of ours.
      if (looked.exitCode !== 0) continue;
      const tables = parseSave(looked.stdout, this.name);
      await this.restore(family, removeText(tables, this.name), `remove the ${this.name} chain`);
      for (const [name, state] of tables)
        if (state.jumps.some((line) => line.includes(TABLE_MARK))) await this.#dropEmptyTable(family, name);
    }
    this.#madeTables.clear();
  }

  /** Best effort: what stays behind without it is an empty table that accepts everything. */
  async #dropEmptyTable(family: Family, table: string): Promise<void> {
    const doing = `drop the empty table ${table}`;
    // The kernel refuses to delete a base chain that has rules; older iptables refuse it always.
    for (const hook of this.hooks.filter((hook) => tableOf(hook) === table && hook !== "filter/DOCKER-USER")) {
      const stdin = `*${table}\n-X ${chainOf(hook)}\nCOMMIT\n`;
      await attempt(this.exec, { argv: [this.#program(family, "-restore"), "--noflush", "-w", "5"], stdin, doing });
    }
    const nftTable = [family === "v4" ? "ip" : "ip6", table];
    const listed = await attempt(this.exec, { argv: ["nft", "list", "table", ...nftTable], doing });
    if (listed.exitCode === 0 && /^table \S+ \S+ \{\s*\}$/.test(listed.stdout.trim()))
      await attempt(this.exec, { argv: ["nft", "delete", "table", ...nftTable], doing });
  }

  #program(family: Family, suffix: "-save" | "-restore"): string {
    const base = family === "v4" ? "iptables" : "ip6tables";
    return this.variant === "default" ? `${base}${suffix}` : `${base}-${this.variant}${suffix}`;
  }
}

function describeHook(hook: Hook, v4: Tables, v6: Tables): string {
  const has = (tables: Tables) => hookExists(tables.get(tableOf(hook)), hook);
  if (has(v4) && has(v6)) return hook;
  return has(v4) ? `${hook} (IPv4 only)` : has(v6) ? `${hook} (IPv6 only)` : `${hook} (absent)`;
}

/** Does the failure mean that this host has no IPv6 packet filter at all? A refused permission does not. */
function isWithoutV6(message: string): boolean {
  return /ip6tables\S* exited 127|ip6tables.*(can't initialize|table does not exist|address family not supported)/i.test(
    message,
  );
}

function cutSave(text: string, tables: readonly string[], maxLines: number): string {
  const lines: string[] = [];
  let wanted = false;
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) wanted = tables.includes(line.slice(1));
    if (wanted && !line.startsWith("#")) lines.push(line);
  }
  const rest = lines.length - maxLines;
  return [...lines.slice(0, maxLines), ...(rest > 0 ? [`# … ${rest} more lines`] : []), ""].join("\n");
}
