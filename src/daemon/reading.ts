/** The log on its way into the engine, and the time that moves it: by the log, or by the clock when that is silent. */
import { createParser } from "../accesslog/parse.ts";
import { Tail } from "../accesslog/tail.ts";
import type { Emit } from "../engine.ts";
import { LagWatch } from "../lag.ts";
import { Pump } from "../pump.ts";
import type { Ground } from "./ground.ts";
import type { Memory } from "./memory.ts";

/** Lines reach us a little after their time (write, poll); ticking right behind the wall clock would move them forward. */
const TICK_LAG_MS = 1000;

/** One log, its parser and its pump, for one run. */
export class Reading {
  readonly #lag = new LagWatch();
  readonly #pump: Pump;
  readonly #tail: Tail;

  /** Takes up the place in the log that the memory knows. */
  constructor(
    private readonly ground: Ground,
    private readonly memory: Memory,
    private readonly emit: Emit,
  ) {
    const { clock, engine, settings } = ground;
    const { log, logging } = settings.config;
    const parser = () => createParser({ fields: log.fields });
    const onRecord = logging.requests ? (record: object) => ground.log.info(record, "request") : undefined;
    this.#pump = new Pump(engine, parser(), emit, { onRecord, aheadMs: () => clock.aheadMs });
    const resume = memory.resume(log.path, parser());
    this.#tail = new Tail(
      log.path,
      { pollMs: log.poll, maxLineBytes: log.max_line_bytes, start: log.start, resume },
      clock,
      (buffer, start, end) => this.#window(buffer, start, end),
    );
  }

  get tail(): Pick<Tail, "position" | "status"> {
    return this.#tail;
  }

  get pump(): Pick<Pump, "status"> {
    return this.#pump;
  }

  /** See LagWatch.isBehind. */
  get isBehind(): boolean {
    return this.#lag.isBehind;
  }

  /** Reads until the lifecycle ends; what is written by then is still read. */
  async start(): Promise<void> {
    const abort = new AbortController();
    await this.ground.lifecycle.start(
      "log",
      () => this.#tail.start(abort.signal),
      async () => {
        await this.#tail.drain();
        abort.abort();
        await this.#tail.stop();
      },
    );
  }

  /** Moves event time while there is nothing to read: for a timer. */
  tick(): void {
    const { clock, engine, settings } = this.ground;
    const now = clock.now();
    engine.setWall(now);
    if (this.#tail.status().unreadBytes > 0) return;
    this.memory.caughtUp();
    // Remembered from before the clock was set back. A line may be ahead by the tolerance; what is more is not a line's doing.
    if (engine.now > now + settings.config.log.future_tolerance) clock.notBefore(engine.now);
    this.#pump.tick(now - TICK_LAG_MS);
  }

  /** Whether the log is read in time: for a timer. */
  watchLag(): void {
    const now = this.ground.clock.now();
    const alert = this.#lag.note(this.#tail.status().unreadBytes, this.#pump.status().newestAt, now);
    if (alert !== null) this.emit({ kind: "alert", at: now, alert });
  }

  #window(buffer: Buffer, start: number, end: number): void {
    this.ground.engine.setWall(this.ground.clock.now());
    const from = this.memory.window(buffer, start, end);
    if (from < end) this.#pump.window(buffer, from, end);
  }
}
