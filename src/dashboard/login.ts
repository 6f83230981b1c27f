/** The login: one password, forms that need no script, and HTTP Basic for scripts. */
import { renderLogin } from "../../views/login.tsx";
import type { Clock } from "../clock.ts";
import { answer, HTML, retryLater, seeOther, TEXT } from "./answer.ts";
import { assetUrls } from "./assets.ts";
import type { Client } from "./client.ts";
import { cookie, readCookie } from "./cookies.ts";
import { readForm } from "./form.ts";
import { isToken, newCookie, tokenFor } from "./form-token.ts";
import { type CheckResult, PasswordCheck, type Refused, type Verify } from "./password-check.ts";
import { Sessions } from "./sessions.ts";

/** Told who tried to sign in, by address; never what was typed. */
export interface LoginLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface LoginOptions {
  /** An argon2id hash in the PHC string format. */
  readonly hash: string;
  readonly clock: Clock;
  readonly log?: LoginLog;
  readonly verify?: Verify;
}

/** Tries that are not looked at are told in one line for so long: a flood of them must not flood the log. */
const TELL_REFUSED_MS = 10_000;

export class Login {
  readonly #check: PasswordCheck;
  readonly #sessions: Sessions;
  #refused = 0;
  #refusedToldAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: LoginOptions) {
    this.#check = new PasswordCheck(options.hash, options.clock, options.verify);
    this.#sessions = new Sessions(options.clock);
  }

  /** Another password signs everybody out. */
  changePassword(hash: string): void {
    if (!this.#check.change(hash)) return;
    this.#sessions.endAll();
    this.options.log?.info({}, "dashboard password changed: everybody is signed out");
  }

  /** The token for the sign-out form of whoever is signed in; null for anybody else. */
  signedIn(request: Request, client: Client): string | null {
    const id = readCookie(request, "session", client);
    return id !== null && this.#sessions.has(id) ? tokenFor("sign-out", id) : null;
  }

  /** GET /login */
  page(request: Request, client: Client): Response {
    return this.signedIn(request, client) === null ? form(request, client, 200, null) : seeOther("/");
  }

  /** POST /login */
  async signIn(request: Request, client: Client): Promise<Response> {
    const fields = await readForm(request);
    if (fields instanceof Response) return fields;
    const half = readCookie(request, "form", client);
    if (half === null || !isToken(fields.get("token"), "sign-in", half)) {
      return form(request, client, 403, "This page was too old, or cookies are off. Please try once more.");
    }
    const result = await this.#try(fields.get("password") ?? "", client);
    switch (result.kind) {
      case "right":
        return this.#begin(request, client);
      case "wrong":
        return form(request, client, 401, "That is not the password.");
      case "throttled":
      case "busy":
        return retryLater(form(request, client, STATUS[result.kind], reasonOf(result)), result.waitMs);
      default:
        return result satisfies never;
    }
  }

  /** POST /logout */
  async signOut(request: Request, client: Client): Promise<Response> {
    const fields = await readForm(request);
    if (fields instanceof Response) return fields;
    const id = readCookie(request, "session", client);
    if (id !== null && this.#sessions.has(id)) {
      if (!isToken(fields.get("token"), "sign-out", id)) return answer("Not from our own page.\n", TEXT, 403);
      this.#sessions.end(id);
      this.options.log?.info({ client: client.address }, "dashboard sign-out");
    }
    return seeOther("/login", [cookie("session", null, client)]);
  }

  /** Null when the request carries the password (RFC 7617, with any user name); else its refusal. */
  async refuseBasic(request: Request, client: Client): Promise<Response | null> {
    const password = basicPassword(request);
    if (password === null) return unauthorized();
    const result = await this.#try(password, client);
    switch (result.kind) {
      case "right":
        return null;
      case "wrong":
        return unauthorized();
      case "throttled":
      case "busy":
        return retryLater(answer(`${reasonOf(result)}\n`, TEXT, STATUS[result.kind]), result.waitMs);
      default:
        return result satisfies never;
    }
  }

  async #try(password: string, client: Client): Promise<CheckResult> {
    const result = await this.#check.try(password, client);
    const fields = { client: client.address };
    if (result.kind === "right") this.options.log?.info(fields, "dashboard login");
    else if (result.kind === "wrong") this.options.log?.warn(fields, "dashboard login failed");
    else this.#tellRefused(result, client);
    return result;
  }

  #tellRefused({ kind }: Refused, { address }: Client): void {
    this.#refused++;
    const now = this.options.clock.now();
    if (now - this.#refusedToldAt < TELL_REFUSED_MS) return;
    this.options.log?.warn({ client: address, why: kind, refused: this.#refused }, "dashboard login refused unseen");
    this.#refusedToldAt = now;
    this.#refused = 0;
  }

  /** Never under the id that the browser came with: somebody else may have put it there. */
  #begin(request: Request, client: Client): Response {
    const old = readCookie(request, "session", client);
    if (old !== null) this.#sessions.end(old);
    return seeOther("/", [cookie("session", this.#sessions.begin(), client), cookie("form", null, client)]);
  }
}

const STATUS = { throttled: 429, busy: 503 } as const;

function reasonOf({ kind, waitMs }: Refused): string {
  if (kind === "busy") return "Too many are signing in at this moment. Please try again.";
  const minutes = Math.ceil(waitMs / 60_000);
  return `Too many wrong passwords. Please wait ${minutes === 1 ? "a minute" : `${minutes} minutes`}.`;
}

/** The page with the form, which is tied to a cookie of its own, so that no other site can send it. */
function form(request: Request, client: Client, status: number, problem: string | null): Response {
  const half = readCookie(request, "form", client) ?? newCookie();
  const isPlain = !client.isHttps && !client.isLocal;
  const page = renderLogin({ problem, isPlain, token: tokenFor("sign-in", half) }, assetUrls);
  const response = answer(page, HTML, status);
  response.headers.append("set-cookie", cookie("form", half, client));
  return response;
}

function unauthorized(): Response {
  const response = answer("Sign in at /login, or send the password by HTTP Basic.\n", TEXT, 401);
  response.headers.set("www-authenticate", 'Basic realm="anomaly-detector", charset="UTF-8"');
  return response;
}

/** What stands after the first colon of "Authorization: Basic …"; null without one. */
function basicPassword(request: Request): string | null {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? null : text.slice(colon + 1);
}
