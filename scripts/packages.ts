/** Debian packages that the tests against real things need. */
import { existsSync, rmSync, writeFileSync } from "node:fs";

interface Package {
  readonly name: string;
  /** Program by which we see that it is there. */
  readonly program: string;
  readonly why: string;
}

const PACKAGES: readonly Package[] = [
  { name: "nginx-light", program: "nginx", why: "end to end: the real access log" },
  { name: "iptables", program: "iptables", why: "firewall and end to end: the real rules" },
  { name: "ipset", program: "ipset", why: "firewall and end to end: the real sets" },
  { name: "nftables", program: "nft", why: "firewall: another hand in its rules" },
  { name: "iproute2", program: "ip", why: "firewall and end to end: network namespaces" },
  { name: "procps", program: "sysctl", why: "end to end: IPv6 inside the namespaces" },
  { name: "curl", program: "curl", why: "end to end: clients with an address of their own" },
  { name: "gcc", program: "cc", why: "faults: a wall clock that jumps" },
  { name: "libc6-dev", program: "gencat", why: "faults: the same" },
  { name: "docker.io", program: "dockerd", why: "installer and compose: a fresh VPS in a container" },
  { name: "debootstrap", program: "debootstrap", why: "installer and compose: its Debian" },
  { name: "shellcheck", program: "shellcheck", why: "installer: the script itself" },
  { name: "qemu-user-static", program: "qemu-aarch64-static", why: "release: the arm64 program starts" },
  { name: "libc6-arm64-cross", program: "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1", why: "release: the same" },
  { name: "chromium", program: "chromium", why: "browser: the dashboard as people see it" },
];

const POLICY = "/usr/sbin/policy-rc.d";

/** Installs by apt what is missing, when we are root on Debian; else says what will be skipped. Never throws. */
export async function installPackages(): Promise<void> {
  // An ordinary user's PATH leaves out where iptables lives.
  const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
  const missing = PACKAGES.filter((p) => Bun.which(p.program, { PATH }) === null);
  if (missing.length === 0) return;
  console.log("== packages");
  const able = process.getuid?.() === 0 && Bun.which("apt-get") !== null;
  for (const { name, why } of missing) console.log(`${able ? "installing" : "missing "} ${name} (${why})`);
  if (!able) {
    console.log("tests that need these are skipped; as root they are installed by apt");
    return;
  }
  await withoutStartingServices(async () => {
    const names = missing.map((p) => p.name);
    if ((await install(names)) === null) return;
    console.log("fetching apt's package lists");
    await apt("update");
    // One by one: a package that cannot be had does not cost the others.
    for (const name of names) {
      const error = await install([name]);
      if (error !== null) console.log(`${name}: not installed, the tests that need it are skipped\n${error}`);
    }
  });
}

/** A test run must not start Nginx on somebody's port 80: Debian asks policy-rc.d before it starts a service. */
async function withoutStartingServices(run: () => Promise<void>): Promise<void> {
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await run();
  } finally {
    if (ours) rmSync(POLICY, { force: true });
  }
}

/** Null when all are installed, else what apt said. */
function install(names: readonly string[]): Promise<string | null> {
  return apt("install", "-y", "--no-install-recommends", ...names);
}

async function apt(...args: string[]): Promise<string | null> {
  const child = Bun.spawn(["apt-get", "-qq", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return code === 0 ? null : errors.trim();
}
