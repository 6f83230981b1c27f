/** The control socket as the daemon opens it, in the daemon's own time. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { config, START } from "../../test/records.ts";
import { ManualClock } from "../clock.ts";
import { createControlClient } from "../control/client.ts";
import type { Decision } from "../decision.ts";
import { Engine } from "../engine.ts";
import { DescriptorReserve } from "../host/descriptors.ts";
import { SteadyClock } from "../steady-clock.ts";
import { startControl } from "./control.ts";
import type { Enforcement } from "./enforcement.ts";
import type { Ground } from "./ground.ts";
import { Lifecycle } from "./lifecycle.ts";

const HOUR_MS = 3_600_000;

let directory: string;
let lifecycle: Lifecycle;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "anomaly-detector-control-"));
  lifecycle = new Lifecycle(() => {});
});
afterEach(async () => {
  await lifecycle.stop(1000);
  rmSync(directory, { recursive: true });
});

test("a length that a person names is counted from the daemon's own time, also after the clock was set back", async () => {
  const socket = join(directory, "control.sock");
  const wall = new ManualClock(START);
  const clock = new SteadyClock(wall);
  clock.notBefore(START + HOUR_MS);
  const engine = new Engine(config());
  const decisions: Decision[] = [];
  const submit = (decision: Decision) => void decisions.push(decision);
  const ground: Pick<Ground, "clock" | "engine" | "lifecycle" | "descriptors"> & { settings: unknown } = {
    clock,
    engine,
    lifecycle,
    descriptors: new DescriptorReserve(() => {}),
    settings: { config: { control: { socket } } },
  };
  const enforcement = { effects: { submit, outcomeOf: () => null } };
  await startControl(ground as Ground, enforcement as unknown as Enforcement, () => {
    throw new Error("not asked for");
  });
  const client = createControlClient(socket);
  await client.allow({ source: "198.51.100.7", duration: "10m", by: "ada" });
  await client.ban({ source: "203.0.113.9", duration: "10m", by: "ada" });
  engine.tick(START + HOUR_MS + 599_000, submit);
  expect(decisions.map(({ kind }) => kind)).toEqual(["permit", "ban"]);
  engine.tick(START + HOUR_MS + 600_000, submit);
  expect(decisions.map(({ kind }) => kind)).toEqual(["permit", "ban", "unban", "permit"]);
});
