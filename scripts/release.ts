/**
 * Makes a release in dist/release: an archive per target, SHA256SUMS with its signature, install.sh that verifies
 * it, SBOM and licences. The same commit gives the same bytes, wherever the checkout lies.
 *
 *     openssl genpkey -algorithm ed25519 -out release-key.pem       once; kept off this machine and out of the repository
 *     bun run release --key release-key.pem --base-url https://example.org/anomaly-detector
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createBuildTree } from "./release/build-tree.ts";
import { embeddedPackages } from "./release/packages.ts";
import { publish } from "./release/publish.ts";
import { createKey, readReleaseKey } from "./release/signature.ts";

const ROOT = resolve(import.meta.dir, "..");
/**
 * Archive suffix, as install.sh asks for it, and what bun calls it. Of x86-64 there is one: bun's "baseline" build, for
 * CPUs without AVX, is the same file since 1.4 and needs SSE4.2 only; release.test.ts would see them part.
 */
const TARGETS: Readonly<Record<string, string>> = { "linux-x64": "bun-linux-x64", "linux-arm64": "bun-linux-arm64" };

const { values } = parseArgs({
  options: {
    key: { type: "string" },
    "public-key": { type: "string" },
    "base-url": { type: "string" },
    out: { type: "string", default: join(ROOT, "dist/release") },
    target: { type: "string", multiple: true, default: Object.keys(TARGETS) },
    "allow-dirty": { type: "boolean", default: false },
  },
});

process.exit(await release());

async function release(): Promise<number> {
  const keyPath = values.key ?? process.env.ANOMALY_DETECTOR_RELEASE_KEY ?? trialKey();
  const unknown = values.target.filter((target) => !(target in TARGETS));
  if (unknown.length > 0)
    return fail(`unknown target ${unknown.join(", ")}; known are ${Object.keys(TARGETS).join(", ")}`);
  const key = readReleaseKey(keyPath, values["public-key"]);
  const tree = await createBuildTree(ROOT, { allowDirty: values["allow-dirty"] });
  try {
    const programs: Record<string, string> = {};
    for (const target of values.target) programs[target] = await tree.build(TARGETS[target]!, target);
    const packages = embeddedPackages(join(tree.directory, "package-lock.json"), join(ROOT, "node_modules"));
    const { version, commitTime, directory: sources } = tree;
    const baseUrl = values["base-url"];
    const sums = await publish({ version, commitTime, sources, programs, packages, key, baseUrl }, resolve(values.out));
    console.log(`${version}, signed by ${key.publicKey}:\n${sums}`);
  } finally {
    tree.remove();
  }
  return 0;
}

/** Without a key of one's own a release can be tried, not published: its key lies in the checkout's dist/. */
function trialKey(): string {
  const path = join(ROOT, "dist/trial-key.pem");
  if (!existsSync(path)) createKey(path);
  console.error(`release: no --key FILE: signing with ${path}, which is for trying only`);
  return path;
}

function fail(message: string): number {
  console.error(`release: ${message}`);
  return 2;
}
