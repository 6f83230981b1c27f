import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { banDecision, outcome } from "../../test/outcomes.ts";
import { systemClock } from "../clock.ts";
import { bannedKey, recentBans } from "./recent.ts";
import { AuditWriter } from "./writer.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-recent-"));
  path = join(directory, "audit.log");
});
afterEach(() => rmSync(directory, { recursive: true }));

async function written(): Promise<string> {
  const audit = new AuditWriter(path, systemClock);
  const decision = banDecision();
  await audit.start();
  audit.write(outcome(decision));
  await audit.stop();
  if (decision.kind !== "ban") throw new Error("not a ban");
  return bannedKey(decision.at, decision.ban.source);
}

test("finds what the writer wrote, also after a rotation", async () => {
  const key = await written();
  expect(recentBans(path)).toEqual(new Set([key]));
  renameSync(`${path}.jsonl`, `${path}.jsonl.1`);
  expect(recentBans(path)).toEqual(new Set([key]));
});

test("half a line, a foreign line and a long past do not hide it", async () => {
  appendFileSync(`${path}.jsonl`, `${"x".repeat(3_000_000)}\n[]\nnull\n"BAN"\n{"action":"BAN"\n`);
  const key = await written();
  appendFileSync(`${path}.jsonl`, '{"ts":"2026');
  expect(recentBans(path).has(key)).toBe(true);
});

test("no audit log, no bans", () => {
  expect(recentBans(path)).toEqual(new Set());
  expect(recentBans("")).toEqual(new Set());
});
