import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock.ts";

/** Where snapshots are kept, and how many. */
export interface SnapshotSettings {
  /** Directory of the snapshots; made when missing. */
  readonly directory: string;
  /** Oldest files beyond this many are removed. */
  readonly kept: number;
}

/** Least time between two snapshots: each costs a few spawns, and a burst of bans is one event. */
const SPACING_MS = 250;

/** Names we write, and therefore may remove. Sorted by name is sorted by time. */
const NAME = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-(BAN|UNBAN)-.*\.rules$/;

interface Event {
  readonly at: number;
  readonly action: "BAN" | "UNBAN";
  readonly source: string;
}

/** Writes the rules in force to a file at each BAN and UNBAN; of a burst, the state after its last event. */
export class SnapshotWriter {
  /** Files written, and events that could not be written. */
  written = 0;
  failures = 0;
  /** The last failure in one line; "" when there was none. */
  lastFailure = "";
  #pending: Event | null = null;
  #running: Promise<void> | null = null;
  #names: string[] | null = null;

  constructor(
    private readonly settings: SnapshotSettings,
    private readonly clock: Clock,
    private readonly rulesInForce: () => Promise<string>,
  ) {}

  /** Asks for a snapshot. Never throws and never waits: snapshots are a record, not an effect. */
  note(action: "BAN" | "UNBAN", source: string): void {
    this.#pending = { at: this.clock.now(), action, source };
    this.#running ??= this.#writeAll();
  }

  /** Resolves when everything asked for is written. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #writeAll(): Promise<void> {
    while (this.#pending) {
      const event = this.#pending;
      this.#pending = null;
      try {
        await this.#write(event);
        this.written++;
      } catch (error) {
        this.failures++;
        this.lastFailure = error instanceof Error ? error.message : String(error);
      }
      await this.clock.sleep(SPACING_MS);
    }
    this.#running = null;
  }

  async #write(event: Event): Promise<void> {
    const { directory } = this.settings;
    const text = await this.rulesInForce();
    await mkdir(directory, { recursive: true, mode: 0o750 });
    const name = snapshotName(event.at, event.action, event.source);
    const temporary = join(directory, `.${randomUUID()}.tmp`);
    try {
      await writeFile(temporary, text, { mode: 0o640, flag: "wx" });
      await rename(temporary, join(directory, name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await this.#prune(name);
  }

  async #prune(name: string): Promise<void> {
    this.#names ??= (await readdir(this.settings.directory)).filter((file) => NAME.test(file)).sort();
    if (!this.#names.includes(name)) this.#names.push(name);
    const excess = this.#names.length - this.settings.kept;
    if (excess <= 0) return;
    for (const old of this.#names.splice(0, excess)) await rm(join(this.settings.directory, old), { force: true });
  }
}

/** "2026-11-20T12-00-00.000Z-BAN-203.0.113.9.rules": sortable, and no character that means anything to a path. */
export function snapshotName(at: number, action: "BAN" | "UNBAN", source: string): string {
  const time = new Date(at).toISOString().replaceAll(":", "-");
  const subject = source.replaceAll("/", "_").replaceAll(/[^0-9A-Za-z._-]/g, "-");
  return `${time}-${action}-${subject.slice(0, 64)}.rules`;
}
