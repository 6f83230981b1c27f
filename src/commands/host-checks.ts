/** What `check` can find out about this host without root and without changing anything. */
import { accessSync, closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { createParser } from "../accesslog/parse.ts";
import { counted, printable } from "../cli/terminal.ts";
import { readPasswordFile } from "../config/password-file.ts";
import { type Config, parseListen } from "../config/schema.ts";
import { readWebhook } from "../config/webhook.ts";
import { createControlClient } from "../control/client.ts";
import { readSshPorts } from "../host/ssh.ts";

/** What one look at the host found. */
export interface HostCheck {
  readonly level: "ok" | "warn" | "FAIL";
  readonly name: string;
  readonly text: string;
  /** What to do, when not ok. */
  readonly fix?: string | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Every check, in the order a request takes through the system. */
export async function checkHost(config: Config, env: Env): Promise<HostCheck[]> {
  const running = (await createControlClient(config.control.socket, 2_000).status()).kind === "answer";
  return [
    checkLog(config.log),
    checkFirewall(config.firewall.backend, env),
    checkSsh(config.firewall.spare_ports, readSshPorts()),
    checkDashboard(config.dashboard, running),
    ...(await checkLogin(config.dashboard)),
    checkPlace("control", dirname(config.control.socket)),
    checkPlace("state", dirname(config.state.path)),
    ...(config.audit.path === "" ? [] : [checkPlace("audit", dirname(config.audit.path))]),
    ...(config.firewall.snapshot_dir === "" ? [] : [checkPlace("snapshots", config.firewall.snapshot_dir)]),
    await checkSlack(config, env),
  ];
}

/** How much of the log's end is read: some hundred lines. */
const TAIL_BYTES = 128 * 1024;

function checkLog({ path, fields }: Config["log"]): HostCheck {
  const tail = readTail(path);
  if (typeof tail === "string") {
    const isMissing = tail === "ENOENT" || tail === "ENOTDIR";
    const fix = isMissing
      ? "check log.path; nginx makes it with its first request"
      : "give the service's user read access to the file and its directories";
    return { level: isMissing ? "warn" : "FAIL", name: "log", text: `${path} ${reasonText(tail)}`, fix };
  }
  const parser = createParser({ fields });
  const results = tail.lines.map((line) => parser.parseLine(line));
  const kinds = results.flatMap((result) => ("failure" in result ? [result.failure] : []));
  const bad = kinds.length;
  if (results.length === 0) return { level: "ok", name: "log", text: `${path} readable, empty so far` };
  const text = `${path} readable, ${results.length - bad} of its last ${counted(results.length, "line")} understood`;
  if (bad === 0) return { level: "ok", name: "log", text };
  const sample = tail.lines[results.findIndex((result) => "failure" in result)]!;
  const fix = `${kinds[0]}: ${printable(sample, 120)}   (log JSON with escape=json; other names: log.fields)`;
  return { level: bad * 2 > results.length ? "FAIL" : "warn", name: "log", text, fix };
}

/** The whole lines among a file's last bytes, or the code of the error. */
function readTail(path: string): { readonly lines: readonly string[] } | string {
  let fd: number | undefined;
  try {
    // Without O_NONBLOCK a FIFO in the log's place would hold us until somebody writes to it.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (!stat.isFile()) return stat.isDirectory() ? "EISDIR" : "ENOTFILE";
    const start = Math.max(0, stat.size - TAIL_BYTES);
    const buffer = Buffer.alloc(Math.min(stat.size, TAIL_BYTES));
    const length = readSync(fd, buffer, 0, buffer.length, start);
    const lines = buffer.toString("utf8", 0, length).split("\n");
    // The first may have been cut by us, the last may still be being written.
    return { lines: lines.slice(start > 0 ? 1 : 0, -1).filter((line) => line.trim() !== "") };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown error";
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function checkFirewall(backend: Config["firewall"]["backend"], env: Env): HostCheck {
  const name = "firewall";
  if (backend === "dry-run") return { level: "ok", name, text: "dry-run: no command is needed, nobody is banned" };
  // The service's PATH has the sbin directories, an ordinary user's often has not.
  const PATH = `${env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;
  const found = ["iptables", "ip6tables", "ipset"].map((command) => ({ command, at: Bun.which(command, { PATH }) }));
  const missing = found.filter(({ at }) => at === null).map(({ command }) => command);
  const text = found.map(({ command, at }) => at ?? `no ${command}`).join(", ");
  const isFatal = missing.includes("iptables") || (missing.includes("ipset") && backend === "ipset");
  if (missing.length === 0) return { level: "ok", name, text };
  const packages = [...new Set(missing.map((command) => (command === "ipset" ? "ipset" : "iptables")))];
  return { level: isFatal ? "FAIL" : "warn", name, text, fix: `apt-get install ${packages.join(" ")}` };
}

/** Do the ports that a ban never cuts include every one that sshd listens on? */
export function checkSsh(spared: readonly number[] | undefined, sshPorts: readonly number[]): HostCheck {
  const name = "ssh";
  const cut = sshPorts.filter((port) => spared !== undefined && !spared.includes(port));
  const ports = `sshd's port${sshPorts.length > 1 ? "s" : ""} ${sshPorts.join(", ")}`;
  if (cut.length === 0) return { level: "ok", name, text: `${ports}: never cut by a ban` };
  const fix = `add ${cut.join(", ")} to firewall.spare_ports, or leave that key out`;
  return { level: "FAIL", name, text: `${ports}: a ban cuts ${cut.join(", ")}, and can lock you out`, fix };
}

function checkDashboard({ enabled, listen }: Config["dashboard"], running: boolean): HostCheck {
  const name = "dashboard";
  if (!enabled) return { level: "ok", name, text: "off" };
  const { hostname, port } = parseListen(listen)!;
  try {
    Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
    return { level: "ok", name, text: `${listen} is free` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE" && running)
      return { level: "ok", name, text: `${listen} is in use while the daemon runs` };
    const fix = "name another port in dashboard.listen";
    if (code === "EADDRINUSE") return { level: "FAIL", name, text: `${listen} is in use by another program`, fix };
    return { level: "warn", name, text: `${listen} cannot be listened on by this user (${code})`, fix };
  }
}

/** Can the daemon read the password? Without it the dashboard, and with it the daemon, does not start. */
async function checkLogin({ enabled, password_file }: Config["dashboard"]): Promise<HostCheck[]> {
  const name = "login";
  const result = await readPasswordFile(enabled ? password_file : undefined);
  switch (result.kind) {
    case "none":
      return [];
    case "problem":
      return [{ level: "FAIL", name, text: `${result.from} ${result.message}`, fix: result.hint }];
    case "hash": {
      const text = `password from ${result.from}`;
      if (!result.readableByAll) return [{ level: "ok", name, text }];
      return [{ level: "warn", name, text: `${text}, readable by every user`, fix: `chmod o-r ${result.from}` }];
    }
    default:
      return result satisfies never;
  }
}

/** A directory that the service writes into, or will make. */
function checkPlace(name: string, directory: string): HostCheck {
  const existing = nearestExisting(directory);
  const will = existing === directory ? "" : ", will be made";
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
    if (!statSync(existing).isDirectory()) {
      return {
        level: "FAIL",
        name,
        text: `${existing} is not a directory`,
        fix: `remove it, or change the path of ${name}`,
      };
    }
    return { level: "ok", name, text: `${directory} writable${will}` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // For anybody but root this says little: the service has a user of its own.
    const level = process.getuid?.() === 0 ? "FAIL" : "warn";
    const fix = `the service's user must be able to write there (user ${process.getuid?.()} asked)`;
    return { level, name, text: `${directory} ${reasonText(code ?? "")}${will}`, fix };
  }
}

function nearestExisting(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    if (statSync(at, { throwIfNoEntry: false }) || at === dirname(at)) return at;
  }
}

async function checkSlack(config: Config, env: Env): Promise<HostCheck> {
  const name = "slack";
  const result = await readWebhook(config, env);
  switch (result.kind) {
    case "none":
      return {
        level: "warn",
        name,
        text: "no webhook: nobody is told",
        fix: "put its URL into a file, name it in slack.webhook_file",
      };
    case "problem":
      return { level: "FAIL", name, text: `${result.from} ${result.message}`, fix: result.hint };
    case "webhook": {
      const text = `${result.webhook} from ${result.webhook.from}`;
      if (!result.webhook.readableByAll) return { level: "ok", name, text };
      return { level: "warn", name, text: `${text}, readable by every user`, fix: `chmod 0600 ${result.webhook.from}` };
    }
    default:
      return result satisfies never;
  }
}

function reasonText(code: string): string {
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return "does not exist";
    case "EACCES":
    case "EPERM":
      return "is out of this user's reach";
    case "EISDIR":
      return "is a directory";
    case "ENOTFILE":
      return "is not a file";
    case "EROFS":
      return "is on a read-only file system";
    default:
      return `cannot be used (${code})`;
  }
}
