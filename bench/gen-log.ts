#!/usr/bin/env bun
/**
 * Writes a made-up access log in the contract's layout, the same bytes for the same arguments: a Nextcloud-like mix of
 * requests from a skewed crowd of addresses, with a few lines of hostile bytes.
 *
 *   bun bench/gen-log.ts OUT [--lines 1000000] [--sources 10000] [--rate 200] [--hostile 0.0005] [--seed 42]
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import { seeded } from "../test/records.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    lines: { type: "string", default: "1000000" },
    sources: { type: "string", default: "10000" },
    rate: { type: "string", default: "200" },
    hostile: { type: "string", default: "0.0005" },
    seed: { type: "string", default: "42" },
  },
});
const out = positionals[0];
if (out === undefined) throw new Error("usage: bun bench/gen-log.ts OUT [--lines N] [--sources N] [--rate R]");

const random = seeded(Number(values.seed));
const below = (limit: number) => Math.floor(random() * limit);
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

const AGENTS = [
  "Mozilla/5.0 (Windows) mirall/3.11.0stable-Win64 (build 20231204) (Nextcloud, windows-10.0.19045)",
  "Mozilla/5.0 (Android) Nextcloud-android/3.27.0",
  "Mozilla/5.0 (iOS) Nextcloud-iOS/4.9.5",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
  "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
];
const USERS = ["anna", "bola", "carlos", "dmitri", "emeka", "fatima"];
const HOSTILE = ['/a\\",\\"status\\":200', "/\\u0000\\u0001", "/caf\u00e9/\u4e2d\u6587", `/${"A".repeat(3000)}`];

function request(): readonly [method: string, path: string, status: number, size: number] {
  const kind = random();
  const user = pick(USERS);
  if (kind < 0.28) return ["PROPFIND", `/remote.php/dav/files/${user}/Photos`, 207, 2400];
  if (kind < 0.42) return ["GET", "/ocs/v2.php/apps/notifications/api/v2/notifications?format=json", 200, 74];
  if (kind < 0.52) return ["GET", "/status.php", 200, 178];
  if (kind < 0.65) return ["GET", `/index.php/apps/files/preview?fileId=${below(99_999)}&x=256&y=256`, 200, 9000];
  if (kind < 0.75) return ["PUT", `/remote.php/dav/uploads/${user}/web-file-upload-${below(1e9)}/7`, 201, 0];
  if (kind < 0.85) return ["REPORT", `/remote.php/dav/calendars/${user}/personal/`, 207, 3100];
  if (kind < 0.97) return ["GET", `/dist/core-common.js?v=${below(0xffffff).toString(16)}-0`, 200, 411_000];
  return ["GET", "/no/such/page", 404, 162];
}

function source(index: number): string {
  const mixed = Math.imul(index + 1, 0x9e3779b1) & 0xffffff;
  if (index % 20 === 7) return `2001:db8:${(mixed >>> 12).toString(16)}:${(mixed & 0xfff).toString(16)}::1`;
  return `45.${mixed >>> 16}.${(mixed >>> 8) & 255}.${mixed & 255}`;
}

const lines = Number(values.lines);
const sources = Number(values.sources);
const start = Date.UTC(2026, 0, 5, 8);
const fd = openSync(out, "w");
let text = "";
for (let n = 0; n < lines; n++) {
  const at = new Date(start + Math.floor(n / Number(values.rate)) * 1000).toISOString().slice(0, 19);
  const index = Math.floor(sources * random() ** 2);
  const [method, path, status, size] = request();
  const target = random() < Number(values.hostile) ? pick(HOSTILE) : path;
  text +=
    `{"source_ip":"${source(index)}","timestamp":"${at}+00:00","method":"${method}","path":"${target}",` +
    `"status":${status},"response_size":${size === 0 ? 0 : size + below(999)},"host":"cloud.example.org",` +
    `"user_agent":"${AGENTS[index % AGENTS.length]}","request_time":${(random() * 0.08).toFixed(3)}}\n`;
  if (text.length > 1 << 20 || n === lines - 1) {
    writeSync(fd, text);
    text = "";
  }
}
closeSync(fd);
