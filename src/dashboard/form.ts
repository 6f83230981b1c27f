/** What a form of ours sends, or the answer to what is none. */
import { isOwnOrigin } from "./access.ts";
import { answer, TEXT } from "./answer.ts";

/** A password has at most 1024 bytes, three times that when escaped. */
export const MAX_FORM_BYTES = 4096;

/** The fields; a Response for a form of another site's, of another kind, or too long. */
export async function readForm(request: Request): Promise<URLSearchParams | Response> {
  if (!isOwnOrigin(request)) return answer("Not from our own page.\n", TEXT, 403);
  const type = (request.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") return answer("Not a form.\n", TEXT, 415);
  const text = await request.text();
  if (Buffer.byteLength(text) > MAX_FORM_BYTES) return answer("The form is too long.\n", TEXT, 413);
  return new URLSearchParams(text);
}
