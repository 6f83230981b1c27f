/**
 * What a service of Type=notify tells systemd: ready, how it is, still alive, stopping (sd_notify(3)).
 *
 * It is a datagram to a unix socket. Neither Bun nor node:dgram can send one, and systemd-notify, being another
 * process, would need NotifyAccess=all; so libc is called directly. That needs the JIT: with
 * MemoryDenyWriteExecute= in the unit, starting fails with a message that says so.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";

type Env = Readonly<Record<string, string | undefined>>;

/** The messages we send; none of them throws or waits. */
export interface ServiceNotifier {
  /** How often to call `watchdog`, in milliseconds: half of what systemd allows. Null without a watchdog. */
  readonly watchdogEveryMs: number | null;
  /** Started: what is ordered after us may go on. */
  ready(): void;
  /** One line for `systemctl status`; control characters become spaces. */
  status(text: string): void;
  /** A sign of life. To be called from the work that must not hang. */
  watchdog(): void;
  stopping(): void;
  /** A reload begins; `ready` ends it. */
  reloading(): void;
}

const SILENT: ServiceNotifier = {
  watchdogEveryMs: null,
  ready() {},
  status() {},
  watchdog() {},
  stopping() {},
  reloading() {},
};

/** Longest status line, in characters; systemctl shows one line of it. */
const MAX_STATUS = 250;

/**
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; without the first, every call does nothing. Throws an Error
 * that names the mend when the socket cannot be used; a single message that is not delivered is let go.
 */
export function createServiceNotifier(env: Env): ServiceNotifier {
  const path = env.NOTIFY_SOCKET;
  if (!path) return SILENT;
  const send = openSender(path);
  return {
    watchdogEveryMs: watchdogEveryMs(env),
    ready: () => send("READY=1"),
    status: (text) => send(`STATUS=${text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").slice(0, MAX_STATUS)}`),
    watchdog: () => send("WATCHDOG=1"),
    stopping: () => send("STOPPING=1"),
    reloading: () => send(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
  };
}

/** Half of WATCHDOG_USEC, as sd_watchdog_enabled(3) advises, in milliseconds. */
function watchdogEveryMs(env: Env): number | null {
  const usec = Number(env.WATCHDOG_USEC);
  const isForUs = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(process.pid);
  return isForUs && Number.isSafeInteger(usec) && usec > 0 ? Math.max(1, Math.floor(usec / 2000)) : null;
}

// <sys/socket.h> of Linux, the same on x86-64 and AArch64.
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_NOSIGNAL_DONTWAIT = 0x4000 | 0x40;
/** sizeof sun_path (unix(7)). */
const MAX_PATH = 108;

/** One socket, kept open: READY must not fail later for want of a file descriptor. */
function openSender(path: string): (message: string) => void {
  const address = socketAddress(path);
  const libc = loadLibc();
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) throw new Error(`sd_notify: no socket for ${path} (does the unit allow AF_UNIX?)`);
  return (message) => {
    const bytes = Buffer.from(message);
    libc.sendto(fd, ptr(bytes), bytes.length, MSG_NOSIGNAL_DONTWAIT, ptr(address), address.length);
  };
}

/** struct sockaddr_un: the family, then the path; "@" begins an abstract name, whose first byte is NUL. */
function socketAddress(path: string): Buffer {
  const name = Buffer.from(path);
  const isAbstract = path.startsWith("@");
  if (!isAbstract && !path.startsWith("/")) throw new Error(`sd_notify: NOTIFY_SOCKET=${path} is not a unix socket`);
  if (name.length >= MAX_PATH) throw new Error(`sd_notify: NOTIFY_SOCKET=${path} is too long`);
  const address = Buffer.alloc(2 + name.length + (isAbstract ? 0 : 1));
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  if (isAbstract) address[2] = 0;
  return address;
}

function loadLibc() {
  const { i32, u32, u64, i64, ptr: pointer } = FFIType;
  try {
    return dlopen("libc.so.6", {
      socket: { args: [i32, i32, i32], returns: i32 },
      sendto: { args: [i32, pointer, u64, i32, pointer, u32], returns: i64 },
    }).symbols;
  } catch (error) {
    throw new Error(
      `sd_notify: cannot call libc: ${(error as Error).message} (leave MemoryDenyWriteExecute= out of the unit)`,
      { cause: error },
    );
  }
}
