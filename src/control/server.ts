/** The daemon's end of the control socket. Who may open the socket file may ban and unban: mode 0660 is the lock. */
import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { type Clock, systemClock } from "../clock.ts";
import {
  type AllowReply,
  type BanList,
  type BanReply,
  type ControlTarget,
  type DisallowReply,
  MAX_BODY_BYTES,
  type ModeReply,
  PATHS,
  type ReconcileReply,
  readAllowRequest,
  readBanRequest,
  readDisallowRequest,
  readModeRequest,
  readSource,
  readUnbanRequest,
  STATUS_OF,
  type UnbanReply,
} from "./protocol.ts";

/** The socket, from its making to its removal. */
export interface ControlServer {
  /** Makes the socket. Throws ControlError when another daemon answers on it or it cannot be made. */
  start(): Promise<void>;
  /** Closes every connection at once and takes none for a second, or until the socket can be made again. Never throws. */
  reset(): void;
  /** Answers what has been asked, then closes and removes the socket. Safe to repeat. */
  stop(): Promise<void>;
}

/** The socket cannot be had. `message` names it, the cause and the mend. */
export class ControlError extends Error {
  override readonly name = "ControlError";
}

/** How long stop() waits for answers under way. */
const STOP_DEADLINE_MS = 2_000;

/** How long nobody gets in after all connections were closed. */
const PAUSE_MS = 1_000;

/** The slowest answer: a firewall command that is killed at its timeout, retried once. */
const ANSWER_SECONDS = 30;

/** A server for `target` on a unix socket. Nothing is opened before `start`. */
export function createControlServer(
  target: ControlTarget,
  socketPath: string,
  clock: Pick<Clock, "now"> = systemClock,
): ControlServer {
  let server: Bun.Server<undefined> | null = null;
  let isWanted = false;
  let isPausing = false;
  const bind = () => {
    server = listen(socketPath, (request) => answer(request, target, clock));
  };
  const pause = () => {
    if (isPausing) return;
    isPausing = true;
    setTimeout(reopen, PAUSE_MS);
  };
  const reopen = () => {
    isPausing = false;
    if (!isWanted || server !== null) return;
    try {
      rmSync(socketPath, { force: true });
      bind();
    } catch {
      pause();
    }
  };
  return {
    async start() {
      prepareDirectory(socketPath);
      await removeStaleSocket(socketPath);
      bind();
      isWanted = true;
    },
    reset() {
      void server?.stop(true);
      server = null;
      pause();
    },
    async stop() {
      isWanted = false;
      const stopping = server;
      server = null;
      if (!stopping) return;
      await Promise.race([stopping.stop(), Bun.sleep(STOP_DEADLINE_MS)]);
      await stopping.stop(true);
    },
  };
}

function prepareDirectory(socketPath: string): void {
  try {
    mkdirSync(dirname(socketPath), { recursive: true, mode: 0o750 });
  } catch (error) {
    throw controlError(socketPath, error, "let systemd make it with RuntimeDirectory=, or change control.socket");
  }
}

/** A socket file that nobody listens on is what a dead process left; anything else is not ours to remove. */
async function removeStaleSocket(socketPath: string): Promise<void> {
  await requireAlone(socketPath);
  rmSync(socketPath, { force: true });
}

/** Throws ControlError where another daemon answers, or no socket stands. Removes nothing. */
export async function requireAlone(socketPath: string): Promise<void> {
  const stat = lstatSync(socketPath, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isSocket()) {
    throw new ControlError(
      `control socket ${socketPath}: a file that is no socket stands there (remove it, or change control.socket)`,
    );
  }
  if (await isAnswered(socketPath)) {
    throw new ControlError(
      `control socket ${socketPath}: another anomaly-detector is running and answers there (stop it first, or give this one its own control.socket)`,
    );
  }
}

/** Does a process listen on this socket? One that is too busy to accept (EAGAIN) or not ours to ask does. */
function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socketPath);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"),
    );
  });
}

function listen(socketPath: string, fetch: (request: Request) => Promise<Response>): Bun.Server<undefined> {
  // Nobody else may connect in the moment between bind and chmod, so the file is born without their rights.
  const umask = process.umask(0o117);
  try {
    const server = Bun.serve({
      unix: socketPath,
      maxRequestBodySize: MAX_BODY_BYTES,
      fetch(request, server) {
        // A ban waits for the firewall, longer than Bun keeps a silent connection by default (10 s).
        server.timeout(request, ANSWER_SECONDS);
        return fetch(request);
      },
      // Bun's own answer would carry the message of the error.
      error: () => reply(500, { error: "internal error" }),
    });
    chmodSync(socketPath, 0o660);
    return server;
  } catch (error) {
    throw controlError(socketPath, error, "change control.socket, or give the service's user write access");
  } finally {
    process.umask(umask);
  }
}

function controlError(socketPath: string, error: unknown, mend: string): ControlError {
  return new ControlError(`control socket ${socketPath}: ${(error as Error).message} (${mend})`, { cause: error });
}

async function answer(request: Request, target: ControlTarget, clock: Pick<Clock, "now">): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case PATHS.status:
      return request.method === "GET" ? reply(200, target.status()) : wrongMethod("GET");
    case PATHS.bans:
      return request.method === "GET" ? reply(200, listBans(target, clock)) : wrongMethod("GET");
    case PATHS.ban:
      return request.method === "POST" ? ban(request, target, clock) : wrongMethod("POST");
    case PATHS.unban:
      return request.method === "POST" ? unban(request, target) : wrongMethod("POST");
    case PATHS.allow:
      return request.method === "POST" ? allow(request, target, clock) : wrongMethod("POST");
    case PATHS.disallow:
      return request.method === "POST" ? disallow(request, target) : wrongMethod("POST");
    case PATHS.allowlist:
      return request.method === "GET" ? reply(200, target.allowlist()) : wrongMethod("GET");
    case PATHS.explain:
      return request.method === "GET" ? explain(searchParams.get("source"), target) : wrongMethod("GET");
    case PATHS.mode:
      return request.method === "POST" ? setMode(request, target) : wrongMethod("POST");
    case PATHS.reconcile:
      return request.method === "POST" ? outcome(await target.reconcile()) : wrongMethod("POST");
    default:
      return reply(404, { error: `no such path; known are ${Object.values(PATHS).join(", ")}` });
  }
}

function listBans(target: ControlTarget, clock: Pick<Clock, "now">): BanList {
  const dropped = target.status().firewall.droppedBySource;
  const bans = target.bans().map((status) => ({ ...status, droppedPackets: dropped[status.ban.source] ?? null }));
  return { at: clock.now(), bans };
}

async function ban(request: Request, target: ControlTarget, clock: Pick<Clock, "now">): Promise<Response> {
  const body = await readJson(request);
  const read = readBanRequest(body, clock.now());
  return read.ok ? outcome(await target.ban(read.request)) : reply(400, { error: read.error });
}

async function unban(request: Request, target: ControlTarget): Promise<Response> {
  const read = readUnbanRequest(await readJson(request));
  return read.ok ? outcome(await target.unban(read.request)) : reply(400, { error: read.error });
}

async function allow(request: Request, target: ControlTarget, clock: Pick<Clock, "now">): Promise<Response> {
  const read = readAllowRequest(await readJson(request), clock.now());
  return read.ok ? outcome(target.allow(read.request)) : reply(400, { error: read.error });
}

async function disallow(request: Request, target: ControlTarget): Promise<Response> {
  const read = readDisallowRequest(await readJson(request));
  return read.ok ? outcome(target.disallow(read.request)) : reply(400, { error: read.error });
}

function explain(source: string | null, target: ControlTarget): Response {
  const read = readSource(source);
  return read.ok ? reply(200, target.explain(read.request)) : reply(400, { error: read.error });
}

async function setMode(request: Request, target: ControlTarget): Promise<Response> {
  const read = readModeRequest(await readJson(request));
  return read.ok ? outcome(await target.setMode(read.request)) : reply(400, { error: read.error });
}

/** The parsed body; undefined, which no reader accepts, when it is not JSON. */
async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch {
    return undefined;
  }
}

type Reply = BanReply | UnbanReply | AllowReply | DisallowReply | ModeReply | ReconcileReply;

function outcome(result: Reply): Response {
  return reply(STATUS_OF[result.result], result);
}

function wrongMethod(allow: string): Response {
  return reply(405, { error: `use ${allow}` }, { Allow: allow });
}

function reply(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers: { "Cache-Control": "no-store", ...headers } });
}
