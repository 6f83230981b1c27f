/** A word in a form that only our own page can have put there: the other half is in a cookie. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Made anew at each start; forms from before it are answered with a fresh one. */
const SECRET = randomBytes(32);

/** The cookie of somebody who has none yet. */
export function newCookie(): string {
  return randomBytes(32).toString("base64url");
}

/** The token for whoever holds `cookie`; `form` keeps the token of one form from fitting another. */
export function tokenFor(form: "sign-in" | "sign-out", cookie: string): string {
  return createHmac("sha256", SECRET).update(`${form}\0${cookie}`).digest("base64url");
}

/** Compares in the same time wherever they differ. */
export function isToken(token: string | null, form: "sign-in" | "sign-out", cookie: string): boolean {
  const given = Buffer.from(token ?? "");
  const expected = Buffer.from(tokenFor(form, cookie));
  return given.length === expected.length && timingSafeEqual(given, expected);
}
