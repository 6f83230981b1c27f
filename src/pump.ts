/** Feeds an Engine from windows of log lines and hands its decisions on. The same for run, replay and bench. */
import type { LineParser, LineSink } from "./accesslog/parse.ts";
import type { AccessRecord, EpochMs } from "./accesslog/record.ts";
import type { Emit, Engine } from "./engine.ts";

/** What is fed: an Engine, or several behind one (replay --compare). */
export type PumpEngine = Pick<Engine, "now" | "observe" | "tick">;

/** What has gone through, since the start. */
export interface PumpStatus {
  /** Good lines. */
  readonly records: number;
  /** Bad lines by kind. */
  readonly failures: Readonly<Record<string, number>>;
  /** The last bad line, at most 200 characters. Attacker text. */
  readonly failureSample: string | undefined;
  /** Event time of the newest line. */
  readonly newestAt: EpochMs | null;
}

/** What differs between a live log and an old one. */
export interface PumpOptions {
  /** Sees every good record before the engine does. */
  readonly onRecord?: ((record: AccessRecord) => void) | undefined;
  /**
   * Where no wall clock can tell a line from the future, a jump ahead by more than this must be confirmed by
   * the next line; otherwise one mad date would make every line after it late.
   */
  readonly confirmJumpsOverMs?: number | undefined;
  /** How far our time is ahead of the clock that dates the lines (SteadyClock); their dates are moved by as much. */
  readonly aheadMs?: (() => number) | undefined;
}

/** One log into one engine. */
export class Pump {
  #records = 0;
  #failures: Record<string, number> = {};
  #sample: string | undefined;
  #newestAt: EpochMs | null = null;
  #held: AccessRecord | null = null;
  /** Lines whose date was far ahead and not confirmed. */
  unconfirmed = 0;

  constructor(
    private readonly engine: PumpEngine,
    private readonly parser: LineParser,
    private readonly emit: Emit,
    private readonly options: PumpOptions = {},
  ) {}

  /** Takes in the whole lines in `buffer` from `start` to `end`. */
  window(buffer: Buffer, start: number, end: number): void {
    this.parser.parseWindow(buffer, start, end, this.sink);
  }

  tick(now: EpochMs): void {
    this.engine.tick(now, this.emit);
  }

  /** The end of a replay: a line still waiting for confirmation has nothing that contradicts it. */
  end(): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.engine.observe(held, this.emit);
  }

  status(): PumpStatus {
    return {
      records: this.#records,
      failures: { ...this.#failures },
      failureSample: this.#sample,
      newestAt: this.#newestAt,
    };
  }

  /** Where lines go that were parsed elsewhere. */
  readonly sink: LineSink = {
    record: (read: AccessRecord, address: number): void => {
      const aheadMs = this.options.aheadMs?.() ?? 0;
      const record = aheadMs === 0 ? read : { ...read, at: read.at + aheadMs };
      this.#records++;
      this.#newestAt = record.at;
      this.options.onRecord?.(record);
      if (this.options.confirmJumpsOverMs === undefined) this.engine.observe(record, this.emit, address);
      else this.#confirm(record, address, this.options.confirmJumpsOverMs);
    },
    failure: (kind: string, line: string): void => {
      this.#failures[kind] = (this.#failures[kind] ?? 0) + 1;
      this.#sample = line;
    },
  };

  #confirm(record: AccessRecord, address: number, limitMs: number): void {
    const held = this.#held;
    this.#held = null;
    if (held !== null) {
      if (record.at >= held.at - limitMs) this.engine.observe(held, this.emit);
      else this.unconfirmed++;
    }
    const now = this.engine.now;
    // The first line has nothing before it to be compared with: the second one speaks for it, or against.
    if (!Number.isFinite(now) || record.at > now + limitMs) this.#held = record;
    else this.engine.observe(record, this.emit, address);
  }
}
