import { describe, expect, test } from "bun:test";
import { ban as sampleBan, source, sourceVerdict } from "../../test/outcomes.ts";
import { DAY, HOUR, MINUTE, START } from "../../test/records.ts";
import type { Ban, Outcome } from "../decision.ts";
import { Ledger, type LedgerSettings } from "./ledger.ts";

const A = source("203.0.113.1");
const B = source("203.0.113.2");
const cause = sourceVerdict();

function ledger(over: Partial<LedgerSettings> = {}): Ledger {
  return new Ledger({
    durations: [10 * MINUTE, 30 * MINUTE, 2 * HOUR, "permanent"],
    decayMs: 30 * DAY,
    maxActive: 100,
    ipv6Prefix: 64,
    ...over,
  });
}

const outcomeOf = (ban: Ban, result: Outcome["result"], at: number): Outcome => ({
  decision: { kind: "ban", at: ban.since, ban },
  result,
  at,
});

describe("back-off", () => {
  /** Bans a source again and again, each time as soon as its ban is over; how long each lasted. */
  function lengths(over: Partial<LedgerSettings>, count: number, pauseMs = 1000): (number | string)[] {
    const book = ledger(over);
    let at = START;
    return Array.from({ length: count }, () => {
      const { since, until } = book.ban(A, at, cause);
      if (until === "permanent") {
        book.unban(A);
        at += pauseMs;
        return until;
      }
      expect(book.expire(until).map((ended) => ended.source)).toEqual([A]);
      at = until + pauseMs;
      return (until - since) / MINUTE;
    });
  }

  test("10m, 30m, 2h, then permanent", () => {
    expect(lengths({}, 5)).toEqual([10, 30, 120, "permanent", "permanent"]);
  });

  test("a list of one's own; its last entry repeats", () => {
    expect(lengths({ durations: [MINUTE, 5 * MINUTE] }, 4)).toEqual([1, 5, 5, 5]);
    expect(lengths({ durations: ["permanent"] }, 2)).toEqual(["permanent", "permanent"]);
  });

  test("each source has its own", () => {
    const book = ledger();
    expect([book.ban(A, START, cause), book.ban(B, START, cause)].map((ban) => ban.banCount)).toEqual([1, 1]);
  });

  test("an offence is forgotten its decay after the last ban began, not a moment earlier", () => {
    const book = ledger();
    book.ban(A, START, cause);
    book.expire(START + 10 * MINUTE);
    expect(book.banCountOf(A, START + 30 * DAY - 1)).toBe(1);
    expect(book.banCountOf(A, START + 30 * DAY)).toBe(0);
    expect(book.ban(A, START + 30 * DAY, cause).banCount).toBe(1);
  });

  test("a duration given by hand counts as an offence too", () => {
    const book = ledger();
    expect(book.ban(A, START, cause, 5000).until).toBe(START + 5000);
    book.expire(START + 5000);
    expect(book.ban(A, START + 6000, cause).until).toBe(START + 6000 + 30 * MINUTE);
    expect(book.unban(A)).toBeDefined();
    expect(book.ban(A, START + 7000, cause, "permanent").until).toBe("permanent");
  });
});

describe("the end of a ban", () => {
  test("expire gives those whose time is over, earliest first, each once", () => {
    const book = ledger();
    book.ban(A, START + 5000, cause);
    book.ban(B, START, cause);
    book.ban(source("203.0.113.3"), START, cause, "permanent");
    expect(book.expire(START + 10 * MINUTE - 1)).toEqual([]);
    expect(book.expire(START + HOUR).map((ban) => ban.source)).toEqual([B, A]);
    expect(book.expire(START + HOUR)).toEqual([]);
    expect(book.size).toBe(1);
  });

  test("a ban made after another has ended is still found in time", () => {
    const book = ledger();
    book.ban(A, START, cause, HOUR);
    book.ban(B, START, cause, MINUTE);
    expect(book.expire(START + MINUTE).map((ban) => ban.source)).toEqual([B]);
    book.ban(B, START + MINUTE, cause, MINUTE);
    expect(book.expire(START + 2 * MINUTE).map((ban) => ban.source)).toEqual([B]);
    expect(book.expire(START + HOUR).map((ban) => ban.source)).toEqual([A]);
  });

  test("unban keeps the offence; with forget it starts anew; of the unbanned it is nothing", () => {
    const book = ledger();
    book.ban(A, START, cause);
    expect(book.unban(A)?.source).toBe(A);
    expect(book.find(A)).toBeUndefined();
    expect(book.ban(A, START + 1, cause).banCount).toBe(2);
    book.unban(A, true);
    expect(book.ban(A, START + 2, cause).banCount).toBe(1);
    expect(book.unban(B)).toBeUndefined();
  });

  test("forget works on a source that is not banned", () => {
    const book = ledger();
    book.ban(A, START, cause);
    book.unban(A);
    expect(book.unban(A, true)).toBeUndefined();
    expect(book.offences()).toEqual([]);
  });
});

describe("which ban covers a source", () => {
  test.each([
    ["10.0.0.0/8", "10.200.3.4", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["2001:db8::/32", "2001:db8:1:2::/64", true],
    ["2001:db8::/32", "2001:db9::/64", false],
    ["2001:db8:1:2::/64", "2001:db8:1:2::/64", true],
    ["203.0.113.1", "203.0.113.2", false],
  ])("a ban of %s covers %s: %p", (banned, text, isCovered) => {
    const book = ledger();
    const ban = book.ban(source(banned), START, cause);
    expect(book.find(source(text))).toBe(isCovered ? ban : undefined);
    book.unban(source(banned));
    expect(book.find(source(text))).toBeUndefined();
  });

  test("a wide ban ends by itself too", () => {
    const book = ledger();
    book.ban(source("10.0.0.0/8"), START, cause, MINUTE);
    book.expire(START + MINUTE);
    expect(book.find(source("10.1.1.1"))).toBeUndefined();
  });
});

test("it is full at max_active, and no longer when one ends", () => {
  const book = ledger({ maxActive: 2 });
  book.ban(A, START, cause);
  expect(book.isFull).toBe(false);
  book.ban(B, START, cause);
  expect(book.isFull).toBe(true);
  book.unban(A);
  expect(book.isFull).toBe(false);
});

test("the list has the latest first", () => {
  const book = ledger();
  book.ban(A, START, cause);
  book.ban(B, START + 1, cause);
  expect(book.list().map(({ ban }) => ban.source)).toEqual([B, A]);
});

describe("what the firewall really did", () => {
  test("pending, then what the outcome says; a later success mends a failure", () => {
    const book = ledger();
    const ban = book.ban(A, START, cause);
    const enforcement = () => book.status(A)?.enforcement;
    expect(enforcement()).toBe("pending");
    book.settle(outcomeOf(ban, "failed", START + 10));
    expect(enforcement()).toBe("failed");
    book.settle(outcomeOf(ban, "done", START + 20));
    expect(enforcement()).toBe("in-force");
    const dry = book.ban(B, START, cause);
    book.settle(outcomeOf(dry, "dry-run", START));
    expect(book.status(B)?.enforcement).toBe("dry-run");
  });

  test("a late word on an earlier ban of the same source changes nothing", () => {
    const book = ledger();
    const old = book.ban(A, START, cause);
    book.unban(A);
    book.ban(A, START + 5000, cause);
    book.settle(outcomeOf(old, "done", START + 5001));
    expect(book.status(A)?.enforcement).toBe("pending");
  });

  test("the outcome of an unban or of a ban that is over changes nothing", () => {
    const book = ledger();
    const ban = book.ban(A, START, cause);
    book.settle({ decision: { kind: "unban", at: START, ban, why: "manual" }, result: "done", at: START });
    expect(book.status(A)?.enforcement).toBe("pending");
    book.unban(A);
    book.settle(outcomeOf(ban, "done", START));
    expect(book.status(A)).toBeUndefined();
  });
});

describe("proof that a ban does not block", () => {
  const GRACE = 2000;
  /** A ban in force at START + 1000. */
  function inForce(): { book: Ledger; leak: (startedAt: number, needed?: number) => number | null } {
    const book = ledger();
    book.settle(outcomeOf(book.ban(A, START, cause), "done", START + 1000));
    return { book, leak: (startedAt, needed = 1) => book.leak(A, startedAt, GRACE, needed)?.requests ?? null };
  }

  test("a request that began within the grace proves nothing, one a moment later does", () => {
    const { leak, book } = inForce();
    expect(leak(START + 1000 + GRACE)).toBeNull();
    expect(book.status(A)?.leakedRequests).toBe(0);
    expect(leak(START + 1000 + GRACE + 1)).toBe(1);
  });

  test("it is told once, though all are counted", () => {
    const { leak, book } = inForce();
    expect([1, 2, 3].map((s) => leak(START + 10_000 + s * 1000))).toEqual([1, null, null]);
    expect(book.status(A)?.leakedRequests).toBe(3);
  });

  test("the time of the last one is kept, by when its line came", () => {
    const { book } = inForce();
    expect(book.status(A)?.lastLeakAt).toBeUndefined();
    book.leak(A, START + 10_000, GRACE, 1);
    expect(book.status(A)?.lastLeakAt).toBe(START + 10_000);
    book.leak(A, START + 10_000, GRACE, 1, START + 90_000);
    expect(book.status(A)?.lastLeakAt).toBe(START + 90_000);
    book.restartProof(START + 91_000);
    expect(book.status(A)?.lastLeakAt).toBeUndefined();
  });

  test("where several are needed, the last of them tells", () => {
    const { leak } = inForce();
    expect([1, 2, 3, 4].map((s) => leak(START + 10_000 + s * 1000, 3))).toEqual([null, null, 3, null]);
  });

  test("the alert says whose ban and how long it had been in force", () => {
    const { book } = inForce();
    const told = book.leak(A, START + 9000, GRACE, 1)!;
    expect([told.ban.source, told.sinceBanMs]).toEqual([A, 8000]);
  });

  test.each(["pending", "failed", "dry-run"] as const)("a ban that is %s proves nothing", (state) => {
    const book = ledger();
    const ban = book.ban(A, START, cause);
    if (state !== "pending") book.settle(outcomeOf(ban, state, START + 1000));
    expect(book.leak(A, START + HOUR, GRACE, 1)).toBeNull();
  });

  test("a source that is not banned proves nothing; one inside a banned range does", () => {
    const { leak, book } = inForce();
    expect(book.leak(B, START + HOUR, GRACE, 1)).toBeNull();
    const wide = book.ban(source("10.0.0.0/8"), START, cause);
    book.settle(outcomeOf(wide, "done", START));
    expect(book.leak(source("10.9.9.9"), START + HOUR, GRACE, 1)?.ban).toBe(wide);
    expect(leak(START + HOUR)).toBe(1);
  });

  test("after a move to another hook the proof begins anew, with its own grace", () => {
    const { leak, book } = inForce();
    expect(leak(START + 10_000)).toBe(1);
    book.restartProof(START + 12_000);
    expect(book.status(A)?.leakedRequests).toBe(0);
    expect(leak(START + 12_000 + GRACE)).toBeNull();
    expect(leak(START + 12_000 + GRACE + 1)).toBe(1);
  });

  test("a move makes no unconfirmed ban count as in force", () => {
    const book = ledger();
    book.ban(A, START, cause);
    book.restartProof(START);
    expect(book.leak(A, START + HOUR, GRACE, 1)).toBeNull();
  });
});

describe("restore", () => {
  test("bans are back, pending until confirmed, and end in time; offences count on", () => {
    const earlier = ledger();
    earlier.ban(A, START, cause);
    earlier.ban(B, START, cause);
    earlier.unban(B);
    const book = ledger();
    book.restore(earlier.list(), earlier.offences());
    expect(book.list().map(({ ban, enforcement }) => [ban.source, enforcement])).toEqual([[A, "pending"]]);
    expect(book.expire(START + 10 * MINUTE).map((ban) => ban.source)).toEqual([A]);
    expect([A, B].map((s) => book.ban(s, START + HOUR, cause).banCount)).toEqual([2, 2]);
  });

  test("a ban whose time passed while nobody ran ends at the first look", () => {
    const book = ledger();
    book.restore([{ ban: sampleBan({ source: A, until: START }), enforcement: "in-force", leakedRequests: 0 }], []);
    expect(book.expire(START + DAY).map((ban) => ban.source)).toEqual([A]);
  });

  test("a wide ban covers again what it covered", () => {
    const book = ledger();
    const ban = sampleBan({ source: source("10.0.0.0/8"), until: "permanent" });
    book.restore([{ ban, enforcement: "in-force", leakedRequests: 0 }], []);
    expect(book.find(source("10.1.2.3"))?.source).toBe(ban.source);
  });
});

describe("200,000 offenders at most", () => {
  const LIMIT = 200_000;
  const nth = (n: number) => source(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);

  test("the one banned longest ago is forgotten first, and being full costs no more than filling", () => {
    const book = ledger({ maxActive: 1 });
    const banned = (from: number, to: number): number => {
      const began = performance.now();
      for (let n = from; n < to; n++) {
        book.ban(nth(n), START, cause);
        book.unban(nth(n));
      }
      return performance.now() - began;
    };
    const filling = banned(0, LIMIT);
    book.ban(nth(0), START, cause);
    book.unban(nth(0));
    const full = banned(LIMIT, 2 * LIMIT - 1);
    expect(book.offences().length).toBe(LIMIT);
    expect([book.banCountOf(nth(0), START), book.banCountOf(nth(1), START)]).toEqual([2, 0]);
    // Seen: 1 to 2 times. Looking for the oldest from the front of a Map each time: 50 to 100 times.
    expect(full).toBeLessThan(10 * filling + 1000);
  });
});
