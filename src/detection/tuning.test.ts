import { describe, expect, test } from "bun:test";
import { Site } from "../../test/records.ts";
import { TUNING, TUNING_NAMES, tuned, tunedNumber } from "./tuning.ts";

describe("tuned", () => {
  test("nothing named: the built-in numbers", () => expect(tuned({})).toEqual(TUNING));

  test("what is named takes the place of its number alone", () => {
    const changed = tuned({ sustainedShare: 0.8, "cost.asset": 0.2 });
    expect(changed).toEqual({ ...TUNING, sustainedShare: 0.8, cost: { ...TUNING.cost, asset: 0.2 } });
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
