/** Signing in and out in a real browser, served by the real server. Skipped, visibly, where chromium is not installed. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { ManualClock } from "../../src/clock.ts";
import { Login } from "../../src/dashboard/login.ts";
import { audit } from "./audit.ts";
import { hasBrowser, launch, nextPoll, open, Served } from "./harness.ts";

// What stands in evaluate() runs in the page; the DOM's own types would make `document` compile everywhere else too.
// biome-ignore-start lint/suspicious/noExplicitAny: see above
declare const document: any;
declare const window: any;
// biome-ignore-end lint/suspicious/noExplicitAny: see above

const LONG = 60_000;
const PASSWORD = "correct horse";
/** A name that a browser does not trust as it trusts localhost: over plain http it sends no Sec-Fetch-Site. */
const NAME = "ad.example.org";
/** As a proxy on this host would say it of a client. */
const FROM_ELSEWHERE = { extraHTTPHeaders: { "x-forwarded-for": "203.0.113.9" } };
/** Where pictures of the pages are put, for those who want to look at them. */
const PICTURES = process.env.PICTURES;

describe.skipIf(!hasBrowser)("the login in chromium", () => {
  let browser: Browser;
  let hash: string;
  const served: Served[] = [];

  beforeAll(async () => {
    browser = await launch([NAME]);
    hash = await Bun.password.hash(PASSWORD, { algorithm: "argon2id", memoryCost: 64, timeCost: 1 });
  }, LONG);
  afterAll(() => browser?.close());
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    for (const server of served.splice(0)) await server.stop();
  });

  async function serve(): Promise<{ url: string; login: Login; clock: ManualClock }> {
    const clock = new ManualClock();
    const login = new Login({ hash, clock });
    const server = await new Served(undefined, login, [NAME]).start();
    served.push(server);
    return { url: server.url, login, clock };
  }

  async function signIn(page: Page, password = PASSWORD): Promise<void> {
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
  }

  for (const javaScriptEnabled of [true, false]) {
    test(
      `in, polls, and out, ${javaScriptEnabled ? "with" : "without"} JavaScript, without a fault`,
      async () => {
        const { url } = await serve();
        const { page, faults } = await open(browser, url, { javaScriptEnabled });
        expect(page.url()).toBe(`${url}login`);
        await signIn(page);
        await page.waitForURL(url);
        expect(await page.locator("#kpi-requests .v span").textContent()).toBe("13.2");
        if (javaScriptEnabled) {
          await nextPoll(page);
          await nextPoll(page);
        }
        expect(await faults()).toEqual([]);
        await page.getByRole("button", { name: "Sign out" }).click();
        await page.waitForURL(`${url}login`);
        await page.goBack();
        expect(await page.locator("#live").count()).toBe(0);
        expect(await faults()).toEqual([]);
      },
      LONG,
    );
  }

  test(
    "the keyboard alone will do: the field has the focus, Enter sends it",
    async () => {
      const { page } = await open(browser, (await serve()).url);
      await page.locator("input[type=password]:focus").waitFor();
      await page.keyboard.type(PASSWORD);
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Sign out" }).waitFor();
    },
    LONG,
  );

  test(
    "over plain http from elsewhere, where a browser sends Origin alone, it works and says what it is",
    async () => {
      const url = (await serve()).url.replace("127.0.0.1", NAME);
      const { page } = await open(browser, url, FROM_ELSEWHERE);
      expect(await page.locator("form").textContent()).toContain("whoever is on its way can read the password");
      const request = page.waitForRequest((one) => one.method() === "POST");
      await signIn(page);
      const headers = await (await request).allHeaders();
      expect([headers["sec-fetch-site"], headers.origin]).toEqual([undefined, url.slice(0, -1)]);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.waitForURL(`${url}login`);
    },
    LONG,
  );

  test(
    "a form on another site signs nobody in or out",
    async () => {
      const { url } = await serve();
      const { page } = await open(browser, url);
      await signIn(page);
      const evil = url.replace("127.0.0.1", NAME);
      await page.context().route(`${evil}evil`, (route) =>
        route.fulfill({
          contentType: "text/html",
          body: `<form method="post" action="${url}logout"><input name="token" value="x"></form><script>document.forms[0].submit()</script>`,
        }),
      );
      const other = await page.context().newPage();
      const answer = other.waitForResponse(`${url}logout`);
      await other.goto(`${evil}evil`);
      expect((await answer).status()).toBe(403);
      await page.reload();
      expect(await page.getByRole("button", { name: "Sign out" }).isVisible()).toBe(true);
    },
    LONG,
  );

  test(
    "a wrong password is said, tied to the field, and axe finds nothing",
    async () => {
      const { page } = await open(browser, (await serve()).url);
      await signIn(page, "wrong");
      const problem = page.getByRole("alert");
      expect(await problem.textContent()).toContain("That is not the password.");
      expect(await page.getByLabel("Password").getAttribute("aria-describedby")).toBe(await problem.getAttribute("id"));
      expect(await page.getByLabel("Password").inputValue()).toBe("");
      expect(await audit(page)).toEqual([]);
      for (let i = 0; i < 5; i++) await signIn(page, "wrong");
      expect(await problem.textContent()).toContain("Please wait 15 minutes.");
    },
    LONG,
  );

  test(
    "signed out elsewhere: the poll says so with a way back, and the figures stay",
    async () => {
      const { url, login } = await serve();
      const { page } = await open(browser, url);
      await signIn(page);
      await page.locator("#live").waitFor();
      login.changePassword(await Bun.password.hash("another", { algorithm: "argon2id", memoryCost: 64, timeCost: 1 }));
      const banner = page.locator("#stale");
      await banner.waitFor({ state: "visible", timeout: 10_000 });
      expect(await banner.textContent()).toBe("You are signed out; figures are from 18:28:04. Sign in");
      expect(await page.locator("#kpi-requests .v span").textContent()).toBe("13.2");
      expect(await page.getByLabel("Password").count()).toBe(0);
      expect(await page.getByRole("button", { name: "Sign out" }).isVisible()).toBe(false);
      expect(await page.locator(".pill:visible").count()).toBe(0);
      expect(await audit(page)).toEqual([]);
      await picture(page, "signed-out");
      await banner.getByRole("link", { name: "Sign in" }).click();
      await signIn(page, "another");
      await page.waitForURL(url);
    },
    LONG,
  );

  test(
    "signed in again in another tab: the first one goes on by itself",
    async () => {
      const { url, login } = await serve();
      const { page } = await open(browser, url);
      await signIn(page);
      await page.locator("#live").waitFor();
      login.changePassword(await Bun.password.hash("another", { algorithm: "argon2id", memoryCost: 64, timeCost: 1 }));
      await page.locator("#stale").waitFor({ state: "visible", timeout: 10_000 });
      const other = await page.context().newPage();
      await other.goto(url);
      await signIn(other, "another");
      await page.locator("#stale").waitFor({ state: "hidden", timeout: 10_000 });
    },
    LONG,
  );

  describe("looks", () => {
    const sizes = [
      { width: 1440, height: 900 },
      { width: 390, height: 844 },
      { width: 320, height: 600 },
    ];
    for (const colorScheme of ["light", "dark"] as const) {
      for (const viewport of sizes) {
        test(
          `${colorScheme}, ${viewport.width} wide: axe finds nothing, nothing scrolls sideways`,
          async () => {
            const look: BrowserContextOptions = { colorScheme, viewport };
            const { url } = await serve();
            const name = `${colorScheme}-${viewport.width}`;
            for (const [from, more] of [
              ["here", {}],
              ["elsewhere", FROM_ELSEWHERE],
            ] as const) {
              const { page } = await open(browser, url, { ...look, ...more });
              expect(await found(page)).toEqual([]);
              await picture(page, `login-${from}-${name}`);
            }
            const { page } = await open(browser, url, look);
            await signIn(page, "wrong");
            expect(await found(page)).toEqual([]);
            await picture(page, `wrong-${name}`);
            await signIn(page);
            await page.locator("#live").waitFor();
            expect(await found(page)).toEqual([]);
            await picture(page, `page-${name}`);
          },
          LONG,
        );
      }
    }
  });

  async function found(page: Page): Promise<readonly string[]> {
    const scrolls = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    return [...(await audit(page)), ...(scrolls > 0 ? [`scrolls sideways by ${scrolls}`] : [])];
  }

  async function picture(page: Page, name: string): Promise<void> {
    if (PICTURES) await page.screenshot({ path: `${PICTURES}/${name}.png` });
  }
});
