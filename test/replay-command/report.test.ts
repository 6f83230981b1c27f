/** The report in a real browser: nothing blocked, nothing to complain about, no sideways scrolling. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { dispatch } from "../../src/cli/dispatch.ts";
import { ManualClock } from "../../src/clock.ts";
import { audit } from "../browser/audit.ts";
import { hasBrowser, launch } from "../browser/harness.ts";
import { quietSite, writeLog } from "./logs.ts";

setDefaultTimeout(60_000);

// What stands in evaluate() runs in the page; the DOM's own types would make `document` compile everywhere else too.
// biome-ignore-start lint/suspicious/noExplicitAny: see above
declare const document: any;
declare const window: any;
declare const getComputedStyle: any;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

describe.skipIf(!hasBrowser)("the report, in Chromium", () => {
  let directory: string;
  let browser: Browser;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "anomaly-detector-report-"));
    const long = `/${"a".repeat(300)}?${"<b>".repeat(40)}`;
    const floods = [
      { at: 600, rate: 20, path: long, agent: "x".repeat(400) },
      { at: 1300, rate: 5 },
      { at: 5000, rate: 90 },
    ];
    const log = writeLog(join(directory, "access.log"), quietSite(120, floods));
    const lenient = join(directory, "lenient.yaml");
    writeFileSync(lenient, "detection: { z_score: 1000, rate_multiple: 1000 }\n");
    writeFileSync(join(directory, "now.yaml"), "");
    const io = { out() {}, err() {}, env: {}, color: false, width: null, clock: new ManualClock() };
    const words = ["replay", log, "--config", join(directory, "now.yaml"), "--compare", lenient, "--html"];
    expect(await dispatch([...words, join(directory, "report.html")], io)).toBe(0);
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(directory, { recursive: true });
  });

  async function open(width: number, colorScheme: "light" | "dark"): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme, bypassCSP: false });
    const faults: string[] = [];
    page.on("console", (message) => faults.push(message.text()));
    page.on("request", (request) => {
      if (!request.url().startsWith("file:")) faults.push(request.url());
    });
    await page.goto(`file://${directory}/report.html`);
    return { page, faults };
  }

  test.each([
    [1280, "light"],
    [1280, "dark"],
    [390, "light"],
    [320, "dark"],
  ] as const)(
    "%p px, %s: styled, asks for nothing, never scrolls sideways, also with all evidence open",
    async (width, scheme) => {
      const { page, faults } = await open(width, scheme);
      for (const isOpen of [false, true]) {
        await page.evaluate((open) => {
          for (const details of document.querySelectorAll("details")) details.open = open;
        }, isOpen);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(
          0,
        );
      }
      // Without its style the page would be as wide as the window.
      expect(await page.evaluate(() => getComputedStyle(document.body).maxWidth)).toBe("1180px");
      expect(faults).toEqual([]);
      await page.close();
    },
  );

  test("axe finds nothing, in both themes, with all evidence open", async () => {
    for (const scheme of ["light", "dark"] as const) {
      const page = await browser.newPage({
        viewport: { width: 1280, height: 900 },
        colorScheme: scheme,
        bypassCSP: true,
      });
      await page.goto(`file://${directory}/report.html`);
      await page.evaluate(() => {
        for (const details of document.querySelectorAll("details")) details.open = true;
      });
      expect(await audit(page)).toEqual([]);
      await page.close();
    }
  });
});
