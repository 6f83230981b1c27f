/**
 * Parsed lines as columns of numbers, so that one thread can read a log and another judge it. A text is sent when it is
 * new; both sides keep the ones that return, in the same places, and the writer alone decides which. [pure]
 */
import { formatV4, type Ip, NO_V4, parseIp } from "../net/ip.ts";
import type { FailureKind } from "./fields.ts";
import type { LineSink } from "./parse.ts";
import type { AccessRecord } from "./record.ts";
import { createRecord } from "./values.ts";

/** Most lines of one batch, and of the first: whoever waits for that one has nothing else to do. */
const ROWS = 4096;
const FIRST_ROWS = 128;
/** Most texts of one line. */
const TEXTS = 6;
/** A batch whose texts have grown past this is handed on; its last line may go beyond it. */
const TEXT_BYTES = 1 << 18;
/** Pairs of buffers that wait to be filled again; more of them are left to the garbage collector. */
const SPARES = 8;
/** Texts that are remembered. A power of two, so that a place and what is said of it fit in 16 bits. */
const PLACES = 1 << 14;
/** Longer texts are sent each time: who asks decides how long they are. */
const LONGEST_KEPT = 256;

/** What a column of texts says: nothing; the text in this place; a new text, to be kept in this place, or not kept. */
const ABSENT = 0;
const KNOWN = 1;
const KEPT = 2;
const PASSING = 3;

/** No access record has this status: such a row is a bad line, its kind where the method stands, itself for a path. */
const BAD_LINE = 0;

/** Some lines, to be handed over with both buffers and read once. */
export interface Batch {
  readonly rows: number;
  readonly columns: ArrayBuffer;
  readonly texts: ArrayBuffer;
}

/** The buffers of a batch, to be filled again. */
export type BatchBuffers = Pick<Batch, "columns" | "texts">;

/** The columns, over the buffer that holds all of them. */
class Columns {
  readonly at: Float64Array;
  readonly bytes: Float64Array;
  /** NaN for a line without. */
  readonly requestSeconds: Float64Array;
  readonly address: Int32Array;
  /** Of the new texts, in the order of rows and columns: twice the length in characters, and one more for a wide one. */
  readonly lengths: Uint32Array;
  readonly status: Uint16Array;
  readonly method: Uint16Array;
  readonly path: Uint16Array;
  readonly source: Uint16Array;
  readonly userAgent: Uint16Array;
  readonly host: Uint16Array;
  readonly peer: Uint16Array;

  constructor(readonly buffer: ArrayBuffer) {
    let offset = 0;
    const next = (bytes: number): number => {
      offset += bytes;
      return offset - bytes;
    };
    const narrow = () => new Uint16Array(buffer, next(2 * ROWS), ROWS);
    this.at = new Float64Array(buffer, next(8 * ROWS), ROWS);
    this.bytes = new Float64Array(buffer, next(8 * ROWS), ROWS);
    this.requestSeconds = new Float64Array(buffer, next(8 * ROWS), ROWS);
    this.address = new Int32Array(buffer, next(4 * ROWS), ROWS);
    this.lengths = new Uint32Array(buffer, next(4 * TEXTS * ROWS), TEXTS * ROWS);
    this.status = narrow();
    this.method = narrow();
    this.path = narrow();
    this.source = narrow();
    this.userAgent = narrow();
    this.host = narrow();
    this.peer = narrow();
  }

  static readonly BYTES = ROWS * (3 * 8 + 4 + 4 * TEXTS + 7 * 2);
}

/** Puts lines into batches, and hands each on when it is full. */
export class BatchWriter implements LineSink {
  readonly #known: (string | undefined)[] = new Array(PLACES).fill(undefined);
  /** Per place, the hash of the last text that was not there: a text is kept when it comes for the second time. */
  readonly #missed = new Int32Array(PLACES);
  readonly #spare: BatchBuffers[] = [];
  #columns: Columns;
  #texts: Uint8Array<ArrayBuffer>;
  #rows = 0;
  #mostRows = FIRST_ROWS;
  #newTexts = 0;
  #textEnd = 0;

  constructor(private readonly onBatch: (batch: Batch) => void) {
    this.#columns = new Columns(new ArrayBuffer(Columns.BYTES));
    this.#texts = new Uint8Array(TEXT_BYTES);
  }

  /** Takes back the buffers of a batch that has been read. */
  reuse({ columns, texts }: BatchBuffers): void {
    if (this.#spare.length < SPARES) this.#spare.push({ columns, texts });
  }

  record(record: AccessRecord, address: number): void {
    const columns = this.#columns;
    const row = this.#rows;
    columns.at[row] = record.at;
    columns.status[row] = record.status;
    columns.bytes[row] = record.bytes;
    columns.requestSeconds[row] = record.requestSeconds ?? Number.NaN;
    columns.address[row] = address;
    columns.method[row] = this.#put(record.method);
    columns.path[row] = this.#put(record.path);
    if (address === NO_V4) columns.source[row] = this.#put(record.source);
    columns.userAgent[row] = this.#put(record.userAgent);
    columns.host[row] = this.#put(record.host);
    columns.peer[row] = this.#put(record.peer);
    this.#endRow();
  }

  failure(kind: FailureKind, line: string): void {
    const columns = this.#columns;
    const row = this.#rows;
    columns.status[row] = BAD_LINE;
    columns.method[row] = this.#put(kind);
    columns.path[row] = this.#put(line);
    this.#endRow();
  }

  /** Hands on what there is. */
  flush(): void {
    if (this.#rows === 0) return;
    const batch = { rows: this.#rows, columns: this.#columns.buffer, texts: this.#texts.buffer };
    const { columns, texts } = this.#spare.pop() ?? {
      columns: new ArrayBuffer(Columns.BYTES),
      texts: new ArrayBuffer(TEXT_BYTES),
    };
    this.#columns = new Columns(columns);
    this.#texts = new Uint8Array(texts);
    this.#rows = this.#newTexts = this.#textEnd = 0;
    this.#mostRows = Math.min(ROWS, this.#mostRows * 2);
    this.onBatch(batch);
  }

  #endRow(): void {
    if (++this.#rows === this.#mostRows || this.#textEnd >= TEXT_BYTES) this.flush();
  }

  /** What stands for a text in its column; the text itself goes along when the reader does not have it. */
  #put(text: string | undefined): number {
    if (text === undefined) return ABSENT;
    const hash = hashOf(text);
    const place = hash & (PLACES - 1);
    if (this.#known[place] === text) return (place << 2) | KNOWN;
    this.#send(text);
    if (this.#missed[place] !== hash || text.length > LONGEST_KEPT) {
      this.#missed[place] = hash;
      return PASSING;
    }
    this.#known[place] = text;
    return (place << 2) | KEPT;
  }

  /** One byte for each character; of a text that is not ASCII, two. */
  #send(text: string): void {
    const { length } = text;
    if (this.#textEnd + 2 * length > this.#texts.length) this.#grow(2 * length);
    const texts = this.#texts;
    const from = this.#textEnd;
    let all = 0;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      texts[from + i] = code;
      all |= code;
    }
    const isWide = all > 127;
    if (isWide) {
      for (let i = 0, p = from; i < length; i++) {
        const code = text.charCodeAt(i);
        texts[p++] = code;
        texts[p++] = code >>> 8;
      }
    }
    this.#textEnd = from + (isWide ? 2 * length : length);
    this.#columns.lengths[this.#newTexts++] = 2 * length + (isWide ? 1 : 0);
  }

  #grow(room: number): void {
    const grown = new Uint8Array(this.#textEnd + Math.max(room, TEXT_BYTES));
    grown.set(this.#texts.subarray(0, this.#textEnd));
    this.#texts = grown;
  }
}

/** Reads the batches of one writer, all of them, in their order. */
export class BatchReader {
  readonly #known: string[] = new Array(PLACES).fill("");
  readonly #v4 = new V4Names();
  /** IPv6 addresses by their text. */
  readonly #ips = new Map<string, Ip>();
  #texts: Buffer = Buffer.alloc(0);
  #textEnd = 0;
  #lengths: Uint32Array = new Uint32Array(0);
  #newTexts = 0;

  /** Shows the lines of a batch to `sink`, as the parser would have. */
  read(batch: Batch, sink: LineSink): void {
    const columns = new Columns(batch.columns);
    this.#texts = Buffer.from(batch.texts);
    this.#lengths = columns.lengths;
    this.#textEnd = this.#newTexts = 0;
    for (let row = 0; row < batch.rows; row++) {
      const status = columns.status[row]!;
      // In the order in which they were put.
      const method = this.#take(columns.method[row]!)!;
      const path = this.#take(columns.path[row]!)!;
      if (status === BAD_LINE) {
        sink.failure(method as FailureKind, path);
        continue;
      }
      const address = columns.address[row]!;
      const source = address === NO_V4 ? this.#ip(this.#take(columns.source[row]!)!) : this.#v4.nameOf(address);
      const userAgent = this.#take(columns.userAgent[row]!);
      const host = this.#take(columns.host[row]!);
      const peer = this.#take(columns.peer[row]!);
      const seconds = columns.requestSeconds[row]!;
      const record = createRecord(
        columns.at[row]!,
        source,
        method,
        path,
        status,
        columns.bytes[row]!,
        userAgent,
        host,
        Number.isNaN(seconds) ? undefined : seconds,
        peer === undefined ? undefined : this.#ip(peer),
      );
      sink.record(record, address);
    }
  }

  #take(said: number): string | undefined {
    if ((said & 3) === KNOWN) return this.#known[said >>> 2];
    if (said === ABSENT) return undefined;
    const text = this.#receive();
    if ((said & 3) === KEPT) this.#known[said >>> 2] = text;
    return text;
  }

  #receive(): string {
    const length = this.#lengths[this.#newTexts++]!;
    const from = this.#textEnd;
    if (length & 1) {
      this.#textEnd = from + length - 1;
      return this.#texts.toString("utf16le", from, this.#textEnd);
    }
    this.#textEnd = from + (length >>> 1);
    return this.#texts.toString("latin1", from, this.#textEnd);
  }

  /** Only src/net makes an address of a text, also of one that was an address in another thread. */
  #ip(text: string): Ip {
    let ip = this.#ips.get(text);
    if (ip !== undefined) return ip;
    ip = addressOf(text);
    if (this.#ips.size >= PLACES) this.#ips.clear();
    this.#ips.set(text, ip);
    return ip;
  }
}

/** IPv4 addresses by their 32 bits: direct-mapped and bounded. */
class V4Names {
  static readonly #BITS = 17;
  readonly #addresses = new Int32Array(1 << V4Names.#BITS).fill(NO_V4);
  readonly #names: Ip[] = new Array(1 << V4Names.#BITS).fill("");

  nameOf(address: number): Ip {
    const place = Math.imul(address, 0x9e3779b1) >>> (32 - V4Names.#BITS);
    if (this.#addresses[place] === address) return this.#names[place]!;
    this.#addresses[place] = address;
    return (this.#names[place] = addressOf(formatV4(address >>> 0)));
  }
}

function addressOf(text: string): Ip {
  const ip = parseIp(text);
  if (ip === null) throw new Error(`not an address: ${JSON.stringify(text)}`);
  return ip;
}

/** Mixes the length, the last eight characters and eight from all over: where paths and user agents differ. */
function hashOf(text: string): number {
  const { length } = text;
  let hash = length;
  const tail = Math.max(0, length - 8);
  for (let i = tail; i < length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  const step = (tail >>> 3) + 1;
  for (let i = 0; i < tail; i += step) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
