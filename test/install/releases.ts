/** Releases to install from: real archives, signed by a key that lives as long as the test. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type EmbeddedPackage, embeddedPackages } from "../../scripts/release/packages.ts";
import { publish } from "../../scripts/release/publish.ts";
import { createKey, type ReleaseKey, readReleaseKey } from "../../scripts/release/signature.ts";
import { BINARY } from "../e2e/detector.ts";
import { must } from "../e2e/process.ts";
import { RELEASES } from "../lab/vps.ts";

export const ROOT = resolve(import.meta.dir, "../..");

/** A program that does this. */
function faulty(version: string, check: string, run: string): string {
  return `#!/bin/sh
case $1 in
  version) ${version} ;;
  check) ${check} ;;
  run) ${run} ;;
  *) exit 1 ;;
esac
`;
}

const NAMED = "echo 'anomaly-detector 9.0.0 (bun 0, linux x64)'";
const FAULTY = {
  /** Answers `version` and `check` as a good one does, and then does not come up. */
  broken: faulty(NAMED, "exit 0", "echo 'anomaly-detector: broken on purpose' >&2; exit 1"),
  /** The same, but it stays, and is never ready. */
  hung: faulty(NAMED, "exit 0", "exec sleep 1000"),
  "does not run": faulty("exit 126", "exit 0", "exit 0"),
  "does not accept": faulty(NAMED, "echo 'line 1: no longer known' >&2; exit 2", "exit 0"),
};

export class Releases {
  readonly directory = mkdtempSync(join(tmpdir(), "anomaly-detector-releases-"));
  readonly key: ReleaseKey;
  readonly #packages: EmbeddedPackage[] = embeddedPackages(join(ROOT, "package-lock.json"), join(ROOT, "node_modules"));

  constructor() {
    this.key = this.newKey("key.pem");
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  newKey(name: string): ReleaseKey {
    const path = join(this.directory, name);
    createKey(path);
    return readReleaseKey(path);
  }

  /** The program under test; the directory of the release. */
  async current(): Promise<string> {
    const version = (await must([BINARY, "version"])).split(" ")[1]!;
    return this.#publish("current", version, BINARY, ROOT, this.key);
  }

  /** A later version of it, with another default in its configuration file. */
  async next(): Promise<string> {
    const { scripts } = (await Bun.file(join(ROOT, "package.json")).json()) as { scripts: { build: string } };
    const program = join(this.directory, "next-build/anomaly-detector");
    const line = scripts.build.replace("$(sh scripts/version.sh)", "9.1.0+next");
    const path = `${join(ROOT, "node_modules/.bin")}:${process.env.PATH}`;
    await must([
      "env",
      "-C",
      ROOT,
      `PATH=${path}`,
      "sh",
      "-c",
      `mkdir -p '${this.directory}/next-build' && ${line} --outfile '${program}'`,
    ]);
    const sources = await this.#sourcesWith("config/anomaly-detector.yaml", (text) =>
      text.replace("  poll: 50ms", "  poll: 60ms"),
    );
    return this.#publish("next", "9.1.0+next", program, sources, this.key);
  }

  /** A release whose program is no good in this way. */
  faulty(how: keyof typeof FAULTY): Promise<string> {
    const name = how.replaceAll(" ", "-");
    const program = join(this.directory, `${name}-program`);
    writeFileSync(program, FAULTY[how], { mode: 0o755 });
    return this.#publish(name, "9.0.0", program, ROOT, this.key);
  }

  /** The same as `like`, with one thing changed after it was signed. */
  async tampered(name: string, like: string, change: (directory: string) => Promise<unknown>): Promise<string> {
    const directory = join(this.directory, name);
    await must(["cp", "-r", like, directory]);
    await change(directory);
    return directory;
  }

  async #sourcesWith(path: string, change: (text: string) => string): Promise<string> {
    const sources = join(this.directory, "sources");
    const parts = [
      "config",
      "systemd",
      "nginx",
      "docs",
      "docker-compose.yml",
      "docker-compose.tls.yml",
      ".env.example",
      "install.sh",
    ];
    await must(["mkdir", "-p", sources]);
    await must(["cp", "-r", ...parts.map((part) => join(ROOT, part)), sources]);
    await Bun.write(join(sources, path), change(await Bun.file(join(sources, path)).text()));
    return sources;
  }

  async #publish(name: string, version: string, program: string, sources: string, key: ReleaseKey): Promise<string> {
    const out = join(this.directory, name);
    const release = {
      version,
      commitTime: 1_750_000_000,
      sources,
      programs: { "linux-x64": program },
      packages: this.#packages,
      key,
      baseUrl: RELEASES,
    };
    await publish(release, out);
    return out;
  }
}
