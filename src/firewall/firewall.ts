import type { Source } from "../net/cidr.ts";

/** One banned source as the kernel should hold it. */
export interface FirewallEntry {
  readonly source: Source;
  /** Milliseconds until the kernel should forget it by itself; "permanent" for never. */
  readonly remainingMs: number | "permanent";
}

/** Which way of enforcing is in use, for status, dashboard and audit. */
export interface FirewallInfo {
  readonly backend: "ipset" | "iptables" | "dry-run";
  /** The hooks in use, e.g. ["raw/PREROUTING"]. */
  readonly hooks: readonly string[];
  /** Entries the backend holds, as of the last list. */
  readonly entries: number;
}

/** Packets and bytes the kernel has dropped for one banned source. */
export interface DropCounter {
  readonly source: Source;
  readonly packets: number;
  readonly bytes: number;
}

/**
 * The port to whatever enforces bans. Every step can be repeated: banning a banned source refreshes its
 * timeout, unbanning an absent one succeeds. Failures throw FirewallError.
 */
export interface Firewall {
  /**
   * Creates our chain, set and hooks where they are missing. Safe to repeat; it is also the repair. Resolves to the
   * number of tables in which chain or hook were not as they must be.
   */
  init(): Promise<number>;
  /** Bans all of them; a bulk of thousands takes few commands. */
  ban(entries: readonly FirewallEntry[]): Promise<void>;
  unban(sources: readonly Source[]): Promise<void>;
  /** What the kernel holds now, in our own sets or chain. */
  list(): Promise<FirewallEntry[]>;
  /** Dropped so far, per source; empty where the backend cannot tell. */
  counters(): Promise<DropCounter[]>;
  /** Moves to the next hook or backend when bans are seen not to block; false when there is none left. */
  escalate(): Promise<boolean>;
  /** The rules now in force, as text, for the snapshot written at each BAN and UNBAN. */
  snapshot(): Promise<string>;
  info(): FirewallInfo;
  /** Removes hook, chain and sets; afterwards the rule tables are as before init(). */
  remove(): Promise<void>;
}

/** A firewall command that did not do what was asked. `message` names operation, subject, cause and hint. */
export class FirewallError extends Error {
  override readonly name = "FirewallError";
}
