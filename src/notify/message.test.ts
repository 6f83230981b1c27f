import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  AT,
  alertDecision,
  anyOutcome,
  ban,
  banDecision,
  baselineDecision,
  globalAlert,
  hostileText,
  modeDecision,
  outcome,
  permitDecision,
  SEED,
  source,
  sourceNumber,
  sourceVerdict,
  unbanDecision,
} from "../../test/outcomes.ts";
import type { Outcome } from "../decision.ts";
import type { Block } from "./blocks.ts";
import { DigestBuilder } from "./digest.ts";
import { digestMessage, foldedMessage, outcomeMessage, testMessage } from "./message.ts";
import type { Message } from "./notifier.ts";
import type { TellReason } from "./telling.ts";

const HOST = "cloud.example.org";
const told = (given: Outcome, reason: TellReason = "first"): Message => outcomeMessage(given, reason, HOST)!;

/** What a reader sees: entities decoded, one string a text object. */
function texts(message: Message): string[] {
  return objects(message).map(({ text }) =>
    text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"),
  );
}

function objects(message: Message): { type: string; text: string; verbatim?: boolean; emoji?: boolean }[] {
  return (message.blocks as Block[]).flatMap((block) => ("fields" in block ? block.fields : block.text));
}

const failure = {
  result: "failed",
  detail: "ban 203.0.113.10: ip6tables exited 3: no such table (is NET_ADMIN granted?)",
} as const;

describe("outcomeMessage", () => {
  test("a ban says condition, rate, baseline, duration, offence, time, host and what was asked for", () => {
    const cause = sourceVerdict({ userAgent: "curl/8.5", topPaths: [{ path: "/login?token=secret", count: 300 }] });
    expect(texts(told(outcome(banDecision({ banCount: 2, cause }))))).toEqual([
      "Banned 203.0.113.10 for 10m",
      "*Condition*\nz-score 5.50 > 3.00",
      "*Current rate*\n5.50 req/s (330 requests, 12 of them errors, in 1m)",
      "*Baseline*\n0.70 ± 0.50 req/s (rolling, 1800 samples)",
      "*Ban duration*\n10m, until 2026-04-25T12:10:00Z",
      "*Offence*\n2nd",
      "*Time*\n2026-04-25T12:00:00Z",
      "Host\ncloud.example.org",
      "Top paths\n300 × /login?…\n\nStatuses\n300 × 401\n\nLast user agent\ncurl/8.5",
    ]);
  });

  test("the fallback text says the same on one line, escaped, without paths and user agents", () => {
    const cause = sourceVerdict({ userAgent: "curl/8.5" });
    expect(told(outcome(banDecision({ cause }))).text).toBe(
      "Banned 203.0.113.10 for 10m | Condition: z-score 5.50 &gt; 3.00 | Current rate: 5.50 req/s (330 requests, 12 of them errors, in 1m) | Baseline: 0.70 ± 0.50 req/s (rolling, 1800 samples) | Ban duration: 10m, until 2026-04-25T12:10:00Z | Offence: 1st | Time: 2026-04-25T12:00:00Z | Host: cloud.example.org",
    );
  });

  const rows: [name: string, given: Outcome, reason: TellReason, parts: string[]][] = [
    ["a permanent ban", outcome(banDecision({ until: "permanent" })), "first", ["Banned 203.0.113.10 permanently"]],
    [
      "a failed ban says that nothing is blocked, and why",
      outcome(banDecision(), failure),
      "failed",
      [
        "NOT banned: 203.0.113.10",
        "The firewall command failed, so nothing is blocked: Ban 203.0.113.10: ip6tables exited 3: no such table (is NET_ADMIN granted?). It is tried again.",
      ],
    ],
    [
      "a ban that works at last",
      outcome(banDecision()),
      "resolved",
      ["Banned 203.0.113.10 for 10m", "The ban is in force now; earlier tries had failed."],
    ],
    [
      "a dry-run says so",
      outcome(banDecision(), { result: "dry-run" }),
      "first",
      ["Would ban 203.0.113.10 for 10m (dry-run)", "Dry-run or watch-only: nothing was changed in the firewall."],
    ],
    [
      "a manual ban",
      outcome(banDecision({ cause: { scope: "manual", at: AT, by: "alice", note: "<!channel> *hi*" } })),
      "first",
      ["Condition\nmanual by alice: <!channel> *hi*"],
    ],
    [
      "an unban says what the ban was for",
      outcome(unbanDecision()),
      "first",
      [
        "Unbanned 203.0.113.10",
        "*Why*\nexpired, 1st offence",
        "*Was banned for*\nz-score 5.50 > 3.00",
        "*Rate at the ban*\n5.50 req/s (330 requests, 12 of them errors, in 1m)",
        "*Baseline*\n0.70 ± 0.50 req/s (rolling, 1800 samples)",
        "*Ban duration*\n10m",
        "*Time*\n2026-04-25T12:10:00Z",
      ],
    ],
    [
      "a failed unban",
      outcome(unbanDecision(), { result: "failed", detail: "timed out" }),
      "failed",
      [
        "NOT unbanned: 203.0.113.10",
        "The firewall command failed, so the source may still be shut out: Timed out. It is tried again.",
      ],
    ],
    [
      "an unban in dry-run",
      outcome(unbanDecision(), { result: "dry-run" }),
      "first",
      ["Would unban 203.0.113.10 (dry-run)"],
    ],
    [
      "a global anomaly",
      outcome(globalAlert("firing")),
      "first",
      [
        "Global anomaly",
        "Nobody is banned for it.",
        "*Condition*\nz-score 5.50 > 3.00",
        "*Current rate*\n5.50 req/s (330 requests, 12 of them errors, in 1m)",
        "*Baseline*\n0.70 ± 0.50 req/s (rolling, 1800 samples)",
        "*Sources*\n120",
        "*Since*\n2026-04-25T12:00:00Z",
        "Top sources\n40 × 203.0.113.10\n\nTop networks\n210 × 203.0.113.0/24\n\nTop paths\n300 × /login\n\nStatuses\n300 × 401\n\nTop user agents\n300 × python-httpx/0.27.2",
      ],
    ],
    [
      "armed",
      outcome(modeDecision("enforce", "al<i>ce")),
      "first",
      ["Armed: bans are in force", "By\nal<i>ce", "*Bans*\n3"],
    ],
    [
      "allowed for a while",
      outcome(permitDecision("given", { by: "al<i>ce", note: "<!channel>" })),
      "first",
      [
        "Allowed: 198.51.100.0/24 is exempt from bans",
        "Until 2026-04-25T14:00:00Z.",
        "By\nal<i>ce",
        "Note\n<!channel>",
      ],
    ],
    [
      "no longer allowed",
      outcome(permitDecision("taken-back", {}, "bob")),
      "first",
      ["No longer allowed: 198.51.100.0/24", "By\nbob"],
    ],
    [
      "disarmed",
      outcome(modeDecision("watch-only")),
      "first",
      [
        "Disarmed: watching only",
        "Nothing is banned until it is armed again. Bans are still decided, told and recorded.",
      ],
    ],
    [
      "a global anomaly whose participants are banned",
      outcome(globalAlert("firing", { bansParticipants: true })),
      "first",
      ["Global anomaly", "Sources that do nothing else are banned."],
    ],
    [
      "a global anomaly that an older version saved",
      outcome(globalAlert("firing", { topNetworks: undefined as never, topAgents: undefined as never })),
      "first",
      ["Top sources\n40 × 203.0.113.10\n\nTop paths\n300 × /login\n\nStatuses\n300 × 401"],
    ],
    ["a global anomaly that goes on", outcome(globalAlert("still-firing")), "repeat-due", ["Global anomaly continues"]],
    [
      "a global anomaly that ends",
      outcome(globalAlert("resolved", { at: AT + 90_000 })),
      "resolved",
      ["Global anomaly is over after 1m30s"],
    ],
    [
      "the circuit breaker",
      outcome(alertDecision({ type: "circuit-breaker", state: "open", bansInMinute: 101, limit: 100 })),
      "first",
      [
        "Circuit breaker open: banning is paused",
        "Circuit breaker open: 101 bans in a minute, limit 100; single sources are not banned until it closes.",
      ],
    ],
    [
      "a ban that does not block",
      outcome(alertDecision({ type: "ban-ineffective", ban: ban(), requests: 7, sinceBanMs: 4000 })),
      "first",
      [
        "Ban does not work: 203.0.113.10",
        "7 of its requests reached the log in the 4s since the ban: the firewall does not stop this traffic. Run: anomaly-detector check --host",
      ],
    ],
  ];
  test.each(rows)("%s", (_, given, reason, parts) => {
    expect(texts(told(given, reason))).toEqual(expect.arrayContaining(parts));
  });

  test("a baseline has no message", () => {
    expect(outcomeMessage(outcome(baselineDecision()), "first", HOST)).toBeNull();
  });

  test("an attacker's path and user agent end up inert", () => {
    const path = "/<!channel> ```x``` <@U123> &amp; \u202e\u0007\n" + "A".repeat(50_000);
    const message = told(
      outcome(banDecision({ cause: sourceVerdict({ topPaths: [{ path, count: 1 }], userAgent: path }) })),
    );
    const block = objects(message).at(-1)!;
    expect(block.type).toBe("plain_text");
    expect(block.emoji).toBe(false);
    expect(block.text).toStartWith("Top paths\n1 × /&lt;!channel&gt; x &lt;@U123&gt; &amp;amp; AAAA");
    expect(block.text).not.toMatch(/[`\u202e\u0007]|A{120}/);
    expect(message.text).not.toContain("AAAA");
  });
});

describe("digestMessage", () => {
  test("counts everything, names a few sources, the most frequent condition and the highest rate", () => {
    const builder = new DigestBuilder();
    for (let n = 0; n < 1200; n++) {
      const from = sourceNumber(n);
      builder.add(outcome(banDecision({ source: from, cause: sourceVerdict({ source: from, rate: n }) })));
    }
    builder.add(outcome(unbanDecision({ source: sourceNumber(5) })));
    expect(texts(digestMessage(builder.digest(), HOST))).toEqual([
      "Digest: 1,200 bans, 1 unban",
      "198.18.0.0, 198.18.0.1, 198.18.0.2, 198.18.0.3, 198.18.0.4 and 1195 more. Every one of them stands in the audit log.",
      "*Counts*\n1,200 bans, 1 unban",
      "*Different sources*\n1200",
      "*Most frequent condition*\nz-score (1200)",
      "*Highest rate*\n1199.00 req/s by 198.18.4.175",
      "*From*\n2026-04-25T12:00:00Z",
      "*Time*\n2026-04-25T12:10:00Z",
      "Host\ncloud.example.org",
    ]);
  });
});

describe("every message", () => {
  const anyDigest = fc.array(anyOutcome, { minLength: 1, maxLength: 20 }).map((outcomes) => {
    const builder = new DigestBuilder();
    for (const given of outcomes) builder.add(given);
    return builder.digest();
  });
  const anyReason = fc.constantFrom<TellReason>("first", "repeat-due", "resolved", "failed");
  const anyMessage: fc.Arbitrary<Message> = fc
    .oneof(
      fc.tuple(anyOutcome, anyReason, hostileText).map((given) => outcomeMessage(...given)),
      fc.tuple(anyDigest, hostileText).map((given) => digestMessage(...given)),
      fc
        .tuple(fc.record({ bans: fc.nat() }), fc.nat(), hostileText)
        .map(([t, n, host]) => foldedMessage(t, n, AT, AT, host)),
      hostileText.map((host) => testMessage(AT, host)),
    )
    .filter((message) => message !== null);

  test("keeps Slack's limits and holds nothing active, whatever an attacker sent", () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const blocks = message.blocks as Block[];
        expect(blocks.length).toBeLessThanOrEqual(50);
        expect(JSON.stringify(message).length).toBeLessThanOrEqual(13_000);
        expect(message.text.length).toBeGreaterThan(0);
        for (const block of blocks) {
          if (block.type === "header") expect(block.text.text.length).toBeLessThanOrEqual(150);
          if ("fields" in block) expect(block.fields.length).toBeLessThanOrEqual(10);
          const most = "fields" in block ? 2000 : 3000;
          for (const object of "fields" in block ? block.fields : [block.text]) {
            expect(object.text.length).toBeWithin(1, most + 1);
            // Mrkdwn is for our own words: nothing in it is a link, a mention or emphasis but the label.
            if (object.type === "mrkdwn") {
              expect(object.verbatim).toBe(true);
              expect(object.text).toMatch(/^\*[A-Z][A-Za-z ]+\*\n[^*_~`<>]*$/);
            } else expect(object.emoji).toBe(false);
          }
        }
        for (const text of [message.text, ...objects(message).map((object) => object.text)]) {
          expect(text).not.toMatch(/[<>`\p{Cf}\p{Cs}]|[^\P{Cc}\n]/u);
          expect(text).not.toMatch(/&(?!amp;|lt;|gt;)/);
        }
        expect(message.text).not.toMatch(/[*_~\n]|:\/\//);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("the longest traffic fits, and nothing of ours is lost", () => {
    const topPaths = Array.from({ length: 5 }, () => ({ path: "&".repeat(60_000), count: 9 }));
    const cause = sourceVerdict({ source: source("2001:db8:1:2::/64"), topPaths, userAgent: "<".repeat(60_000) });
    const message = told(outcome(banDecision({ cause })));
    expect(message.blocks).toHaveLength(3);
    expect(objects(message).at(-1)!.text.length).toBeLessThanOrEqual(3000);
  });
});
