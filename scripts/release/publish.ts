/** A release directory: an archive per target, install.sh, licences, SBOM, SHA256SUMS and its signature. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { packArchive } from "./archive.ts";
import { stampInstaller } from "./installer.ts";
import { licencesText } from "./licences.ts";
import type { EmbeddedPackage } from "./packages.ts";
import { sbomText } from "./sbom.ts";
import { type ReleaseKey, sha256 } from "./signature.ts";

export interface Release {
  /** "0.1.0+9b2e01f". */
  readonly version: string;
  /** Seconds since the epoch: every file is dated so. */
  readonly commitTime: number;
  /** Where the repository's files are taken from. */
  readonly sources: string;
  /** By archive suffix ("linux-x64"): the compiled program. */
  readonly programs: Readonly<Record<string, string>>;
  readonly packages: readonly EmbeddedPackage[];
  readonly key: ReleaseKey;
  readonly baseUrl?: string | undefined;
}

/** What lies in an archive besides the program, at the same path as in the repository. */
const FILES = [
  "config/anomaly-detector.yaml",
  "config/anomaly-detector.schema.json",
  "systemd/anomaly-detector.service",
  "systemd/anomaly-detector-gave-up.service",
  "systemd/backoff.conf",
  "systemd/old-systemd.conf",
  "systemd/logrotate.conf",
  "nginx/nginx.conf",
  "nginx/log-format.conf",
  "nginx/nextcloud.conf",
  "nginx/trusted-proxies.conf",
  "nginx/sites/nextcloud.conf",
  "nginx/sites/tls.conf.example",
  "docker-compose.yml",
  "docker-compose.tls.yml",
  ".env.example",
  "docs/operations.md",
  "README.md",
  "LICENSE",
];

/** Empties `out` and fills it; the text of SHA256SUMS. */
export async function publish(release: Release, out: string): Promise<string> {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const { version, commitTime, sources, packages, key, baseUrl } = release;
  const installer = readFileSync(join(sources, "install.sh"), "utf8");
  const texts = {
    "install.sh": stampInstaller(installer, { publicKey: key.publicKey, version, baseUrl }),
    "LICENSES.txt": licencesText(packages),
    "sbom.cdx.json": sbomText(release, packages),
  };
  const names = Object.keys(texts);
  for (const [name, text] of Object.entries(texts)) await Bun.write(join(out, name), text);
  const files = FILES.map((path) => ({ path, from: join(sources, path) }));
  for (const [target, program] of Object.entries(release.programs)) {
    const name = `anomaly-detector-${version}-${target}`;
    names.push(await packArchive({ name, mtime: commitTime, program, files, texts }, out));
  }
  const sums = names.sort().map((name) => `${sha256(readFileSync(join(out, name)))}  ${name}\n`);
  await Bun.write(join(out, "SHA256SUMS"), sums.join(""));
  await Bun.write(join(out, "SHA256SUMS.sig"), key.sign(sums.join("")));
  return sums.join("");
}
