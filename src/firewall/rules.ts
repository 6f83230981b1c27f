/**
 * The text of our rules: reads what `iptables-save` prints and writes what `iptables-restore --noflush` takes.
 * Only our own chain and the jumps into it are ever named. [pure]
 */
import { parseSource, type Source } from "../net/cidr.ts";

/** Each has its own tables and sets in the kernel. */
export type Family = "v4" | "v6";

/** Table and chain from which our own chain is jumped to. */
export type Hook = "raw/PREROUTING" | "filter/INPUT" | "filter/DOCKER-USER";

/** Every hook that may hold a jump of ours: all are looked through when we clean up. */
export const ALL_HOOKS: readonly Hook[] = ["raw/PREROUTING", "filter/INPUT", "filter/DOCKER-USER"];

/** What one table holds of ours, as `iptables-save` lines ("-A PREROUTING -j ANOMALY-DETECTOR"). */
export interface TableState {
  /** Every chain of the table, other people's too. */
  readonly chains: ReadonlySet<string>;
  /** Rules that jump to our chain, in whatever chain they stand. */
  readonly jumps: readonly string[];
  /** The rules of our chain, in order. */
  readonly rules: readonly string[];
}

/** By table name; a table that the kernel does not have is absent. */
export type Tables = ReadonlyMap<string, TableState>;

/** What our chain should be in every table it is used in. */
export interface ChainLayout {
  readonly chain: string;
  readonly hooks: readonly Hook[];
  /** The rules that stand first, without "-A CHAIN": spared ports, the set match. */
  readonly head: readonly string[];
  /** Are rules like "-s SOURCE -j DROP" part of the chain, to be kept? */
  readonly holdsBans: boolean;
  /** Tables that did not exist before us; their jumps carry TABLE_MARK, so that remove() can tell. */
  readonly ownTables: ReadonlySet<string>;
}

/** Comment on the jump in a table that iptables-nft made for us: it may go when we go. */
export const TABLE_MARK = "anomaly-detector made this table";

/** Reads `iptables-save`: by table, what it holds of `chain`. Lines of another kind are skipped. */
export function parseSave(text: string, chain: string): Map<string, TableState> {
  const tables = new Map<string, { chains: Set<string>; jumps: string[]; rules: string[] }>();
  let table: { chains: Set<string>; jumps: string[]; rules: string[] } | undefined;
  const own = `-A ${chain} `;
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      table = { chains: new Set(), jumps: [], rules: [] };
      tables.set(line.slice(1), table);
    } else if (line.startsWith(":")) table?.chains.add(line.slice(1, line.indexOf(" ")));
    else if (line.startsWith(own)) table?.rules.push(line);
    else if (line.startsWith("-A ") && (line.endsWith(` -j ${chain}`) || line.endsWith(` -g ${chain}`)))
      table?.jumps.push(line);
  }
  return tables;
}

/** Restore text that turns `tables` into the layout, touching only what is ours; "" when nothing is missing. */
export function repairText(tables: Tables, layout: ChainLayout): string {
  const names = new Set([...tables.keys(), ...layout.hooks.map((hook) => tableOf(hook))]);
  return restoreText([...names].map((name) => [name, repairTable(name, tables.get(name), layout)]));
}

function repairTable(name: string, state: TableState | undefined, layout: ChainLayout): string[] {
  const hooks = layout.hooks.filter((hook) => tableOf(hook) === name && hookExists(state, hook));
  if (hooks.length === 0) return removeTable(state, layout.chain);
  const chains = hooks.map((hook) => chainOf(hook));
  const jumps = state?.jumps ?? [];
  const stray = jumps.filter((line) => !chains.includes(line.split(" ")[1]!));
  const missing = chains.filter((chain) => !jumps.some((line) => line.startsWith(`-A ${chain} `)));
  const mark = layout.ownTables.has(name) ? `-m comment --comment "${TABLE_MARK}" ` : "";
  return [
    ...repairChain(state, layout),
    ...stray.map((line) => `-D ${line.slice(3)}`),
    ...missing.map((chain) => `-I ${chain} 1 ${mark}-j ${layout.chain}`),
  ];
}

function repairChain(state: TableState | undefined, layout: ChainLayout): string[] {
  const rules = state?.rules ?? [];
  const bans = layout.holdsBans ? new Set(rules.filter((line) => bannedBy(line) !== null)) : [];
  const wanted = [...layout.head.map((rule) => `-A ${layout.chain} ${rule}`), ...bans];
  const exists = state?.chains.has(layout.chain) ?? false;
  if (exists && rules.length === wanted.length && rules.every((line, i) => line === wanted[i])) return [];
  // The ":" line makes the chain, or empties the one that is there; all of it is one transaction.
  return [`:${layout.chain} - [0:0]`, ...wanted];
}

/** Restore text that takes everything of ours away; "" when there is nothing. */
export function removeText(tables: Tables, chain: string): string {
  return restoreText([...tables].map(([name, state]) => [name, removeTable(state, chain)]));
}

function removeTable(state: TableState | undefined, chain: string): string[] {
  if (!state?.chains.has(chain)) return [];
  return [...state.jumps.map((line) => `-D ${line.slice(3)}`), `-F ${chain}`, `-X ${chain}`];
}

/** The text of `iptables-restore --noflush` for these lines by table; tables without lines are left out. */
export function restoreText(tables: readonly (readonly [string, readonly string[]])[]): string {
  return tables
    .filter(([, lines]) => lines.length > 0)
    .map(([name, lines]) => `*${name}\n${lines.join("\n")}\nCOMMIT\n`)
    .join("");
}

/** The hook's chain: built-in ones always exist, Docker's only where Docker made it. */
export function hookExists(state: TableState | undefined, hook: Hook): boolean {
  return hook !== "filter/DOCKER-USER" || (state?.chains.has("DOCKER-USER") ?? false);
}

/** "raw" of "raw/PREROUTING". */
export function tableOf(hook: Hook): string {
  return hook.slice(0, hook.indexOf("/"));
}

/** "PREROUTING" of "raw/PREROUTING". */
export function chainOf(hook: Hook): string {
  return hook.slice(hook.indexOf("/") + 1);
}

/** Rules that let the spared TCP ports pass, exactly as iptables-save prints them. */
export function spareRules(ports: readonly number[]): string[] {
  const sorted = [...new Set(ports)].sort((a, b) => a - b);
  if (sorted.length === 1) return [`-p tcp -m tcp --dport ${sorted[0]} -j RETURN`];
  const rules: string[] = [];
  // multiport takes at most 15 ports a rule.
  for (let i = 0; i < sorted.length; i += 15)
    rules.push(`-p tcp -m multiport --dports ${sorted.slice(i, i + 15).join(",")} -j RETURN`);
  return rules;
}

/** The rule that bans one source, exactly as iptables-save prints it. */
export function banRule(chain: string, source: Source): string {
  const full = source.includes("/") ? source : `${source}/${source.includes(":") ? 128 : 32}`;
  return `-A ${chain} -s ${full} -j DROP`;
}

/** The source a rule of our chain bans, or null when it is not such a rule. */
export function bannedBy(line: string): Source | null {
  const match = /^-A \S+ -s (\S+) -j DROP$/.exec(line);
  return match ? parseSource(match[1]!) : null;
}

/** The family that an address or prefix belongs to. */
export function familyOf(source: Source): Family {
  return source.includes(":") ? "v6" : "v4";
}
