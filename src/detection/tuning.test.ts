import { describe, expect, test } from "bun:test";
import { source } from "../../test/outcomes.ts";
import { Site } from "../../test/records.ts";
import { TUNING, TUNING_NAMES, tuned, tunedNumber } from "./tuning.ts";

describe("tuned", () => {
  test("nothing named: the built-in numbers", () => expect(tuned({})).toEqual(TUNING));

  test("what is named takes the place of its number alone", () => {
    const changed = tuned({ sustainedShare: 0.8, "cost.asset": 0.2 });
    expect(changed).toEqual({ ...TUNING, sustainedShare: 0.8, cost: { ...TUNING.cost, asset: 0.2 } });
  });

  // Failures and tries are counted in whole numbers: what is added as 2.5 would not be what is taken away.
  test("what is counted whole is whole", () => {
    const { exploitWeight, blatantWeight, excusedBySuccess } = tuned({
      exploitWeight: 2.6,
      blatantWeight: 0.05,
      excusedBySuccess: 3.9,
    });
    expect([exploitWeight, blatantWeight, excusedBySuccess]).toEqual([3, 1, 4]);
  });

  test.each(["exploitWeight", "excusedBySuccess"])("%s scaled: of a source that has left, nothing is left", (name) => {
    const site = new Site({ detection: { tuning: { [name]: 2.5 } } }).warm();
    const from = "203.0.113.9";
    site.flow(1, 2, (i) => ({ source: from, path: `/${i}.sql`, status: 404 }));
    const dav = { source: from, path: "/remote.php/dav/", method: "PROPFIND" };
    for (const status of [401, 401, 401, 207]) site.send({ ...dav, status });
    expect(site.wait(3_600_000, true).engine.explain(source(from)).now).toBeNull();
  });

  test("every name is of a number, and reaches it", () => {
    for (const name of TUNING_NAMES) {
      const value = tunedNumber(name)!;
      expect([name, value]).toEqual([name, expect.any(Number)]);
      expect([name, Bun.deepEquals(tuned({ [name]: value * 2 }), TUNING)]).toEqual([name, false]);
    }
    expect([tunedNumber("cost"), tunedNumber("nothing"), tunedNumber("cost.nothing")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

// Two costs a second of one page for ten minutes are sustained, whatever a first look costs.
test.each([TUNING.cost.firstVisit, TUNING.cost.page])(
  "a page asked for again and again, first looks at %d",
  (firstVisit) => {
    const site = new Site({ detection: { tuning: { "cost.firstVisit": firstVisit } } }).warm();
    site.flow(2, 1300, () => ({ source: "203.0.113.9", path: "/index.php" }));
    expect(site.bans.length).toBe(1);
  },
);
