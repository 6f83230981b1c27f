/** A configuration file's bytes to text, or the one reason why not. */
import { open } from "node:fs/promises";
import type { Problem } from "./problem.ts";

/** Far above any real configuration (10,000 allowlist entries are 0.5 MB); also the bound on a device or pipe. */
const MAX_BYTES = 1_048_576;

/** The text of a file, or why there is none. */
export type ReadResult =
  | { readonly ok: true; readonly text: string; readonly writableByOthers: boolean }
  | { readonly ok: false; readonly problem: Problem };

/** Reads a configuration file of at most 1 MB. One that is missing or cannot be read is a problem, not an error. */
export async function readConfigFile(path: string): Promise<ReadResult> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, "r");
  } catch (error) {
    return failure(...openFailure(error as NodeJS.ErrnoException));
  }
  try {
    const stat = await file.stat();
    if (stat.isDirectory()) return failure("is a directory", "name the file in it");
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > MAX_BYTES) return failure("is larger than 1 MB", "this is not a configuration file");
    const decoded = decode(bytes.subarray(0, length));
    if (!decoded.ok) return decoded;
    return { ok: true, text: decoded.text, writableByOthers: stat.isFile() && (stat.mode & 0o002) !== 0 };
  } catch (error) {
    return failure(`cannot be read: ${(error as Error).message}`);
  } finally {
    await file.close();
  }
}

function openFailure(error: NodeJS.ErrnoException): [message: string, hint?: string] {
  switch (error.code) {
    case "ENOENT":
    case "ENOTDIR":
      return ["does not exist", "check the path; without --config the defaults are used"];
    case "EACCES":
    case "EPERM":
      return ["may not be read by this user", "use sudo, or give the user read access to the file and its directories"];
    default:
      return [`cannot be opened: ${error.message}`];
  }
}

function failure(message: string, hint?: string): { ok: false; problem: Problem } {
  return { ok: false, problem: { kind: "file", path: "", message, hint } };
}

type Decoded = { ok: true; text: string } | { ok: false; problem: Problem };

/** UTF-8 only, and none of the control characters that hide in an editor (YAML 1.2, 5.1 refuses them too). */
function decode(bytes: Uint8Array): Decoded {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Decoding again with replacements shows where it broke; that the text had one of its own is not a worry.
    const upTo = new TextDecoder("utf-8").decode(bytes).split("\ufffd", 1)[0]!;
    return placed(upTo, "is not UTF-8 text from here on", "save it as UTF-8");
  }
  const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f]/.exec(text);
  if (!control) return { ok: true, text };
  const code = control[0].charCodeAt(0).toString(16).padStart(4, "0").toUpperCase();
  return placed(text.slice(0, control.index), `control character U+${code}`, "remove it");
}

function placed(before: string, message: string, hint: string): Decoded {
  const lines = before.split("\n");
  const place = { line: lines.length, column: lines.at(-1)!.length + 1 };
  return { ok: false, problem: { kind: "syntax", path: "", ...place, message, hint } };
}
