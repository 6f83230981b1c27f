/** How often a password may be guessed: few times from one place, and not often in all. [pure] */
import type { Client } from "./client.ts";

const WINDOW_MS = 15 * 60_000;
const PER_SOURCE = 5;
const IN_ALL = 50;

interface Failure {
  readonly at: number;
  readonly source: string;
}

/** Remembers the failures of the last 15 minutes: at most `IN_ALL`, and those of this host itself. */
export class Throttle {
  #failures: Failure[] = [];

  /** Milliseconds until `client` may try again; 0 when it may now. */
  waitMs({ source, isLocal }: Client, now: number): number {
    this.#failures = this.#failures.filter(({ at }) => now - at < WINDOW_MS);
    const own = this.#failures.filter((failure) => failure.source === source);
    // Whoever is on this host is not shut out by the guesses of others: an SSH tunnel always leads in.
    return Math.max(waitFor(own, PER_SOURCE, now), isLocal ? 0 : waitFor(this.#failures, IN_ALL, now));
  }

  fail({ source }: Client, now: number): void {
    this.#failures.push({ at: now, source });
  }

  /** Who knew the password in the end had only mistyped it. */
  forgive({ source }: Client): void {
    this.#failures = this.#failures.filter((failure) => failure.source !== source);
  }
}

/** Until so many of them have left the window that there is room for another. */
function waitFor(failures: readonly Failure[], most: number, now: number): number {
  const inTheWay = failures.at(-most);
  return inTheWay === undefined ? 0 : inTheWay.at + WINDOW_MS - now;
}
