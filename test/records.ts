/** Records, configurations and a small site in event time, for tests of the core. */
import fc from "fast-check";
import type { AccessRecord, EpochMs } from "../src/accesslog/record.ts";
import { type Config, configSchema } from "../src/config/schema.ts";
import type { Alert, Ban, Decision } from "../src/decision.ts";
import { Engine } from "../src/engine.ts";
import { type Ip, parseIp } from "../src/net/ip.ts";

/** A whole second, a whole minute and a whole hour: 2026-01-05T08:00:00Z. */
export const START = Date.UTC(2026, 0, 5, 8);
export const SECOND = 1000;
export const MINUTE = 60_000;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** The configuration of a file with these keys, the rest at their defaults. */
export const config = (file: Record<string, unknown> = {}): Config => configSchema.parse(file);

export const ip = (text: string): Ip => parseIp(text)!;

/** The n-th of 65,536 different visitors. */
export const visitor = (n: number): string => `198.18.${(n >> 8) & 255}.${n & 255}`;

export type Sketch = Partial<Omit<AccessRecord, "source">> & { readonly source?: string };

export function record({ source, ...over }: Sketch = {}): AccessRecord {
  return {
    at: START,
    source: ip(source ?? "203.0.113.10"),
    method: "GET",
    path: "/",
    status: 200,
    bytes: 512,
    ...over,
  };
}

/** An engine with its decisions kept, and a time that requests and waiting move on. */
export class Site {
  readonly engine: Engine;
  readonly decisions: Decision[] = [];
  readonly emit = (decision: Decision): void => {
    this.decisions.push(decision);
  };
  /** Event time of the next request. */
  at: EpochMs = START;

  constructor(file: Record<string, unknown> = {}, options: ConstructorParameters<typeof Engine>[1] = {}) {
    this.engine = new Engine(config(file), options);
  }

  /** One request at the present time. */
  send(sketch: Sketch = {}): this {
    this.engine.observe(record({ at: this.at, ...sketch }), this.emit);
    return this;
  }

  /** `count` requests, evenly spaced, `perSecond` of them in each second; time is then just behind the last. */
  flow(perSecond: number, count: number, sketch: (i: number) => Sketch): this {
    const from = this.at;
    for (let i = 0; i < count; i++) {
      this.at = from + Math.round((i * SECOND) / perSecond);
      this.send(sketch(i));
    }
    this.at = from + Math.round((count * SECOND) / perSecond);
    return this;
  }

  /** Time passes; ticks come each second when `isTicking`, else only one at the end. */
  wait(ms: number, isTicking = false): this {
    const end = this.at + ms;
    if (isTicking) for (let t = this.at + SECOND; t < end; t += SECOND) this.engine.tick(t, this.emit);
    this.at = end;
    this.engine.tick(end, this.emit);
    return this;
  }

  /** Past the warm-up of the default configuration, with a few quiet visitors to learn from. */
  warm(): this {
    return this.flow(0.2, 80, (i) => ({ source: visitor(i % 40), path: `/page/${i}` }));
  }

  get bans(): Ban[] {
    return this.decisions.flatMap((decision) => (decision.kind === "ban" ? [decision.ban] : []));
  }

  get unbans(): Extract<Decision, { kind: "unban" }>[] {
    return this.decisions.filter((decision) => decision.kind === "unban");
  }

  get alerts(): { at: EpochMs; alert: Alert }[] {
    return this.decisions.flatMap((decision) =>
      decision.kind === "alert" ? [{ at: decision.at, alert: decision.alert }] : [],
    );
  }

  /** Breaker or global alerts as "open 12.5": the state and the seconds since `from`. */
  told(type: "global-anomaly" | "circuit-breaker", from = START): string[] {
    return this.alerts.flatMap(({ at, alert }) =>
      alert.type === type ? [`${alert.state} ${(at - from) / SECOND}`] : [],
    );
  }
}

/** mulberry32: a small seeded generator of numbers from 0 up to 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Milliseconds between two requests: bursts, equal times, ordinary gaps, and gaps longer than a window. */
export const anyGap = fc.oneof(
  { arbitrary: fc.constant(0), weight: 4 },
  { arbitrary: fc.integer({ min: 1, max: 50 }), weight: 6 },
  { arbitrary: fc.integer({ min: 51, max: 3000 }), weight: 4 },
  { arbitrary: fc.constantFrom(999, 1000, 1001, 4999, 5000, 5001, 59_999, 60_000, 60_001), weight: 2 },
  { arbitrary: fc.integer({ min: 3001, max: 200_000 }), weight: 1 },
);

/** A fixed seed, so that a failure is the same for everybody; fast-check prints it with the counterexample. */
export const SEED = 20_260_105;
