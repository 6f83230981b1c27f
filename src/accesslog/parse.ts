/** Access log lines in, access records or named failures out. Never throws, whatever the bytes. */

import { v4Of } from "../net/ip.ts";
import { FastReader } from "./fast.ts";
import { createFieldTable, type FailureKind, type FieldName, type FieldTable } from "./fields.ts";
import type { AccessRecord } from "./record.ts";
import { IpTable, KeyPlans, toRecord } from "./values.ts";

/** Where a window's lines go, in the order they were written. */
export interface LineSink {
  /** `address`: v4Of(record.source), known without reading that text. */
  record(record: AccessRecord, address: number): void;
  /** `line` is the start of the bad line, at most 200 characters. Attacker text. */
  failure(kind: FailureKind, line: string): void;
}

/** What reads lines; it keeps nothing of them but what makes the next ones faster. */
export interface LineParser {
  /** Reads the whole lines in bytes `start` to `end`; the last of them ends with "\n". Blank lines are passed over. */
  parseWindow(buffer: Buffer, start: number, end: number, sink: LineSink): void;
  /** Reads one line, with or without its newline. A blank one is "not-json". */
  parseLine(text: string): AccessRecord | { readonly failure: FailureKind };
}

/** What is known of the log before its first line. */
export interface ParserOptions {
  /** Key names to try before the known aliases, by field. */
  readonly fields: Partial<Record<FieldName, readonly string[] | undefined>>;
  /** False leaves every line to the slow path: for tests and benchmarks. */
  readonly isFast?: boolean;
}

/** A parser for one log: it learns that log's layout. */
export function createParser(options: ParserOptions): LineParser {
  return new WindowParser(createFieldTable(options.fields), options.isFast ?? true);
}

const NEWLINE = 10;
const SAMPLE_CHARACTERS = 200;
const BOM = "\uFEFF";
/** A new layout is learned after this many lines did not fit the old one: nginx was reloaded with another format. */
const MISSES_TO_RELEARN = 64;

class WindowParser implements LineParser {
  readonly #addresses = new IpTable();
  readonly #plans: KeyPlans;
  readonly #fast: FastReader;
  #misses = MISSES_TO_RELEARN;

  constructor(
    table: FieldTable,
    private readonly isFast: boolean,
  ) {
    this.#plans = new KeyPlans(table);
    this.#fast = new FastReader(table, this.#addresses);
  }

  parseLine(text: string): AccessRecord | { readonly failure: FailureKind } {
    const result = this.#parseText(text);
    return typeof result === "string" ? { failure: result } : result;
  }

  parseWindow(buffer: Buffer, start: number, end: number, sink: LineSink): void {
    if (this.isFast) this.#parseFast(buffer, start, end, sink);
    else this.#parseSlowly(buffer, start, end, sink);
  }

  #parseFast(buffer: Buffer, start: number, end: number, sink: LineSink): void {
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    // Lines the fast path leaves are gathered, and read before the next one that it takes: order is kept.
    let slowFrom = start;
    for (let from = start; from < end; ) {
      const record = this.#fast.read(buffer, view, from, end);
      if (record === null) {
        const to = lineEnd(buffer, from, end);
        if (this.#misses++ >= MISSES_TO_RELEARN) this.#learn(buffer, from, to);
        from = to + 1;
      } else {
        if (slowFrom < from) this.#parseSlowly(buffer, slowFrom, from, sink);
        this.#misses = 0;
        slowFrom = from = this.#fast.next;
        sink.record(record, this.#fast.address);
      }
    }
    if (slowFrom < end) this.#parseSlowly(buffer, slowFrom, end, sink);
  }

  /** Only a line that the slow path calls good may teach the layout. */
  #learn(buffer: Buffer, start: number, end: number): void {
    this.#misses = 0;
    if (typeof this.#parseText(buffer.toString("utf8", start, end)) !== "string") this.#fast.learn(buffer, start, end);
  }

  /**
   * The whole window through Bun.JSONL, the answer used only when it is one value per newline: on a bad line the
   * parser stops, on a blank one it says nothing, and after invalid UTF-8 its offset is wrong. Then, line by line.
   */
  #parseSlowly(buffer: Buffer, start: number, end: number, sink: LineSink): void {
    const { values, done, error } = Bun.JSONL.parseChunk(buffer, start, end);
    if (error !== null || !done || values.length !== countLines(buffer, start, end))
      this.#parseLines(buffer, start, end, sink);
    else this.#sinkValues(values, buffer, start, end, sink);
  }

  #sinkValues(values: readonly unknown[], buffer: Buffer, start: number, end: number, sink: LineSink): void {
    let line = 0;
    let from = start;
    for (let i = 0; i < values.length; i++) {
      const result = toRecord(values[i], this.#plans, this.#addresses);
      if (typeof result !== "string") {
        sink.record(result, v4Of(result.source));
        continue;
      }
      for (; line < i; line++) from = buffer.indexOf(NEWLINE, from) + 1;
      sink.failure(result, sample(buffer, from, lineEnd(buffer, from, end)));
    }
  }

  #parseLines(buffer: Buffer, start: number, end: number, sink: LineSink): void {
    for (let from = start; from < end; ) {
      const to = lineEnd(buffer, from, end);
      const text = buffer.toString("utf8", from, to);
      const result = this.#parseText(text);
      if (typeof result !== "string") sink.record(result, v4Of(result.source));
      else if (!isBlank(text)) sink.failure(result, cut(text));
      from = to + 1;
    }
  }

  #parseText(text: string): AccessRecord | FailureKind {
    let value: unknown;
    try {
      value = JSON.parse(text.startsWith(BOM) ? text.slice(1) : text);
    } catch {
      return "not-json";
    }
    return toRecord(value, this.#plans, this.#addresses);
  }
}

/** The offset of the newline that ends the line at `from`; `end` for a window that is cut short. */
function lineEnd(buffer: Buffer, from: number, end: number): number {
  const newline = buffer.indexOf(NEWLINE, from);
  return newline < 0 || newline > end ? end : newline;
}

function countLines(buffer: Buffer, start: number, end: number): number {
  let lines = 0;
  for (let p = buffer.indexOf(NEWLINE, start); p >= 0 && p < end; p = buffer.indexOf(NEWLINE, p + 1)) lines++;
  return lines;
}

/** What JSON calls white space, or a byte order mark alone. */
function isBlank(text: string): boolean {
  return /^\uFEFF?[ \t\r\n]*$/.test(text);
}

function sample(buffer: Buffer, start: number, end: number): string {
  // No character takes more than four bytes.
  return cut(buffer.toString("utf8", start, Math.min(end, start + SAMPLE_CHARACTERS * 4)));
}

function cut(text: string): string {
  return text.slice(0, SAMPLE_CHARACTERS).toWellFormed();
}
