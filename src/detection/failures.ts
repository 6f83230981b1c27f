import type { AccessRecord, EpochMs } from "../accesslog/record.ts";
import { isBlamed, isExploit, isInjection, type RequestClass } from "./request-class.ts";

/**
 * How a failure counts: "login" at once, "unanswered" when no success follows in time, "probe" and "exploit" by
 * distinct path.
 */
export type Failure = "none" | "login" | "unanswered" | "probe" | "exploit";

/**
 * What a request says about failing. Every POST to a login counts whatever it answers (a failed web login is
 * 200, 302 or 303); a 401 counts unless success follows, because WebDAV clients ask without a password first;
 * other blamed answers count as probing, once per path. Empty request lines (nginx's 400) say nothing.
 */
export function failureOf(record: AccessRecord, kind: RequestClass, trusted: boolean): Failure {
  if (kind === "login" && record.method === "POST") return "login";
  if (record.status >= 400 && record.status !== 499 ? isExploit(record.path) : isInjection(record.path))
    return "exploit";
  if (record.status === 401) return "unanswered";
  if (!isBlamed(record.status) || kind === "asset" || kind === "preview" || record.path === "") return "none";
  // An account is needed to be told 404 by WebDAV, so for a proven source it is the ordinary noise of syncing.
  if (kind === "dav" && trusted) return "none";
  return "probe";
}

/** Most 401s waiting at once; beyond that they count at once. */
const MOST_WAITING = 65_536;

/** The 401s of all sources that still wait for a success, oldest first. */
export class Unanswered {
  #due: Float64Array = new Float64Array(MOST_WAITING);
  #slot: Int32Array = new Int32Array(MOST_WAITING);
  #head = 0;
  #length = 0;

  get isFull(): boolean {
    return this.#length === MOST_WAITING;
  }

  get nextDue(): EpochMs {
    return this.#length === 0 ? Number.POSITIVE_INFINITY : this.#due[this.#head]!;
  }

  push(slot: number, due: EpochMs): void {
    const i = (this.#head + this.#length++) % MOST_WAITING;
    this.#due[i] = due;
    this.#slot[i] = slot;
  }

  /** Takes the oldest out and returns its slot. */
  shift(): number {
    const slot = this.#slot[this.#head]!;
    this.#head = (this.#head + 1) % MOST_WAITING;
    this.#length--;
    return slot;
  }
}
