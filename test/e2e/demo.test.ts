/** The demo as somebody sees it who just cloned the repository: no root needed, nothing left behind. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { FLOODER, SCANNER } from "../../scripts/demo/player.ts";
import { parseAuditLine } from "../../src/audit/line.ts";
import { BINARY } from "./detector.ts";
import { Background, run, until } from "./process.ts";

const missing = existsSync(BINARY) ? null : "needs dist/anomaly-detector: npm run build";
const ROOT = join(import.meta.dir, "../..");

setDefaultTimeout(90_000);

describe.skipIf(missing !== null)(`the demo${missing ? ` (${missing})` : ""}`, () => {
  let demo: Background;
  let config = "";
  const audited = () => demo.stdout.split("\n").flatMap((line) => parseAuditLine(line) ?? []);

  beforeAll(async () => {
    demo = new Background([process.execPath, join(ROOT, "scripts/demo.ts")]);
    config = await until("the introduction", () => /--config (\S+)/.exec(demo.stdout)?.[1], { timeoutMs: 20_000 });
  });
  afterAll(() => demo.stop("SIGKILL"));

  test("serves the dashboard where it says", async () => {
    const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(demo.stdout)![0];
    const page = await fetch(url);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain("<main");
  });

  test("its command line works as printed", async () => {
    const { code, stdout } = await run([BINARY, "status", "--json", "--config", config]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).engine.state).toBe("learning");
  });

  test("bans the flooder and the scanner, and none of the ordinary people", async () => {
    const banned = () => audited().filter((event) => event.action === "BAN");
    await until("two bans", () => [FLOODER, SCANNER].every((ip) => banned().some((b) => b.ip === ip)), {
      timeoutMs: 80_000,
      everyMs: 200,
    });
    expect(new Set(banned().map((b) => b.ip))).toEqual(new Set([FLOODER, SCANNER]));
    expect(banned()[0]).toMatchObject({ ip: FLOODER, duration: "30s" });
    expect(banned()[0]!.condition).toContain("(dry-run)");
  });

  test("Ctrl-C ends it, and no process and no file stays", async () => {
    demo.signal("SIGINT");
    expect(await demo.ended()).toBe(0);
    expect(existsSync(dirname(config))).toBe(false);
    expect((await run(["pgrep", "-f", config])).stdout).toBe("");
  });
});
