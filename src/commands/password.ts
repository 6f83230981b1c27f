/** `password`: the hash that the dashboard's login compares with. The password itself is kept nowhere. */
import { randomBytes, randomInt } from "node:crypto";
import { chmodSync, chownSync, closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { type CommandIo, type CommandRun, EXIT, type ParsedArgs } from "../cli/command.ts";
import { readSecret } from "../cli/secret.ts";
import { printable } from "../cli/terminal.ts";

/** NIST SP 800-63B, 3.1.1.2. */
const LEAST_CHARACTERS = 8;
const MOST_BYTES = 1024;
/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes. */
const COST = { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 } as const;

/** Prints the hash, or writes it to --file. The password itself is printed only when it was generated. */
export const run: CommandRun = async (args, io) => {
  const password = args.flags.has("generate") ? generate() : await ask(io);
  if (password === null) return EXIT.usage;
  const hash = await Bun.password.hash(password, COST);
  const path = args.values.file;
  if (path !== undefined) {
    const failure = writeHash(path, hash);
    if (failure !== null) return tellFailure(io, path, failure);
  }
  tell(args, io, password, hash);
  return EXIT.ok;
};

function tell({ flags, values: { file } }: ParsedArgs, io: CommandIo, password: string, hash: string): void {
  if (flags.has("generate")) io.out(password);
  if (file === undefined) {
    io.out(hash);
    return;
  }
  io.err(`wrote ${printable(file)}; name it in dashboard.password_file. The service's user must be able to read it.`);
  io.err("A running daemon takes a new password with: systemctl reload anomaly-detector");
}

async function ask(io: CommandIo): Promise<string | null> {
  const secret = await readSecret(io);
  const problem = secret.kind === "secret" ? problemOf(secret.text) : PROBLEM[secret.kind];
  if (problem === null) return secret.kind === "secret" ? secret.text : null;
  io.err(`anomaly-detector password: ${problem}`);
  return null;
}

const PROBLEM = { differ: "the two are not the same", none: "no password was given" } as const;

function problemOf(password: string): string | null {
  if ([...password].length < LEAST_CHARACTERS) return `a password has at least ${LEAST_CHARACTERS} characters`;
  if (Buffer.byteLength(password) > MOST_BYTES) return `a password has at most ${MOST_BYTES} bytes`;
  return null;
}

/** 100 bits of chance, without letters that are taken for others: "k7wq9-…", four groups of five. */
function generate(): string {
  const letters = "abcdefghijkmnpqrstuvwxyz23456789";
  const group = () => Array.from({ length: 5 }, () => letters[randomInt(letters.length)]).join("");
  return Array.from({ length: 4 }, group).join("-");
}

/** By rename, so that no reader sees half a hash. A new file is 0600; one that is there keeps its owner and group. */
function writeHash(path: string, hash: string): NodeJS.ErrnoException | null {
  const fresh = `${path}.${randomBytes(4).toString("hex")}.new`;
  try {
    const old = statSync(path, { throwIfNoEntry: false });
    if (old && !old.isFile()) throw Object.assign(new Error("it is not a file"), { code: "EISDIR" });
    const fd = openSync(fresh, "wx", 0o600);
    try {
      writeSync(fd, `${hash}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (old) {
      chownSync(fresh, old.uid, old.gid);
      chmodSync(fresh, old.mode & 0o640);
    }
    renameSync(fresh, path);
    return null;
  } catch (error) {
    rmSync(fresh, { force: true });
    return error as NodeJS.ErrnoException;
  }
}

function tellFailure(io: CommandIo, path: string, { code, message }: NodeJS.ErrnoException): number {
  const isForbidden = code === "EACCES" || code === "EPERM";
  const hint = isForbidden ? " (sudo?)" : "";
  io.err(`anomaly-detector password: cannot write ${printable(path)}: ${printable(message)}${hint}`);
  return isForbidden ? EXIT.permission : EXIT.problem;
}
