import type { AccessRecord } from "../accesslog/record.ts";
import { queryStart } from "./path-sketch.ts";

/**
 * What a request is, judged by method, path and status together, never by user agent. One row of a table:
 * what it costs towards its source's rate, and what its failure means.
 *
 * proof:    only an account can cause this answer (WebDAV success): trust is earned.
 * asset:    files a page load pulls in by the dozen; browsers fetch each once.
 * preview:  thumbnails and avatars: dozens a page, each with its own query, many 404 innocently.
 * probe:    health endpoints that monitors ask for all day.
 * dav:      WebDAV that did not prove an account.
 * share:    what a public link gives: files and thumbnails, each fetched once, some by the hundred.
 * login:    a form or API that takes a password: asked for it, or given one.
 * page:     everything else.
 */
export type RequestClass = "proof" | "asset" | "preview" | "probe" | "dav" | "share" | "login" | "page";

const ASSET = new Set(
  "css js mjs map png jpg jpeg gif svg ico webp avif bmp woff woff2 ttf otf eot mp3 mp4 webm ogg wasm".split(" "),
);

/** Statuses that follow from a password having been accepted, by WebDAV method (RFC 4918; nginx never makes them). */
const PROOF: ReadonlyMap<string, readonly number[]> = new Map([
  ["PROPFIND", [207]],
  ["REPORT", [207]],
  ["SEARCH", [207]],
  ["PROPPATCH", [207]],
  ["PUT", [201, 204]],
  ["DELETE", [204]],
  ["MKCOL", [201]],
  ["MOVE", [201, 204]],
  ["COPY", [201, 204]],
  ["LOCK", [200, 201]],
]);

/** Shares that need no account: whoever has the link may read, and write where it says so. */
const SHARE = /\/public\.php\/|\/remote\.php\/dav\/public-|\/s\/[A-Za-z0-9]{8,}(?:\/|$)|\/publicpreview(?:\.png|\/|$)/;
const DAV = /\/remote\.php\/|^\/(?:dav|caldav|carddav|webdav)(?:\/|$)/;
// The device login flow (/login/v2…) polls without a password and gets 404 until the person has agreed.
const LOGIN =
  /\/(?:login|signin|sign-in|log-in|logon|wp-login\.php|xmlrpc\.php|user\/login|users\/sign_in|auth\/login|session|sessions|j_security_check|administrator(?:\/index\.php)?|admin\/login|lost-?password|password_reset|s\/[^/]+\/authenticate(?:\/\w+)?)\/?$/i;
const DEVICE_FLOW = /\/login\/(?:v2|flow)(?:\/|$)/;
const PREVIEW =
  /\/(?:core|files_versions|files_trashbin|files|apps\/[^/]+(?:\/api(?:\/v\d+)?)?(?:\/image)?|photos\/api\/v1)\/previews?(?:\.png|\/|$)|\/avatar\/|\/thumb(?:nail)?s?\//;
const PROBES = new Set([
  "/status.php",
  "/robots.txt",
  "/health",
  "/healthz",
  "/ping",
  "/server-status",
  "/nginx_status",
]);

/** Most targets that are remembered; then the memory starts anew. Logs repeat a few thousand targets most of the time. */
const REMEMBERED = 16_384;

/** What a target without its query tells, whoever asks for it. */
export interface Target {
  readonly path: string;
  /** Everything but "proof", which takes a method and a status. */
  readonly kind: RequestClass;
  /** Does it try to inject something when it is asked for as it is? */
  readonly injects: boolean;
}

/** Tells the class of a record. Remembers what it found for a target without its query, which is most of the work. */
export class Classifier {
  readonly #targets = new Map<string, Target>();

  classify(record: Pick<AccessRecord, "method" | "path" | "status">): RequestClass {
    return classOf(record, this.targetOf(record.path));
  }

  targetOf(path: string): Target {
    const end = queryStart(path);
    const bare = end === path.length ? path : path.slice(0, end);
    const known = this.#targets.get(bare);
    if (known !== undefined) return known;
    if (this.#targets.size >= REMEMBERED) this.#targets.clear();
    const target = { path: bare, kind: targetClass(bare), injects: isInjection(bare) };
    this.#targets.set(bare, target);
    return target;
  }
}

/** The class of a request for a target. */
export function classOf({ method, status }: Pick<AccessRecord, "method" | "status">, { kind }: Target): RequestClass {
  return kind === "dav" && PROOF.get(method)?.includes(status) ? "proof" : kind;
}

/** The class of a target by itself: everything but "proof", which takes a method and a status. */
export function targetClass(path: string): RequestClass {
  const end = queryStart(path);
  const bare = end === path.length ? path : path.slice(0, end);
  if (LOGIN.test(bare) && !DEVICE_FLOW.test(bare)) return "login";
  if (SHARE.test(bare)) return "share";
  if (DAV.test(bare)) return "dav";
  if (PREVIEW.test(bare)) return "preview";
  if (isAsset(path, end)) return "asset";
  if (PROBES.has(bare)) return "probe";
  return "page";
}

function isAsset(path: string, end: number): boolean {
  for (let i = end - 1; i >= 0 && end - i <= 6; i--) {
    const code = path.charCodeAt(i);
    if (code === 47) return false;
    if (code === 46) return ASSET.has(path.slice(i + 1, end).toLowerCase());
  }
  return false;
}

/**
 * Is the client to blame for this status? 408, 413, 429 and 499 come of slowness, size, throttling and
 * impatience; 423 and 409 are WebDAV's ordinary conflicts; 5xx is the server's own.
 */
export function isBlamed(status: number): boolean {
  return (
    status >= 400 &&
    status < 500 &&
    status !== 408 &&
    status !== 409 &&
    status !== 413 &&
    status !== 423 &&
    status !== 429 &&
    status !== 499
  );
}

/** Traversal and injection: an attack whatever the answer is. */
const INJECTION_TEXT = String.raw`\.\./\.\./|%2e%2e%2f|/etc/passwd|union(?:\+|%20| )+(?:all|select)|%3Cscript|<script|base64_decode\(|php://input|\$\{jndi|\$%7Bjndi`;
const INJECTION = new RegExp(INJECTION_TEXT, "i");
/** Whatever INJECTION finds holds one of these, and ten words take ten times as long to look for. */
const INJECTION_HINT = /[%+ <({]|\.\.\/|\/etc\/|:\/\//i;

const AUTHOR_QUERY = /[?&]author=\d/i;

/**
 * Paths that no page links to and no client of an honest application asks for: secrets and dumps, database
 * front ends, shells, uploaders and plugin files with a history, traversal and injection. A failure there is
 * no dead link.
 */
const EXPLOIT = new RegExp(
  [
    String.raw`/\.(?:env|git|svn|hg|aws|ssh|htpasswd|htaccess|vscode|idea|bash_history|docker|npmrc|s3cfg|DS_Store)`,
    "/(?:php-?my-?admin|pma|mysqladmin|adminer|dbadmin|sqlweb|websql|myadmin)",
    "/(?:cgi-bin|boaform|HNAP1|solr|actuator|manager/html|jmx-console|invoker|owa|ecp|telescope|_ignition|_profiler)(?:/|$)",
    String.raw`/vendor/(?:phpunit|.+/eval-stdin)|eval-stdin\.php|/wp-content/(?:plugins|themes|uploads)/.*\.(?:php|txt|zip)$`,
    String.raw`/(?:shell|cmd|c99|r57|wso|alfa|webshell|backdoor|up(?:load)?er?|xmrlpc|wp-config|config|configuration|setup|install|info|phpinfo|test|adminer|db|dump|backup)\.(?:php\d?|asp|aspx|jsp|bak|old|sql|zip|gz|tgz|tar|save|swp|txt)`,
    String.raw`fckeditor|ckfinder|timthumb|muieblackcat|w00tw00t|\.(?:sql|bak|swp|sqlite|pem|key|cfg)(?:\.(?:gz|zip|bz2))?$`,
    INJECTION_TEXT,
    // Who counts through the authors of a WordPress is told their names.
    AUTHOR_QUERY.source,
  ].join("|"),
  "i",
);

/** Does this target look like an attempt on a known weakness? Only worth asking of requests that failed. */
export function isExploit(path: string): boolean {
  return EXPLOIT.test(path.length > 2048 ? path.slice(0, 2048) : path);
}

/** Of these, what no application ever served to anybody: secrets, routers' holes, shells, remote code. */
const BLATANT = new RegExp(
  [
    String.raw`/\.(?:env|git|svn|hg|aws|ssh|htpasswd|bash_history|npmrc|s3cfg)(?:[./]|$)`,
    "/(?:boaform|HNAP1|goform|GponForm|cgi-bin/luci)(?:/|$)",
    String.raw`/vendor/phpunit/|eval-stdin\.php|/(?:c99|r57|wso|alfa|webshell|backdoor|xmrlpc|wp-config)\.(?:php|bak|old|txt|save|swp)`,
    String.raw`muieblackcat|w00tw00t|php://input|\$\{jndi|\$%7Bjndi|/etc/passwd`,
  ].join("|"),
  "i",
);

/** Is this attempt one that no mistake explains? Only worth asking of an exploit. */
export function isBlatant(path: string): boolean {
  return BLATANT.test(path.length > 2048 ? path.slice(0, 2048) : path);
}

/** Is it the query that makes an exploit of this target? */
export function isInQuery(path: string): boolean {
  return AUTHOR_QUERY.test(path) || isInjection(path);
}

const CREDENTIAL_API = /\/(?:token|tokens|auth|authenticate|oauth2?|jwt|verify|otp|2fa|challenge|sign_in)\/?$/i;

/** Does this target take a password or a code for an API? Refused there is a wrong guess, every time. */
export function isCredentialApi(path: string): boolean {
  return CREDENTIAL_API.test(path.slice(0, queryStart(path)));
}

/** Does this target try to inject something? Worth asking of every request that has a query or escapes. */
export function isInjection(path: string): boolean {
  if (!INJECTION_HINT.test(path)) return false;
  if (!path.includes("?") && !path.includes("%") && !path.includes("..")) return false;
  return INJECTION.test(path.length > 2048 ? path.slice(0, 2048) : path);
}
