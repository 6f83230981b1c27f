/** The command line's end of the control socket. */
import type { FullExplanation } from "../explanation.ts";
import type { SystemStatus } from "../status.ts";
import type {
  AllowlistReply,
  AllowReply,
  BanList,
  BanReply,
  DisallowReply,
  ErrorReply,
  ModeReply,
  ModeRequest,
  ReconcileReply,
  UnbanReply,
} from "./protocol.ts";
import { PATHS } from "./protocol.ts";

/** An answer of the daemon, or why there is none. */
export type ControlResult<T> =
  | { readonly kind: "answer"; readonly value: T }
  /** Nobody listens on the socket. */
  | { readonly kind: "not-running"; readonly socketPath: string }
  /** This user may not open the socket. */
  | { readonly kind: "permission"; readonly socketPath: string }
  /** The daemon understood and does not accept what was asked (a malformed or too wide address). */
  | { readonly kind: "rejected"; readonly error: string }
  /** Somebody answered, late, or not as the daemon does. */
  | { readonly kind: "fault"; readonly error: string };

/** One method a request. A daemon that does not answer is a result, not an error. */
export interface ControlClient {
  status(): Promise<ControlResult<SystemStatus>>;
  bans(): Promise<ControlResult<BanList>>;
  /** `duration` as a person writes it: "10m", "permanent"; undefined leaves it to the ban count. */
  ban(request: {
    readonly source: string;
    readonly duration?: string | undefined;
    readonly by: string;
    readonly note?: string | undefined;
  }): Promise<ControlResult<BanReply>>;
  unban(request: {
    readonly source: string;
    readonly by: string;
    readonly forget: boolean;
  }): Promise<ControlResult<UnbanReply>>;
  /** `duration` as for a ban; undefined: for good. */
  allow(request: {
    readonly source: string;
    readonly duration?: string | undefined;
    readonly by: string;
    readonly note?: string | undefined;
  }): Promise<ControlResult<AllowReply>>;
  disallow(request: { readonly source: string; readonly by: string }): Promise<ControlResult<DisallowReply>>;
  allowlist(): Promise<ControlResult<AllowlistReply>>;
  setMode(request: ModeRequest): Promise<ControlResult<ModeReply>>;
  explain(source: string): Promise<ControlResult<FullExplanation>>;
  reconcile(): Promise<ControlResult<ReconcileReply>>;
}

/** `timeoutMs` spans the whole exchange; a ban waits for the firewall, so it is generous. */
export function createControlClient(socketPath: string, timeoutMs = 15_000): ControlClient {
  const send = <T>(path: string, body?: unknown) => exchange<T>(socketPath, path, body, timeoutMs);
  return {
    status: () => send(PATHS.status),
    bans: () => send(PATHS.bans),
    ban: ({ duration, ...request }) => send(PATHS.ban, { ...request, for: duration }),
    unban: (request) => send(PATHS.unban, request),
    allow: ({ duration, ...request }) => send(PATHS.allow, { ...request, for: duration }),
    disallow: (request) => send(PATHS.disallow, request),
    allowlist: () => send(PATHS.allowlist),
    setMode: (request) => send(PATHS.mode, request),
    reconcile: () => send(PATHS.reconcile, {}),
    explain: (source) => send(`${PATHS.explain}?source=${encodeURIComponent(source)}`),
  };
}

async function exchange<T>(unix: string, path: string, body: unknown, timeoutMs: number): Promise<ControlResult<T>> {
  const request = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    // The daemon closes after each answer; a kept connection would keep this process alive.
    const response = await fetch(`http://localhost${path}`, { ...request, unix, signal, keepalive: false });
    const value = (await response.json()) as T | ErrorReply;
    if (typeof value !== "object" || value === null)
      return { kind: "fault", error: "the daemon's answer is not an object" };
    if (!("error" in value)) return { kind: "answer", value };
    return { kind: response.status === 400 || response.status === 413 ? "rejected" : "fault", error: value.error };
  } catch (error) {
    return noAnswer(unix, error, timeoutMs);
  }
}

function noAnswer(socketPath: string, error: unknown, timeoutMs: number): ControlResult<never> {
  const { code, name, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
    case "ECONNREFUSED":
      return { kind: "not-running", socketPath };
    case "EACCES":
    case "EPERM":
      return { kind: "permission", socketPath };
    default:
      if (name === "TimeoutError")
        return { kind: "fault", error: `no answer from ${socketPath} in ${timeoutMs / 1000} s` };
      return { kind: "fault", error: `${socketPath}: ${message}` };
  }
}
