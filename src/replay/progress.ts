/** The bar of a long replay, drawn on a terminal only, on stderr, at most five times a second. */
import type { SessionStatus } from "./session.ts";

const REDRAW_MS = 200;
const CELLS = 30;
/** Clears the rest of the line. */
const CLEAR = "\x1b[K";

/** To be cleared before anything else is written to the terminal. */
export class ProgressBar {
  readonly #began = performance.now();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #isDrawn = false;

  constructor(private readonly write: (text: string) => void) {}

  draw(status: () => SessionStatus): void {
    const now = performance.now();
    if (now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    const { share, records } = status();
    const seconds = (now - this.#began) / 1000;
    this.#isDrawn = true;
    this.write(`\r${barText(share, records, seconds)}${CLEAR}`);
  }

  /** Leaves no trace. */
  clear(): void {
    if (this.#isDrawn) this.write(`\r${CLEAR}`);
    this.#isDrawn = false;
  }
}

/** "replaying ████░░  81 %  1.10 M lines/s  0.4 s left"; without a size to go by, the lines so far. */
export function barText(share: number | null, records: number, seconds: number): string {
  const speed = `${(records / Math.max(seconds, 1e-3) / 1e6).toFixed(2)} M lines/s`;
  if (share === null) return `replaying  ${records} lines  ${speed}`;
  const bar = "█".repeat(Math.round(share * CELLS)).padEnd(CELLS, "░");
  const left = share > 0 ? `  ${((seconds / share) * (1 - share)).toFixed(1)} s left` : "";
  return `replaying  ${bar} ${(share * 100).toFixed(0).padStart(3)} %  ${speed}${left}`;
}
