/** A made-up access log: a seeded source of chance, a list of requests, and the bytes they make. */
import { seeded } from "../../records.ts";

/** Everything about a request besides when, who and what. */
export interface Answer {
  readonly bytes?: number;
  readonly agent?: string;
}

interface Line {
  /** Seconds since the trace began. */
  readonly at: number;
  readonly text: string;
}

export const BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
export const DESKTOP = "Mozilla/5.0 (Macintosh) mirall/3.14.1 (Nextcloud, osx-23.5.0)";

export class Trace {
  readonly #random: () => number;
  #lines: Line[] = [];

  constructor(
    seed: number,
    /** When the trace begins, epoch milliseconds, a whole second. */
    readonly start = Date.UTC(2026, 1, 9, 9, 12),
  ) {
    this.#random = seeded(seed);
  }

  get length(): number {
    return this.#lines.length;
  }

  /** A number from `low` up to `high`. */
  between(low: number, high: number): number {
    return low + this.#random() * (high - low);
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return Math.floor(this.between(low, high + 1));
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.whole(0, list.length - 1)]!;
  }

  /** Letters and digits, as in tokens. */
  token(length: number): string {
    return Array.from({ length }, () => "abcdefghijkmnpqrstuvwxyz23456789"[this.whole(0, 31)]).join("");
  }

  /** One request, `at` seconds after the beginning; nginx logs whole seconds. */
  add(at: number, source: string, method: string, path: string, status: number, answer: Answer = {}): void {
    const time = new Date(this.start + Math.floor(at) * 1000).toISOString().slice(0, 19);
    const line = {
      source_ip: source,
      timestamp: `${time}+00:00`,
      method,
      path,
      status,
      response_size: answer.bytes ?? 512,
      user_agent: answer.agent ?? BROWSER,
    };
    this.#lines.push({ at: Math.floor(at), text: JSON.stringify(line) });
  }

  /** Calls `each` at chance moments, on average `rate` times a second (a number, or one for each moment). */
  arrivals(from: number, to: number, rate: number | ((at: number) => number), each: (at: number) => void): void {
    const rateAt = typeof rate === "number" ? () => rate : rate;
    for (let second = from; second < to; second++) {
      for (let left = this.#poisson(rateAt(second)); left > 0; left--) each(second + this.#random());
    }
  }

  /** Calls `each` every `period` seconds. */
  every(from: number, to: number, period: number, each: (at: number) => void): void {
    for (let at = from; at < to; at += period) each(at);
  }

  /** The log, in order of time; within a second in order of adding. */
  text(): string {
    return this.#lines
      .toSorted((a, b) => a.at - b.at)
      .map(({ text }) => `${text}\n`)
      .join("");
  }

  /** Knuth's method; exact, and quick for the rates a log has. */
  #poisson(mean: number): number {
    if (mean > 30) return this.#poisson(mean / 2) + this.#poisson(mean / 2);
    const limit = Math.exp(-mean);
    let count = -1;
    for (let product = 1; product > limit; count++) product *= this.#random();
    return count;
  }
}
