/** The built-in table of request classes, as rows to read; docs/detection.md prints it. */

/**
 * What a request is, judged by method, path and status together, never by user agent: what it costs towards its
 * source's rate, and what its failure means. First row that matches.
 */
export type RequestClass = "proof" | "asset" | "preview" | "probe" | "dav" | "share" | "login" | "page";

/** The shape of a path without its query: an expression, an extension, the whole path, or anything. */
export type PathShape =
  | { readonly by: "expression"; readonly matches: RegExp; readonly except?: RegExp }
  | { readonly by: "extension" | "whole path"; readonly words: readonly string[] }
  | { readonly by: "anything" };

/** One row: which requests, what they are, and what they cost. */
export interface ClassRow {
  readonly kind: RequestClass;
  readonly path: PathShape;
  /** Method and statuses that it takes; absent: any. */
  readonly answers?: ReadonlyMap<string, readonly number[]>;
  readonly meaning: string;
  /** The costs it may have, as `costs` and `visits` of the tuning name them. */
  readonly costs: string;
}

/** Statuses that follow from a password having been accepted, by WebDAV method (RFC 4918; nginx never makes them). */
export const PROOF: ReadonlyMap<string, readonly number[]> = new Map([
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

/** The device login flow (/login/v2…) polls without a password and gets 404 until the person has agreed. */
export const DEVICE_FLOW = /\/login\/(?:v2|flow)(?:\/|$)/;
const DAV_PATH = /\/remote\.php\/|^\/(?:dav|caldav|carddav|webdav)(?:\/|$)/;
const ASKED = "`login` for asking, `page` for answering";
const DAV = "`page`, `firstVisit`; read by a trusted source: `proof`";
const PREVIEW = "`preview`; the same again and again: `page`";

/** The table itself, in the order in which it is asked. Ends with a row that takes everything. */
export const BUILT_IN: readonly ClassRow[] = [
  {
    kind: "login",
    path: {
      by: "expression",
      matches:
        /\/(?:login|signin|sign-in|log-in|logon|user\/login|users\/sign_in|auth\/login|session|sessions|j_security_check|admin\/login|lost-?password|password_reset)\/?$/i,
      except: DEVICE_FLOW,
    },
    meaning: "a form or an API that takes a password, in any application (Nextcloud among them)",
    costs: ASKED,
  },
  {
    kind: "login",
    path: {
      by: "expression",
      matches: /\/(?:wp-login\.php|xmlrpc\.php|administrator(?:\/index\.php)?)\/?$/i,
      except: DEVICE_FLOW,
    },
    meaning: "the same in WordPress and Joomla",
    costs: ASKED,
  },
  {
    kind: "login",
    path: { by: "expression", matches: /\/s\/[^/]+\/authenticate(?:\/\w+)?\/?$/i, except: DEVICE_FLOW },
    meaning: "the password of a Nextcloud share",
    costs: ASKED,
  },
  {
    kind: "share",
    path: {
      by: "expression",
      matches: /\/public\.php\/|\/remote\.php\/dav\/public-|\/s\/[A-Za-z0-9]{8,}(?:\/|$)|\/publicpreview(?:\.png|\/|$)/,
    },
    meaning: "what a public link of Nextcloud gives without an account: files and thumbnails, some by the hundred",
    costs: PREVIEW,
  },
  {
    kind: "proof",
    path: { by: "expression", matches: DAV_PATH },
    answers: PROOF,
    meaning: "WebDAV's answer that only an account can cause: trust is earned",
    costs: "`proof`",
  },
  {
    kind: "dav",
    path: { by: "expression", matches: DAV_PATH },
    meaning: "WebDAV, CalDAV or CardDAV that did not prove an account",
    costs: DAV,
  },
  {
    kind: "preview",
    path: {
      by: "expression",
      matches:
        /\/(?:core|files_versions|files_trashbin|files|apps\/[^/]+(?:\/api(?:\/v\d+)?)?(?:\/image)?|photos\/api\/v1)\/previews?(?:\.png|\/|$)/,
    },
    meaning: "thumbnails of Nextcloud: dozens a page, each with its own query, many 404 innocently",
    costs: PREVIEW,
  },
  {
    kind: "preview",
    path: { by: "expression", matches: /\/avatar\/|\/thumb(?:nail)?s?\// },
    meaning: "faces, and the thumbnails of other applications",
    costs: PREVIEW,
  },
  {
    kind: "asset",
    path: {
      by: "extension",
      words: "css js mjs map png jpg jpeg gif svg ico webp avif bmp woff woff2 ttf otf eot mp3 mp4 webm ogg wasm".split(
        " ",
      ),
    },
    meaning: "files a page load pulls in by the dozen; browsers fetch each once",
    costs: "`asset`, then `assetRepeated`",
  },
  {
    kind: "probe",
    path: { by: "expression", matches: /\/ocs\/v[12]\.php\/apps\/spreed\/api\/v\d+\/signaling(?:\/|$)/ },
    meaning: "Nextcloud Talk without a signalling server: every browser in a call asks for messages each second",
    costs: "`probe`, then `page`",
  },
  {
    kind: "probe",
    path: {
      by: "whole path",
      words: ["/status.php", "/robots.txt", "/health", "/healthz", "/ping", "/server-status", "/nginx_status"],
    },
    meaning: "health and crawling rules, which monitors and crawlers ask for all day",
    costs: "`probe`, then `page`",
  },
  { kind: "page", path: { by: "anything" }, meaning: "everything else", costs: "`firstVisit`, then `page`" },
];
