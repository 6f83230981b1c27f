import type { Source } from "../net/cidr.ts";
import { type BackendSettings, OwnChain, SNAPSHOT_LINES } from "./chain.ts";
import { attempt, commandError, must, subjectText } from "./command.ts";
import type { Exec } from "./exec.ts";
import { type DropCounter, type Firewall, type FirewallEntry, FirewallError, type FirewallInfo } from "./firewall.ts";
import { type Family, familyOf, spareRules } from "./rules.ts";
import { addLine, createLine, parseMembers, type SetMember } from "./sets.ts";

/**
 * Bans as members of two kernel sets, matched by one rule a family in our own chain. The kernel ends each ban by
 * itself. Any number of bans or unbans is one `ipset restore`; the packet cost does not grow with the bans.
 */
export class IpsetFirewall implements Firewall {
  readonly chain: OwnChain;
  #hooks: readonly string[];
  #entries = 0;

  constructor(
    private readonly settings: BackendSettings,
    private readonly exec: Exec,
  ) {
    this.chain = new OwnChain(exec, settings.variant, settings.chain, settings.hooks);
    this.#hooks = settings.hooks;
  }

  async init(): Promise<number> {
    await this.#createSets();
    const spare = spareRules(this.settings.sparePorts);
    const { hooks, repaired } = await this.chain.repair(
      (family) => [...spare, `-m set --match-set ${this.#set(family)} src -j DROP`],
      false,
    );
    this.#hooks = hooks;
    return repaired;
  }

  async ban(entries: readonly FirewallEntry[]): Promise<void> {
    const doing = `ban ${subjectText(entries.map((entry) => entry.source))}`;
    const lines = entries.map((entry) => addLine(this.#setOf(entry.source, doing), entry));
    await this.#restore(lines, doing);
  }

  async unban(sources: readonly Source[]): Promise<void> {
    const doing = `unban ${subjectText(sources)}`;
    const lines = sources.map((source) => `del ${this.#set(familyOf(source))} ${source}`);
    await this.#restore(lines, doing);
  }

  async list(): Promise<FirewallEntry[]> {
    return (await this.#members()).map(({ source, remainingMs }) => ({ source, remainingMs }));
  }

  /** Counts start at zero again when a ban is refreshed: ipset replaces the entry. */
  async counters(): Promise<DropCounter[]> {
    return (await this.#members()).map(({ source, packets, bytes }) => ({ source, packets, bytes }));
  }

  escalate(): Promise<boolean> {
    return Promise.resolve(false);
  }

  async snapshot(): Promise<string> {
    const parts: string[] = [];
    for (const family of this.chain.families) parts.push(await this.chain.save(family, SNAPSHOT_LINES));
    for (const family of this.chain.families) {
      const lines = (await this.#save(family)).trimEnd().split("\n");
      const rest = lines.length - SNAPSHOT_LINES - 1;
      parts.push(
        [...lines.slice(0, SNAPSHOT_LINES + 1), ...(rest > 0 ? [`# … ${rest} more entries`] : []), ""].join("\n"),
      );
    }
    return parts.join("\n");
  }

  info(): FirewallInfo {
    return { backend: "ipset", hooks: this.#hooks, entries: this.#entries };
  }

  async remove(): Promise<void> {
    await this.chain.remove();
    await this.destroySets();
  }

  /** Destroys our sets where they exist; a rule that still matches one makes it fail. */
  async destroySets(): Promise<void> {
    for (const set of [this.#set("v4"), this.#set("v6")]) {
      const command = { argv: ["ipset", "destroy", set], doing: `destroy the set ${set}` } as const;
      const result = await attempt(this.exec, command);
      if (result.exitCode !== 0 && !isAbsent(result.stderr)) throw commandError(command, result);
    }
    this.#entries = 0;
  }

  async #createSets(): Promise<void> {
    for (const family of ["v4", "v6"] as const) {
      const set = this.#set(family);
      const command = this.#command([createLine(set, family)], `create the set ${set}`);
      const result = await attempt(this.exec, command);
      if (result.exitCode === 0) continue;
      if (!/set with the same name already exists/.test(result.stderr)) throw commandError(command, result);
      await this.#replaceSet(family);
    }
  }

  /** A set of the same name but other options (an older version's): put a new, empty one in its place under the rule. */
  async #replaceSet(family: Family): Promise<void> {
    const set = this.#set(family);
    const fresh = `${set}-new`;
    const doing = `replace the set ${set}`;
    const destroy = `destroy ${fresh}`;
    try {
      await this.#restore([createLine(fresh, family), `swap ${fresh} ${set}`, destroy], doing);
    } catch (error) {
      // A set of another type cannot be swapped: the operator must destroy it; the new one must not stay.
      await attempt(this.exec, this.#command([destroy], doing));
      throw error;
    }
  }

  async #restore(lines: readonly string[], doing: string): Promise<void> {
    if (lines.length > 0) await must(this.exec, this.#command(lines, doing));
  }

  #command(lines: readonly string[], doing: string) {
    // -exist: adding a member again refreshes its timeout, deleting an absent one succeeds.
    return { argv: ["ipset", "-exist", "restore"], stdin: `${lines.join("\n")}\n`, doing } as const;
  }

  async #members(): Promise<SetMember[]> {
    const texts = await Promise.all([this.#save("v4"), this.#save("v6")]);
    const members = texts.flatMap(parseMembers);
    this.#entries = members.length;
    return members;
  }

  /** `ipset save` of one set; "" when the set is not there, for then it holds nothing. */
  async #save(family: Family): Promise<string> {
    const command = { argv: ["ipset", "save", this.#set(family)], doing: "list the bans" } as const;
    const result = await attempt(this.exec, command);
    if (result.exitCode === 0 && !result.timedOut) return result.stdout;
    if (isAbsent(result.stderr)) return "";
    throw commandError(command, result);
  }

  #setOf(source: Source, doing: string): string {
    const family = familyOf(source);
    if (family === "v6" && this.chain.v6Missing)
      throw new FirewallError(`${doing}: this host cannot filter IPv6 (${this.chain.v6Missing})`);
    return this.#set(family);
  }

  #set(family: Family): string {
    return `${this.settings.setPrefix}-${family}`;
  }
}

function isAbsent(stderr: string): boolean {
  return /set with the given name does not exist/.test(stderr);
}
