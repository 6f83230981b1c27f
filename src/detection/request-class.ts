import type { AccessRecord } from "../accesslog/record.ts";
import { BUILT_IN, DEVICE_FLOW, PROOF, type RequestClass } from "./class-table.ts";
import { hashText } from "./hash.ts";
import { OwnClasses, type OwnRow, type OwnRows, ownClassOf } from "./own-classes.ts";
import { headOf, queryStart } from "./path-sketch.ts";

// The rows of the table that a path alone can tell, as single tests: ten expressions would take twice as long as five.
const LOGIN = expressionOf("login");
const SHARE = expressionOf("share");
const DAV = expressionOf("dav");
const PREVIEW = expressionOf("preview");
const ASSET = wordsOf("asset");
const PROBE = expressionOf("probe");
const PROBES = wordsOf("probe");

/** Extensions of what only a page asks for. */
const PARTS: ReadonlySet<string> = new Set(["css", "js", "mjs", "woff", "woff2", "ttf", "otf", "eot"]);

/** Most targets that are remembered; then the memory starts anew. Logs repeat a few thousand targets most of the time. */
const REMEMBERED = 16_384;
/** Longer targets are read each time: who asks decides how long they are. */
const LONGEST = 512;

/** What a target without its query tells, whoever asks for it. */
export interface Target {
  readonly path: string;
  /** Of the path: enough to tell two targets apart. */
  readonly hash: number;
  /** Is it what only a page asks for: a style sheet, a script, a font? */
  readonly isPart: boolean;
  /** Everything but "proof", which takes a method and a status. */
  readonly kind: RequestClass;
  /** Rows of the configuration that match, in order; null for none, as nearly always. */
  readonly own: OwnRows;
  /** Does it try to inject something when it is asked for as it is? */
  readonly injects: boolean;
}

/** Tells the class of a record. Remembers what it found for a target without its query, which is most of the work. */
export class Classifier {
  readonly #targets = new Map<string, Target>();
  #own: OwnClasses;

  /** `rows`: of the configuration; they come before the built-in ones. */
  constructor(rows: readonly OwnRow[] = []) {
    this.#own = new OwnClasses(rows);
  }

  configure(rows: readonly OwnRow[]): void {
    this.#own = new OwnClasses(rows);
    this.#targets.clear();
  }

  classify(record: Pick<AccessRecord, "method" | "path" | "status">): RequestClass {
    return classOf(record, this.targetOf(record.path));
  }

  targetOf(path: string): Target {
    const end = queryStart(path);
    const bare = end === path.length ? path : path.slice(0, end);
    if (end > LONGEST) return this.#read(bare);
    const known = this.#targets.get(bare);
    if (known !== undefined) return known;
    if (this.#targets.size >= REMEMBERED) this.#targets.clear();
    const target = this.#read(headOf(path, end));
    this.#targets.set(target.path, target);
    return target;
  }

  #read(path: string): Target {
    const hash = hashText(path, path.length, 0);
    return {
      path,
      hash,
      isPart: PARTS.has(extensionOf(path)),
      kind: targetClass(path),
      own: this.#own.matching(path),
      injects: isInjection(path),
    };
  }
}

/** The class of a request for a target. */
export function classOf({ method, status }: Pick<AccessRecord, "method" | "status">, target: Target): RequestClass {
  const kind = target.own === null ? target.kind : (ownClassOf(method, target.own) ?? target.kind);
  return kind === "dav" && PROOF.get(method)?.includes(status) ? "proof" : kind;
}

/**
 * The built-in class of a target by itself: everything but "proof", which takes a method and a status. The order is
 * that of the table; a test reads both.
 */
export function targetClass(path: string): RequestClass {
  const end = queryStart(path);
  const bare = end === path.length ? path : path.slice(0, end);
  if (LOGIN.test(bare) && !DEVICE_FLOW.test(bare)) return "login";
  if (SHARE.test(bare)) return "share";
  if (DAV.test(bare)) return "dav";
  if (PREVIEW.test(bare)) return "preview";
  if (ASSET.has(extensionOf(bare))) return "asset";
  if (PROBES.has(bare) || PROBE.test(bare)) return "probe";
  return "page";
}

/** One expression for all rows of a class. */
function expressionOf(kind: RequestClass): RegExp {
  const shapes = BUILT_IN.flatMap((row) => (row.kind === kind && "matches" in row.path ? [row.path.matches] : []));
  return new RegExp(shapes.map(({ source }) => source).join("|"), shapes[0]!.flags);
}

/** The extensions or whole paths of a class. */
function wordsOf(kind: RequestClass): ReadonlySet<string> {
  const shapes = BUILT_IN.filter((row) => row.kind === kind).map(({ path }) => path);
  return new Set(shapes.flatMap((shape) => ("words" in shape ? shape.words : [])));
}

/** "css" of "/a/b.css"; "" without one, or where it is longer than any that we know. */
function extensionOf(path: string): string {
  for (let i = path.length - 1; i >= 0 && path.length - i <= 6; i--) {
    const code = path.charCodeAt(i);
    if (code === 47) return "";
    if (code === 46) return path.slice(i + 1).toLowerCase();
  }
  return "";
}

/** Is the client to blame for this status? `spared`: 4xx that are not its fault; 5xx is the server's own. */
export function isBlamed(status: number, spared: ReadonlySet<number>): boolean {
  return status >= 400 && status < 500 && !spared.has(status);
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
