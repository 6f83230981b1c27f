/**
 * What a fresh VPS reaches of the outside world: Debian's packages (a proxy that remembers .deb files), and the
 * release that is being tested. It listens on a unix socket; a relay in the VPS's network namespace leads to it, so
 * the VPS needs no route to anywhere and the machine's firewall no rule.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { join, normalize } from "node:path";

/** The release server as it is known to whoever reaches it through the proxy only. */
export const PROXIED = "http://releases.example";

export class Upstream {
  readonly socket: string;
  /** Paths of the release server that were asked for, oldest first; those asked for through the proxy as URLs. */
  readonly asked: string[] = [];
  /** URLs that the package proxy was asked for. */
  readonly packages: string[] = [];
  /** How the release server answers next, oldest first: well, with a status, or by a connection cut in the middle. */
  readonly answers: (number | "well" | "cut")[] = [];
  #server: Server | null = null;

  /** `releases` is served at "/"; it may be changed at any time. */
  constructor(
    readonly directory: string,
    readonly cache: string,
    public releases: string,
  ) {
    this.socket = join(directory, "upstream.sock");
  }

  async start(): Promise<void> {
    mkdirSync(this.cache, { recursive: true });
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(502);
        response.end(String(error));
      });
    });
    await new Promise<void>((resolve) => this.#server!.listen(this.socket, resolve));
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(null)));
    rmSync(this.socket, { force: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? "/";
    const path = url.startsWith(`${PROXIED}/`) ? url.slice(PROXIED.length) : url;
    if (path.startsWith("http://")) return this.#proxy(path, request, response);
    this.asked.push(url);
    const answer = this.answers.shift() ?? "well";
    if (answer === "well") return send(join(this.releases, normalize(`/${decodeURIComponent(path)}`)), response);
    response.writeHead(answer === "cut" ? 200 : answer, { "content-length": 1_000 });
    response.write("half", () => request.socket.destroy());
  }

  async #proxy(url: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.packages.push(url);
    const isPackage = url.endsWith(".deb");
    const kept = join(this.cache, `${createHash("sha256").update(url).digest("hex")}.deb`);
    if (isPackage && existsSync(kept)) return send(kept, response);
    const headers: Record<string, string> = {};
    for (const name of ["if-modified-since", "range", "if-range"]) {
      const value = request.headers[name];
      if (typeof value === "string" && !isPackage) headers[name] = value;
    }
    const answer = await fetch(url, { headers, decompress: false, redirect: "follow" } as RequestInit);
    const body = new Uint8Array(await answer.arrayBuffer());
    if (isPackage && answer.status === 200) {
      const part = `${kept}.${process.pid}`;
      await Bun.write(part, body);
      renameSync(part, kept);
    }
    const passed = ["content-type", "last-modified", "etag", "content-range"].flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    response.writeHead(answer.status, { ...Object.fromEntries(passed), "content-length": body.length });
    response.end(body);
  }
}

function send(path: string, response: ServerResponse): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) {
    response.writeHead(404);
    response.end("not found\n");
    return;
  }
  response.writeHead(200, { "content-length": stat.size });
  createReadStream(path).pipe(response);
}
