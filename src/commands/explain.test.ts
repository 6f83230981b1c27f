/** Words over a real engine: what it says it would take must be what it takes. */
import { describe, expect, test } from "bun:test";
import { MINUTE, Site } from "../../test/records.ts";
import type { FullExplanation } from "../explanation.ts";
import type { Source } from "../net/cidr.ts";
import { explainLines } from "./explain.ts";

const WHO = "203.0.113.10";
const plain = { color: false };
/** Quick to arm: the tests are about what comes after. */
const ARMED = { baseline: { warm_up: "0s" } };

function full(site: Site, source = WHO): FullExplanation {
  return {
    ...site.engine.explain(source as Source),
    firewall: { backend: "ipset", hooks: ["raw/PREROUTING"] },
    droppedPackets: 12,
    history: [],
  };
}

const said = (site: Site, source = WHO) => explainLines(full(site, source), plain).join("\n");

describe("what it would take", () => {
  test.each(["contract", "adaptive"])("in requests (%s)", (profile) => {
    const site = new Site({ ...ARMED, detection: { profile } });
    // Hammering one page: each request costs one.
    site.flow(50, 100, () => ({ path: "/report" }));
    const now = site.engine.explain(WHO as Source).now!;
    const window = now.tests.find((one) => one.stream === "requests" && one.windowMs === MINUTE)!;
    const left = Math.floor(Math.round((window.trigger - window.value) * 60 * 1e6) / 1e6) + 1;
    site.flow(50, left - 1, () => ({ path: "/report" }));
    expect(site.bans).toEqual([]);
    site.send({ path: "/report" });
    expect(site.bans.length).toBe(1);
  });

  test("in failures", () => {
    const site = new Site(ARMED);
    const login = { method: "POST", path: "/login", status: 401 };
    site.flow(1, 3, () => login);
    const bar = site.engine.explain(WHO as Source).now!.tests.find((one) => one.stream === "failures")!;
    expect(Math.round(bar.value * 60)).toBe(3);
    const left = Math.floor(Math.round((bar.trigger - bar.value) * 60)) + 1;
    site.flow(1, left - 1, () => login);
    expect(site.bans).toEqual([]);
    site.send(login);
    expect(site.bans.length).toBe(1);
  });

  test("during the warm-up is the ceiling", () => {
    const site = new Site();
    site.flow(10, 30, () => ({}));
    expect(said(site)).toContain("still learning");
    expect(said(site)).toMatch(/ceiling +0\.\d\d +of 5\.00 req\/s/);
  });
});

describe("the words", () => {
  test("of a source that is not banned", () => {
    const site = new Site(ARMED).flow(2, 60, (i) => ({ path: `/a/${i % 3}?\x1b[2J` }));
    const lines = said(site);
    expect(lines).toStartWith(`${WHO}   not banned\n`);
    expect(lines).toMatch(/ {2}requests +60 with 0 errors in the window: 1\.00 req\/s/);
    expect(lines).toMatch(
      / {2}z-score +\S+ +of 3\.0 +over 1 min it would fire at 2\.50 req\/s, now \d\.\d\d \(\d\.\d\d more\)/,
    );
    expect(lines).toMatch(/ {2}error surge +0\.0× +of 3× +at 3× its limit drops to 1\.75 req\/s/);
    expect(lines).toEndWith("  allow list   no match");
    expect(lines).not.toContain("\x1b");
  });

  test("of a source that is: test, evidence, rule and undo, with no attacker's escape", () => {
    const site = new Site(ARMED).flow(50, 200, () => ({ path: "/x\x1b]0;hi\x07", userAgent: "evil\u202e" }));
    const lines = said(site);
    expect(lines).toMatch(/^203\.0\.113\.10 {3}banned, 1st offence, (?:9 min \d+ s|10 min) left\n/);
    expect(lines).toMatch(/ {2}z-score +3\.\d+ +> 3\.0+ +fired +\d\.\d\d req\/s/);
    expect(lines).toContain("asked for    /x\\x1b]0;hi\\x07 ×");
    expect(lines).toContain("as           evil\\u{202e}");
    expect(lines).toContain("rule         ipset from raw/PREROUTING, pending, 12 packets dropped");
    expect(lines).toContain("undo         anomaly-detector unban 203.0.113.10   (--forget also clears its offences)");
    expect(lines).not.toMatch(/z-score +(\S+) +> \1 /);
  });

  test.each([
    ["one page", () => "/report"],
    ["one of 1\\d things", (n: number) => `/theme/${(n * 7 + (n >> 2)) % 12}.js`],
  ])("of a ramp: %s", (what, path) => {
    const site = new Site(ARMED);
    for (const minute of [3, 3, 4, 3, 4, 6, 7, 6, 7, 7, 13, 13, 14, 13, 14, 27, 27, 27])
      site.flow(minute / 60, minute, (n) => ({ path: path(n), bytes: 20_000 }));
    const row = ` {2}ramp +ramp: \\d\\d, \\d\\d and \\d+ times ${what} in 5m each +fired +0\\.\\d\\d req/s`;
    expect(said(site)).toMatch(new RegExp(row));
  });

  test("of what the adaptive profile made of it, and of nothing in the contract", () => {
    const spared = (profile: string) =>
      new Site({ ...ARMED, detection: { profile, failures: { enabled: false } } }).flow(5, 2000, (i) => ({
        path: i % 2 === 0 ? "/logo.png" : "/report",
        status: i % 2 === 0 ? 200 : 429,
      }));
    const lines = said(spared("adaptive"));
    expect(lines).toMatch(/ {2}adaptive +held against busy sources, 0 errors blamed on it, not blamed: 429\n/);
    expect(lines).toMatch(
      / {2}asked for +\/logo\.png \(asset, counts 0\.5\) ×\d+, \/report ×\d+|\/report ×\d+, \/logo\.png/,
    );
    expect(said(spared("contract"))).not.toMatch(/adaptive|counts/);
  });

  test("of failures, of a manual ban, of who is never banned, of a stranger", () => {
    const site = new Site({ ...ARMED, allowlist: ["198.51.100.0/24"] });
    site.flow(5, 40, () => ({ method: "POST", path: "/login", status: 401 }));
    expect(said(site)).toMatch(/ {2}failures +\d+ +> \d+ +fired +in 1 min/);
    const manual = { scope: "manual", at: site.at, by: "ada", note: "why\x1bnot" } as const;
    site.engine.ban("192.0.2.5" as Source, manual, "permanent", site.emit);
    expect(said(site, "192.0.2.5")).toMatch(/banned, 1st offence, permanently\n {2}why +manual by ada: why\\x1bnot\n/);
    expect(said(site, "198.51.100.7")).toMatch(/^198\.51\.100\.7 {3}exempt from bans\n/);
    expect(said(site, "192.0.2.77")).toContain("none in the last ten minutes");
  });
});
