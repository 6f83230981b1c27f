/** The one port to time. The core never sees it: commands and adapters hold a Clock and hand times inward. */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `run` about every `periodMs` until the returned function is called. Periods are not caught up. */
  every(periodMs: number, run: () => void): () => void;
  /** Resolves after `delayMs`, or at once when `signal` aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own time and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  every(periodMs, run) {
    const timer = setInterval(run, periodMs);
    return () => clearInterval(timer);
  },
  sleep(delayMs, signal) {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, delayMs);
      signal?.addEventListener("abort", done, { once: true });
    });
  },
};

interface Timer {
  due: number;
  readonly periodMs: number | null;
  readonly run: () => void;
}

/** A Clock that only moves when told: `advance` runs everything that falls due, in order. For tests. */
export class ManualClock implements Clock {
  #now: number;
  #timers = new Set<Timer>();

  constructor(startMs = Date.UTC(2026, 0, 5, 8)) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  every(periodMs: number, run: () => void): () => void {
    const timer: Timer = { due: this.#now + periodMs, periodMs, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer: Timer = { due: this.#now + delayMs, periodMs: null, run: resolve };
      this.#timers.add(timer);
      const abort = () => {
        this.#timers.delete(timer);
        resolve();
      };
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Moves time forward, running due timers in order and letting promises settle between them. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers].filter((t) => t.due <= end).sort((a, b) => a.due - b.due)[0];
      if (!next) break;
      this.#now = Math.max(this.#now, next.due);
      if (next.periodMs === null) this.#timers.delete(next);
      else next.due += next.periodMs;
      next.run();
    }
    this.#now = end;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
