/** The npm packages that the binary may hold: what the lockfile says is neither for development nor for another system. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface EmbeddedPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX, as the package says. */
  readonly licence: string;
  /** "sha512-…" of the registry's archive. */
  readonly integrity: string;
  /** "node_modules/elysia". */
  readonly path: string;
  /** Absolute. */
  readonly directory: string;
}

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

export function embeddedPackages(lockPath: string, nodeModules: string): EmbeddedPackage[] {
  const { packages } = JSON.parse(readFileSync(lockPath, "utf8")) as { packages: Record<string, Locked> };
  return Object.entries(packages).flatMap(([path, entry]) => {
    if (path === "" || entry.dev || entry.optional || entry.devOptional) return [];
    const directory = join(nodeModules, "..", path);
    if (!existsSync(directory)) return [];
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const { version = "", license: licence = "NOASSERTION", integrity = "" } = entry;
    return [{ name, version, licence, integrity, path, directory }];
  });
}
