import { describe, expect, test } from "bun:test";
import { parseSource } from "../net/cidr.ts";
import {
  bannedBy,
  banRule,
  type ChainLayout,
  type Hook,
  parseSave,
  removeText,
  repairText,
  spareRules,
  TABLE_MARK,
} from "./rules.ts";
import { addLine, createLine, MAX_TIMEOUT_SECONDS, parseMembers, timeoutSeconds } from "./sets.ts";

const layout = (change: Partial<ChainLayout> = {}): ChainLayout => ({
  chain: "AD",
  hooks: ["raw/PREROUTING"],
  head: ["-p tcp -m tcp --dport 22 -j RETURN", "-m set --match-set s src -j DROP"],
  holdsBans: false,
  ownTables: new Set(),
  ...change,
});
const whole = `*raw
:PREROUTING ACCEPT [0:0]
:AD - [0:0]
-A PREROUTING -j AD
-A AD -p tcp -m tcp --dport 22 -j RETURN
-A AD -m set --match-set s src -j DROP
COMMIT
`;
const repair = (save: string, change?: Partial<ChainLayout>) => repairText(parseSave(save, "AD"), layout(change));

describe("repairText", () => {
  test("nothing is missing: no command", () => {
    expect(repair(whole)).toBe("");
  });

  test("a table that is not there yet", () => {
    expect(repair("")).toBe(
      "*raw\n:AD - [0:0]\n-A AD -p tcp -m tcp --dport 22 -j RETURN\n-A AD -m set --match-set s src -j DROP\n-I PREROUTING 1 -j AD\nCOMMIT\n",
    );
  });

  test("a table made by us is marked on the jump", () => {
    expect(repair("", { ownTables: new Set(["raw"]) })).toContain(
      `-I PREROUTING 1 -m comment --comment "${TABLE_MARK}" -j AD\n`,
    );
  });

  test.each<[string, string, string]>([
    ["only the jump is gone", "-A PREROUTING -j AD\n", "*raw\n-I PREROUTING 1 -j AD\nCOMMIT\n"],
    [
      "one rule is gone: the chain is written anew, in one transaction",
      "-A AD -p tcp -m tcp --dport 22 -j RETURN\n",
      "*raw\n:AD - [0:0]\n-A AD -p tcp -m tcp --dport 22 -j RETURN\n-A AD -m set --match-set s src -j DROP\nCOMMIT\n",
    ],
  ])("%s", (_, line, expected) => {
    expect(repair(whole.replace(line, ""))).toBe(expected);
  });

  test("a jump with a condition of its own counts as present: somebody wanted it so", () => {
    expect(repair(whole.replace("-A PREROUTING -j AD", "-A PREROUTING -i eth0 -j AD"))).toBe("");
  });

  test("a chain whose name merely begins like ours is not ours", () => {
    const save = whole.replaceAll(" AD", " AD-2").replace(":AD", ":AD-2");
    expect(repair(save)).toContain(":AD - [0:0]");
    expect(removeText(parseSave(save, "AD"), "AD")).toBe("");
  });

  test("tables and hooks that are not wanted any more are cleaned", () => {
    const save = `${whole}*filter\n:INPUT DROP [0:0]\n:AD - [0:0]\n-A INPUT -j ACCEPT\n-A INPUT -j AD\nCOMMIT\n`;
    expect(repair(save)).toBe("*filter\n-D INPUT -j AD\n-F AD\n-X AD\nCOMMIT\n");
    expect(repair(save.replace("-A PREROUTING -j AD", "-A PREROUTING -j AD\n-A OUTPUT -j AD"))).toContain(
      "*raw\n-D OUTPUT -j AD\nCOMMIT\n",
    );
  });

  test("DOCKER-USER is hooked where it exists and never made", () => {
    const hooks: Hook[] = ["filter/INPUT", "filter/DOCKER-USER"];
    const without = repair("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", { hooks });
    expect(without).toContain("-I INPUT 1 -j AD");
    expect(without).not.toContain("DOCKER-USER");
    expect(repair("*filter\n:DOCKER-USER - [0:0]\nCOMMIT\n", { hooks })).toContain("-I DOCKER-USER 1 -j AD");
    expect(repair("", { hooks: ["filter/DOCKER-USER"] })).toBe("");
  });

  test("bans survive a rewritten chain, once each, after the head", () => {
    const bans = "-A AD -s 203.0.113.9/32 -j DROP\n-A AD -s 10.0.0.0/8 -j DROP\n-A AD -s 203.0.113.9/32 -j DROP\n";
    const save = whole.replace("-A AD -m set --match-set s src -j DROP\n", bans);
    const head = ["-p tcp -m tcp --dport 2222 -j RETURN"];
    expect(repair(save, { head, holdsBans: true })).toBe(
      "*raw\n:AD - [0:0]\n-A AD -p tcp -m tcp --dport 2222 -j RETURN\n-A AD -s 203.0.113.9/32 -j DROP\n-A AD -s 10.0.0.0/8 -j DROP\nCOMMIT\n",
    );
    expect(repair(save)).not.toContain("203.0.113.9");
  });
});

test("removeText deletes each jump as it stands, then the chain", () => {
  const save = whole.replace(
    "-A PREROUTING -j AD",
    `-A PREROUTING -m comment --comment "a -j b" -j AD\n-A PREROUTING -j X`,
  );
  expect(removeText(parseSave(save, "AD"), "AD")).toBe(
    '*raw\n-D PREROUTING -m comment --comment "a -j b" -j AD\n-F AD\n-X AD\nCOMMIT\n',
  );
});

test.each([
  [[], []],
  [[22], ["-p tcp -m tcp --dport 22 -j RETURN"]],
  [[2222, 22, 22], ["-p tcp -m multiport --dports 22,2222 -j RETURN"]],
])("spareRules(%p)", (ports, expected) => {
  expect(spareRules(ports)).toEqual(expected);
});

test("multiport takes 15 ports a rule", () => {
  const ports = Array.from({ length: 17 }, (_, i) => i + 1);
  expect(spareRules(ports)).toEqual([
    "-p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15 -j RETURN",
    "-p tcp -m multiport --dports 16,17 -j RETURN",
  ]);
});

test.each(["203.0.113.9", "10.0.0.0/8", "2001:db8::9", "2001:db8:66:1::/64"])("the rule for %s reads back", (text) => {
  expect(bannedBy(banRule("AD", parseSource(text)!))).toBe(parseSource(text)!);
});

test.each([
  "-A AD -j DROP",
  "-A AD -s 10.0.0.1/32 -p tcp -j DROP",
  "-A AD -s 10.0.0.1/32 -j ACCEPT",
  "-A AD -s x -j DROP",
])("%s is not a ban of ours", (line) => expect(bannedBy(line)).toBeNull());

describe("sets", () => {
  test.each([
    ["permanent" as const, 0],
    [1, 1],
    [0, 1],
    [-5, 1],
    [1_000, 1],
    [1_001, 2],
    [600_000, 600],
    [90 * 86_400_000, MAX_TIMEOUT_SECONDS],
  ])("timeoutSeconds(%p) is %p", (ms, seconds) => {
    expect(timeoutSeconds(ms)).toBe(seconds);
  });

  test("lines for ipset restore", () => {
    expect(createLine("ad-v6", "v6")).toBe("create ad-v6 hash:net family inet6 timeout 0 counters maxelem 262144");
    expect(addLine("ad-v4", { source: parseSource("10.0.0.0/8")!, remainingMs: 1_500 })).toBe(
      "add ad-v4 10.0.0.0/8 timeout 2",
    );
  });

  test("members with and without timeout and counters; rubbish is skipped", () => {
    const text =
      "create s hash:net\nadd s 203.0.113.9 timeout 59 packets 3 bytes 180\nadd s 10.0.0.0/8 timeout 0\nadd s\nadd s nonsense\n";
    expect(parseMembers(text)).toEqual([
      { source: parseSource("203.0.113.9")!, remainingMs: 59_000, packets: 3, bytes: 180 },
      { source: parseSource("10.0.0.0/8")!, remainingMs: "permanent", packets: 0, bytes: 0 },
    ]);
  });
});
