/**
 * A web client for inside a namespace: paced requests over plain sockets, from any local address, bounded in
 * number and time. Prints one JSON line per request: {"at", "from", "status"} or {"at", "from", "error"}.
 *
 *     bun client.ts '{"host":"198.18.0.10","everyMs":100,"seconds":5}'
 */
import { connect, type Socket } from "node:net";

export interface Load {
  readonly host: string;
  /** Local addresses, taken in turn; the system's choice when absent. */
  readonly from?: readonly string[];
  readonly method?: string;
  /** Taken in turn. */
  readonly paths?: readonly string[];
  readonly everyMs: number;
  readonly seconds: number;
  /** All requests over one connection, each after the last one's answer; ends when an answer does not come. */
  readonly keepAlive?: boolean;
  readonly timeoutMs?: number;
}

export interface Answer {
  /** When the answer came or the error showed. */
  readonly at: number;
  readonly from: string;
  readonly status?: number;
  readonly error?: string;
}

/** One request as it goes over the wire. */
export interface Sent {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

const MOST_REQUESTS = 60_000;
const MOST_SECONDS = 3_600;

if (import.meta.main) await play(JSON.parse(process.argv[2]!) as Load);

async function play(load: Load): Promise<void> {
  const start = Date.now();
  const seconds = Math.min(load.seconds, MOST_SECONDS);
  const count = Math.min(MOST_REQUESTS, Math.ceil((seconds * 1000) / load.everyMs));
  const open = new Set<Promise<void>>();
  const kept = load.keepAlive ? dial(load.host) : null;
  for (let i = 0; i < count && Date.now() < start + seconds * 1000; i++) {
    await Bun.sleep(Math.max(0, start + i * load.everyMs - Date.now()));
    const from = load.from?.[i % load.from.length] ?? "";
    const path = load.paths?.[i % load.paths.length] ?? "/";
    const sent = { host: load.host, method: load.method ?? "GET", path, timeoutMs: load.timeoutMs ?? 2_000 };
    if (kept) {
      const answer = await send(kept, { ...sent, headers: { Connection: "keep-alive" } });
      print({ from, ...answer });
      if (answer.error !== undefined) break;
    } else {
      const done = send(dial(load.host, from), sent).then((answer) => {
        open.delete(done);
        print({ from, ...answer });
      });
      open.add(done);
    }
  }
  await Promise.all(open);
  process.exit(0);
}

export function dial(host: string, localAddress = ""): Socket {
  const socket = connect({ host, port: 80, ...(localAddress ? { localAddress } : {}) });
  socket.setNoDelay(true);
  return socket;
}

/** Sends one request and waits for the head of its answer; a failure is an answer too. Closes the socket unless kept alive. */
export function send(socket: Socket, sent: Sent): Promise<Omit<Answer, "from">> {
  const headers = {
    Host: sent.host.includes(":") ? `[${sent.host}]` : sent.host,
    "User-Agent": "lab",
    Connection: "close",
    "Content-Length": "0",
    ...sent.headers,
  };
  return new Promise((resolve) => {
    const finish = (result: { status: number } | { error: string }) => {
      clearTimeout(timer);
      socket.off("data", onData).off("close", onClose);
      if (headers.Connection === "close" || "error" in result) socket.destroy();
      resolve({ at: Date.now(), ...result });
    };
    const onData = (data: Buffer) => {
      const head = /^HTTP\/1\.1 (\d{3})/.exec(data.toString("latin1"));
      // What does not begin a new answer is the rest of a body.
      if (head) finish({ status: Number(head[1]) });
    };
    const onClose = () => finish({ error: "closed" });
    const timer = setTimeout(() => finish({ error: "timeout" }), sent.timeoutMs ?? 2_000);
    socket.on("data", onData).on("close", onClose);
    socket.once("error", (error) => finish({ error: error.message }));
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`${sent.method} ${sent.path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  });
}

function print(answer: Answer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
