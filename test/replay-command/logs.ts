/** Small logs for the replay command: a quiet site with one flood, in the contract's layout. */
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

export const BEGIN = Date.UTC(2026, 1, 9, 9);
export const FLOODER = "203.0.113.9";

export interface Line {
  readonly at: number;
  readonly source: string;
  readonly path?: string;
  readonly status?: number;
  readonly agent?: string;
}

export function lineText({ at, source, path, status, agent }: Line): string {
  return `${JSON.stringify({
    source_ip: source,
    timestamp: new Date(BEGIN + at * 1000).toISOString(),
    method: "GET",
    path: path ?? "/",
    status: status ?? 200,
    response_size: 100,
    user_agent: agent ?? "Mozilla/5.0",
  })}\n`;
}

/** `minutes` of a page view every four seconds by one of eight people; from `floodAt` seconds on, `rate` a second for a minute. */
export function quietSite(
  minutes: number,
  floods: readonly { at: number; rate: number; agent?: string; path?: string }[],
): string {
  const lines: Line[] = [];
  for (let at = 0; at < minutes * 60; at += 4)
    lines.push({ at, source: `198.18.0.${(at / 4) % 8}`, path: `/page/${at % 60}` });
  for (const { at, rate, agent, path } of floods)
    for (let i = 0; i < rate * 60; i++)
      lines.push({ at: at + i / rate, source: FLOODER, path: path ?? "/search", ...(agent && { agent }) });
  return lines
    .toSorted((a, b) => a.at - b.at)
    .map(lineText)
    .join("");
}

export function writeLog(path: string, text: string): string {
  writeFileSync(path, path.endsWith(".gz") ? gzipSync(text) : text);
  return path;
}
