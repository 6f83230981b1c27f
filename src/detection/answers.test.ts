import { describe, expect, test } from "bun:test";
import { Answers } from "./answers.ts";

const ANSWER_MS = 10_000;

/** The slots whose 401s fail at `now`, in order. */
function failed(answers: Answers, now: number): number[] {
  const slots: number[] = [];
  answers.mature(now, (slot) => slots.push(slot));
  return slots;
}

function create(...slots: number[]): Answers {
  const answers = new Answers(ANSWER_MS, 3);
  for (const slot of slots) answers.begin(slot);
  return answers;
}

describe("a 401", () => {
  test("fails when its time is up, once", () => {
    const answers = create(1, 2);
    answers.refuse(1, 7, 0);
    answers.refuse(2, 7, 5);
    expect(failed(answers, ANSWER_MS - 1)).toEqual([]);
    expect(failed(answers, ANSWER_MS)).toEqual([1]);
    expect(failed(answers, ANSWER_MS + 5)).toEqual([2]);
    expect(failed(answers, ANSWER_MS * 9)).toEqual([]);
  });

  test("is excused by a success for the same target only", () => {
    const answers = create(1);
    answers.refuse(1, 7, 0);
    answers.succeed(1, 8);
    expect(answers.isWaiting(1)).toBe(true);
    answers.succeed(1, 7);
    expect(answers.isWaiting(1)).toBe(false);
    expect(failed(answers, ANSWER_MS)).toEqual([]);
  });

  test("that was excused does not take a later one with it before that one's time", () => {
    const answers = create(1);
    answers.refuse(1, 7, 0);
    answers.prove(1);
    answers.refuse(1, 7, 9_000);
    expect(failed(answers, ANSWER_MS)).toEqual([]);
    expect(failed(answers, 19_000)).toEqual([1]);
  });

  test("is one of three that a proof excuses", () => {
    const answers = create(1);
    for (let i = 0; i < 5; i++) answers.refuse(1, i, i);
    answers.prove(1);
    expect(failed(answers, ANSWER_MS * 2)).toEqual([1, 1]);
  });

  test("of an earlier visit is void when the slot is used again", () => {
    const answers = create(1);
    answers.refuse(1, 7, 0);
    answers.begin(1);
    answers.refuse(1, 7, 5_000);
    expect(failed(answers, ANSWER_MS)).toEqual([]);
    expect(failed(answers, 15_000)).toEqual([1]);
  });

  test("cannot wait when too many do", () => {
    const answers = create(1, 2000);
    let waiting = 0;
    while (answers.refuse(waiting % 2 === 0 ? 1 : 2000, 0, waiting)) waiting++;
    expect(waiting).toBe(65_536);
    expect(failed(answers, 1e9)).toHaveLength(65_536);
    expect(answers.refuse(1, 0, 1e9)).toBe(true);
  });
});

describe("a login answered with a redirect", () => {
  test("is told by one page, in time", () => {
    const answers = create(1);
    answers.redirect(1, 0);
    answers.redirect(1, 1);
    expect(answers.takeRedirect(1, ANSWER_MS)).toBe(true);
    expect(answers.hasRedirect(1)).toBe(true);
    expect(answers.takeRedirect(1, ANSWER_MS + 2)).toBe(false);
    expect(answers.hasRedirect(1)).toBe(false);
  });
});
