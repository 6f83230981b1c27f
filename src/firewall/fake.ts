import type { Source } from "../net/cidr.ts";
import { DryRunFirewall } from "./dryrun.ts";
import { type DropCounter, type Firewall, type FirewallEntry, FirewallError, type FirewallInfo } from "./firewall.ts";

type Step = "init" | "ban" | "unban" | "list" | "counters" | "snapshot" | "remove";

/** A Firewall for tests: holds entries in memory, keeps a log of what was asked, fails when told to. */
export class FakeFirewall implements Firewall {
  /** Every step asked for, in order: "ban 203.0.113.9 203.0.113.10". */
  readonly steps: string[] = [];
  /** Bans that name one of these sources fail, alone or in a bulk. */
  readonly bad = new Set<string>();
  /** Packets dropped, as `counters` tells them. */
  readonly drops = new Map<Source, number>();
  /** How often `escalate` still finds something to do. */
  escalationsLeft = 0;
  /** What the next calls of `init` find to repair, in tables. */
  readonly damage: number[] = [];
  #memory: DryRunFirewall;
  #failures = new Map<Step, string[]>();

  constructor(
    now: () => number,
    private readonly backend: FirewallInfo["backend"] = "ipset",
  ) {
    this.#memory = new DryRunFirewall(["raw/PREROUTING"], now);
  }

  /** The next `times` calls of this step throw FirewallError. */
  failNext(step: Step, cause = "ipset exited 1: refused", times = 1): void {
    this.#failures.set(step, [...(this.#failures.get(step) ?? []), ...new Array<string>(times).fill(cause)]);
  }

  async init(): Promise<number> {
    this.#step("init", []);
    return this.damage.shift() ?? 0;
  }

  async ban(entries: readonly FirewallEntry[]): Promise<void> {
    this.#step(
      "ban",
      entries.map((entry) => entry.source),
    );
    await this.#memory.ban(entries);
  }

  async unban(sources: readonly Source[]): Promise<void> {
    this.#step("unban", sources);
    await this.#memory.unban(sources);
  }

  async list(): Promise<FirewallEntry[]> {
    this.#step("list", []);
    return this.#memory.list();
  }

  async counters(): Promise<DropCounter[]> {
    this.#step("counters", []);
    return [...this.drops].map(([source, packets]) => ({ source, packets, bytes: packets * 60 }));
  }

  async escalate(): Promise<boolean> {
    this.steps.push("escalate");
    return this.escalationsLeft-- > 0;
  }

  async snapshot(): Promise<string> {
    this.#step("snapshot", []);
    return this.#memory.snapshot();
  }

  info(): FirewallInfo {
    return { ...this.#memory.info(), backend: this.backend };
  }

  async remove(): Promise<void> {
    this.#step("remove", []);
    await this.#memory.remove();
  }

  #step(step: Step, sources: readonly string[]): void {
    this.steps.push([step, ...sources].join(" "));
    const cause = this.#failures.get(step)?.shift();
    const bad = step === "ban" ? sources.find((source) => this.bad.has(source)) : undefined;
    if (cause !== undefined || bad !== undefined)
      throw new FirewallError(`${step} ${bad ?? sources[0] ?? "all"}: ${cause ?? "refused"}`);
  }
}
