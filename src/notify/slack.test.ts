import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { type Collector, startCollector } from "../../test/collector.ts";
import { AT } from "../../test/outcomes.ts";
import { ManualClock } from "../clock.ts";
import { testMessage } from "./message.ts";
import type { SendResult } from "./notifier.ts";
import { createSlackNotifier } from "./slack.ts";

const message = testMessage(AT, "cloud.example.org");
const clock = new ManualClock(AT);

let collector: Collector;
beforeEach(() => {
  collector = startCollector();
});
afterEach(() => collector.stop());

const send = (url = collector.url, timeoutMs = 2000) =>
  createSlackNotifier(url, { timeoutMs }, fetch, clock).send(message);
const says = (status: number, text = "", headers: Record<string, string> = {}) =>
  new Response(text, { status, headers });
const inSeconds = (seconds: number) => new Date(AT + seconds * 1000).toUTCString();

describe("createSlackNotifier", () => {
  test("posts the message as JSON, with unfurling off", async () => {
    expect(await send(` ${collector.url}\n`)).toEqual({ result: "sent" });
    expect(collector.requests[0]!.method).toBe("POST");
    expect(collector.requests[0]!.headers.get("content-type")).toStartWith("application/json");
    expect(collector.received).toEqual([
      { ...(JSON.parse(JSON.stringify(message)) as typeof message), unfurl_links: false, unfurl_media: false },
    ]);
  });

  const rows: [answer: string, Response, SendResult][] = [
    ["200 with another body", says(200, "fine"), { result: "sent" }],
    ["204", says(204), { result: "sent" }],
    [
      "429, seconds",
      says(429, "rate_limited", { "retry-after": "30" }),
      { result: "retry", afterMs: 30_000, detail: "Slack answered 429 rate_limited" },
    ],
    [
      "429, zero seconds",
      says(429, "", { "retry-after": "0" }),
      { result: "retry", afterMs: 1000, detail: "Slack answered 429" },
    ],
    [
      "429, a day",
      says(429, "", { "retry-after": "86400" }),
      { result: "retry", afterMs: 300_000, detail: "Slack answered 429" },
    ],
    [
      "429, a date",
      says(429, "", { "retry-after": inSeconds(60) }),
      { result: "retry", afterMs: 59_211, detail: "Slack answered 429" },
    ],
    [
      "429, a past date",
      says(429, "", { "retry-after": inSeconds(-60) }),
      { result: "retry", afterMs: 1000, detail: "Slack answered 429" },
    ],
    [
      "429, nonsense",
      says(429, "", { "retry-after": "soon" }),
      { result: "retry", afterMs: undefined, detail: "Slack answered 429" },
    ],
    ["429, nothing", says(429), { result: "retry", afterMs: undefined, detail: "Slack answered 429" }],
    ["500", says(500, "internal"), { result: "retry", afterMs: undefined, detail: "Slack answered 500 internal" }],
    [
      "503, seconds",
      says(503, "", { "retry-after": "7" }),
      { result: "retry", afterMs: 7000, detail: "Slack answered 503" },
    ],
    ["400", says(400, "invalid_blocks"), { result: "rejected", detail: "Slack answered 400 invalid_blocks" }],
    ["413", says(413), { result: "rejected", detail: "Slack answered 413" }],
    ["403", says(403, "action_prohibited"), { result: "gone", detail: "Slack answered 403 action_prohibited" }],
    ["404", says(404, "no_service"), { result: "gone", detail: "Slack answered 404 no_service" }],
    ["410", says(410, "channel_is_archived"), { result: "gone", detail: "Slack answered 410 channel_is_archived" }],
    [
      "hostile text",
      says(400, "a\u001b[31m\r\n\u202eb"),
      { result: "rejected", detail: "Slack answered 400 a [31m b" },
    ],
  ];
  test.each(rows)("%s", async (_, answer, expected) => {
    collector.answer(() => answer);
    expect(await send()).toEqual(expected);
    expect(collector.received).toHaveLength(1);
  });

  test("a redirect is not followed", async () => {
    collector.answer(() => says(307, "", { location: collector.url }));
    expect(await send()).toMatchObject({ result: "retry", detail: "Slack answered 307" });
    expect(collector.received).toHaveLength(1);
  });

  test("an answer that repeats the URL does not give it away", async () => {
    collector.answer(() => says(500, `cannot POST ${new URL(collector.url).pathname} at ${collector.url}`));
    expect((await send()) as { detail: string }).toMatchObject({
      detail: "Slack answered 500 cannot POST <url> at <url>",
    });
  });

  test("an endless answer is cut", async () => {
    let given = 0;
    let isCancelled = false;
    const endless = new ReadableStream({
      pull(controller) {
        given += 65_536;
        controller.enqueue(new Uint8Array(65_536).fill(65));
      },
      cancel() {
        isCancelled = true;
      },
    });
    collector.answer(() => new Response(endless, { status: 500 }));
    const result = (await send()) as { detail: string };
    expect(result.detail).toBe(`Slack answered 500 ${"A".repeat(100)}`);
    expect(given).toBeLessThan(64 * 1024 * 1024);
    // The connection is let go, not left to fill up.
    for (let tries = 0; !isCancelled && tries < 100; tries++) await Bun.sleep(10);
    expect(isCancelled).toBe(true);
  });

  test("no answer in time is a retry", async () => {
    let release = () => {};
    collector.answer(() => new Promise((resolve) => (release = () => resolve(says(200)))));
    const startedAt = performance.now();
    expect(await send(collector.url, 100)).toEqual({
      result: "retry",
      detail: "post to Slack: no answer within 0.1 s",
    });
    expect(performance.now() - startedAt).toBeLessThan(1500);
    release();
  });

  test("a 200 whose body hangs counts as sent: the message must not come twice", async () => {
    collector.answer(() => new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array([111])) })));
    expect(await send(collector.url, 200)).toEqual({ result: "sent" });
  });

  test("a stop aborts the attempt", async () => {
    collector.answer(() => new Promise(() => {}));
    const stop = new AbortController();
    const sending = createSlackNotifier(collector.url, { timeoutMs: 30_000 }).send(message, stop.signal);
    while (collector.requests.length === 0) await Bun.sleep(2);
    stop.abort();
    expect(await sending).toEqual({ result: "retry", detail: "post to Slack: AbortError" });
  });

  test("a closed connection is a retry", async () => {
    const server: Server = createServer((socket) => socket.once("data", () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const result = await send(`http://127.0.0.1:${port}/services/SECRET`);
    expect(result).toMatchObject({ result: "retry", detail: expect.stringMatching(/^post to Slack: \w+$/) });
    await new Promise((resolve) => server.close(resolve));
  });

  test.each([
    ["nobody listens", "http://127.0.0.1:1/services/SECRET"],
    ["no such host", "http://slack.invalid/services/SECRET"],
  ])("%s: a retry that does not name the URL", async (_, url) => {
    const result = await send(url);
    expect(result.result).toBe("retry");
    expect(JSON.stringify(result)).not.toMatch(/SECRET|invalid|127\.0\.0\.1/);
  });

  test.each(["", "hooks.slack.com/services/x", "ftp://hooks.slack.com/x", "javascript:alert(1)"])(
    "%p is no webhook: gone, and nothing is sent",
    async (url) => {
      expect(await send(url)).toEqual({ result: "gone", detail: "the webhook is not an http(s) URL" });
      expect(collector.received).toEqual([]);
    },
  );
});
