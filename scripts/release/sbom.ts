/** The bill of materials, CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json/): what the binary embeds. */
import type { EmbeddedPackage } from "./packages.ts";
import { sha256 } from "./signature.ts";

export function sbomText(
  release: { readonly version: string; readonly commitTime: number },
  packages: readonly EmbeddedPackage[],
): string {
  const { version, commitTime } = release;
  const root = `pkg:generic/anomaly-detector@${encodeURIComponent(version)}`;
  const bun = `pkg:npm/bun@${Bun.version}`;
  const components = packages.map(component);
  const bom = {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify([version, components]))}`,
    version: 1,
    metadata: {
      timestamp: new Date(commitTime * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": root,
        name: "anomaly-detector",
        version,
        licenses: [{ license: { id: "Apache-2.0" } }],
      },
    },
    components: [
      {
        type: "application",
        "bom-ref": bun,
        name: "bun",
        version: Bun.version,
        purl: bun,
        licenses: [{ license: { id: "MIT" } }],
      },
      ...components,
    ],
    dependencies: [{ ref: root, dependsOn: [bun, ...components.map((c) => c["bom-ref"])] }],
  };
  return `${JSON.stringify(bom, null, 2)}\n`;
}

function component({ name, version, licence, integrity, path }: EmbeddedPackage) {
  const purl = `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
  const content = Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
  return {
    type: "library",
    "bom-ref": `${purl}?path=${encodeURIComponent(path)}`,
    name,
    version,
    purl,
    licenses: [{ expression: licence }],
    hashes: [{ alg: "SHA-512", content }],
  };
}

/** A UUID (version 8, RFC 9562) made from the content: the same commit has the same. */
function uuidOf(text: string): string {
  const hex = sha256(text);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
