/** Plain answers, none of which may be kept by a browser or proxy. */

export const HTML = "text/html; charset=utf-8";
export const TEXT = "text/plain; charset=utf-8";

export function answer(body: string, type: string, status = 200): Response {
  return new Response(body, { status, headers: { "content-type": type, "cache-control": "no-store" } });
}

/** After a form: the browser is to GET `path`. */
export function seeOther(path: string, cookies: readonly string[] = []): Response {
  const response = new Response(null, { status: 303, headers: { location: path, "cache-control": "no-store" } });
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}

/** `response`, with the time after which it is worth asking again. */
export function retryLater(response: Response, waitMs: number): Response {
  response.headers.set("retry-after", String(Math.ceil(waitMs / 1000)));
  return response;
}
