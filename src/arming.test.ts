import { describe, expect, test } from "bun:test";
import { Arming, type ArmingMemory, type ArmingSettings } from "./arming.ts";

const T0 = Date.UTC(2026, 0, 5, 8);
const HOUR = 3_600_000;
const enforce: ArmingSettings = { mode: "enforce", arm_after: 0 };
const watch: ArmingSettings = { mode: "watch-only", arm_after: 0 };
const later: ArmingSettings = { mode: "enforce", arm_after: HOUR };
const fresh: ArmingMemory = { firstStartAt: T0, said: null };

describe("without a person's word the configuration rules", () => {
  test.each([
    ["enforce at once", enforce, 0, "enforce", null],
    ["watch-only for ever", watch, 100 * HOUR, "watch-only", null],
    ["arm_after: just before", later, HOUR - 1, "watch-only", T0 + HOUR],
    ["arm_after: then", later, HOUR, "enforce", null],
    ["arm_after means nothing to watch-only", { mode: "watch-only", arm_after: HOUR }, 2 * HOUR, "watch-only", null],
  ] as const)("%s", (_, settings, after, mode, armsAt) => {
    const arming = new Arming(settings, fresh);
    expect([arming.mode(T0 + after), arming.armsAt(T0 + after)]).toEqual([mode, armsAt]);
  });
});

describe("a person's word", () => {
  test("stands over arm_after, both ways", () => {
    const arming = new Arming(later, fresh);
    arming.say("enforce");
    expect(arming.mode(T0)).toBe("enforce");
    arming.say("watch-only");
    expect([arming.mode(T0 + 2 * HOUR), arming.armsAt(T0)]).toEqual(["watch-only", null]);
  });

  test("survives a restart and a reload of the same configuration", () => {
    const before = new Arming(enforce, fresh);
    before.say("watch-only");
    const after = new Arming(enforce, JSON.parse(JSON.stringify(before.memory)) as ArmingMemory);
    after.configure({ ...enforce });
    expect(after.mode(T0 + HOUR)).toBe("watch-only");
  });

  test("ends when the configuration says something new, at a reload or while we were down", () => {
    const arming = new Arming(enforce, fresh);
    arming.say("watch-only");
    arming.configure(later);
    expect(arming.mode(T0 + HOUR)).toBe("enforce");
    arming.say("watch-only");
    expect(new Arming(enforce, arming.memory).mode(T0)).toBe("enforce");
  });
});
