import { describe, expect, test } from "bun:test";
import type { BanStatus, EngineStatus, SystemStatus } from "../status.ts";
import { spanText } from "../wording.ts";
import { conditionOf } from "./condition.ts";
import {
  banStatus,
  empty,
  globalVerdict,
  hostile,
  learning,
  NOW,
  normal,
  notBlocking,
  sourceStatus,
  storm,
  surge,
  withEngine,
} from "./fixture.ts";
import { dashboardModel } from "./model.ts";
import { createZone } from "./zone.ts";

const S = "\u202f";
const model = (status: SystemStatus) => dashboardModel(status, createZone("UTC"));
const site = (part: Partial<EngineStatus["site"]>) => withEngine({ site: { ...normal.engine.site, ...part } });
const ill = (name: "log" | "firewall" | "slack" | "audit" | "state", level: "warn" | "bad", detail?: string) => ({
  ...normal,
  health: normal.health.map((check) => (check.name === name ? { ...check, level, detail } : check)),
});
const text = (parts: readonly { readonly text: string }[]) => parts.map((part) => part.text).join("");

describe("the state and its banners", () => {
  const armed = { tone: "ok", shape: "dot", text: "Armed" } as const;
  const rows: readonly [string, SystemStatus, string, readonly [string, string, string][]][] = [
    ["normal", normal, "Armed", []],
    [
      "learning",
      learning,
      "Learning",
      [
        [
          "info",
          "Learning what is normal: 2 min of 5 min.",
          "Bans start after 3 min more of log. Until then only the fixed ceiling bans.",
        ],
      ],
    ],
    [
      "surge",
      surge,
      "Surge",
      [
        [
          "bad",
          "43.9 req/s, 3.7 × the norm, for 1 min 12 s.",
          "212 sources; those above their own trigger are banned, nobody is blocked for the surge. Most: paths /index.php/login ×380, networks 198.51.100.0/24 ×301, agents python-requests/2.31 ×377.",
        ],
      ],
    ],
    [
      "the firewall refuses bans",
      notBlocking,
      "Not blocking",
      [
        [
          "bad",
          "The firewall refused 2 bans.",
          "ban 203.0.113.112: ipset exited 1: Operation not permitted (is the service granted CAP_NET_ADMIN?) Bans that wait are tried again; detection, Slack and audit go on.",
        ],
      ],
    ],
    [
      "the firewall is bad although no ban failed yet",
      ill("firewall", "bad", "init: iptables is not installed."),
      "Not blocking",
      [
        [
          "bad",
          "The firewall does not enforce bans.",
          "init: iptables is not installed. Bans that wait are tried again; detection, Slack and audit go on.",
        ],
      ],
    ],
    [
      "a ban leaks",
      withEngine({
        bans: [banStatus("203.0.113.47", { banCount: 1, sinceMs: 60_000, lengthMs: 600_000, leakedRequests: 12 })],
      }),
      "Not blocking",
      [
        [
          "bad",
          "One ban does not block.",
          "12 requests of 203.0.113.47 reached the site after its ban: its traffic passes by the firewall hook in use.",
        ],
      ],
    ],
    [
      "a ban leaked until a minute ago",
      withEngine({
        bans: [
          banStatus("203.0.113.47", {
            banCount: 1,
            sinceMs: 600_000,
            lengthMs: 1_800_000,
            leakedRequests: 12,
            leakedAgoMs: 60_000,
          }),
        ],
      }),
      "Armed",
      [],
    ],
    [
      "the breaker is open",
      withEngine({
        state: "paused",
        breaker: { open: true, bansInMinute: 101, limit: 100 },
        counters: { ...normal.engine.counters, bansWithheld: 3 },
      }),
      "Paused",
      [
        [
          "warn",
          "Banning is paused: 101 bans in a minute, limit 100.",
          "So many at once may be a mistake. Bans in force stay and end on time; 3 bans withheld since the start.",
        ],
      ],
    ],
    [
      "watch-only",
      withEngine({ state: "watch-only", counters: { ...normal.engine.counters, bansWithheld: 7 } }),
      "Watch only",
      [["info", "Nothing is blocked in this mode.", "7 bans would have been made since the start."]],
    ],
    [
      "dry-run",
      { ...normal, firewall: { ...normal.firewall, backend: "dry-run" } },
      "Dry run",
      [
        [
          "info",
          "Nothing is blocked in this mode.",
          "The firewall backend is dry-run: bans are decided, told and recorded, but no rule is made.",
        ],
      ],
    ],
    [
      "the log is not open",
      { ...normal, log: { ...normal.log, open: false } },
      "Log unreadable",
      [
        [
          "bad",
          "The access log cannot be read.",
          "/var/log/nginx/hng-access.log is not open. New anomalies go unseen; 6 bans stay in force.",
        ],
      ],
    ],
    [
      "slack is gone: still armed",
      ill("slack", "bad", "The webhook is revoked (404)."),
      "Armed",
      [["warn", "Slack is not being told.", "The webhook is revoked (404)."]],
    ],
    [
      "the audit log cannot be written: still armed",
      ill("audit", "bad", "No space left on device."),
      "Armed",
      [["warn", "The audit log is not being written.", "No space left on device."]],
    ],
    [
      "a warning",
      ill("log", "warn", "Falling behind."),
      "Armed",
      [["warn", "Log tail: 0.2 s behind.", "Falling behind."]],
    ],
  ];
  for (const [name, status, pill, banners] of rows) {
    test(name, () => {
      const condition = conditionOf(status);
      expect(condition.pill.text).toBe(pill);
      expect(condition.banners.map(({ tone, lead, more }) => [tone, lead, more])).toEqual(banners as never);
      if (pill === "Armed") expect(condition.pill).toEqual(armed);
    });
  }

  test("of several the gravest names the state, and all are told", () => {
    const status = { ...surge, log: { ...surge.log, open: false } };
    expect(conditionOf(status).pill.text).toBe("Log unreadable");
    expect(conditionOf(status).banners.map((banner) => banner.id)).toEqual(["blind", "surge"]);
  });
});

describe("the plain sentence", () => {
  const near = (n: number) => withEngine({ sources: { ...normal.engine.sources, aboveHalfTrigger: n } });
  const rows: readonly [string, SystemStatus, string][] = [
    ["normal", normal, "Normal. Inside the learned band; one source near its trigger."],
    ["nobody near", near(0), "Normal. Inside the learned band; no source near its trigger."],
    ["several near", near(3), "Normal. Inside the learned band; 3 sources near their trigger."],
    ["under the band", site({ rate: 3.9 }), "Normal. Below the learned band; one source near its trigger."],
    ["at the band's edge", site({ rate: 4 }), "Normal. Inside the learned band; one source near its trigger."],
    [
      "above the band, below the trigger",
      site({ rate: 19.605, triggerRate: 19.7 }),
      "Normal. Above the learned band; one source near its trigger.",
    ],
    [
      "above the trigger, not yet firing",
      site({ rate: 19.61 }),
      "High. Above the trigger; it alerts if this lasts; one source near its trigger.",
    ],
    ["firing", surge, "Surge. Above the trigger; 3 sources near their trigger."],
    ["nothing learned", learning, "Learning. Below the trigger of the floor values; one source near its trigger."],
    ["no traffic", site({ requests: 0, rate: 0 }), "Quiet. No request in the last 60 s."],
    ["not blocking", notBlocking, "Not blocking. Inside the learned band; one source near its trigger."],
  ];
  for (const [name, status, expected] of rows) {
    test(name, () => {
      const { lead, rest } = model(status).detector.sentence;
      expect(`${lead} ${rest}`).toBe(expected);
    });
  }
});

describe("key figures", () => {
  const figure = (status: SystemStatus, id: string) => {
    const kpi = model(status).kpis.find((one) => one.id === id)!;
    return [kpi.value, kpi.unit, text(kpi.note)];
  };
  const rows: readonly [string, SystemStatus, string, readonly string[]][] = [
    ["requests", normal, "requests", ["13.2", "req/s", "z +0.5 · baseline 11.8 ± 2.6"]],
    ["errors", normal, "errors", ["2.1", "%", "0.28/s · baseline 0.22/s"]],
    ["no requests have no error share", empty, "errors", ["—", "", "0/s · baseline 0/s"]],
    ["sources", normal, "sources", ["38", "", "1 above half its trigger"]],
    ["no source near", empty, "sources", ["0", "", "none above half its trigger"]],
    ["bans", normal, "bans", ["6", "", "2 permanent · 11 in all"]],
    ["dropped", normal, "dropped", [`254${S}k`, "packets", `15.3${S}MB discarded`]],
    ["cpu", normal, "cpu", ["3.1", "%", "load 0.18/2 · own 0.6 %"]],
    ["memory", normal, "memory", ["49", "%", `of 2.0${S}GB · detector 58${S}MB`]],
  ];
  for (const [name, status, id, expected] of rows) {
    test(name, () => expect(figure(status, id)).toEqual([...expected]));
  }

  test("a host that cannot be measured shows a dash, not NaN", () => {
    const host = { ...normal.host, cpu: Number.NaN, memoryTotalBytes: 0, memoryUsedBytes: 0 };
    expect(figure({ ...normal, host }, "cpu")[0]).toBe("—");
    expect(figure({ ...normal, host }, "memory")[0]).toBe("—");
  });
});

describe("active bans", () => {
  const one = (shape: Parameters<typeof banStatus>[1]) =>
    model(withEngine({ bans: [banStatus("203.0.113.47", shape)] })).bans.rows[0]!;

  test("trouble first, then the newest, the permanent ones last", () => {
    expect(model(notBlocking).bans.rows.map((row) => row.source)).toEqual([
      "2001:db8:66:1::/64",
      "203.0.113.112",
      "203.0.113.47",
      "198.51.100.201",
      "203.0.113.8",
      "192.0.2.250",
    ]);
  });

  const left: readonly [string, number, number | "permanent", string, number][] = [
    ["just begun", 0, 600_000, "10:00", 58],
    ["half over", 300_000, 600_000, "5:00", 29],
    ["the last second", 599_500, 600_000, "0:01", 0],
    ["overdue", 700_000, 600_000, "0:00", 0],
    ["long", 0, 7_200_000, "2:00:00", 58],
    ["permanent", 1000, "permanent", "permanent", 0],
  ];
  for (const [name, sinceMs, lengthMs, words, bar] of left) {
    test(`left: ${name}`, () => {
      const row = one({ banCount: 1, sinceMs, lengthMs });
      expect(row.left.text).toBe(words);
      expect(row.left.bar).toBeCloseTo(bar, 0);
      expect(row.left.permanent).toBe(lengthMs === "permanent");
    });
  }

  const troubles: readonly [BanStatus["enforcement"], number, string | undefined][] = [
    ["in-force", 0, undefined],
    ["pending", 0, "pending"],
    ["dry-run", 0, "dry run"],
    ["failed", 0, "not in force"],
    ["in-force", 1, "1 got through"],
  ];
  for (const [enforcement, leakedRequests, words] of troubles) {
    test(`trouble: ${enforcement}, ${leakedRequests} leaked`, () => {
      const row = one({ banCount: 1, sinceMs: 0, lengthMs: 600_000, enforcement, leakedRequests });
      expect(row.trouble?.text).toBe(words as string);
    });
  }

  test.each([
    [59_999, "12 got through"],
    [60_000, undefined],
  ])("12 leaked, the last %d ms ago: the mark says %p; the evidence goes on saying when", (leakedAgoMs, words) => {
    const row = one({ banCount: 1, sinceMs: 600_000, lengthMs: 1_800_000, leakedRequests: 12, leakedAgoMs });
    expect(row.trouble?.text).toBe(words);
    expect(row.details[1]).toBe(`12 requests got through, the last ${spanText(leakedAgoMs)} ago`);
  });

  test("the evidence is told line by line", () => {
    expect(one({ banCount: 2, sinceMs: 984_000, lengthMs: 1_800_000 }).details).toEqual([
      "2nd offence, banned 20 Nov 18:11:40, 30m",
      "6.85 req/s: 411 requests, 380 errors in 60 s",
      "compared 6.85 req/s with 1.10 ± 1.37 (rolling, 412 samples), trigger 5.20 req/s",
      "held against busy sources, 3 people behind the address, 378 errors blamed on it",
      "asked /index.php/login (login, counts 2) × 380, / × 31",
      "answered 401 × 380, 200 × 31",
      "agent python-requests/2.31",
    ]);
  });

  test("dropped packets are those of the source; unknown is not zero", () => {
    const rows = model(normal).bans.rows;
    expect(rows.find((row) => row.source === "192.0.2.250")!.dropped).toBe("0");
    expect(model({ ...normal, firewall: { ...normal.firewall, droppedBySource: {} } }).bans.rows[0]!.dropped).toBe("—");
  });

  test("a storm shows ten, counts the rest and says where they are", () => {
    const { bans } = model(storm);
    expect(bans.rows).toHaveLength(10);
    expect(bans.rest).toBe("990 more: run anomaly-detector bans");
    expect(bans.meta).toBe(`1${S}000 expire, 0 permanent`);
  });

  const empties: readonly [string, SystemStatus, string][] = [
    ["never", empty, "Nobody has been banned since the start 3 s ago."],
    ["one has ended", withEngine({ bans: [] }), "The last one, 198.51.100.9, ended 19 min 23 s ago."],
    [
      "all have ended long ago",
      { ...withEngine({ bans: [] }), outcomes: [] },
      "Every ban has ended since the start 12 d 4 h ago.",
    ],
  ];
  for (const [name, status, rest] of empties) {
    test(`empty: ${name}`, () => expect(model(status).bans.empty).toEqual({ lead: "No active bans", rest }));
  }
});

describe("top sources", () => {
  const bar = (comparedRate: number, triggerRate = 4) => {
    const top = [sourceStatus("192.0.2.1", { requests: 60, comparedRate, triggerRate })];
    return model(withEngine({ sources: { ...normal.engine.sources, top } })).sources.rows[0]!.bar;
  };
  const bars: readonly [string, number, number, string, string][] = [
    ["nothing", 0, 0, "plain", "0 percent of trigger"],
    ["half the trigger", 2, 33.3, "plain", "50 percent of trigger"],
    ["just above half", 2.01, 33.5, "warn", "50 percent of trigger"],
    ["at the trigger, two thirds of the bar", 4, 66.7, "warn", "100 percent of trigger"],
    ["above", 4.4, 73.3, "bad", "110 percent of trigger"],
    ["far above, the bar is full", 400, 100, "bad", "10000 percent of trigger"],
  ];
  for (const [name, rate, width, tone, label] of bars) {
    test(`bar: ${name}`, () => expect(bar(rate)).toEqual({ width, tone: tone as "plain", label }));
  }
  test("bar: no trigger", () => expect(bar(3, 0).width).toBe(0));

  test("at most ten, and how many there are", () => {
    const top = Array.from({ length: 12 }, (_, i) => sourceStatus(`192.0.2.${i}`, { requests: 60 - i }));
    const { sources } = model(withEngine({ sources: { ...normal.engine.sources, top } }));
    expect(sources.rows).toHaveLength(10);
    expect(sources.meta).toBe("10 of 38 · 60 s window, bar ends at 1.5 × trigger");
  });

  test("row ids are distinct for addresses that differ only in their separators", () => {
    const addresses = ["192.0.2.1", "2001:db8::1", "2001:db8:1::", "2001:db8::/64", "2001:db8::64", "192.0.2.0/24"];
    const top = addresses.map((address) => sourceStatus(address, { requests: 1 }));
    const ids = model(withEngine({ sources: { ...normal.engine.sources, top } })).sources.rows.map((row) => row.id);
    expect(new Set(ids).size).toBe(addresses.length);
    for (const id of ids) expect(id).toMatch(/^[a-z][\w-]*$/);
  });

  const empties: readonly [string, Partial<SystemStatus["log"]>, string, string][] = [
    ["log closed", { open: false }, "No log to read", "/var/log/nginx/hng-access.log is not open."],
    [
      "log empty",
      { newestAt: null },
      "No traffic yet",
      "/var/log/nginx/hng-access.log is open; it has had no readable line so far.",
    ],
    [
      "nobody there",
      { newestAt: NOW - 3_600_000 },
      "Nobody here right now",
      "No request in the last 60 s; the newest line is of 20 Nov 17:28:04.",
    ],
  ];
  for (const [name, log, lead, rest] of empties) {
    test(`empty: ${name}`, () => {
      expect(model({ ...normal, log: { ...normal.log, ...log } }).sources.empty).toEqual({ lead, rest });
    });
  }
});

describe("audit tail", () => {
  test.each([
    [20 * 3_600_000 - 1, "22:28:04"],
    [20 * 3_600_000, "19 Nov 22:28"],
    [40 * 86_400_000, "11 Oct 18:28"],
  ])("what happened %d ms ago has the time %p", (agoMs, text) => {
    const { ban } = banStatus("203.0.113.9", { banCount: 1, sinceMs: agoMs, lengthMs: "permanent" });
    const outcome = { decision: { kind: "ban", at: ban.since, ban }, result: "done", at: ban.since } as const;
    const { time } = model({ ...normal, outcomes: [outcome] }).audit.rows[0]!;
    expect(time).toEqual({ text, iso: new Date(ban.since).toISOString() });
  });

  test("newest first, at most ten, each with its five fields", () => {
    const { rows } = model(normal).audit;
    expect(rows.map((row) => [row.time.text, row.action, row.subject, row.duration])).toEqual([
      ["18:27:52", "BAN", "2001:db8:66:1::/64", "10m"],
      ["18:27:46", "BASELINE", "global", ""],
      ["18:22:11", "BAN", "203.0.113.112", "10m"],
      ["18:19:44", "ALERT", "global", ""],
      ["18:17:44", "ALERT", "global", ""],
      ["18:11:40", "BAN", "203.0.113.47", "30m"],
      ["18:08:41", "UNBAN", "198.51.100.9", "10m"],
      ["17:59:16", "BAN", "198.51.100.201", "2h"],
    ]);
    expect(rows[2]).toMatchObject({ rate: "3.90 req/s", baseline: "1.10 ± 1.37" });
    expect(model(storm).audit.rows).toHaveLength(10);
  });

  test("a failure is said with its cause", () => {
    const decision = {
      kind: "alert",
      at: NOW,
      alert: { type: "circuit-breaker", state: "closed", bansInMinute: 0, limit: 100 },
    } as const;
    const failed = { decision, result: "failed", at: NOW, detail: "audit: disk full" } as const;
    const [row] = model({ ...normal, outcomes: [failed] }).audit.rows;
    expect(row).toMatchObject({ result: "failed", subject: "global", rate: "" });
    expect(row!.condition).toEndWith(": audit: disk full");
  });

  test("ids are distinct even for like outcomes of one moment", () => {
    const decision = {
      kind: "alert",
      at: NOW,
      alert: { type: "global-anomaly", state: "firing", since: NOW, verdict: globalVerdict() },
    } as const;
    const twice = [1, 2].map(() => ({ decision, result: "done", at: NOW }) as const);
    const ids = model({ ...normal, outcomes: twice }).audit.rows.map((row) => row.id);
    expect(new Set(ids).size).toBe(2);
  });
});

describe("health", () => {
  test("all well, and not", () => {
    expect(model(normal).health.meta).toBe("all parts well");
    expect(model(notBlocking).health.meta).toBe("1 of 5 need attention");
    expect(model(notBlocking).health.checks.map((check) => check.level)).toEqual(["ok", "bad", "ok", "ok", "ok"]);
  });

  test("the strip adds the allow list", () => {
    expect(model(normal).detector.checks.at(-1)).toMatchObject({ name: "Allow list", short: "4 ranges" });
  });

  test("bad lines by kind, without those that never came", () => {
    expect(model(normal).health.facts.find((fact) => fact.name === "Bad lines")!.value).toBe("not-json 3");
    expect(model(empty).health.facts.find((fact) => fact.name === "Bad lines")!.value).toBe("none");
  });
});

describe("the whole", () => {
  test("the announcement changes with the state and the number of bans, and with nothing else", () => {
    expect(model(normal).announcement).toBe("Armed. 6 active bans.");
    const later = { ...withEngine({ at: NOW + 3000, site: { ...normal.engine.site, rate: 9 } }), at: NOW + 3000 };
    expect(model(later).announcement).toBe(model(normal).announcement);
    expect(model(withEngine({ bans: [] })).announcement).toBe("Armed. No active bans.");
  });

  test("the footer names version, profile and zones", () => {
    expect(dashboardModel(normal, createZone("Europe/Berlin")).footer).toEqual([
      "anomaly-detector 0.1.0",
      "adaptive profile",
      "times in Europe/Berlin, hour slots in UTC",
    ]);
  });

  for (const [name, status] of Object.entries({ normal, learning, surge, notBlocking, empty, hostile, storm })) {
    test(`${name}: no figure prints as undefined, NaN or Infinity`, () => {
      expect(JSON.stringify(model(status))).not.toMatch(/undefined|NaN|Infinity|\[object/);
    });
  }

  test("the same status gives the same model", () => expect(model(normal)).toEqual(model(normal)));
});
