/**
 * Signs in over and over: URL PASSWORD SECONDS CONNECTIONS PLACES. Prints how many answers of each status there were
 * and how long the slowest took. PLACES is the number of addresses the tries say they come from; 0 says none.
 */
import { argv } from "node:process";

const [url = "", password = "", seconds = "1", connections = "1", places = "1"] = argv.slice(2);
const until = performance.now() + Number(seconds) * 1000;
const statuses: Record<string, number> = {};
let slowest = 0;
let turn = 0;

async function visit(): Promise<void> {
  const page = await fetch(`${url}/login`);
  const cookie = page.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  const token = /name="token" value="([^"]+)"/.exec(await page.text())?.[1] ?? "";
  const body = new URLSearchParams({ token, password }).toString();
  while (performance.now() < until) {
    const begun = performance.now();
    const response = await fetch(`${url}/login`, {
      method: "POST",
      redirect: "manual",
      headers: {
        cookie,
        "content-type": "application/x-www-form-urlencoded",
        "sec-fetch-site": "same-origin",
        ...(places === "0" ? {} : { "x-forwarded-for": `198.51.100.${turn++ % Number(places)}` }),
      },
      body,
    });
    await response.text();
    statuses[response.status] = (statuses[response.status] ?? 0) + 1;
    slowest = Math.max(slowest, performance.now() - begun);
  }
}

await Promise.all(Array.from({ length: Number(connections) }, visit));
console.log(JSON.stringify({ statuses, slowest: Math.round(slowest) }));
