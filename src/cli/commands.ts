/** The table of commands. Help, completions, parsing and usage errors all come from it. */
import type { Command, Option } from "./command.ts";

const CONFIG: Option = { name: "config", short: "c", value: "FILE", help: "configuration file", complete: "file" };
const JSON_OUT: Option = { name: "json", help: "print JSON" };
const SOCKET: Option = {
  name: "socket",
  value: "PATH",
  help: "control socket of the daemon (default: control.socket of the configuration)",
  complete: "file",
};

/** Every command, in the order in which help lists them. */
export const COMMANDS: readonly Command[] = [
  {
    name: "run",
    group: "Daemon",
    summary: "watch the log, ban, alert, serve the dashboard",
    options: [CONFIG],
    examples: ["anomaly-detector run --config /etc/anomaly-detector/anomaly-detector.yaml"],
    load: () => import("../commands/run.ts"),
  },
  {
    name: "check",
    group: "Daemon",
    summary: "say everything that is wrong with the configuration and this host",
    details: [
      "Changes nothing and needs no root. A configuration that is not valid gives exit code 2.",
      "What is wrong with the host is shown; with --host it also gives exit code 1.",
    ],
    options: [CONFIG, { name: "host", help: "exit 1 when something on this host is not as it must be" }, JSON_OUT],
    load: () => import("../commands/check.ts"),
  },
  {
    name: "replay",
    group: "Daemon",
    summary: "run the same engine over old logs and list what it would have done",
    details: [
      "Nothing is banned and nobody is told. FILEs are read in the order given, oldest first, plain or",
      "gzip; - is standard input. Bans and alerts go to stdout, the summary to stderr.",
    ],
    operand: { name: "FILE", min: 1, max: 1000, complete: "file" },
    options: [
      CONFIG,
      {
        name: "compare",
        value: "FILE",
        help: "a second configuration over the same lines: what it would do differently",
        complete: "file",
      },
      {
        name: "html",
        value: "FILE",
        help: "write a report with plots to FILE, one page without script",
        complete: "file",
      },
      {
        name: "events",
        value: "FILE",
        help: "write every decision to FILE, one JSON object per line",
        complete: "file",
      },
      { name: "list", help: "all of it: the evidence of each ban, every source of a comparison" },
      JSON_OUT,
      { name: "open-loop", help: "go on counting the requests of banned sources, as if no ban had cut them off" },
    ],
    examples: [
      "anomaly-detector replay access.log.1 access.log --config new.yaml --events decisions.jsonl",
      "anomaly-detector replay access.log.*.gz --compare new.yaml --html report.html",
    ],
    load: () => import("../commands/replay.ts"),
  },
  {
    name: "password",
    group: "Daemon",
    summary: "make the password of the dashboard's login",
    details: [
      "Asks for it at a terminal, or takes the first line of standard input, and prints its hash",
      "(argon2id). Never an argument: every user of the machine can read those.",
      "A new FILE is 0600; one that is there keeps its owner and group.",
    ],
    options: [
      { name: "file", value: "FILE", help: "write the hash to FILE, for dashboard.password_file", complete: "file" },
      { name: "generate", help: "make one by chance, and print it before the hash" },
    ],
    examples: ["anomaly-detector password --generate --file /etc/anomaly-detector/dashboard.hash"],
    load: () => import("../commands/password.ts"),
  },
  {
    name: "status",
    group: "Bans",
    summary: "how the running daemon sees the site now",
    options: [JSON_OUT, CONFIG, SOCKET],
    load: () => import("../commands/status.ts"),
  },
  {
    name: "bans",
    group: "Bans",
    summary: "who is banned, why, and for how long",
    options: [JSON_OUT, CONFIG, SOCKET],
    load: () => import("../commands/bans.ts"),
  },
  {
    name: "explain",
    group: "Bans",
    summary: "why an address is banned, or what it would take",
    operand: { name: "ADDRESS", min: 1, max: 1 },
    options: [JSON_OUT, CONFIG, SOCKET],
    examples: ["anomaly-detector explain 203.0.113.9"],
    load: () => import("../commands/explain.ts"),
  },
  {
    name: "ban",
    group: "Bans",
    summary: "ban an address or CIDR",
    details: [
      "Without --for the ban is as long as the source's history makes it (bans.durations).",
      "Allowlisted and protected addresses cannot be banned. Ranges: IPv4 /16, IPv6 /32 or smaller.",
    ],
    operand: { name: "ADDRESS", min: 1, max: 1 },
    options: [
      {
        name: "for",
        value: "DURATION",
        help: "10m, 2h30m, 7d, … or permanent",
        complete: ["10m", "30m", "2h", "1d", "7d", "permanent"],
      },
      { name: "note", value: "TEXT", help: "why, for the audit log" },
      JSON_OUT,
      CONFIG,
      SOCKET,
    ],
    examples: [
      'anomaly-detector ban 203.0.113.9 --for 2h --note "scans for backups"',
      "anomaly-detector ban 2001:db8:66::/48",
    ],
    load: () => import("../commands/ban.ts"),
  },
  {
    name: "unban",
    group: "Bans",
    summary: "end a ban",
    operand: { name: "ADDRESS", min: 1, max: 1 },
    options: [
      { name: "forget", help: "forget the source's offences too: its next ban is a first one" },
      JSON_OUT,
      CONFIG,
      SOCKET,
    ],
    examples: ["anomaly-detector unban 203.0.113.9 --forget"],
    load: () => import("../commands/unban.ts"),
  },
  {
    name: "allow",
    group: "Bans",
    summary: "never ban an address or CIDR, for a while or for good",
    details: [
      "Bans in the range end. It stands over restarts, until disallow or the end of its time.",
      "What the configuration's allowlist says stands beside it. Ranges: IPv4 /16, IPv6 /32 or smaller.",
    ],
    operand: { name: "ADDRESS", min: 1, max: 1 },
    options: [
      {
        name: "for",
        value: "DURATION",
        help: "10m, 2h30m, 7d, … or permanent (default)",
        complete: ["1h", "8h", "1d", "7d", "permanent"],
      },
      { name: "note", value: "TEXT", help: "why, for the audit log" },
      JSON_OUT,
      CONFIG,
      SOCKET,
    ],
    examples: ['anomaly-detector allow 198.51.100.0/24 --for 8h --note "load test"'],
    load: () => import("../commands/allow.ts"),
  },
  {
    name: "disallow",
    group: "Bans",
    summary: "take back what allow has said",
    details: ["For the same address or CIDR as allow named. The configuration's allowlist is not touched."],
    operand: { name: "ADDRESS", min: 1, max: 1 },
    options: [JSON_OUT, CONFIG, SOCKET],
    load: () => import("../commands/allow.ts"),
  },
  {
    name: "allowlist",
    group: "Bans",
    summary: "who is never banned, and why",
    options: [JSON_OUT, CONFIG, SOCKET],
    load: () => import("../commands/allowlist.ts"),
  },
  {
    name: "arm",
    group: "Bans",
    summary: "begin to ban: what was only watched is put in force",
    details: ["It stands, over restarts too, until detection.mode or detection.arm_after is changed."],
    options: [JSON_OUT, CONFIG, SOCKET],
    load: () => import("../commands/arm.ts"),
  },
  {
    name: "disarm",
    group: "Bans",
    summary: "stop banning and only watch: every ban leaves the firewall",
    details: [
      "Decisions are still made, audited and told, as dry runs.",
      "It stands, over restarts too, until detection.mode or detection.arm_after is changed.",
    ],
    options: [JSON_OUT, CONFIG, SOCKET],
    load: () => import("../commands/arm.ts"),
  },
  {
    name: "reconcile",
    group: "Bans",
    summary: "compare the firewall with the bans and mend it, now",
    details: ["The daemon does so by itself, too: every firewall.reconcile_every."],
    options: [JSON_OUT, CONFIG, SOCKET],
    load: () => import("../commands/reconcile.ts"),
  },
  {
    name: "version",
    group: "Other",
    summary: "print the version",
    options: [JSON_OUT],
    load: () => import("../commands/version.ts"),
  },
  {
    name: "completions",
    group: "Other",
    summary: "print completions for a shell",
    operand: { name: "SHELL", min: 1, max: 1, complete: ["bash", "zsh", "fish"] },
    options: [],
    examples: ["anomaly-detector completions bash > /etc/bash_completion.d/anomaly-detector"],
    load: () => import("../commands/completions.ts"),
  },
  {
    name: "help",
    group: "Other",
    summary: "help about a command",
    operand: { name: "COMMAND", min: 0, max: 1 },
    options: [],
    load: () => import("../commands/help.ts"),
  },
];

/** Accepted by every command. */
export const HELP: Option = { name: "help", short: "h", help: "show this help" };

/** The row of a command; undefined when there is none of that name. */
export function findCommand(name: string): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}
