/** Times of day as the server's people read them. [pure] */
import type { EpochMs } from "../accesslog/record.ts";

/** A time ready to print: `text` in the zone of the page, `iso` in UTC for machines and tooltips. */
export interface Stamp {
  readonly text: string;
  readonly iso: string;
}

export interface Zone {
  /** IANA name, e.g. "Europe/Berlin". */
  readonly name: string;
  /** "18:28:04" */
  stamp(at: EpochMs): Stamp;
  /** "18:28" */
  minute(at: EpochMs): string;
  /** "21 Nov 18:28:04", for what may be older than a day. */
  day(at: EpochMs): Stamp;
}

/** Without a name, the zone the process runs in. An unknown name throws RangeError. */
export function createZone(name?: string): Zone {
  const format = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat("en-GB", { ...options, timeZone: name, hourCycle: "h23" });
  const second = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const minute = format({ hour: "2-digit", minute: "2-digit" });
  const day = format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const iso = (at: EpochMs) => new Date(at).toISOString();
  return {
    name: second.resolvedOptions().timeZone,
    stamp: (at) => ({ text: second.format(at), iso: iso(at) }),
    minute: (at) => minute.format(at),
    day: (at) => ({ text: day.format(at).replace(",", ""), iso: iso(at) }),
  };
}
