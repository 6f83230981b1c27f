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
  /** "21 Nov 18:28", where the seconds are of no use. */
  dayMinute(at: EpochMs): Stamp;
  /** "21 Nov" */
  date(at: EpochMs): string;
  /** When the day that holds `at` began. */
  midnight(at: EpochMs): EpochMs;
}

/** Without a name, the zone the process runs in. An unknown name throws RangeError. */
export function createZone(name?: string): Zone {
  const format = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat("en-GB", { ...options, timeZone: name, hourCycle: "h23" });
  const second = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const minute = format({ hour: "2-digit", minute: "2-digit" });
  const day = format({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const date = format({ day: "numeric", month: "short" });
  const iso = (at: EpochMs) => new Date(at).toISOString();
  return {
    name: second.resolvedOptions().timeZone,
    stamp: (at) => ({ text: second.format(at), iso: iso(at) }),
    minute: (at) => minute.format(at),
    day: (at) => ({ text: day.format(at).replace(",", ""), iso: iso(at) }),
    dayMinute: (at) => ({ text: day.format(at).replace(",", "").slice(0, -3), iso: iso(at) }),
    date: (at) => date.format(at),
    midnight: (at) => {
      const guess = at - secondsOf(second.format(at)) * 1000 - (at % 1000);
      // Where clocks changed since midnight, the guess is an hour off.
      const off = secondsOf(second.format(guess));
      return off === 0 ? guess : guess + (off > 43_200 ? 86_400 - off : -off) * 1000;
    },
  };
}

/** "18:28:04" as seconds of the day. */
function secondsOf(time: string): number {
  const [h = 0, m = 0, s = 0] = time.split(":").map(Number);
  return h * 3600 + m * 60 + s;
}
