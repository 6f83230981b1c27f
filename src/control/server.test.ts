/** Both ends over a real unix socket. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { ManualClock } from "../clock.ts";
import { createControlClient } from "./client.ts";
import { FakeControlTarget } from "./fake.ts";
import { ControlError, type ControlServer, createControlServer } from "./server.ts";

let directory: string;
let socket: string;
let target: FakeControlTarget;
const clock = new ManualClock();
const started: ControlServer[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-control-"));
  socket = join(directory, "run", "control.sock");
  target = new FakeControlTarget(clock, { "127.0.0.1": "127.0.0.1 is protected: loopback" });
});

afterEach(async () => {
  for (const server of started.splice(0)) await server.stop();
  rmSync(directory, { recursive: true });
});

async function start(path = socket): Promise<ControlServer> {
  const server = createControlServer(target, path, clock);
  await server.start();
  started.push(server);
  return server;
}

function send(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://localhost${path}`, { ...init, unix: socket });
}

function post(path: string, body: string | Uint8Array<ArrayBuffer> | ReadableStream): Promise<Response> {
  return send(path, { method: "POST", body });
}

describe("a round trip", () => {
  test("status", async () => {
    await start();
    const result = await createControlClient(socket).status();
    expect(result).toEqual({ kind: "answer", value: target.status() });
  });

  test("ban, list, ban again, unban, unban again", async () => {
    await start();
    const client = createControlClient(socket);
    const ban = () => client.ban({ source: "203.0.113.9", duration: "2h", by: "ada", note: "scans" });
    expect(await ban()).toMatchObject({
      kind: "answer",
      value: { result: "banned", ban: { ban: { source: "203.0.113.9", until: clock.now() + 7_200_000 } } },
    });
    expect(await client.bans()).toMatchObject({
      kind: "answer",
      value: { at: clock.now(), bans: [{ ban: { source: "203.0.113.9" }, droppedPackets: 38_112 }] },
    });
    expect(await ban()).toMatchObject({ value: { result: "already-banned" } });
    const unban = () => client.unban({ source: "203.0.113.9", by: "ada", forget: true });
    expect(await unban()).toMatchObject({ value: { result: "unbanned", forgotten: true } });
    expect(await unban()).toMatchObject({ value: { result: "not-banned" } });
  });

  test("a reconcile is answered with what it found", async () => {
    await start();
    expect(await createControlClient(socket).reconcile()).toMatchObject({
      value: { result: "reconciled", removed: 2 },
    });
    target.reconcile = async () => ({ result: "failed", detail: "no permission" });
    expect((await post("/v1/reconcile", "")).status).toBe(502);
  });

  test("a refusal says why and is 409 for curl", async () => {
    await start();
    const result = await createControlClient(socket).ban({ source: "127.0.0.1", by: "ada" });
    expect(result).toEqual({
      kind: "answer",
      value: { result: "refused", why: "127.0.0.1 is protected: loopback" },
    });
    expect((await post("/v1/ban", '{"source":"127.0.0.1"}')).status).toBe(409);
  });

  test("many at once are all answered", async () => {
    await start();
    const client = createControlClient(socket);
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, i) => client.ban({ source: `203.0.113.${i}`, by: "ada" })),
    );
    expect(replies.every(({ kind }) => kind === "answer")).toBe(true);
    expect(target.bans().length).toBe(50);
  });
});

describe("hostile requests", () => {
  test("every path but four is 404, every other method 405", async () => {
    await start();
    for (const path of ["/", "/v1", "/v1/ban/", "/v1/../v1/statu", "/V1/STATUS", "/__proto__", "/constructor"]) {
      expect([path, (await send(path)).status]).toEqual([path, 404]);
    }
    expect((await send("/v1/ban")).status).toBe(405);
    expect((await post("/v1/status", "")).headers.get("allow")).toBe("GET");
    expect((await send("/v1/unban", { method: "DELETE" })).status).toBe(405);
    expect((await send("/v1/reconcile")).headers.get("allow")).toBe("POST");
  });

  test("a body that is too long is refused before it is read, announced or in chunks", async () => {
    await start();
    const body = JSON.stringify({ source: "203.0.113.9", note: "x".repeat(20_000) });
    expect((await post("/v1/ban", body)).status).toBe(413);
    const chunks = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 40; i++) controller.enqueue(new TextEncoder().encode(" ".repeat(1024)));
        controller.enqueue(new TextEncoder().encode('{"source":"203.0.113.9"}'));
        controller.close();
      },
    });
    expect((await post("/v1/ban", chunks)).status).toBeGreaterThanOrEqual(400);
    expect(target.bans()).toEqual([]);
  });

  test.each(["", "{", "null", "[]", '"x"', "\u0000", '{"source":"0.0.0.0/0"}', '{"source":"203.0.113.9; reboot"}'])(
    "a body of %p is 400 with a reason",
    async (body) => {
      await start();
      const response = await post("/v1/ban", body);
      expect(response.status).toBe(400);
      expect(((await response.json()) as { error: string }).error.length).toBeGreaterThan(10);
    },
  );

  test("any bytes at all leave the server answering and nobody banned", async () => {
    await start();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("/v1/ban", "/v1/unban"),
        fc.uint8Array({ maxLength: 200 }),
        async (path, bytes) => {
          expect((await post(path, bytes)).status).toBe(400);
        },
      ),
      { numRuns: 60 },
    );
    expect(target.requests).toEqual([]);
    expect((await createControlClient(socket).status()).kind).toBe("answer");
  });

  test("a fault inside the daemon does not show its message", async () => {
    target.status = () => {
      throw new Error("secret detail");
    };
    await start();
    const response = await send("/v1/status");
    expect([response.status, await response.text()]).toEqual([500, '{"error":"internal error"}']);
    expect(await createControlClient(socket).status()).toEqual({ kind: "fault", error: "internal error" });
  });
});

describe("the socket file", () => {
  test("reset() closes who is connected; a second later who comes is answered", async () => {
    const server = await start();
    const idle = connect(socket);
    await new Promise((resolve) => idle.once("connect", resolve));
    const closed = new Promise((resolve) => idle.once("close", resolve));
    server.reset();
    server.reset();
    await closed;
    expect((await createControlClient(socket).status()).kind).not.toBe("answer");
    await Bun.sleep(1200);
    expect((await createControlClient(socket).status()).kind).toBe("answer");
    expect(statSync(socket).mode & 0o777).toBe(0o660);
    server.reset();
    await server.stop();
    await Bun.sleep(1200);
    expect(existsSync(socket)).toBe(false);
  });

  test("is made with its directory, for owner and group only, and goes with stop()", async () => {
    const server = await start();
    expect((statSync(socket).mode & 0o777).toString(8)).toBe("660");
    expect((statSync(join(directory, "run")).mode & 0o007).toString(8)).toBe("0");
    const umask = process.umask();
    expect(umask).not.toBe(0o117);
    await server.stop();
    await server.stop();
    expect(existsSync(socket)).toBe(false);
  });

  test("of a dead process is replaced", async () => {
    const dead = join(directory, "dead.sock");
    const bind = `const s = Bun.listen({ unix: ${JSON.stringify(dead)}, socket: { data() {} } }); process.kill(process.pid, "SIGKILL");`;
    Bun.spawnSync([process.execPath, "-e", bind]);
    expect(statSync(dead).isSocket()).toBe(true);
    await start(dead);
    expect((await createControlClient(dead).status()).kind).toBe("answer");
  });

  test("of a living one is not", async () => {
    await start();
    const second = createControlServer(new FakeControlTarget(clock), socket, clock);
    await expect(second.start()).rejects.toThrow(/another anomaly-detector is running/);
    expect((await createControlClient(socket).status()).kind).toBe("answer");
  });

  test("is never put in the place of another file, nor of what a link points to", async () => {
    const file = join(directory, "precious");
    writeFileSync(file, "data");
    const link = join(directory, "link.sock");
    symlinkSync(file, link);
    for (const path of [file, link, directory]) {
      await expect(createControlServer(target, path, clock).start()).rejects.toThrow(ControlError);
    }
    expect(await Bun.file(file).text()).toBe("data");
  });

  test("in a directory that cannot be made is an error with the mend", async () => {
    const server = createControlServer(target, "/proc/nonexistent/control.sock", clock);
    await expect(server.start()).rejects.toThrow(
      /control socket \/proc\/nonexistent\/control.sock: .*RuntimeDirectory=/,
    );
  });
});

describe("without a daemon", () => {
  test("no file, no listener and no directory all mean that it is not running", async () => {
    const plain = join(directory, "plain");
    writeFileSync(plain, "");
    for (const path of [socket, plain, join(plain, "below")]) {
      expect(await createControlClient(path).status()).toEqual({ kind: "not-running", socketPath: path });
    }
  });

  test("a listener that never answers is given up on", async () => {
    const mute = join(directory, "mute.sock");
    const listener = Bun.listen({ unix: mute, socket: { data() {} } });
    const result = await createControlClient(mute, 100).status();
    expect(result).toEqual({ kind: "fault", error: `no answer from ${mute} in 0.1 s` });
    listener.stop(true);
  });

  test("a listener that speaks something else is a fault", async () => {
    const odd = join(directory, "odd.sock");
    for (const body of ["hello", "null", "[]x"]) {
      const server = Bun.serve({ unix: odd, fetch: () => new Response(body) });
      expect((await createControlClient(odd).status()).kind).toBe("fault");
      await server.stop(true);
    }
  });
});
