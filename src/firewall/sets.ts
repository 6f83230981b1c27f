/** The text of our ipset sets: what `ipset restore` takes and `ipset save` prints. [pure] */
import { parseSource } from "../net/cidr.ts";
import type { DropCounter, FirewallEntry } from "./firewall.ts";
import type { Family } from "./rules.ts";

/** Longest timeout the kernel takes, in seconds (2^31 / 1000; ipset(8)). */
export const MAX_TIMEOUT_SECONDS = 2_147_483;

/** Most entries of one set. */
const MAX_ENTRIES = 262_144;

/** The line that makes a set; with -exist it is harmless when the same set is there. */
export function createLine(set: string, family: Family): string {
  const inet = family === "v4" ? "inet" : "inet6";
  return `create ${set} hash:net family ${inet} timeout 0 counters maxelem ${MAX_ENTRIES}`;
}

/** One line for `ipset restore`. */
export function addLine(set: string, entry: FirewallEntry): string {
  return `add ${set} ${entry.source} timeout ${timeoutSeconds(entry.remainingMs)}`;
}

/** Kernel timeout in seconds: rounded up, so that a ban never ends early; 0 is for ever, too long is the longest. */
export function timeoutSeconds(remainingMs: number | "permanent"): number {
  if (remainingMs === "permanent") return 0;
  return Math.min(Math.max(Math.ceil(remainingMs / 1000), 1), MAX_TIMEOUT_SECONDS);
}

/** A member as the kernel lists it: until when it is dropped, and what was. */
export type SetMember = FirewallEntry & DropCounter;

/** Reads `ipset save`: "add SET 203.0.113.9 timeout 599 packets 3 bytes 180". Lines of another kind are skipped. */
export function parseMembers(text: string): SetMember[] {
  const members: SetMember[] = [];
  for (const line of text.split("\n")) {
    if (!line.startsWith("add ")) continue;
    const words = line.split(" ");
    const source = parseSource(words[2] ?? "");
    if (source === null) continue;
    const seconds = numberAfter(words, "timeout");
    members.push({
      source,
      remainingMs: seconds === 0 ? "permanent" : seconds * 1000,
      packets: numberAfter(words, "packets"),
      bytes: numberAfter(words, "bytes"),
    });
  }
  return members;
}

function numberAfter(words: readonly string[], key: string): number {
  const at = words.indexOf(key);
  return at < 0 ? 0 : Number(words[at + 1]) || 0;
}
