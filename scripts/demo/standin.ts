/** What stands behind nginx in the real demo: a server that answers like the demo's Nextcloud. Run with bun. */
import { answer } from "./nextcloud.ts";

export const STANDIN_PORT = 8081;

if (import.meta.main) {
  Bun.serve({
    hostname: "127.0.0.1",
    port: STANDIN_PORT,
    fetch(request) {
      const url = new URL(request.url);
      const { status, bytes } = answer({
        method: request.method,
        path: url.pathname + url.search,
        authorized: request.headers.has("authorization"),
        cached: request.headers.has("if-none-match"),
      });
      return new Response(bytes > 0 ? "x".repeat(bytes) : null, { status });
    },
  });
  console.log("ready");
}
