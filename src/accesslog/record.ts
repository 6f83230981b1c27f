import type { Ip } from "../net/ip.ts";

/** Milliseconds since the Unix epoch. In the core this is always event time: the log's clock, not ours. */
export type EpochMs = number;

/** What one request means to us: one parsed line of the access log. */
export interface AccessRecord {
  readonly at: EpochMs;
  readonly source: Ip;
  /** "" when nginx could not read the request line. */
  readonly method: string;
  /** Request target as logged, query included; "" when nginx could not read the request line. */
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly userAgent?: string | undefined;
  readonly host?: string | undefined;
  /** Seconds from the first byte of the request to the last of the answer. */
  readonly requestSeconds?: number | undefined;
  /** The TCP peer, where the log has it: differs from `source` behind a load balancer or CDN. */
  readonly peer?: Ip | undefined;
}
