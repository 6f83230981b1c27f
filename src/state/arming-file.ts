/** The small file beside the state database that remembers the first start and what a person said about acting. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import type { ArmingMemory } from "../arming.ts";

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

/** Writes it whole or not at all; an error of the file system when it could not. */
export function writeArming(path: string, value: ArmingMemory): Error | null {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    const half = `${path}.new`;
    writeFileSync(half, `${JSON.stringify(value)}\n`, { mode: 0o640 });
    renameSync(half, path);
    return null;
  } catch (error) {
    return error as Error;
  }
}
