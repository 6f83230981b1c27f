/** Where the demo plays: what differs between the plain one and the one with a real firewall. */
import { join } from "node:path";
import { LogWriter } from "./writer.ts";

export interface Stage {
  /** The access log that the detector reads. */
  readonly logPath: string;
  /** What the configuration's firewall section says here. */
  readonly firewall: Readonly<Record<string, unknown>>;
  /** What the person at the screen should know. */
  readonly facts: readonly string[];
  /** The command line that runs a program where the detector belongs. */
  on(argv: readonly string[]): string[];
  start(startedAt: number): Promise<void>;
  stop(): Promise<void>;
  setBanned(source: string, banned: boolean): void;
  /** Makes the detector's dashboard, on `port` of its own loopback, reachable on the same port of ours. */
  openDashboard(port: number): Promise<void>;
}

/** Needs nothing: a log file that a player keeps writing, and a firewall that only says what it would do. */
export class PlainStage implements Stage {
  readonly firewall = { backend: "dry-run" };
  readonly facts = [
    "traffic    some 30 sources of a made-up Nextcloud, written in real time to its access log",
    "firewall   dry-run: nothing on this machine is changed; the player leaves out what is banned",
  ];
  readonly logPath: string;
  readonly #writer: LogWriter;

  constructor(dir: string) {
    this.logPath = join(dir, "hng-access.log");
    this.#writer = new LogWriter(this.logPath);
  }

  on(argv: readonly string[]): string[] {
    return [...argv];
  }
  async start(startedAt: number): Promise<void> {
    this.#writer.start(startedAt);
  }
  async stop(): Promise<void> {
    this.#writer.stop();
  }
  setBanned(source: string, banned: boolean): void {
    this.#writer.setBanned(source, banned);
  }
  async openDashboard(): Promise<void> {}
}
