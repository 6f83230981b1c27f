/** The daemon's own log: JSON lines for machines, short lines on a terminal. */
import pino, { type Logger } from "pino";
import { printable } from "../cli/terminal.ts";

export type { Logger } from "pino";

/** pino level to syslog priority (RFC 5424), as journald reads it from a "<N>" prefix. */
const PRIORITY: Readonly<Record<number, number>> = { 20: 7, 30: 6, 40: 4, 50: 3, 60: 2 };

/** A logger on standard output. Transports are out: their worker threads do not load in a compiled binary. */
export function createLogger(
  level: string,
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (isTerminal) return pino(options, { write: (line) => void process.stdout.write(readable(line)) });
  const out = pino.destination({ dest: 1, sync: true });
  if (env.JOURNAL_STREAM === undefined) return pino(options, out);
  return pino(options, {
    write: (line) => out.write(`<${PRIORITY[(JSON.parse(line) as { level: number }).level] ?? 6}>${line}`),
  });
}

/** "18:28:04  warn  the message  key=value" */
function readable(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as { level: number; time: string; msg?: string };
  const more = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const label = pino.levels.labels[level] ?? String(level);
  return `${time.slice(11, 19)}  ${label.padEnd(5)}  ${printable([msg ?? "", ...more].join("  "))}\n`;
}
