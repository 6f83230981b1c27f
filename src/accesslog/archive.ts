/** Old logs, read from start to end: files, pipes or standard input, plain or gzip. */
import { createReadStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { pipeline, Readable, Transform } from "node:stream";
import { createGunzip } from "node:zlib";
import { LineSplitter } from "./lines.ts";

/** Room for whole lines; a longer line is skipped and counted, as in the tail. */
const CHUNK_BYTES = 1 << 20;

/** RFC 1952: what every gzip begins with. */
const GZIP_MAGIC = [0x1f, 0x8b];

/** How far a file has been read; kept up to date while it is. */
export interface ArchiveProgress {
  /** Bytes of the file (compressed) read so far. */
  bytes: number;
  oversized: number;
}

/** Size in bytes; 0 for a pipe and for standard input. Throws the file system's error. */
export async function archiveSize(path: string): Promise<number> {
  return path === "-" ? 0 : (await stat(path)).size;
}

/**
 * Hands on windows of whole lines, each ending with a newline (one is added to a last line without). `onWindow`
 * may be handed the same buffer again. `room`: awaited before each next piece is read. Rejects with the file system's or
 * zlib's error.
 */
export async function readArchive(
  path: string,
  maxLineBytes: number,
  progress: ArchiveProgress,
  onWindow: (buffer: Buffer, start: number, end: number) => void,
  room: () => Promise<void> = async () => {},
): Promise<void> {
  const lines = new LineSplitter(maxLineBytes, onWindow);
  const oversizedBefore = progress.oversized;
  const take = async (chunk: Buffer): Promise<void> => {
    lines.push(chunk);
    progress.oversized = oversizedBefore + lines.oversized;
    await room();
  };
  if (path === "-" || (await stat(path)).isFIFO()) {
    const input = path === "-" ? process.stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES });
    const { raw, isGzip } = await begun(input);
    for await (const chunk of unpacked(raw, isGzip, progress)) await take(chunk as Buffer);
  } else if (await isGzipFile(path)) {
    const raw = createReadStream(path, { highWaterMark: CHUNK_BYTES });
    for await (const chunk of unpacked(raw, true, progress)) await take(chunk as Buffer);
  } else await readPlain(path, progress, take);
  lines.flush();
  progress.oversized = oversizedBefore + lines.oversized;
}

/** Plain files are read into one buffer again and again: a stream makes a new one of a megabyte for each piece. */
async function readPlain(
  path: string,
  progress: ArchiveProgress,
  take: (chunk: Buffer) => Promise<void>,
): Promise<void> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (let count = await fill(file, buffer); count > 0; count = await fill(file, buffer)) {
      progress.bytes += count;
      await take(buffer.subarray(0, count));
    }
  } finally {
    await file.close();
  }
}

async function fill(file: FileHandle, buffer: Buffer): Promise<number> {
  return (await file.read(buffer, 0, buffer.length, null)).bytesRead;
}

/** What cannot be read twice, and what its first bytes say it is. They may come one by one. */
async function begun(input: AsyncIterable<Buffer>): Promise<{ raw: Readable; isGzip: boolean }> {
  const chunks = input[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < GZIP_MAGIC.length) {
    const { done, value } = await chunks.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  return { raw: Readable.from(joined(head, chunks), { objectMode: false }), isGzip: isGzip(head) };
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

function unpacked(raw: Readable, zipped: boolean, progress: ArchiveProgress): Readable {
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      progress.bytes += chunk.length;
      done(null, chunk);
    },
  });
  const stages: [Readable, ...Transform[]] = zipped
    ? [raw, counted, createGunzip({ chunkSize: CHUNK_BYTES })]
    : [raw, counted];
  // The error of any stage reaches whoever reads the last one.
  return pipeline(stages, () => {}) as unknown as Readable;
}

function isGzip(head: Buffer): boolean {
  return GZIP_MAGIC.every((byte, i) => head[i] === byte);
}

async function isGzipFile(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return isGzip(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}
