/** The three windows (site, source, source's errors) against plain lists of timestamps. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Detector, type DetectorEvents } from "../../src/detection/detector.ts";
import { source } from "../outcomes.ts";
import { anyGap, config, record, SEED, START, visitor } from "../records.ts";

const SILENT: DetectorEvents = { elapsed() {}, verdict() {}, global() {}, baseline() {} };

/** The obvious way: every request ever, filtered at each look. */
class NaiveWindow {
  #requests: { at: number; from: string; isError: boolean }[] = [];

  constructor(private readonly windowMs: number) {}

  add(at: number, from: string, isError: boolean): void {
    this.#requests.push({ at, from, isError });
  }

  forget(from: string): void {
    for (const request of this.#requests) if (request.from === from) request.from = "forgotten";
  }

  counts(now: number, from?: string): { requests: number; errors: number } {
    const inside = this.#requests.filter(
      (request) => request.at > now - this.windowMs && (from === undefined || request.from === from),
    );
    return { requests: inside.length, errors: inside.filter((request) => request.isError).length };
  }

  active(now: number): number {
    const inside = this.#requests.filter((r) => r.at > now - this.windowMs && r.from !== "forgotten");
    return new Set(inside.map((request) => request.from)).size;
  }
}

type Step =
  | { readonly kind: "ask"; readonly gap: number; readonly n: number; readonly status: number; readonly path: string }
  | { readonly kind: "wait"; readonly gap: number }
  | { readonly kind: "forget"; readonly n: number };

const PATHS = ["/", "/a", "/x.css", "/login", "/.env", "/remote.php/dav/f", "/core/preview?f=1", "/status.php"];

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      kind: fc.constant("ask" as const),
      gap: anyGap,
      n: fc.nat(5),
      status: fc.constantFrom(200, 200, 207, 303, 304, 399, 400, 401, 404, 429, 500, 999),
      path: fc.constantFrom(...PATHS),
    }),
    weight: 12,
  },
  { arbitrary: fc.record({ kind: fc.constant("wait" as const), gap: anyGap }), weight: 2 },
  { arbitrary: fc.record({ kind: fc.constant("forget" as const), n: fc.nat(5) }), weight: 1 },
);

describe("windows equal a naive list at every request and every tick", () => {
  test.each([
    ["60 s, adaptive", "60s", "adaptive"],
    ["60 s, contract", "60s", "contract"],
    ["5 s, adaptive", "5s", "adaptive"],
    ["5 s, contract", "5s", "contract"],
    ["an odd length", "6001ms", "adaptive"],
    ["10 m", "10m", "adaptive"],
  ])("%s", (_, window, profile) => {
    const settings = config({ detection: { window, profile } });
    const windowMs = settings.detection.window;
    fc.assert(
      fc.property(fc.array(anyStep, { minLength: 20, maxLength: 120 }), fc.nat(1999), (steps, offset) => {
        const detector = new Detector(settings);
        const naive = new NaiveWindow(windowMs);
        let at = START + offset;
        for (const step of steps) {
          if (step.kind === "forget") {
            detector.forget(source(visitor(step.n)));
            naive.forget(visitor(step.n));
          } else {
            at += step.gap;
            detector.advance(at, SILENT);
          }
          if (step.kind === "ask") {
            const from = visitor(step.n);
            detector.observe(
              record({ at, source: from, status: step.status, path: step.path, method: "POST" }),
              source(from),
              false,
              SILENT,
            );
            naive.add(at, from, step.status >= 400);
          }
          if (!Number.isFinite(detector.now)) continue;
          const now = detector.now;
          expect(detector.site).toEqual({ ...naive.counts(now), active: naive.active(now) });
          for (let n = 0; n <= 5; n++) {
            const reading = detector.read(source(visitor(n)));
            const expected = naive.counts(now, visitor(n));
            expect([reading?.requests ?? 0, reading?.errors ?? 0]).toEqual([expected.requests, expected.errors]);
            if (reading) expect(reading.rate).toBe(expected.requests / (windowMs / 1000));
          }
        }
      }),
      { seed: SEED, numRuns: 60 },
    );
  });
});

test("a hundred thousand sources of one request each leave nothing behind", () => {
  const detector = new Detector(config());
  const numbered = (n: number) => source(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
  for (let n = 0; n < 100_000; n++) {
    const at = START + n * 20;
    detector.advance(at, SILENT);
    detector.observe(record({ at, path: "/.env", status: 404 }), numbered(n), false, SILENT);
  }
  // One request each 20 ms: a window holds 3,000 of them.
  expect(detector.site).toEqual({ requests: 3000, errors: 3000, active: 3000 });
  expect(detector.shed).toBe(0);
  detector.advance(detector.now + 20 * 60_000, SILENT);
  expect(detector.site).toEqual({ requests: 0, errors: 0, active: 0 });
  for (let n = 0; n < 100_000; n += 999) expect(detector.read(numbered(n))).toBeNull();
  expect(detector.top(10)).toEqual([]);
});
