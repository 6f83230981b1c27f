/** A real server and a real browser for the tests of the page. */
import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { makeSpans, normal } from "../../src/dashboard/fixture.ts";
import type { Login } from "../../src/dashboard/login.ts";
import { createDashboard, type Dashboard } from "../../src/dashboard/server.ts";
import type { SystemStatus } from "../../src/status.ts";

const CHROMIUM = "/usr/bin/chromium";

/** Without Debian's chromium these tests cannot run; they are then shown as skipped. */
export const hasBrowser = existsSync(CHROMIUM);

/** `names` are host names that lead to this machine. */
export function launch(names: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
      `--host-resolver-rules=${names.map((name) => `MAP ${name} 127.0.0.1`).join(",")}`,
    ],
  });
}

/** A dashboard on a free port whose status can be replaced between polls. */
export class Served {
  current: SystemStatus;
  #dashboard: Dashboard;
  #port = 0;

  constructor(
    status: SystemStatus = normal,
    private readonly login: Login | null = null,
    private readonly allowedHosts: readonly string[] = [],
  ) {
    this.current = status;
    this.#dashboard = this.#create(0);
  }

  async start(): Promise<this> {
    await this.#dashboard.start();
    this.#port = this.#dashboard.port;
    return this;
  }

  stop(): Promise<void> {
    return this.#dashboard.stop();
  }

  /** Comes back on the port it had. */
  async restart(): Promise<void> {
    this.#dashboard = this.#create(this.#port);
    await this.#dashboard.start();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  #create(port: number): Dashboard {
    return createDashboard({
      status: () => this.current,
      history: makeSpans,
      listen: { hostname: "127.0.0.1", port },
      allowedHosts: this.allowedHosts,
      login: this.login,
    });
  }
}

/** A page that remembers what went wrong in it: CSP violations, console errors, exceptions, foreign requests. */
export interface Watched {
  readonly page: Page;
  faults(): Promise<readonly string[]>;
}

export async function open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  await page.addInitScript(() => {
    const found: string[] = [];
    Object.assign(globalThis, { violations: found });
    globalThis.addEventListener("securitypolicyviolation", (event) => {
      found.push(`CSP: ${(event as unknown as { violatedDirective: string }).violatedDirective}`);
    });
  });
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
  const { origin } = new URL(url);
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`foreign request: ${request.url()}`);
  });
  await page.goto(url);
  return {
    page,
    faults: async () => {
      if (options.javaScriptEnabled === false) return faults;
      return [
        ...faults,
        ...(await page.evaluate(() => (globalThis as unknown as { violations: string[] }).violations)),
      ];
    },
  };
}

/** Waits for the next poll to have been drawn. */
export async function nextPoll(page: Page): Promise<void> {
  await page.waitForResponse((response) => new URL(response.url()).pathname === "/fragment", { timeout: 8000 });
  await page.waitForTimeout(150);
}
