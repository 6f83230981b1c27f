#!/usr/bin/env bun
/**
 * How fast lines become records: lines/s and CPU per line of the fast path, the slow path, and JSON.parse alone.
 *
 *   bun bench/gen-log.ts access.log && bun bench/parse.ts access.log [rounds]
 */
import { closeSync, openSync, readSync } from "node:fs";
import { createParser, type LineSink } from "../src/accesslog/parse.ts";

const path = process.argv[2];
if (path === undefined) throw new Error("usage: bun bench/parse.ts ACCESS_LOG [rounds]");
const rounds = Number(process.argv[3] ?? 3);

type Reader = (buffer: Buffer, end: number) => void;

/** Reads the file in windows of whole lines. */
function readWindows(read: Reader): void {
  const fd = openSync(path!, "r");
  const buffer = Buffer.allocUnsafeSlow(1 << 18);
  for (let kept = 0; ; ) {
    const count = readSync(fd, buffer, kept, buffer.length - kept, null);
    if (count === 0) break;
    const end = buffer.lastIndexOf(10, kept + count - 1) + 1;
    if (end > 0) read(buffer, end);
    buffer.copyWithin(0, end, kept + count);
    kept += count - end;
  }
  closeSync(fd);
}

let lines = 0;
let failures = 0;
let sum = 0;
const sink: LineSink = {
  record(record) {
    lines++;
    sum += record.status + record.bytes + record.path.length + (record.userAgent?.length ?? 0);
  },
  failure() {
    lines++;
    failures++;
  },
};

function parserOf(isFast: boolean): Reader {
  const parser = createParser({ fields: {}, isFast });
  return (buffer, end) => parser.parseWindow(buffer, 0, end, sink);
}

function jsonParse(buffer: Buffer, end: number): void {
  for (let from = 0; from < end; ) {
    const to = buffer.indexOf(10, from);
    const value = JSON.parse(buffer.toString("utf8", from, to));
    lines++;
    sum += value.status + value.response_size + value.path.length + value.user_agent.length;
    from = to + 1;
  }
}

for (let round = 0; round < rounds; round++) {
  for (const [name, read] of [
    ["fast", parserOf(true)],
    ["slow", parserOf(false)],
    ["JSON.parse per line, no record", jsonParse],
  ] as const) {
    lines = failures = sum = 0;
    const began = performance.now();
    const before = process.cpuUsage();
    readWindows(read);
    const { user, system } = process.cpuUsage(before);
    const rate = lines / (performance.now() - began) / 1000;
    const cpu = (user + system) / lines;
    console.log(
      `${name.padEnd(32)} ${rate.toFixed(2)} M lines/s  ${cpu.toFixed(2)} µs CPU/line  ${lines} lines, ${failures} failures, sum ${sum}`,
    );
  }
}
