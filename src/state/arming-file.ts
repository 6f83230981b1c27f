/** The small file beside the state database that remembers the first start and what a person said about acting. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import type { ArmingMemory } from "../arming.ts";
import { makeDirectory, replaceFile } from "./durable.ts";

const mode = z.enum(["enforce", "watch-only"]);
const memory = z.object({
  firstStartAt: z.number().int().nonnegative(),
  said: z.object({ mode, over: z.object({ mode, arm_after: z.number().nonnegative() }) }).nullable(),
});

export function armingPath(statePath: string): string {
  return `${statePath}.arming.json`;
}

/**
 * What was remembered; a file that is missing or damaged means a first start now. So does one from the future, where the
 * clock was set back; what a person said stands all the same.
 */
export function readArming(path: string, now: number): ArmingMemory {
  try {
    const { firstStartAt, said } = memory.parse(JSON.parse(readFileSync(path, "utf8")));
    return { firstStartAt: Math.min(firstStartAt, now), said };
  } catch {
    return { firstStartAt: now, said: null };
  }
}

/** Writes it whole or not at all, durably; an error of the file system when it could not. */
export function writeArming(path: string, value: ArmingMemory): Error | null {
  try {
    makeDirectory(dirname(path));
    replaceFile(path, `${JSON.stringify(value)}\n`, 0o640);
    return null;
  } catch (error) {
    return error as Error;
  }
}
