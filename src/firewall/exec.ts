/**
 * Running other programs: the only place of the product that spawns a process. Arguments are an argv array
 * (there is no shell to escape for), programs come from fixed directories, the environment is made here.
 */
import { statSync } from "node:fs";

/** What a program did. Nothing here throws: a missing program is exit code 127, a killed one 128 + signal. */
export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** What is particular to one call. */
export interface ExecOptions {
  /** Text for the program's standard input; without it, standard input is empty. */
  readonly stdin?: string | undefined;
  /** Milliseconds until SIGKILL, where the default does not fit. */
  readonly timeoutMs?: number | undefined;
}

/** The port to running a program: `argv[0]` is a bare program name. Never throws. */
export type Exec = (argv: readonly [string, ...string[]], options?: ExecOptions) => Promise<ExecResult>;

/** The bounds of every call. */
export interface ExecSettings {
  /** Milliseconds until SIGKILL. */
  readonly timeoutMs: number;
  /** A program that prints more than this on standard output is killed and counts as failed. */
  readonly maxOutputBytes?: number;
  /** Sees to it that there are file descriptors for what is started. */
  readonly lend?: <T>(start: () => T) => T;
  /** Only XTABLES_LOCKFILE is taken over from it. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const DIRECTORIES = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"] as const;
/** Room for some 500,000 set entries of one line each. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const MAX_STDERR_BYTES = 16 * 1024;

/** The real Exec. A program's path is resolved at its first use and kept; one that is missing is looked for again. */
export function createExec(settings: ExecSettings): Exec {
  const paths = new Map<string, string>();
  const env = cleanEnvironment(settings.env ?? process.env);
  const limit = settings.maxOutputBytes ?? MAX_OUTPUT_BYTES;
  const lend = settings.lend ?? ((start) => start());
  return async ([program, ...args], options = {}) => {
    const path = paths.get(program) ?? findProgram(program);
    if (path === null) return failure(127, `${program} is not in ${DIRECTORIES.join(", ")}`);
    paths.set(program, path);
    const start = (stdin: Uint8Array | "ignore") =>
      lend(() => Bun.spawn([path, ...args], { stdin, stdout: "pipe", stderr: "pipe", env, cwd: "/" }));
    return run(path, start, options.stdin, options.timeoutMs ?? settings.timeoutMs, limit);
  };
}

/** Absolute path of a program in the fixed directories, or null. PATH is not asked: it may be anybody's. */
export function findProgram(name: string): string | null {
  if (!/^[A-Za-z0-9._+-]+$/.test(name)) return null;
  for (const directory of DIRECTORIES) {
    const path = `${directory}/${name}`;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile() && (stat.mode & 0o111) !== 0) return path;
  }
  return null;
}

function cleanEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const lockFile = env.XTABLES_LOCKFILE;
  return { PATH: DIRECTORIES.join(":"), LC_ALL: "C", ...(lockFile ? { XTABLES_LOCKFILE: lockFile } : {}) };
}

type Child = Bun.Subprocess<Uint8Array | "ignore", "pipe", "pipe">;

async function run(
  path: string,
  start: (stdin: Uint8Array | "ignore") => Child,
  stdin: string | undefined,
  timeoutMs: number,
  maxOutputBytes: number,
): Promise<ExecResult> {
  let child: Child;
  try {
    child = start(stdin === undefined ? "ignore" : new TextEncoder().encode(stdin));
  } catch (error) {
    return failure(126, `cannot start ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const stdout = new Capture(maxOutputBytes);
  const stderr = new Capture(MAX_STDERR_BYTES);
  // Not a Clock: it guards a real process, and must fire in real time whatever the rest believes.
  const expiry = Promise.withResolvers<null>();
  const timer = setTimeout(() => expiry.resolve(null), timeoutMs);
  const overflow = () => child.kill("SIGKILL");
  const finished = Promise.all([child.exited, stdout.read(child.stdout, overflow), stderr.read(child.stderr)]);
  // On expiry the pipes are not waited for: a grandchild could hold them open for ever.
  const ended = await Promise.race([finished, expiry.promise]).finally(() => clearTimeout(timer));
  if (ended === null) {
    child.kill("SIGKILL");
    return { exitCode: 137, stdout: stdout.text(), stderr: stderr.text(), timedOut: true };
  }
  if (stdout.overflowed) return failure(137, `printed more than ${maxOutputBytes} bytes`);
  return { exitCode: ended[0], stdout: stdout.text(), stderr: stderr.text(), timedOut: false };
}

function failure(exitCode: number, stderr: string): ExecResult {
  return { exitCode, stdout: "", stderr, timedOut: false };
}

/** The first `limit` bytes of a stream; the rest is read and dropped, so that the writer never blocks. */
class Capture {
  overflowed = false;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(private readonly limit: number) {}

  async read(stream: ReadableStream<Uint8Array>, onOverflow?: () => void): Promise<void> {
    for await (const chunk of stream) {
      if (this.overflowed) continue;
      this.#size += chunk.length;
      this.overflowed = this.#size > this.limit;
      if (this.overflowed) onOverflow?.();
      else this.#chunks.push(chunk);
    }
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString("utf8");
  }
}
