/** The file with the hash of the dashboard's password: one line in the PHC string format, argon2id. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** none: no login was asked for. problem: one was, but it cannot be had. */
export type PasswordFileResult =
  | { readonly kind: "none" }
  | { readonly kind: "hash"; readonly hash: string; readonly from: string; readonly readableByAll: boolean }
  | { readonly kind: "problem"; readonly from: string; readonly message: string; readonly hint: string };

/** A hash is about 120 characters. */
const MAX_BYTES = 1024;
const MAKE = "make it with: anomaly-detector password --file FILE";

/** Reads `dashboard.password_file`; never throws for what a file can be or hold. */
export async function readPasswordFile(path: string | undefined): Promise<PasswordFileResult> {
  if (path === undefined) return { kind: "none" };
  const problem = (message: string, hint: string) => ({ kind: "problem" as const, from: path, message, hint });
  try {
    // Without O_NONBLOCK a FIFO would hold us until somebody writes to it.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return problem("is not a file", MAKE);
      const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_BYTES + 1), 0, MAX_BYTES + 1, 0);
      const hash = buffer.toString("utf8", 0, bytesRead).trim();
      if (hash === "") return problem("is empty", MAKE);
      if (!isPasswordHash(hash)) return problem("does not hold an argon2id hash, and only that", MAKE);
      return { kind: "hash", hash, from: path, readableByAll: (stat.mode & 0o004) !== 0 };
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return problem("does not exist", MAKE);
    if (code === "EACCES") return problem("may not be read by this user", "give the service's user read access");
    return problem(`cannot be read (${code ?? "unknown error"})`, "check the file");
  }
}

const HASH = /^\$argon2id\$v=19\$m=(\d{1,6}),t=(\d{1,2}),p=1\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;
/** One verification may cost this much, in KiB and passes; the service as a whole has 512 MiB. */
const MOST_MEMORY = 131_072;
const MOST_PASSES = 10;

/**
 * An argon2id hash as Bun.password makes and reads it (PHC string format,
 * https://github.com/P-H-C/phc-string-format), with a cost that the service can bear.
 */
export function isPasswordHash(text: string): boolean {
  const match = HASH.exec(text);
  if (!match) return false;
  const [memory, passes] = [Number(match[1]), Number(match[2])];
  if (memory < 8 || memory > MOST_MEMORY || passes < 1 || passes > MOST_PASSES) return false;
  return [match[3]!, match[4]!].every(isBase64);
}

/** Base64 without padding, with nothing in the bits that a last character may not use. */
function isBase64(text: string): boolean {
  return Buffer.from(text, "base64").toString("base64").replace(/=+$/, "") === text;
}
