/** Proves the lab itself: what the other end-to-end tests take for granted. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { attacker, bot, missingForLab, TARGET } from "./internet.ts";
import { Lab } from "./lab.ts";
import { must, until } from "./process.ts";

const missing = missingForLab();
const title = `the lab${missing ? ` (${missing})` : ""}`;

describe.skipIf(missing !== null)(title, () => {
  const lab = new Lab(2);
  const one = attacker(1);
  beforeAll(() => lab.start(), 60_000);
  afterAll(() => lab.stop(), 60_000);

  test("everybody reaches the site under an address of their own", async () => {
    expect(await lab.site.status(one.name)).toBe(200);
    expect(await lab.site.status(one.name, "/", `${TARGET.v6}`)).toBe(200);
    expect(await lab.site.status("user")).toBe(200);
    const answers = await lab.load("bots", { from: [bot(1), bot(9_999)], everyMs: 10, seconds: 0.02 }).finish();
    expect(answers.map((a) => a.status)).toEqual([200, 200]);
    for (const source of [one.v4, one.v6, bot(1), bot(9_999)]) expect(await lab.site.lines(source)).toHaveLength(1);
  });

  test("the log has milliseconds", async () => {
    const before = Date.now();
    expect(await lab.site.status("user", "/login")).toBe(200);
    const line = (await lab.site.lines("198.18.2.1")).findLast((l) => l.path === "/login");
    expect(Number(line?.msec) * 1000).toBeGreaterThanOrEqual(before);
    expect(Number(line?.msec) * 1000).toBeLessThanOrEqual(Date.now());
  });

  test("a rule in raw PREROUTING cuts the open connection and new ones, and nobody else's", async () => {
    const target = (argv: string[]) => must(lab.internet.on("target", argv));
    const kept = lab.load(one.name, { everyMs: 20, seconds: 20, keepAlive: true, timeoutMs: 1_000 });
    await until("an open connection", () => kept.answers().length >= 5);
    await target(["iptables", "-w", "-t", "raw", "-I", "PREROUTING", "-s", one.v4, "-j", "DROP"]);
    const answers = await kept.finish();
    expect(answers.at(-1)?.error).toBe("timeout");
    expect(await lab.site.status(one.name)).toBe(0);
    expect(await lab.site.status(attacker(2).name)).toBe(200);
    await target(["iptables", "-w", "-t", "raw", "-D", "PREROUTING", "-s", one.v4, "-j", "DROP"]);
    expect(await lab.site.status(one.name)).toBe(200);
  }, 20_000);
});
