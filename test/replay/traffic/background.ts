/** An ordinary morning on a small server: a Nextcloud for a dozen people beside a blog. */
import { BROWSER, DESKTOP, type Trace } from "./trace.ts";

const STAFF = ["ines", "jonas", "kofi", "lea", "marek", "nadia", "olu", "petra"] as const;
const ARTICLES = [
  "/",
  "/about/",
  "/2026/01/a-quiet-winter/",
  "/2026/02/notes-on-bread/",
  "/2025/11/the-old-mill/",
  "/2025/08/cycling-to-the-coast/",
  "/contact/",
] as const;
const BLOG_FILES = ["style.css", "main.js", "logo.svg", "header.jpg", "font.woff2", "menu.js", "print.css"] as const;
const CRAWLER = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)";

/** How long the site is watched before anything happens: 14 minutes. */
export const CALM = 840;

/** What goes on all the time, from the beginning to `seconds` after it: about one request a second. */
export function background(trace: Trace, seconds: number): void {
  for (const [i, name] of STAFF.entries()) desktopClient(trace, `192.0.2.${10 + i}`, name, seconds);
  trace.arrivals(0, seconds, 1 / 22, (at) => reader(trace, at));
  trace.arrivals(0, seconds, 1 / 40, (at) => {
    trace.add(at, "198.51.100.240", "GET", `/archive/${trace.whole(2009, 2025)}/${trace.whole(1, 400)}/`, 200, {
      agent: CRAWLER,
      bytes: trace.whole(4000, 9000),
    });
  });
  // The Internet's own noise: a stranger looks for one thing that is not there, and leaves.
  trace.arrivals(0, seconds, 1 / 150, (at) =>
    trace.add(at, someone(trace), "GET", trace.pick(["/wp-login.php", "/favicon.ico", "/feed", "/ads.txt"]), 404),
  );
}

/** A desktop client: a look at the root every half minute, a notification poll, now and then a file. */
function desktopClient(trace: Trace, source: string, name: string, seconds: number): void {
  const root = `/remote.php/dav/files/${name}/`;
  trace.every(trace.between(0, 30), seconds, 30, (at) => {
    trace.add(at, source, "PROPFIND", root, 207, { agent: DESKTOP, bytes: 431 });
    if (trace.chance(0.25))
      trace.add(at + 1, source, "GET", "/ocs/v2.php/apps/notifications/api/v2/notifications?format=json", 200, {
        agent: DESKTOP,
        bytes: 74,
      });
    if (trace.chance(0.04))
      trace.add(at + 2, source, "PUT", `${root}Notes/${trace.whole(1, 60)}.md`, 204, { agent: DESKTOP });
  });
}

/** A visitor of the blog: one to three articles, the files of the theme once. */
function reader(trace: Trace, at: number): void {
  const source = someone(trace);
  for (let left = trace.whole(1, 3), isFirst = true; left > 0; left--, isFirst = false) {
    trace.add(at, source, "GET", trace.pick(ARTICLES), 200, { bytes: trace.whole(6000, 20_000) });
    if (isFirst)
      for (const file of BLOG_FILES) trace.add(at + 1, source, "GET", `/theme/${file}`, 200, { agent: BROWSER });
    at += trace.between(15, 90);
  }
}

/** An address that is hardly ever seen again. */
export function someone(trace: Trace): string {
  return `198.18.${trace.whole(0, 127)}.${trace.whole(1, 254)}`;
}
