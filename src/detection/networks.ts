import { formatRange, parseRange, parseSource, type Source } from "../net/cidr.ts";
import type { SourceTable } from "./source-table.ts";
import { TopCounts } from "./top-counts.ts";

/** Networks counted at a time: who sends from more than that sends from everywhere. */
const COUNTED = 256;
/** What a provider hands out to one customer, or to a rack of machines. */
const V6_GROUPS = 3;

/** How many of the window's requests a network sent. */
export interface NetworkCount {
  readonly network: Source;
  readonly count: number;
}

/** The /24s and /48s of the window's requests, most first. Looks at every source: for an alert, not for a request. */
export function topNetworks(table: SourceTable, limit: number): NetworkCount[] {
  const counts = new TopCounts<string>(COUNTED);
  for (const slot of table.inOrder()) {
    const requests = table.rows.requests(slot);
    if (requests > 0) counts.add(networkOf(table.sourceOf(slot)), requests);
  }
  return counts.top(limit).map(({ key, count }) => ({ network: parseSource(key)!, count }));
}

/** "203.0.113.0/24" of 203.0.113.9, "2001:db8:1::/48" of 2001:db8:1:2::/64; a range that is wider stays itself. */
function networkOf(source: Source): string {
  if (!source.includes(":")) return source.includes("/") ? source : `${source.slice(0, source.lastIndexOf("."))}.0/24`;
  const range = parseRange(source)!;
  if (range.prefix <= V6_GROUPS * 16) return source;
  const groups = range.groups.map((group, i) => (i < V6_GROUPS ? group : 0));
  return formatRange({ v6: true, groups, prefix: V6_GROUPS * 16 });
}
