/**
 * Keeps package-lock.json installable everywhere. npm leaves out a platform's optional package that the registry
 * at hand does not carry, and `npm ci` then refuses the lockfile. Run after a change of dependencies:
 *
 *     npm install --package-lock-only && bun scripts/lockfile.ts
 */

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly dev?: boolean;
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

const PATH = new URL("../package-lock.json", import.meta.url).pathname;

export async function readLockfile(): Promise<Lockfile> {
  return (await Bun.file(PATH).json()) as Lockfile;
}

/** Entries with a registry's address in them. */
export function withAddress(lock: Lockfile): string[] {
  return Object.entries(lock.packages).flatMap(([path, entry]) => (entry.resolved === undefined ? [] : [path]));
}

/** Entries for the optional packages that a package asks for and the lockfile does not have, by path. */
export function missingEntries(lock: Lockfile): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {};
  for (const entry of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`;
      if (!(path in lock.packages)) missing[path] = { version, ...(entry.dev ? { dev: true } : {}), ...platform(name) };
    }
  }
  return missing;
}

/** "@biomejs/cli-linux-x64-musl" says for which system it is: npm then leaves it alone on any other. */
function platform(name: string): LockedPackage {
  const [os, cpu, abi] = name.replace(/^.*\/(?:cli-|binding-)?/, "").split("-");
  const libc = abi === "musl" ? ["musl"] : abi === "gnu" ? ["glibc"] : undefined;
  return { cpu: [cpu!], ...(libc ? { libc } : {}), optional: true, os: [os!] };
}

if (import.meta.main) {
  const lock = await readLockfile();
  const missing = missingEntries(lock);
  const packages = Object.entries({ ...lock.packages, ...missing }).sort(([a], [b]) => a.localeCompare(b, "en"));
  await Bun.write(PATH, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`);
  console.log(`package-lock.json: ${Object.keys(missing).length} entries added`);
}
