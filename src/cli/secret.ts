/** A password typed at a terminal, unseen, or piped in. Never from argv, where every user of the machine could read it. */
import { isatty } from "node:tty";
import type { CommandIo } from "./command.ts";

/** What came of asking for a password. */
export type Secret =
  | { readonly kind: "secret"; readonly text: string }
  /** The two that were typed differ. */
  | { readonly kind: "differ" }
  /** Ctrl-C, or an end before anything came. */
  | { readonly kind: "none" };

/** What a pipe may hold before its first line ends. */
const MAX_BYTES = 4096;

/** Asks twice at a terminal; takes the first line of anything else. */
export async function readSecret(io: CommandIo): Promise<Secret> {
  if (!isatty(0)) return piped();
  const terminal = new HiddenInput();
  try {
    io.err("New password (nothing is shown while you type):");
    const first = await terminal.line();
    if (first === null) return { kind: "none" };
    io.err("The same once more:");
    const second = await terminal.line();
    if (second === null) return { kind: "none" };
    return first === second ? { kind: "secret", text: first } : { kind: "differ" };
  } finally {
    terminal.close();
  }
}

async function piped(): Promise<Secret> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of Bun.stdin.stream()) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.includes(10) || bytes.length > MAX_BYTES) break;
  }
  const [line] = bytes.toString("utf8").split("\n");
  return bytes.length === 0 ? { kind: "none" } : { kind: "secret", text: line!.replace(/\r$/, "") };
}

/** The terminal without echo: each key reaches us at once, so that editing is ours to do. */
class HiddenInput {
  readonly #chunks = process.stdin[Symbol.asyncIterator]();
  readonly #decoder = new TextDecoder();
  #keys: string[] = [];

  constructor() {
    process.stdin.setRawMode(true);
  }

  /** One line without its end; null for Ctrl-C, or Ctrl-D on an empty line. */
  async line(): Promise<string | null> {
    const typed: string[] = [];
    for (;;) {
      const key = await this.#key();
      if (key === null || key === "\x03" || (key === "\x04" && typed.length === 0)) return null;
      if (key === "\r" || key === "\n" || key === "\x04") return typed.join("");
      if (key === "\x7f" || key === "\b") typed.pop();
      else if (key === "\x15") typed.length = 0;
      else if (key >= " ") typed.push(key);
    }
  }

  close(): void {
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }

  async #key(): Promise<string | null> {
    while (this.#keys.length === 0) {
      const { value, done } = (await this.#chunks.next()) as IteratorResult<Uint8Array>;
      if (done) return null;
      this.#keys = [...this.#decoder.decode(value, { stream: true })];
    }
    return this.#keys.shift()!;
  }
}
