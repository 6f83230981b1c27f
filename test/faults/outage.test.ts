/** Slack ill or away while the site is attacked: everything arrives afterwards, in order, folded, once. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "../../src/clock.ts";
import { foldedMessage } from "../../src/notify/message.ts";
import type { Message, Notifier } from "../../src/notify/notifier.ts";
import { createPolicy } from "../../src/notify/policy.ts";
import { NotifyQueue } from "../../src/notify/queue.ts";
import { createTeller } from "../../src/notify/teller.ts";
import { until } from "../e2e/process.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";
import { banDecision, outcome, sourceNumber } from "../outcomes.ts";
import { Daemon } from "./daemon.ts";
import { Slack } from "./slack.ts";

/** How many bans the messages tell of: one by one, and in digests. */
function bansTold(texts: readonly string[]): number {
  return texts.reduce((sum, text) => {
    if (/Banned \S+ (for|permanently)/.test(text)) return sum + 1;
    const counted = /Digest: ([\d,]+) bans?/.exec(text);
    return counted ? sum + Number(counted[1]!.replaceAll(",", "")) : sum;
  }, 0);
}

const why = whyNoNamespaces("iptables", "ipset");

describe.skipIf(why !== "")("Slack", () => {
  let space: Namespace;
  let dir: string;
  let slack: Slack;
  let daemon: Daemon;
  let attackers = 0;

  beforeEach(async () => {
    space = await Namespace.create();
    dir = mkdtempSync(join(tmpdir(), "anomaly-detector-slack-"));
    slack = new Slack(space, dir);
    daemon = new Daemon(space, { slack: { webhook_file: slack.webhookFile, timeout: "1s", queue: 10 } });
    attackers = 0;
  });
  afterEach(async () => {
    await daemon.destroy();
    await slack.stop();
    await space.destroy();
    rmSync(dir, { recursive: true, force: true });
  });

  const health = async () => (await daemon.status()).health.find(({ name }) => name === "slack")!;
  const healthSays = (pattern: RegExp) =>
    until(`health to say ${pattern}`, async () => {
      const { level, short, detail } = await health();
      return level === "warn" && pattern.test(`${short} ${detail}`);
    });

  /** So many new attackers at once, each banned in the end. */
  async function attack(count: number): Promise<void> {
    const before = daemon.audited("BAN").length;
    for (let i = 0; i < count; i++, attackers++)
      daemon.write(new Array<string>(150).fill(`203.0.${113 + (attackers >> 8)}.${attackers & 255}`), "/login");
    await until("every attacker to be banned", () => daemon.audited("BAN").length === before + count);
  }

  /** Waits until every ban is told, and looks whether one is told twice. */
  async function everythingArrives(): Promise<string[]> {
    try {
      await until("every ban to be told", async () => bansTold(await slack.texts()) >= attackers, {
        // Where waves take long, the last of them stand in a second digest, a minute after the first.
        timeoutMs: 80_000,
      });
    } catch (error) {
      throw new Error(`${String(error)}: ${(await slack.texts()).join("\n")}\n${JSON.stringify(await health())}`);
    }
    await Bun.sleep(1500);
    const texts = await slack.texts();
    expect(bansTold(texts)).toBe(attackers);
    return texts;
  }

  async function warm(): Promise<void> {
    await daemon.start();
    daemon.write(["198.51.100.1"]);
    await Bun.sleep(2200);
  }

  test("dead under attack: everything arrives afterwards, in order, digested, once", async () => {
    await warm();
    for (let wave = 0; wave < 6; wave++) {
      await attack(20);
      await Bun.sleep(1000);
    }
    await healthSays(/waiting|queued/);
    expect((await daemon.status()).slack).toMatchObject({ configured: true, sent: 0 });
    await slack.start();
    const texts = await everythingArrives();
    // Three at once, then digests: 120 bans are a handful of messages.
    expect(texts.length).toBeLessThan(12);
    const banned = texts.flatMap((text) => /Banned (\S+)/.exec(text)?.[1] ?? []);
    expect(banned).toEqual(
      daemon
        .audited("BAN")
        .map(({ ip }) => ip!)
        .slice(0, banned.length),
    );
    await until("health to be well", async () => (await health()).level === "ok");
  }, 120_000);

  test("429s, 5xx, silence: each message once and in order", async () => {
    await slack.start();
    // What names no time to return at first: each doubles the longest wait before the next.
    await slack.answer(
      { status: 200, hangs: true, count: 1 },
      { status: 500, count: 1 },
      { status: 302, count: 1 },
      { status: 429, retryAfter: "1", body: "rate_limited", count: 3 },
      { status: 503, retryAfter: "1", count: 1 },
    );
    await warm();
    await attack(3);
    await healthSays(/tried again/);
    const texts = await everythingArrives();
    expect(texts.map((text) => /Banned (\S+)/.exec(text)?.[1])).toEqual(["203.0.113.0", "203.0.113.1", "203.0.113.2"]);
    const { requests } = await slack.told();
    expect(requests).toBe(3 + 7);
  }, 120_000);

  test("a host name that does not resolve, then a webhook file that works: a reload is enough", async () => {
    slack.setWebhook("https://hooks.slack.invalid/services/T0/B0/x");
    await warm();
    await attack(2);
    await healthSays(/post to Slack: .*tried again/);
    await slack.start();
    slack.setWebhook();
    daemon.process.signal("SIGHUP");
    await everythingArrives();
    expect((await health()).level).toBe("ok");
  }, 120_000);

  test("revoked (404): it stops, says so, keeps what it has, and goes on with a new webhook", async () => {
    await slack.start();
    await slack.answer({ status: 404, body: "no_service" });
    await warm();
    await attack(2);
    await healthSays(/webhook revoked.*404 no_service/);
    const { requests } = await slack.told();
    await attack(20);
    await Bun.sleep(3000);
    expect((await slack.told()).requests).toBe(requests);
    expect(requests).toBe(1);
    // A file that is gone is no reason to forget what waits either.
    rmSync(slack.webhookFile);
    daemon.process.signal("SIGHUP");
    await healthSays(/webhook unusable.*does not exist/);
    await slack.answer();
    slack.setWebhook("http://127.0.0.1:9000/services/T0/B0/second");
    daemon.process.signal("SIGHUP");
    await everythingArrives();
    expect(new Set((await slack.told()).accepted.map(({ path }) => path))).toEqual(new Set(["/services/T0/B0/second"]));
    expect((await health()).level).toBe("ok");
    // What the other one refused counts as neither sent nor lost.
    expect((await daemon.status()).slack).toMatchObject({ failed: 0, queued: 0 });
  }, 120_000);
});

test("dead for a whole hour under 20 bans a second: 72,000 bans are told in few messages, each once", async () => {
  const clock = new ManualClock();
  const begun = clock.now();
  const told: Message[] = [];
  let attempts = 0;
  const notifier: Notifier = {
    async send(message) {
      attempts++;
      if (clock.now() < begun + 3_600_000) return { result: "retry", detail: "ECONNREFUSED" };
      told.push(message);
      return { result: "sent" };
    },
  };
  const queue = new NotifyQueue(notifier, { maxQueued: 100, minIntervalMs: 1000, hostname: "cloud" }, clock);
  const teller = createTeller({ policy: createPolicy(), queue, clock, hostname: "cloud" });
  queue.start();
  teller.start();
  for (let second = 0; second < 3600; second++) {
    for (let i = 0; i < 20; i++) {
      const decision = banDecision({ source: sourceNumber((second * 20 + i) % 65_536), since: clock.now() });
      teller.tell(outcome({ ...decision, at: clock.now() }));
    }
    await clock.advance(1000);
  }
  expect(told).toEqual([]);
  // A minute apart at most, so that the recovery is noticed: no hammering either.
  expect(attempts).toBeGreaterThan(60);
  expect(attempts).toBeLessThan(600);
  await clock.advance(10 * 60_000);
  const texts = told.map(({ text }) => text);
  expect(bansTold(texts)).toBe(72_000);
  expect(texts.length).toBeLessThan(140);
  expect(queue.status()).toMatchObject({ state: "ok", queued: 0, failed: 0 });
  expect(foldedMessage({ bans: 1 }, 1, 0, 0, "cloud").text).toContain("Digest: 1 ban");
});
