/** Writes the demo's access log in real time, and leaves out banned sources as a firewall would. */
import { appendFileSync } from "node:fs";
import { accessLogLine, attackers, ordinaryPeople, Player } from "./player.ts";

const PERIOD_MS = 50;

export class LogWriter {
  readonly #player = new Player([...ordinaryPeople(1), ...attackers()]);
  readonly #banned = new Set<string>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(readonly path: string) {}

  /** Begins to write; requests are stamped from `startedAt` on, and written when they fall due. */
  start(startedAt: number): void {
    this.#timer = setInterval(() => this.#write(startedAt), PERIOD_MS);
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
  }

  /** From now on nothing of this source arrives, or it does again. */
  setBanned(source: string, banned: boolean): void {
    if (banned) this.#banned.add(source);
    else this.#banned.delete(source);
  }

  #write(startedAt: number): void {
    const due = this.#player.due(Date.now() - startedAt).filter((request) => !this.#banned.has(request.source));
    if (due.length > 0) appendFileSync(this.path, due.map((r) => `${accessLogLine(r, startedAt)}\n`).join(""));
  }
}
