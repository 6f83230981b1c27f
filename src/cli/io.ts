import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { systemClock } from "../clock.ts";
import type { CommandIo } from "./command.ts";

/** The real standard streams, written at once: what a command has said is out before it can exit. */
export function processIo(): CommandIo {
  const { env } = process;
  const isTerminal = isatty(1);
  return {
    out: (text) => writeAll(1, `${text}\n`),
    err: (text) => writeAll(2, `${text}\n`),
    env,
    // https://no-color.org: set and not empty.
    color: isTerminal && !env.NO_COLOR && env.TERM !== "dumb",
    width: isTerminal ? process.stdout.columns || null : null,
    clock: systemClock,
  };
}

/**
 * Writes all of it, waiting for a slow reader. Bun's process.stdout loses what a pipe has not taken when the
 * process exits (seen in 1.4.5, with the callback of write() long called).
 */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A reader that goes away (`| head`) is no error, and about a broken stderr nobody can be told.
      if (code === "EPIPE" || (fd === 2 && code !== "EAGAIN")) return;
      // Only a terminal or pipe that somebody else set to non-blocking can be full.
      if (code !== "EAGAIN") throw error;
      Bun.sleepSync(1);
    }
  }
}
