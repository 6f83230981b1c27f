/** Where the tail stood at moments of the last minutes, so that the windows can be read again after a restart. [pure] */
import type { EpochMs } from "../accesslog/record.ts";
import type { Place, Position } from "./snapshot.ts";

interface Mark {
  readonly position: Position;
  /** Lines handed on before it, since the start. */
  readonly lines: number;
  /** Event time when the tail stood there. */
  readonly at: EpochMs;
}

/** The longest window is ten minutes; a bucket more, because it slides by buckets. */
const SPAN_MS = 610_000;
const GRAIN_MS = 10_000;
/** Reading more than this again would delay the start by more than about a second. */
const MOST_LINES = 1_000_000;

export class Marks {
  #marks: Mark[] = [];
  /** The latest place of all. */
  #last: Mark | null = null;

  /** Notes where the tail stands: `lines` were handed on since the start, the last of them at event time `at`. */
  note(position: Position, lines: number, at: EpochMs): void {
    this.#last = { position, lines, at };
    // The beginning of a file has no bytes before it to be recognised by, and inodes are used again.
    if (position.offset > 0 && this.#marks[0]?.position.offset === 0) this.#marks.shift();
    const latest = this.#marks.at(-1);
    if (latest !== undefined && at - latest.at < GRAIN_MS && lines - latest.lines < MOST_LINES / 10) return;
    this.#marks.push(this.#last);
    // The first one left must reach back a whole span, or as far as lines allow.
    while (this.#marks.length > 1 && this.#isSpare(this.#marks[0]!, this.#marks[1]!, lines, at)) this.#marks.shift();
  }

  /** From where to read after a restart, when `lines` lines were handed on by now: the best first. Empty before any note. */
  places(lines: number): Place[] {
    const marks = [this.#marks[0], this.#last].filter((mark) => mark != null);
    return marks.map(({ position, lines: before }) => ({ position, refill: lines - before }));
  }

  #isSpare(first: Mark, second: Mark, lines: number, at: EpochMs): boolean {
    return second.at <= at - SPAN_MS || lines - first.lines > MOST_LINES;
  }
}
