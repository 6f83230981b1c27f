/**
 * A real nginx writes 100,000 numbered requests while its log is rotated 20 times; every number must be counted exactly
 * once. The traffic runs on through renaming and deleting. Copytruncate itself loses what is written between the copy
 * and the truncation, whoever reads; there the traffic pauses until all of it was read, and only then is truncated.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createParser } from "../../src/accesslog/parse.ts";
import { Tail } from "../../src/accesslog/tail.ts";
import { systemClock } from "../../src/clock.ts";

const NGINX = "/usr/sbin/nginx";
const REQUESTS = 100_000;
const ROTATIONS = 20;
const PER_ROTATION = REQUESTS / ROTATIONS;
const CONNECTIONS = 4;
const PIPELINE = 50;

type Kind = "rename" | "delete" | "copytruncate";

let directory: string;
let log: string;
let conf: string;
let port: number;
let nginx: Bun.Subprocess;

beforeAll(async () => {
  if (!existsSync(NGINX)) return;
  directory = mkdtempSync(join(tmpdir(), "rotation-"));
  log = join(directory, "access.log");
  conf = join(directory, "nginx.conf");
  port = freePort();
  writeFileSync(conf, configuration());
  nginx = Bun.spawn([NGINX, "-c", conf, "-p", directory], { stdout: "ignore", stderr: "inherit" });
  await until("nginx answers", async () => (await fetch(`http://127.0.0.1:${port}/up`).catch(() => null))?.ok === true);
});

afterAll(async () => {
  if (nginx === undefined) return;
  nginx.kill("SIGQUIT");
  await Promise.race([nginx.exited, Bun.sleep(3000)]);
  nginx.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

function configuration(): string {
  return `
    ${process.getuid?.() === 0 ? "user root;" : ""}
    daemon off;
    worker_processes 2;
    pid ${directory}/nginx.pid;
    error_log ${directory}/error.log;
    events { worker_connections 256; }
    http {
      log_format hng escape=json '{"source_ip":"$remote_addr","timestamp":"$time_iso8601","method":"$request_method",'
        '"path":"$request_uri","status":$status,"response_size":$body_bytes_sent,"user_agent":"$http_user_agent",'
        '"request_time":$request_time}';
      access_log off;
      keepalive_requests 1000000;
      client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory};
      uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
      server {
        listen 127.0.0.1:${port};
        location = /up { return 200 "up"; }
        location /n/ { access_log ${log} hng; return 204; }
      }
    }`;
}

function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await Bun.sleep(2);
  }
}

/** One kept-alive connection that sends GET /n/NUMBER for each number, a pipeline at a time. */
async function send(numbers: readonly number[]): Promise<void> {
  let sent = 0;
  let answered = 0;
  let rest = "";
  await new Promise<void>((resolve, reject) => {
    const next = (socket: Bun.Socket) => {
      if (sent === numbers.length) {
        resolve();
        socket.end();
        return;
      }
      const batch = numbers.slice(sent, sent + PIPELINE);
      sent += batch.length;
      // A batch is about 3 kB: it always fits the socket's buffer.
      socket.write(batch.map((n) => `GET /n/${n} HTTP/1.1\r\nHost: x\r\nUser-Agent: rotation-test\r\n\r\n`).join(""));
    };
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: next,
        data(socket, bytes) {
          const answers = (rest + bytes.toString("latin1")).split("\r\n\r\n");
          rest = answers.pop()!;
          answered += answers.length;
          if (answers.some((answer) => !answer.startsWith("HTTP/1.1 204"))) reject(new Error(answers.join("\n")));
          if (answered === sent) next(socket);
        },
        error: (_, error) => reject(error),
        close: () => reject(new Error(`closed after ${answered} of ${numbers.length} answers`)),
      },
    }).catch(reject);
  });
}

async function sendAll(from: number, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, i) => from + i);
  const share = Math.ceil(count / CONNECTIONS);
  await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => send(numbers.slice(i * share, (i + 1) * share))));
}

async function reopen(): Promise<void> {
  const { exitCode, stderr } = Bun.spawnSync([NGINX, "-c", conf, "-p", directory, "-s", "reopen"]);
  if (exitCode !== 0) throw new Error(`nginx -s reopen: ${stderr.toString()}`);
  await until("nginx made the new log", () => existsSync(log));
}

/** logrotate's numbering: the newest is .1, and everything else moves up. */
function shift(move: (from: string, to: string) => void): void {
  for (let n = ROTATIONS; n >= 1; n--) if (existsSync(`${log}.${n}`)) renameSync(`${log}.${n}`, `${log}.${n + 1}`);
  move(log, `${log}.1`);
}

async function rotate(kind: Kind): Promise<void> {
  switch (kind) {
    case "rename":
      shift(renameSync);
      await Bun.sleep(Math.random() * 30); // nginx goes on writing to the renamed file
      return reopen();
    case "delete":
      unlinkSync(log);
      await Bun.sleep(Math.random() * 30);
      return reopen();
    case "copytruncate":
      shift(copyFileSync);
      return truncateSync(log, 0);
    default:
      return kind satisfies never;
  }
}

const MIXED: Kind[] = ["rename", "copytruncate", "delete"];

test.skipIf(!existsSync(NGINX)).each<[string, (i: number) => Kind]>([
  ["rename and reopen", () => "rename"],
  ["delete and reopen", () => "delete"],
  ["copytruncate", () => "copytruncate"],
  ["all three in turn", (i) => MIXED[i % 3]!],
])(
  `nginx, ${REQUESTS} requests, ${ROTATIONS} rotations: %s`,
  async (_, kindOf) => {
    const counts = new Uint8Array(REQUESTS);
    let records = 0;
    const failures: string[] = [];
    const parser = createParser({ fields: {} });
    const sink = {
      record({ path }: { path: string }) {
        counts[Number(path.slice("/n/".length))]!++;
        records++;
      },
      failure: (kind: string, line: string) => failures.push(`${kind}: ${line}`),
    };
    const tail = new Tail(log, { pollMs: 20, maxLineBytes: 65_536, start: "end" }, systemClock, (buffer, start, end) =>
      parser.parseWindow(buffer, start, end, sink),
    );
    await tail.start(new AbortController().signal);
    try {
      await tail.drain();
      for (let i = 0; i < ROTATIONS; i++) {
        const kind = kindOf(i);
        const traffic = sendAll(i * PER_ROTATION, PER_ROTATION);
        if (kind === "copytruncate") {
          await traffic;
          await until("all of it was read", () => records >= (i + 1) * PER_ROTATION);
        } else {
          await Bun.sleep(Math.random() * 40);
        }
        await rotate(kind);
        await traffic;
        // Files that come and go between two looks cannot be known; nobody rotates within a poll.
        const { wakeups } = tail.status();
        if (kind === "delete") await until("two looks", () => tail.status().wakeups >= wakeups + 2);
      }
      await until("every number was read", () => records >= REQUESTS).catch(() => {});
      await Bun.sleep(100); // time for a line to be read twice
      await tail.drain();
    } finally {
      await tail.stop();
    }
    expect(failures).toEqual([]);
    expect({ missing: counts.filter((n) => n === 0).length, twice: counts.filter((n) => n > 1).length }).toEqual({
      missing: 0,
      twice: 0,
    });
    expect(tail.status()).toMatchObject({ lines: REQUESTS, oversized: 0, missedFiles: 0, lastError: null });
    const { rotations, truncations } = tail.status();
    const kinds = Array.from({ length: ROTATIONS }, (_, i) => kindOf(i));
    expect(rotations).toBe(kinds.filter((kind) => kind !== "copytruncate").length);
    // A truncation after the last request leaves nothing to read: it is seen all the same.
    expect(truncations).toBe(kinds.filter((kind) => kind === "copytruncate").length);
    expect(readFileSync(join(directory, "error.log"), "utf8")).not.toContain("[emerg]");
  },
  60_000,
);
