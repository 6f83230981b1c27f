import type { AccessRecord } from "../accesslog/record.ts";
import type { RequestClass } from "./class-table.ts";
import { isBlamed, isCredentialApi, isExploit, isInjection } from "./request-class.ts";

/**
 * How a failure counts: "login" at once, "unanswered" when no success follows in time, "probe" and "exploit" by
 * distinct path.
 */
export type Failure = "none" | "login" | "unanswered" | "probe" | "exploit";

/**
 * What a request says about failing. Every POST to a login counts whatever it answers (a failed web login is
 * 200, 302 or 303); a 401 counts unless success follows, because WebDAV clients ask without a password first;
 * other blamed answers count as probing, once per path. Empty request lines (nginx's 400) say nothing.
 * `spared`: detection.failures.not_blamed.
 */
export function failureOf(
  record: AccessRecord,
  kind: RequestClass,
  trusted: boolean,
  spared: ReadonlySet<number>,
): Failure {
  const { status, path } = record;
  if (kind === "login" && record.method === "POST") return "login";
  if (status < 400) return kind !== "dav" && isInjection(path) ? "exploit" : "none";
  // WebDAV names people's own files, whatever they are called; and an account is needed to be told 404 by it.
  const blamed = isBlamed(status, spared);
  if (kind === "dav") return !blamed ? "none" : status === 401 ? "unanswered" : trusted ? "none" : "probe";
  // A plugin's script asked for by itself often fails with 500.
  if ((blamed || status === 500) && isExploit(path)) return "exploit";
  if (!blamed) return "none";
  if (record.method === "POST" && isCredentialApi(path)) return "login";
  if (status === 401) return "unanswered";
  // A link that does not exist is a guess at one; a thumbnail that does not exist is only a missing thumbnail.
  const isHarmless = kind === "asset" || kind === "preview" || (kind === "share" && !path.includes("/s/"));
  return isHarmless || path === "" ? "none" : "probe";
}
