/** Whether the log grows faster than it is read: a lag that lasts, not a backlog that is being worked off. [pure] */
import type { EpochMs } from "./accesslog/record.ts";
import type { Alert } from "./decision.ts";

type LagAlert = Extract<Alert, { type: "log-lag" }>;

/** More unread log than this is a lag worth a warning: some ten thousand lines. */
export const LAG_BYTES = 4 * 1024 * 1024;
/** How long it must last to be told, and how long it must be gone to be over. */
const PATIENCE_MS = 10_000;

/** One log's lag: begins to be told once, and ends once. */
export class LagWatch {
  #since: EpochMs | null = null;
  #seenAt: EpochMs = 0;
  #isTold = false;

  /** It was told to be behind, and has not caught up yet. */
  get isBehind(): boolean {
    return this.#isTold;
  }

  /** Takes in one look at the log: about every second. What begins or ends with it, or null. `now`: wall clock. */
  note(unreadBytes: number, newestAt: EpochMs | null, now: EpochMs): LagAlert | null {
    // Between two looks at the log nothing is unread even of one that runs away: only lasting quiet is an end.
    if (unreadBytes > LAG_BYTES) this.#seenAt = now;
    else if (this.#since === null || Math.abs(now - this.#seenAt) < PATIENCE_MS) return null;
    const alert = {
      type: "log-lag",
      unreadBytes,
      behindMs: newestAt === null ? 0 : Math.max(0, now - newestAt),
    } as const;
    if (unreadBytes <= LAG_BYTES) {
      this.#since = null;
      const wasTold = this.#isTold;
      this.#isTold = false;
      return wasTold ? { ...alert, state: "caught-up" } : null;
    }
    this.#since ??= now;
    if (this.#isTold || Math.abs(now - this.#since) < PATIENCE_MS) return null;
    this.#isTold = true;
    return { ...alert, state: "behind" };
  }
}
