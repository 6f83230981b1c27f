/** Child processes of the end-to-end tests: run to the end, or kept and ended by their own pid. */
import type { Subprocess } from "bun";

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, at most `timeoutMs` long (then it is killed and the code is not 0). */
export async function run(
  argv: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<Finished> {
  const child = Bun.spawn([...argv], {
    stdin: options.input === undefined ? "ignore" : new Blob([options.input]),
    stdout: "pipe",
    stderr: "pipe",
    timeout: options.timeoutMs ?? 20_000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, stdout, stderr };
}

/** The same for a program that has to succeed; its standard output. */
export async function must(
  argv: readonly string[],
  options: { input?: string; timeoutMs?: number } = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit ${code}: ${stderr || stdout}`);
  return stdout;
}

/** A program that goes on in the background; everything it prints is kept, up to 4 MB. */
export class Background {
  static readonly LIMIT = 4_000_000;
  readonly #child: Subprocess<"ignore", "pipe", "pipe">;
  readonly #drained: Promise<unknown>;
  #stdout = "";
  #stderr = "";

  constructor(
    readonly argv: readonly string[],
    env: Record<string, string | undefined> = process.env,
  ) {
    this.#child = Bun.spawn([...argv], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env });
    this.#drained = Promise.all([
      drain(this.#child.stdout, (text) => (this.#stdout = (this.#stdout + text).slice(-Background.LIMIT))),
      drain(this.#child.stderr, (text) => (this.#stderr = (this.#stderr + text).slice(-Background.LIMIT))),
    ]);
  }

  get pid(): number {
    return this.#child.pid;
  }
  get stdout(): string {
    return this.#stdout;
  }
  get stderr(): string {
    return this.#stderr;
  }
  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Waits for its end; the exit code (128 + n for a signal). */
  async ended(): Promise<number> {
    const code = await this.#child.exited;
    await this.#drained;
    return code;
  }

  /** Asks it to end with `signal`, and insists after `patienceMs`. Safe to repeat. */
  async stop(signal: NodeJS.Signals = "SIGTERM", patienceMs = 6_000): Promise<number> {
    if (this.running) this.signal(signal);
    const insist = setTimeout(() => this.signal("SIGKILL"), patienceMs);
    const code = await this.ended();
    clearTimeout(insist);
    return code;
  }
}

async function drain(stream: ReadableStream<Uint8Array>, keep: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) keep(decoder.decode(chunk, { stream: true }));
}

/** Polls until `look` gives something, or throws what it waited for. */
export async function until<T>(
  what: string,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  options: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + (options.timeoutMs ?? 10_000);
  for (;;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`waited ${options.timeoutMs ?? 10_000} ms in vain for ${what}`);
    await Bun.sleep(options.everyMs ?? 25);
  }
}
