/** The page in a real browser, served by the real server. Skipped, visibly, where chromium is not installed. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Browser, Page } from "playwright-core";
import * as fixtures from "../../src/dashboard/fixture.ts";
import { h } from "../../views/jsx.ts";
import { audit } from "./audit.ts";
import { hasBrowser, launch, nextPoll, open, Served } from "./harness.ts";

// What stands in evaluate() runs in the page; the DOM's own types would make `document` compile everywhere else too.
// biome-ignore-start lint/suspicious/noExplicitAny: see above
declare const document: any;
declare const window: any;
declare const DOMParser: any;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

const { normal, learning, surge, notBlocking, empty, hostile, storm, wide, PAYLOADS, withEngine } = fixtures;
const LONG = 60_000;

describe.skipIf(!hasBrowser)("the dashboard in chromium", () => {
  let browser: Browser;
  const served: Served[] = [];

  beforeAll(async () => {
    browser = await launch();
  }, LONG);
  afterAll(() => browser?.close());
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    for (const server of served.splice(0)) await server.stop();
  });

  async function serve(status = normal): Promise<Served> {
    const server = await new Served(status).start();
    served.push(server);
    return server;
  }

  const kpi = (page: Page, id: string) => page.locator(`#kpi-${id} .v span`).textContent();

  test(
    "the watch itself sees a violation of the content security policy",
    async () => {
      const { page, faults } = await open(browser, (await serve()).url);
      await page.evaluate(() => document.body.setAttribute("style", "color: red"));
      await page.evaluate(() => {
        const script = document.createElement("script");
        script.textContent = "window.owned = 1";
        document.body.append(script);
      });
      expect(await page.evaluate(() => "owned" in window)).toBe(false);
      expect(await faults()).toContain("CSP: script-src-elem");
    },
    LONG,
  );

  test(
    "figures change on the next poll, without a fault",
    async () => {
      const server = await serve();
      const { page, faults } = await open(browser, server.url);
      expect(await kpi(page, "requests")).toBe("13.2");
      server.current = withEngine({
        site: { ...normal.engine.site, rate: 17.4 },
        bans: normal.engine.bans.slice(0, 2),
      });
      await nextPoll(page);
      expect(await kpi(page, "requests")).toBe("17.4");
      expect(await kpi(page, "bans")).toBe("2");
      expect(await page.locator("#bans tbody tr").count()).toBe(2);
      expect(await faults()).toEqual([]);
    },
    LONG,
  );

  test(
    "what a person has opened, focused and scrolled stays over polls, in the same nodes",
    async () => {
      const server = await serve();
      const { page, faults } = await open(browser, server.url, { viewport: { width: 1440, height: 500 } });
      const row = page.locator("#b-203_0_113_47");
      await row.locator("summary").focus();
      await page.keyboard.press("Enter");
      await page.locator("#counters summary").click();
      await row.locator("summary").focus();
      await page.evaluate(() => {
        window.scrollTo(0, 420);
        Object.assign(document.getElementById("b-203_0_113_47"), { marked: true });
      });
      server.current = { ...withEngine({ at: normal.at + 6000 }), at: normal.at + 6000 };
      await nextPoll(page);
      await nextPoll(page);
      expect(await row.locator(".left > span").textContent()).toBe("13:30");
      const kept = await page.evaluate(() => ({
        marked: "marked" in document.getElementById("b-203_0_113_47"),
        why: document.getElementById("b-203_0_113_47-why").open,
        counters: document.getElementById("counters").open,
        focus: document.activeElement?.parentElement?.id,
        scroll: window.scrollY,
      }));
      expect(kept).toEqual({ marked: true, why: true, counters: true, focus: "b-203_0_113_47-why", scroll: 420 });
      expect(await row.locator("details li").first().isVisible()).toBe(true);
      expect(await faults()).toEqual([]);
    },
    LONG,
  );

  test(
    "a new ban is one new row; the others keep their nodes and their open details",
    async () => {
      const server = await serve(withEngine({ bans: normal.engine.bans.slice(1) }));
      const { page } = await open(browser, server.url);
      await page.locator("#b-203_0_113_112 summary").click();
      server.current = normal;
      await nextPoll(page);
      expect(await page.locator("#bans tbody tr").first().getAttribute("id")).toBe("b-2001-db8-66-1----p64");
      const open_ = await page.locator("#bans details[open]").evaluateAll((all) => all.map((one) => one.id));
      expect(open_).toEqual(["b-203_0_113_112-why"]);
    },
    LONG,
  );

  test(
    "payloads stay text: nothing runs, nothing is loaded, no element is made, also after a poll",
    async () => {
      const server = await serve(hostile);
      const { page, faults } = await open(browser, server.url);
      for (const details of await page.locator("summary").all()) await details.click();
      await nextPoll(page);
      expect(await page.evaluate(() => "owned" in window)).toBe(false);
      expect(await page.locator("iframe, img, main script, svg[onload], form").count()).toBe(0);
      const text = await page.evaluate(() => document.body.textContent);
      for (const payload of PAYLOADS) {
        expect(text).toContain(payload.replace("\u202e", "\\u202e").replace("\0", "\\u0000"));
      }
      expect(await page.title()).toBe(`anomaly-detector · ${PAYLOADS[4]}`);
      expect(await faults()).toEqual([]);
    },
    LONG,
  );

  test(
    "whatever text goes in, the browser's own parser has it back as text",
    async () => {
      const page = await browser.newPage();
      const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);
      const hostileText = fc.string({ unit: fc.constantFrom(..."<>\"'&=/ \n\r\t;#x!-abscript`\u2028é😀") });
      const texts = fc.sample(fc.oneof(hostileText, fc.string({ unit: "binary" })), { seed, numRuns: 1000 });
      const documents = texts.map((text) => String(h("p", { title: text }, text)));
      const parsed = await page.evaluate(
        (all) =>
          all.map((html) => {
            const { body } = new DOMParser().parseFromString(html, "text/html");
            const [first] = body.children;
            return [body.querySelectorAll("*").length, first?.textContent, first?.getAttribute("title")];
          }),
        documents,
      );
      texts.forEach((text, i) => {
        const shown = text.replaceAll("\0", "\ufffd");
        expect([seed, text, ...parsed[i]!]).toEqual([seed, text, 1, shown, shown]);
      });
    },
    LONG,
  );

  test(
    "server gone: after two missed polls the age of the figures is said; back: the banner goes",
    async () => {
      const server = await serve();
      const { page } = await open(browser, server.url);
      const banner = page.locator("#stale");
      expect(await banner.isVisible()).toBe(false);
      await server.stop();
      await banner.waitFor({ state: "visible", timeout: 15_000 });
      expect(await banner.textContent()).toMatch(/^No answer for \d+ s; figures are from 18:28:04\./);
      expect(await page.locator(".pill.lost").isVisible()).toBe(true);
      expect(await page.locator(".pill.ok").isVisible()).toBe(false);
      const age = async () => Number(/for (\d+) s/.exec((await banner.textContent()) ?? "")?.[1]);
      expect(await audit(page)).toEqual([]);
      const before = await age();
      expect(before).toBeGreaterThanOrEqual(5);
      await page.waitForTimeout(2200);
      expect(await age()).toBeGreaterThan(before);
      await server.restart();
      await banner.waitFor({ state: "hidden", timeout: 15_000 });
      expect(await page.locator(".pill.ok").isVisible()).toBe(true);
    },
    LONG,
  );

  test(
    "a failing server is said too, and its answer does not replace the figures",
    async () => {
      const server = await serve();
      const { page } = await open(browser, server.url);
      server.current = null as never;
      await page.locator("#stale").waitFor({ state: "visible", timeout: 15_000 });
      expect(await kpi(page, "requests")).toBe("13.2");
      server.current = normal;
      await page.locator("#stale").waitFor({ state: "hidden", timeout: 15_000 });
    },
    LONG,
  );

  test(
    "a page nobody looks at does not poll; it refreshes when it is seen again",
    async () => {
      const server = await serve();
      const { page } = await open(browser, server.url);
      let polls = 0;
      page.on("request", (request) => {
        if (request.url().endsWith("/fragment")) polls++;
      });
      const hide = (hidden: boolean) =>
        page.evaluate((value) => {
          Object.defineProperty(document, "hidden", { configurable: true, value });
          document.dispatchEvent(new Event("visibilitychange"));
        }, hidden);
      await hide(true);
      await page.waitForTimeout(6500);
      expect(polls).toBe(0);
      await hide(false);
      await page.waitForTimeout(500);
      expect(polls).toBe(1);
      expect(await page.locator("#stale").isVisible()).toBe(false);
    },
    LONG,
  );

  test(
    "without JavaScript the page is whole",
    async () => {
      const server = await serve();
      const { page, faults } = await open(browser, server.url, { javaScriptEnabled: false });
      expect(await kpi(page, "requests")).toBe("13.2");
      expect(await page.locator("#sources tbody tr").count()).toBe(10);
      expect(await page.locator("#bans tbody tr").count()).toBe(6);
      expect(await page.locator(".plot").count()).toBe(3);
      expect(await page.locator("#stale").isVisible()).toBe(false);
      expect(await faults()).toEqual([]);
    },
    LONG,
  );

  describe("the past", () => {
    const range = (page: Page) => page.locator("#ranges [aria-current]").textContent();
    const curve = (page: Page) => page.locator("#past .peak").getAttribute("d");

    for (const javaScriptEnabled of [true, false]) {
      test(
        `is chosen by a link, ${javaScriptEnabled ? "with" : "without"} JavaScript`,
        async () => {
          const server = await serve();
          const { page, faults } = await open(browser, server.url, { javaScriptEnabled });
          for (const [text, query] of [
            ["24 h", "?range=24h"],
            ["30 days", "?range=30d"],
            ["30 min", ""],
          ] as const) {
            await page.getByRole("link", { name: text, exact: true }).click();
            await page.waitForURL(`${server.url}${query}#rate`);
            expect([await range(page), await page.locator("#rate .plot").count()]).toEqual([text, 1]);
          }
          expect(await faults()).toEqual([]);
        },
        LONG,
      );
    }

    test(
      "stays over polls, which do not carry it, and comes anew when the page is seen again",
      async () => {
        const server = await serve();
        const { page, faults } = await open(browser, `${server.url}?range=7d`);
        const asked: string[] = [];
        page.on("request", (request) => {
          if (request.resourceType() !== "other") asked.push(new URL(request.url()).pathname);
        });
        const drawn = await curve(page);
        await page.evaluate(() => Object.assign(document.getElementById("past").firstElementChild, { marked: true }));
        server.current = withEngine({ site: { ...normal.engine.site, rate: 17.4 } });
        await nextPoll(page);
        await nextPoll(page);
        expect([await kpi(page, "requests"), await range(page)]).toEqual(["17.4", "7 days"]);
        expect(await page.evaluate(() => "marked" in document.getElementById("past").firstElementChild)).toBe(true);
        expect([...new Set(asked)]).toEqual(["/fragment"]);
        await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
        await page.waitForResponse((response) => response.url().endsWith("/fragment/past?range=7d"));
        await page.locator("#past .plot").waitFor();
        expect((await curve(page))!.split("M").length).toBe(drawn!.split("M").length);
        expect(await page.locator("#past > *").count()).toBe(1);
        await nextPoll(page);
        expect(await page.locator("#past .plot").count()).toBe(1);
        expect(await faults()).toEqual([]);
      },
      LONG,
    );

    test(
      "axe finds nothing, nothing scrolls sideways, and the links are large enough",
      async () => {
        const server = await serve();
        for (const [query, colorScheme, width] of [
          ["?range=24h", "light", 1440],
          ["?range=30d", "dark", 390],
          ["?range=7d", "light", 320],
          ["?range=7d", "dark", 1200],
        ] as const) {
          const { page } = await open(browser, server.url + query, { colorScheme, viewport: { width, height: 800 } });
          expect([query, await audit(page)]).toEqual([query, []]);
          const { scrolls, hidden, heights } = await page.evaluate(() => ({
            scrolls: document.documentElement.scrollWidth - window.innerWidth,
            hidden: document.querySelector("#rate").scrollWidth - document.querySelector("#rate").clientWidth,
            heights: [...document.querySelectorAll("#ranges a")].map((one) => one.getBoundingClientRect().height),
          }));
          expect([width, Math.max(0, scrolls), Math.max(0, hidden)]).toEqual([width, 0, 0]);
          expect(Math.min(...heights)).toBeGreaterThanOrEqual(width < 700 ? 34 : 24);
          await page.context().close();
        }
      },
      LONG,
    );
  });

  describe("looks", () => {
    const states = { normal, learning, surge, notBlocking, empty, hostile, storm, wide };
    const WIDTHS = [320, 390, 720, 1024, 1181, 1280, 1440, 1920];
    const sizes = [
      { width: 1440, height: 900 },
      { width: 390, height: 844 },
    ];

    for (const [name, status] of Object.entries(states)) {
      test(
        `${name}: axe finds nothing, in both themes and sizes, with everything opened`,
        async () => {
          const server = await serve(status);
          for (const colorScheme of ["light", "dark"] as const) {
            for (const viewport of sizes) {
              const { page, faults } = await open(browser, server.url, { colorScheme, viewport });
              await page.evaluate(() => {
                for (const details of document.querySelectorAll("details")) details.open = true;
              });
              const violations = await audit(page);
              expect([colorScheme, viewport.width, violations]).toEqual([colorScheme, viewport.width, []]);
              expect(await faults()).toEqual([]);
              await page.context().close();
            }
          }
        },
        LONG,
      );

      test(
        `${name}: no sideways scroll`,
        async () => {
          const server = await serve(status);
          const { page } = await open(browser, server.url);
          await page.evaluate(() => {
            for (const details of document.querySelectorAll("details")) details.open = true;
          });
          const seen: Record<number, unknown> = {};
          for (const width of WIDTHS) {
            await page.setViewportSize({ width, height: 800 });
            seen[width] = await page.evaluate(() => ({
              sideways: Math.max(0, document.documentElement.scrollWidth - window.innerWidth),
              // What a panel cuts off at its right edge cannot even be scrolled to.
              cut: [...document.querySelectorAll(".panel")]
                .filter((p) => p.scrollWidth > p.clientWidth)
                .map((p) => p.id),
            }));
          }
          expect(seen).toEqual(Object.fromEntries(WIDTHS.map((width) => [width, { sideways: 0, cut: [] }])));
        },
        LONG,
      );
    }
  });
});
