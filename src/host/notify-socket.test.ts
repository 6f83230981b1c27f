/** Against a real datagram socket, as systemd's own is: bound and read through libc, as Bun has none either. */

import { dlopen, FFIType, ptr } from "bun:ffi";
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServiceNotifier } from "./notify-socket.ts";

const { i32, u32, u64, i64, ptr: pointer } = FFIType;
const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  recv: { args: [i32, pointer, u64, i32], returns: i64 },
  close: { args: [i32], returns: i32 },
});

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Binds `path` ("@" for an abstract name); the messages received so far, oldest first. */
function listen(path: string): () => string[] {
  const name = Buffer.from(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  const address = Buffer.concat([Buffer.from([1, 0]), name]);
  const fd = libc.socket(1, 2, 0);
  expect(libc.bind(fd, ptr(address), address.length)).toBe(0);
  cleanups.push(() => void libc.close(fd));
  return () => {
    const messages: string[] = [];
    const buffer = Buffer.alloc(4096);
    for (let n = 0; ; ) {
      n = Number(libc.recv(fd, ptr(buffer), buffer.length, 0x40));
      if (n <= 0) return messages;
      messages.push(buffer.toString("utf8", 0, n));
    }
  };
}

function temporaryPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "notify-"));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  return join(directory, "notify");
}

describe("the service notifier", () => {
  test.each([
    ["a path", temporaryPath()],
    ["an abstract name", `@anomaly-detector-test-${process.pid}`],
  ])("speaks to %s", (_, path) => {
    if (path.startsWith("/")) Bun.spawnSync(["mkdir", "-p", join(path, "..")]);
    const received = listen(path);
    const notifier = createServiceNotifier({ NOTIFY_SOCKET: path });
    notifier.ready();
    notifier.status("learning, 40 %: 3.2 req/s");
    notifier.watchdog();
    notifier.stopping();
    expect(received()).toEqual(["READY=1", "STATUS=learning, 40 %: 3.2 req/s", "WATCHDOG=1", "STOPPING=1"]);
  });

  test("a reload carries the monotonic time, in microseconds", () => {
    const path = temporaryPath();
    const received = listen(path);
    const before = process.hrtime.bigint() / 1000n;
    createServiceNotifier({ NOTIFY_SOCKET: path }).reloading();
    const match = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(received()[0] ?? "");
    const at = BigInt(match?.[1] ?? 0);
    expect(at >= before && at <= process.hrtime.bigint() / 1000n).toBe(true);
  });

  test("a status cannot smuggle another message in", () => {
    const path = temporaryPath();
    const received = listen(path);
    createServiceNotifier({ NOTIFY_SOCKET: path }).status(`log\nREADY=1\u2028MAINPID=1${"x".repeat(500)}`);
    const [message] = received();
    expect(message).toStartWith("STATUS=log READY=1 MAINPID=1x");
    expect(message!.length).toBeLessThanOrEqual(257);
  });

  test("without a socket nothing is said, and nothing fails", () => {
    const notifier = createServiceNotifier({ WATCHDOG_USEC: "3000000" });
    expect(notifier.watchdogEveryMs).toBeNull();
    for (const tell of [notifier.ready, notifier.watchdog, notifier.stopping, notifier.reloading]) tell();
  });

  test("a receiver that is gone is no reason to fail", () => {
    const notifier = createServiceNotifier({ NOTIFY_SOCKET: "/run/nobody-listens-here" });
    expect(() => notifier.ready()).not.toThrow();
  });

  test.each([
    ["relative", "is not a unix socket"],
    [`/${"x".repeat(120)}`, "is too long"],
  ])("NOTIFY_SOCKET=%s is refused", (path, why) => {
    expect(() => createServiceNotifier({ NOTIFY_SOCKET: path })).toThrow(why);
  });

  test.each([
    [{ WATCHDOG_USEC: "20000000" }, 10_000],
    [{ WATCHDOG_USEC: "20000000", WATCHDOG_PID: String(process.pid) }, 10_000],
    [{ WATCHDOG_USEC: "20000000", WATCHDOG_PID: "1" }, null],
    [{ WATCHDOG_USEC: "soon" }, null],
    [{}, null],
  ])("%j asks for a sign of life every %p ms", (env, everyMs) => {
    const notifier = createServiceNotifier({ NOTIFY_SOCKET: "/run/nobody-listens-here", ...env });
    expect(notifier.watchdogEveryMs).toBe(everyMs);
  });
});
