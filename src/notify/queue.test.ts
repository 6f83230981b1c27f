import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { startCollector } from "../../test/collector.ts";
import { SEED } from "../../test/outcomes.ts";
import { ManualClock, systemClock } from "../clock.ts";
import type { Message, Notifier, SendResult } from "./notifier.ts";
import { NotifyQueue, type QueueSettings } from "./queue.ts";
import { createSlackNotifier } from "./slack.ts";

const settings: QueueSettings = { maxQueued: 10, minIntervalMs: 1000, hostname: "host" };
const text = (name: string | number): Message => ({ text: String(name), blocks: [] });
const SENT: SendResult = { result: "sent" };
const GONE: SendResult = { result: "gone", detail: "Slack answered 404 no_service" };
const REJECTED: SendResult = { result: "rejected", detail: "Slack answered 400 invalid_blocks" };
const retry = (afterMs?: number): SendResult => ({ result: "retry", afterMs, detail: "Slack answered 429" });

/** Answers as told, then "sent"; remembers every attempt and when it came. */
class FakeNotifier implements Notifier {
  readonly attempts: string[] = [];
  readonly times: number[] = [];
  readonly messages: Message[] = [];
  constructor(
    readonly clock: ManualClock,
    readonly answers: SendResult[] = [],
  ) {}
  async send(message: Message): Promise<SendResult> {
    this.attempts.push(message.text);
    this.messages.push(message);
    this.times.push(this.clock.now());
    return this.answers.shift() ?? SENT;
  }
}

function setUp(answers: SendResult[] = [], random = () => 0.5, over: Partial<QueueSettings> = {}) {
  const clock = new ManualClock();
  const notifier = new FakeNotifier(clock, answers);
  const queue = new NotifyQueue(notifier, { ...settings, ...over }, clock, random);
  queue.start();
  const startedAt = clock.now();
  const add = (...names: (string | number)[]) => names.forEach((name) => void queue.enqueue(text(name), { bans: 1 }));
  return { clock, notifier, queue, add, at: () => notifier.times.map((time) => time - startedAt) };
}

describe("NotifyQueue", () => {
  test("the first message goes at once, the others one a second, in order", async () => {
    const { clock, notifier, queue, add, at } = setUp();
    add("a", "b", "c");
    await clock.advance(0);
    expect(notifier.attempts).toEqual(["a"]);
    await clock.advance(999);
    expect(notifier.attempts).toEqual(["a"]);
    await clock.advance(10_000);
    expect(notifier.attempts).toEqual(["a", "b", "c"]);
    expect(at()).toEqual([0, 1000, 2000]);
    expect(queue.status()).toEqual({
      state: "ok",
      queued: 0,
      sent: 3,
      failed: 0,
      folded: 0,
      lastSentAt: notifier.times[2]!,
      lastError: null,
    });
  });

  test("Retry-After is waited for, then the same message is tried again before any other", async () => {
    const { clock, notifier, queue, add, at } = setUp([retry(30_000)]);
    add("a", "b");
    await clock.advance(29_999);
    expect(notifier.attempts).toEqual(["a"]);
    expect(queue.status()).toMatchObject({ state: "retrying", queued: 2, lastError: "Slack answered 429" });
    await clock.advance(1001);
    expect(notifier.attempts).toEqual(["a", "a", "b"]);
    expect(at()).toEqual([0, 30_000, 31_000]);
    expect(queue.status()).toMatchObject({ state: "ok", sent: 2, lastError: null });
  });

  test.each([
    ["no luck", () => 0.999_999, [2, 4, 8, 16, 32, 60, 60]],
    ["half", () => 0.5, [1, 2, 4, 8, 16, 30, 30]],
    ["least", () => 0, [1, 1, 1, 1, 1, 1, 1]],
  ])("without Retry-After it backs off, 1 s to 60 s with full jitter: %s", async (_, random, seconds) => {
    const { clock, notifier, add, at } = setUp(
      Array.from({ length: 7 }, () => retry()),
      random,
    );
    add("a");
    await clock.advance(300_000);
    expect(notifier.attempts).toHaveLength(8);
    const gaps = at()
      .slice(1)
      .map((time, i) => Math.round((time - at()[i]!) / 1000));
    expect(gaps).toEqual(seconds);
  });

  test("a success resets the backoff", async () => {
    const { clock, notifier, add, at } = setUp([retry(), retry(), SENT, retry(), SENT], () => 1);
    add("a", "b");
    await clock.advance(60_000);
    expect(notifier.attempts).toEqual(["a", "a", "a", "b", "b"]);
    expect(at()).toEqual([0, 2000, 6000, 7000, 9000]);
  });

  test("a rejected message is dropped and counted; the next one goes on", async () => {
    const { clock, notifier, queue, add } = setUp([REJECTED]);
    add("a", "b");
    await clock.advance(0);
    expect(queue.status()).toMatchObject({ failed: 1, queued: 1, lastError: REJECTED.detail, state: "ok" });
    await clock.advance(2000);
    expect(notifier.attempts).toEqual(["a", "b"]);
    expect(queue.status()).toMatchObject({ failed: 1, sent: 1, lastError: null });
  });

  test("when the webhook is gone nothing is sent, until resume() brings another", async () => {
    const { clock, notifier, queue, add } = setUp([GONE]);
    add("a", "b");
    await clock.advance(3_600_000);
    add("c");
    await clock.advance(3_600_000);
    expect(notifier.attempts).toEqual(["a"]);
    expect(queue.status()).toMatchObject({ state: "gone", queued: 3, lastError: GONE.detail });
    const other = new FakeNotifier(clock);
    queue.resume(other);
    expect(queue.status()).toMatchObject({ state: "ok", lastError: null });
    await clock.advance(5000);
    expect(other.attempts).toEqual(["a", "b", "c"]);
  });

  test("beyond the bound the oldest are folded into one message, none uncounted", async () => {
    const { clock, notifier, queue, add } = setUp([GONE]);
    add(...Array.from({ length: 100 }, (_, n) => n));
    await clock.advance(0);
    add(...Array.from({ length: 900 }, (_, n) => n + 100));
    expect(queue.status()).toMatchObject({ state: "gone", queued: 10, folded: 991 });
    expect(queue.pending().map(({ messages }) => messages)).toEqual([991, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    expect(queue.pending()[0]).toMatchObject({
      tally: { bans: 991 },
      message: { text: expect.stringMatching(/^Digest: 991 bans \| 991 older messages/) },
    });
    const other = new FakeNotifier(clock);
    queue.resume(other);
    await clock.advance(20_000);
    expect(other.attempts.slice(1)).toEqual(Array.from({ length: 9 }, (_, n) => String(n + 991)));
    expect(notifier.attempts).toHaveLength(1);
  });

  test("the message that is being sent is not folded away under the sender", async () => {
    const clock = new ManualClock();
    let answer = (_: SendResult) => {};
    const sent: string[] = [];
    const slow: Notifier = {
      send: (message) => {
        sent.push(message.text);
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
    };
    const queue = new NotifyQueue(slow, settings, clock);
    queue.start();
    for (let n = 0; n < 3; n++) queue.enqueue(text(n), { bans: 1 });
    await clock.advance(0);
    for (let n = 3; n < 30; n++) queue.enqueue(text(n), { bans: 1 });
    expect(queue.pending()[0]!.message.text).toBe("0");
    answer(SENT);
    await clock.advance(1000);
    expect(sent[0]).toBe("0");
    expect(sent[1]).toStartWith("Digest: 21 bans");
    answer(SENT);
    await clock.advance(1000);
    expect(sent[2]).toBe("22");
  });

  test("without a webhook nothing is queued; with one from a reload it is", async () => {
    const clock = new ManualClock();
    const queue = new NotifyQueue(null, settings, clock);
    queue.start();
    queue.enqueue(text("a"), {});
    expect(queue.status()).toMatchObject({ state: "off", queued: 0 });
    const notifier = new FakeNotifier(clock);
    queue.resume(notifier);
    queue.enqueue(text("b"), {});
    await clock.advance(1000);
    expect(notifier.attempts).toEqual(["b"]);
    queue.resume(null);
    queue.enqueue(text("c"), {});
    await clock.advance(1000);
    expect(queue.status()).toMatchObject({ state: "off", queued: 0, sent: 1 });
  });

  test("a webhook that cannot be read stops the sending and loses nothing", async () => {
    const clock = new ManualClock();
    const queue = new NotifyQueue(null, settings, clock);
    queue.suspend("/etc/hook does not exist");
    queue.start();
    queue.enqueue(text("a"), { bans: 1 });
    await clock.advance(60_000);
    expect(queue.status()).toMatchObject({ state: "unusable", queued: 1, lastError: "/etc/hook does not exist" });
    const notifier = new FakeNotifier(clock);
    queue.resume(notifier);
    await clock.advance(1);
    expect(notifier.attempts).toEqual(["a"]);
    expect(queue.status()).toMatchObject({ state: "ok", queued: 0, lastError: null });
  });

  test("an old webhook's last word does not turn the new one off", async () => {
    const clock = new ManualClock();
    let answer = (_: SendResult) => {};
    const old: Notifier = { send: () => new Promise((resolve) => (answer = resolve)) };
    const queue = new NotifyQueue(old, settings, clock);
    queue.start();
    queue.enqueue(text("a"), {});
    await clock.advance(0);
    const other = new FakeNotifier(clock);
    queue.resume(other);
    answer(GONE);
    await clock.advance(1000);
    expect(queue.status()).toMatchObject({ state: "ok", sent: 1 });
    expect(other.attempts).toEqual(["a"]);
  });

  test("stop() delivers what waits, one a second, and ends when done", async () => {
    const { clock, notifier, queue, add } = setUp();
    add("a", "b", "c");
    const stopped = queue.stop(5000);
    await clock.advance(2000);
    await stopped;
    expect(notifier.attempts).toEqual(["a", "b", "c"]);
    expect(queue.pending()).toEqual([]);
  });

  test("stop() ends at its deadline; the rest stays in pending() and can be restored by the next run", async () => {
    const { clock, notifier, queue, add } = setUp();
    add("a", "b", "c", "d");
    const stopped = queue.stop(1500);
    await clock.advance(1500);
    await stopped;
    expect(notifier.attempts).toEqual(["a", "b"]);
    const stored = JSON.parse(JSON.stringify(queue.pending()));
    const next = new FakeNotifier(clock);
    const heir = new NotifyQueue(next, settings, clock);
    heir.restore(stored);
    heir.enqueue(text("e"), {});
    heir.start();
    await clock.advance(5000);
    expect(next.attempts).toEqual(["c", "d", "e"]);
    expect(new Set(stored.map(({ id }: { id: string }) => id)).size).toBe(2);
  });

  test("stop() cuts a backoff short for one more try, but not a Retry-After", async () => {
    const failing = setUp(
      Array.from({ length: 7 }, () => retry()),
      () => 1,
    );
    failing.add("a");
    await failing.clock.advance(40_000);
    const before = failing.notifier.attempts.length;
    const stopped = failing.queue.stop(500);
    await failing.clock.advance(500);
    await stopped;
    expect(failing.notifier.attempts.length).toBe(before + 1);

    const limited = setUp([retry(30_000)]);
    limited.add("a");
    await limited.clock.advance(5000);
    const ended = limited.queue.stop(500);
    await limited.clock.advance(500);
    await ended;
    expect(limited.notifier.attempts).toEqual(["a"]);
  });

  test("a clock that is set back by hours does not silence us for hours", async () => {
    class SteppedClock extends ManualClock {
      offset = 0;
      override now = () => super.now() + this.offset;
    }
    const clock = new SteppedClock();
    const notifier = new FakeNotifier(clock);
    const queue = new NotifyQueue(notifier, settings, clock);
    queue.start();
    queue.enqueue(text("a"), {});
    await clock.advance(0);
    clock.offset = -6 * 3_600_000;
    queue.enqueue(text("b"), {});
    await clock.advance(2000);
    expect(notifier.attempts).toEqual(["a", "b"]);
  });

  test("whatever Slack answers: never two attempts within a second, in order, nothing lost", async () => {
    const anyAnswer = fc.oneof(
      fc.constant(SENT),
      fc.constant(retry()),
      fc.constant(REJECTED),
      fc.nat({ max: 100_000 }).map((ms) => retry(ms)),
    );
    const steps = fc.array(fc.record({ count: fc.nat({ max: 8 }), waitMs: fc.nat({ max: 10_000 }) }), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(anyAnswer, { maxLength: 20 }), steps, async (answers, given) => {
        const { clock, notifier, queue, at } = setUp([...answers]);
        let queued = 0;
        for (const { count, waitMs } of given) {
          for (let i = 0; i < count; i++) queue.enqueue(text(++queued), { bans: 1 });
          expect(queue.pending().length).toBeLessThanOrEqual(settings.maxQueued);
          await clock.advance(waitMs);
        }
        await clock.advance(4_000_000);
        const times = at();
        for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThanOrEqual(1000);
        const bans = (message: string) => Number(/^Digest: (\d+) bans?/.exec(message)?.[1] ?? 1);
        const outcomes = notifier.attempts.map((name, i) => ({ name, answer: answers[i] ?? SENT }));
        const settled = outcomes.filter(({ answer }) => answer.result !== "retry").map(({ name }) => name);
        expect(settled.reduce((sum, name) => sum + bans(name), 0)).toBe(queued);
        const plain = settled.filter((name) => !name.startsWith("Digest")).map(Number);
        expect(plain).toEqual([...plain].sort((a, b) => a - b));
        expect(queue.status().queued).toBe(0);
        await queue.stop(0);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });
});

describe("NotifyQueue with a real webhook on loopback", () => {
  test("a 429 is waited out, a 500 tried again, each message arrives once and in order", async () => {
    const collector = startCollector();
    collector.answer(
      () => new Response("rate_limited", { status: 429, headers: { "retry-after": "1" } }),
      () => new Response("ok"),
      () => new Response("error", { status: 500 }),
    );
    const notifier = createSlackNotifier(collector.url, { timeoutMs: 1000 });
    const queue = new NotifyQueue(notifier, { ...settings, minIntervalMs: 50 }, systemClock, () => 0);
    queue.start();
    for (const name of ["a", "b"]) queue.enqueue(text(name), { bans: 1 });
    while (queue.status().sent < 2) await systemClock.sleep(10);
    await queue.stop(1000);
    await collector.stop();
    expect(collector.received.map((body) => body.text)).toEqual(["a", "a", "b", "b"]);
    const [first, second] = collector.requests;
    expect(second!.at - first!.at).toBeGreaterThanOrEqual(990);
    expect(queue.status()).toMatchObject({ state: "ok", sent: 2, queued: 0, failed: 0 });
  });

  test("a webhook that hangs does not hold up the stop", async () => {
    const collector = startCollector();
    collector.answer(() => new Promise(() => {}));
    const queue = new NotifyQueue(createSlackNotifier(collector.url, { timeoutMs: 30_000 }), settings, systemClock);
    queue.start();
    queue.enqueue(text("a"), { bans: 1 });
    while (collector.requests.length === 0) await systemClock.sleep(5);
    const startedAt = performance.now();
    await queue.stop(100);
    expect(performance.now() - startedAt).toBeLessThan(1500);
    expect(queue.pending()).toHaveLength(1);
    await collector.stop();
  });
});
