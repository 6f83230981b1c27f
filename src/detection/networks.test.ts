import { expect, test } from "bun:test";
import { source } from "../../test/outcomes.ts";
import { Mark } from "./event-ring.ts";
import { topNetworks } from "./networks.ts";
import { SourceTable } from "./source-table.ts";

test("networks: /24 and /48, most requests first, sources without any left out", () => {
  const table = new SourceTable(1000, { exploitWeight: 2, blatantWeight: 3 });
  const ask = (from: string, times: number) => {
    const slot = table.claim(source(from), 0);
    for (let i = 0; i < times; i++) table.add(slot, 1, Mark.request);
  };
  ask("203.0.113.9", 3);
  ask("203.0.113.200", 4);
  ask("203.0.114.1", 1);
  ask("2001:db8:1:1::/64", 5);
  ask("2001:db8:1:ffff::/64", 6);
  ask("2001:db8:2::7", 2);
  ask("2001:db8::/40", 1);
  ask("198.18.0.1", 0);
  expect(topNetworks(table, 10).map(({ network, count }) => `${network} ${count}`)).toEqual([
    "2001:db8:1::/48 11",
    "203.0.113.0/24 7",
    "2001:db8:2::/48 2",
    "203.0.114.0/24 1",
    "2001:db8::/40 1",
  ]);
  expect(topNetworks(table, 1).length).toBe(1);
});
