/** Splits what is read after a restart: lines that were learned from before fill the windows again, the rest is new. */
import type { LineParser } from "./accesslog/parse.ts";
import type { AccessRecord } from "./accesslog/record.ts";
import type { Engine } from "./engine.ts";

const NEWLINE = 10;

/** One start's reading again; over as soon as the old lines are, or the log is. */
export class Refill {
  #left: number;
  #isOver = false;

  /** `lines`: how many lines from the place where reading begins were learned from before. */
  constructor(
    private readonly engine: Engine,
    private readonly parser: LineParser,
    lines: number,
  ) {
    this.#left = lines;
  }

  /** Takes in the old lines of a window of whole lines; returns where the new ones begin. */
  window(buffer: Buffer, start: number, end: number): number {
    if (this.#isOver) return start;
    let to = start;
    while (this.#left > 0 && to < end) {
      const newline = buffer.indexOf(NEWLINE, to);
      to = newline < 0 ? end : newline + 1;
      this.#left--;
    }
    if (to > start) this.parser.parseWindow(buffer, start, to, this.#sink);
    if (this.#left === 0) this.end();
    return to;
  }

  /** There is nothing more to read again: from now on everything is new. Safe to repeat. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.engine.resume();
  }

  readonly #sink = {
    record: (record: AccessRecord): void => this.engine.refill(record),
    failure: (): void => {},
  };
}
