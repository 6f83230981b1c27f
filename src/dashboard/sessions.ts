/** Who is signed in. In memory only: a restart signs everybody out. */
import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../clock.ts";

/** However busy, a session ends then. */
const ABSOLUTE_MS = 12 * 3_600_000;
/** Without a request it ends then. */
const IDLE_MS = 2 * 3_600_000;
const MAX_SESSIONS = 100;

interface Session {
  readonly begunAt: number;
  readonly seenAt: number;
}

export class Sessions {
  /** By the hash of the id, the least recently seen first. Looking up a hash tells nothing about an id by its time. */
  readonly #sessions = new Map<string, Session>();

  constructor(private readonly clock: Clock) {}

  get size(): number {
    return this.#sessions.size;
  }

  /** A new session's id, 256 bits of chance. Where there are too many, the longest unseen one ends. */
  begin(): string {
    const id = randomBytes(32).toString("base64url");
    const now = this.clock.now();
    for (const [key, session] of this.#sessions) if (isOver(session, now)) this.#sessions.delete(key);
    if (this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value!);
    this.#sessions.set(keyOf(id), { begunAt: now, seenAt: now });
    return id;
  }

  /** Whether `id` is signed in; being asked counts as being seen. */
  has(id: string): boolean {
    const key = keyOf(id);
    const session = this.#sessions.get(key);
    if (session === undefined) return false;
    this.#sessions.delete(key);
    const now = this.clock.now();
    if (isOver(session, now)) return false;
    this.#sessions.set(key, { ...session, seenAt: now });
    return true;
  }

  end(id: string): void {
    this.#sessions.delete(keyOf(id));
  }

  endAll(): void {
    this.#sessions.clear();
  }
}

function isOver({ begunAt, seenAt }: Session, now: number): boolean {
  return now - begunAt >= ABSOLUTE_MS || now - seenAt >= IDLE_MS;
}

function keyOf(id: string): string {
  return createHash("sha256").update(id).digest("base64");
}
