/** A Slack incoming webhook that keeps what it is sent: bun slack.ts HOST PORT; GET /posts gives all posts as JSON. */
const [hostname, port] = process.argv.slice(2);
const posts: { at: number; path: string; body: unknown }[] = [];

Bun.serve({
  hostname: hostname!,
  port: Number(port),
  async fetch(request) {
    const path = new URL(request.url).pathname;
    if (request.method === "GET") return Response.json(posts);
    const body = await request.json().catch(() => null);
    if (body === null) return new Response("invalid_payload", { status: 400 });
    if (posts.length < 10_000) posts.push({ at: Date.now(), path, body });
    return new Response("ok");
  },
});
console.log("ready");
