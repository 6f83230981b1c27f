/**
 * A Slack that can be made ill: bun slack-server.ts PORT CONTROL_SOCKET. On the unix socket, which reaches out of the
 * namespace, GET tells what was accepted and POST says how the next webhook requests are answered.
 */
const [port, socket] = process.argv.slice(2);

/** One answer; without any in the list, or with `count` used up, it is 200 "ok". */
interface Answer {
  status: number;
  body?: string;
  retryAfter?: string;
  /** Never answers at all. */
  hangs?: boolean;
  /** How many requests it answers; all that come when absent. */
  count?: number;
}

let answers: Answer[] = [];
const accepted: { at: number; path: string; text: string; body: string }[] = [];
let requests = 0;

function next(): Answer | null {
  const answer = answers[0];
  if (answer === undefined) return null;
  if (answer.count !== undefined && --answer.count <= 0) answers.shift();
  return answer;
}

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  async fetch(request) {
    requests++;
    const body = await request.text();
    const { text } = JSON.parse(body) as { text: string };
    const answer = next();
    if (answer?.hangs) await new Promise(() => {});
    if (answer !== null) {
      const headers: Record<string, string> = answer.retryAfter ? { "retry-after": answer.retryAfter } : {};
      return new Response(answer.body ?? "", { status: answer.status, headers });
    }
    accepted.push({ at: Date.now(), path: new URL(request.url).pathname, text, body });
    return new Response("ok");
  },
});

Bun.serve({
  unix: socket!,
  async fetch(request) {
    if (request.method === "POST") answers = (await request.json()) as Answer[];
    return Response.json({ requests, accepted });
  },
});
console.log("ready");

export {};
