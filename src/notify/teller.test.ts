import { describe, expect, test } from "bun:test";
import {
  banDecision,
  baselineDecision,
  globalAlert,
  outcome,
  sourceNumber,
  sourceVerdict,
} from "../../test/outcomes.ts";
import { ManualClock } from "../clock.ts";
import type { Outcome } from "../decision.ts";
import type { Message } from "./notifier.ts";
import { createPolicy } from "./policy.ts";
import { NotifyQueue } from "./queue.ts";
import type { Tally } from "./tally.ts";
import { createTeller } from "./teller.ts";

const banNumber = (n: number): Outcome => {
  const source = sourceNumber(n);
  return outcome(banDecision({ source, cause: sourceVerdict({ source }) }));
};

function setUp() {
  const clock = new ManualClock();
  const sent: { readonly at: number; readonly message: Message; readonly tally: Tally }[] = [];
  const startedAt = clock.now();
  const queue = {
    enqueue: (message: Message, tally: Tally) => void sent.push({ at: clock.now() - startedAt, message, tally }),
  };
  const teller = createTeller({ policy: createPolicy(), queue, clock, hostname: "cloud.example.org" });
  teller.start();
  return { clock, teller, sent };
}

describe("createTeller", () => {
  test("a ban is queued at once, a baseline never", async () => {
    const { clock, teller, sent } = setUp();
    teller.tell(outcome(baselineDecision()));
    teller.tell(banNumber(7));
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      tally: { bans: 1 },
      message: { text: expect.stringContaining("Banned 198.18.0.7") },
    });
    await clock.advance(3_600_000);
    expect(sent).toHaveLength(1);
  });

  test("1,000 bans in a second: four messages within 10 s, every ban counted", async () => {
    const { clock, teller, sent } = setUp();
    for (let n = 0; n < 1000; n++) teller.tell(banNumber(n));
    await clock.advance(10_000);
    expect(sent.map(({ tally }) => tally)).toEqual([{ bans: 1 }, { bans: 1 }, { bans: 1 }, { bans: 997 }]);
    expect(sent[3]!.message.text).toContain("Digest: 997 bans | 198.18.0.3, 198.18.0.4");
    expect(sent[3]!.message.text).toContain("cloud.example.org");
    teller.stop();
    await clock.advance(600_000);
    expect(sent).toHaveLength(4);
  });

  test("850 global alerts in an hour: one that it began, one each 10 min, one that it is over", async () => {
    const { clock, teller, sent } = setUp();
    for (let i = 0; i < 850; i++) {
      teller.tell(outcome(globalAlert(i === 0 ? "firing" : "still-firing")));
      await clock.advance(4235);
    }
    teller.tell(outcome(globalAlert("resolved")));
    expect(sent.map(({ message }) => message.text.split(" | ")[0])).toEqual([
      "Global anomaly",
      ...Array.from({ length: 5 }, () => "Global anomaly continues"),
      "Global anomaly is over after 0s",
    ]);
    for (let i = 2; i < 6; i++) expect(sent[i]!.at - sent[i - 1]!.at).toBeGreaterThanOrEqual(600_000);
  });

  test("stop() tells the digest collected so far", () => {
    const { teller, sent } = setUp();
    for (let n = 0; n < 10; n++) teller.tell(banNumber(n));
    teller.stop();
    expect(sent.map(({ tally }) => tally.bans)).toEqual([1, 1, 1, 7]);
  });

  test("10 min of 100 bans a second through the queue: about four messages a minute, all delivered, all counted", async () => {
    const clock = new ManualClock();
    let delivered = 0;
    let bans = 0;
    const notifier = {
      send: async (message: Message) => {
        delivered++;
        bans += Number(/^Digest: ([\d,]+) bans/.exec(message.text)?.[1]?.replace(",", "") ?? 1);
        return { result: "sent" } as const;
      },
    };
    const queue = new NotifyQueue(notifier, { maxQueued: 100, minIntervalMs: 1000, hostname: "h" }, clock);
    const teller = createTeller({ policy: createPolicy(), queue, clock, hostname: "h" });
    queue.start();
    teller.start();
    for (let second = 0; second < 600; second++) {
      for (let n = 0; n < 100; n++) teller.tell(banNumber((second * 100 + n) % 65_536));
      await clock.advance(1000);
    }
    teller.stop();
    const stopped = queue.stop(10_000);
    await clock.advance(10_000);
    await stopped;
    expect(bans).toBe(60_000);
    expect(delivered).toBeLessThanOrEqual(44);
  });
});
