/** What this host's sshd and its users tell us, so that a ban never locks the owner out. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Ip, parseIp } from "../net/ip.ts";

const DEFAULT_PORT = 22;
/** Includes within includes; sshd itself stops at 16. */
const MAX_DEPTH = 16;

/**
 * The ports of sshd_config(5) in `root`, its Include files and ListenAddress ports too; [22] when none is named or
 * the file cannot be read. Several Port lines are several ports.
 */
export function readSshPorts(root = "/etc/ssh"): number[] {
  const ports = new Set(portsOf(resolve(root, "sshd_config"), root, 0));
  return ports.size > 0 ? [...ports].sort((a, b) => a - b) : [DEFAULT_PORT];
}

function portsOf(path: string, root: string, depth: number): number[] {
  return directives(read(path)).flatMap(([keyword, value]) => {
    if (keyword === "port") return validPort(value);
    if (keyword === "listenaddress") return validPort(/^(?:\[.*\]|[^:]+):(\d+)$/.exec(value)?.[1] ?? "");
    if (keyword !== "include" || depth >= MAX_DEPTH) return [];
    return value
      .split(/\s+/)
      .flatMap((pattern) => expand(pattern, root).flatMap((file) => portsOf(file, root, depth + 1)));
  });
}

/** Keyword and value of each line before the first Match block, where Port is not allowed any more. */
export function directives(text: string): [string, string][] {
  const found: [string, string][] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.+?)\s*(?:#.*)?$/.exec(line);
    if (!match) continue;
    const keyword = match[1]!.toLowerCase();
    if (keyword === "match") break;
    found.push([keyword, match[2]!.replace(/^"(.*)"$/, "$1")]);
  }
  return found;
}

/** Files that an Include pattern names: relative to sshd's directory, "*" and "?" in the last part. */
function expand(pattern: string, root: string): string[] {
  const path = resolve(root, pattern.replace(/^"(.*)"$/, "$1"));
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (!/[*?]/.test(name)) return [path];
  const escaped = name
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const shape = new RegExp(`^${escaped}$`);
  return list(dirname(path))
    .filter((file) => shape.test(file) && !file.startsWith("."))
    .sort()
    .map((file) => `${dirname(path)}/${file}`);
}

function validPort(text: string): number[] {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? [port] : [];
}

/**
 * Addresses from which somebody has logged in (pam_systemd writes REMOTE_HOST after authentication), from
 * systemd-logind's session files. Null when there is no logind to ask.
 */
export function readSshClients(directory: string): Set<Ip> | null {
  const names = listOrNull(directory);
  if (names === null) return null;
  const clients = new Set<Ip>();
  for (const name of names) {
    const address = parseIp(/^REMOTE_HOST=(.*)$/m.exec(read(`${directory}/${name}`))?.[1] ?? "");
    if (address !== null) clients.add(address);
  }
  return clients;
}

function list(directory: string): string[] {
  return listOrNull(directory) ?? [];
}

function listOrNull(directory: string): string[] | null {
  try {
    return readdirSync(directory);
  } catch {
    return null;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
