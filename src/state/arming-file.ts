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

/** What was remembered; a file that is missing, damaged or from the future means a first start now. */
export function readArming(path: string, now: number): ArmingMemory {
  const first: ArmingMemory = { firstStartAt: now, said: null };
  try {
    const read = memory.safeParse(JSON.parse(readFileSync(path, "utf8")));
    return read.success && read.data.firstStartAt <= now ? read.data : first;
  } catch {
    return first;
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
