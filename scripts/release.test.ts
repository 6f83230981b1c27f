/** The release as it is made: the same bytes twice, a signature that openssl accepts, programs that start elsewhere too. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { must, run } from "../test/e2e/process.ts";
import { stampInstaller } from "./release/installer.ts";
import { readReleaseKey, sha256 } from "./release/signature.ts";

const ROOT = resolve(import.meta.dir, "..");
const QEMU = Bun.which("qemu-aarch64-static");
const QEMU_X64 = Bun.which("qemu-x86_64-static");
/** The C library and the loader for qemu, out of Debian's packages for arm64. */
const ARM64_ROOT = "/usr/aarch64-linux-gnu";
const work = mkdtempSync(join(tmpdir(), "anomaly-detector-release-test-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const missing = Bun.which("git") === null || !existsSync(join(ROOT, ".git")) ? "needs a git checkout" : null;

describe.skipIf(missing !== null)(`bun run release${missing ? ` (${missing})` : ""}`, () => {
  const key = join(work, "key.pem");
  /** The sources as they are now, committed: they may be edited while we build. */
  const [one, two] = [join(work, "one-checkout"), join(work, "elsewhere/two-checkout")];
  const release = (checkout: string, out: string, ...args: string[]) =>
    run([process.execPath, join(checkout, "scripts/release.ts"), "--key", key, "--out", join(work, out), ...args], {
      timeoutMs: 240_000,
    });
  const archives = (out: string) => readdirSync(join(work, out)).filter((name) => name.endsWith(".tar.gz"));
  let arm64 = true;

  beforeAll(async () => {
    // The documented command.
    expect((await run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key])).code).toBe(0);
    await must(["git", "clone", "-q", ROOT, one]);
    await must([
      ...["sh", "-eu", "-c"],
      `cd "$1"
      git ls-files -co --exclude-standard | while read -r f; do [ ! -e "$f" ] || echo "$f"; done | tar -cf - -T - | tar -xf - -C "$2"
      git -C "$2" add -A
      git -C "$2" -c user.name=test -c user.email=test@localhost commit -q --allow-empty -m test
      git clone -q "$2" "$3"
      for checkout in "$2" "$3"; do ln -s "$1/node_modules" "$checkout/node_modules"; echo node_modules >>"$checkout/.git/info/exclude"; done`,
      ...["sh", ROOT, one, two],
    ]);
    const both = await release(one, "one");
    // Bun fetches its arm64 runtime from the npm registry; without one there is x64 only.
    if (both.code !== 0 && /download|fetch|network|registry|ConnectionRefused|resolve/i.test(both.stderr)) {
      arm64 = false;
      console.warn(`SKIPPED, no arm64 runtime of bun: ${both.stderr.slice(-300)}`);
      expect((await release(one, "one", "--target", "linux-x64")).code).toBe(0);
    } else expect({ code: both.code, stderr: both.stderr }).toEqual({ code: 0, stderr: "" });
  }, 300_000);

  test("the same commit gives the same bytes, in another checkout too", async () => {
    const again = await release(two, "two", "--target", "linux-x64");
    expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: "" });
    const [name] = archives("two");
    const bytes = (out: string, file: string) => sha256(readFileSync(join(work, out, file)));
    for (const file of [name!, "install.sh", "LICENSES.txt", "sbom.cdx.json"])
      expect([file, bytes("two", file)]).toEqual([file, bytes("one", file)]);
  }, 120_000);

  test("uncommitted changes are refused: the bytes would not be the commit's", async () => {
    writeFileSync(join(two, "src/stray.ts"), "export {};\n");
    const { code, stderr } = await release(two, "stray", "--target", "linux-x64");
    expect({ code: code !== 0, named: stderr.includes("src/stray.ts") }).toEqual({ code: true, named: true });
    expect(existsSync(join(work, "stray"))).toBe(false);
  }, 30_000);

  test("openssl accepts the signature with the key that install.sh carries, and sha256sum the sums", async () => {
    const out = join(work, "one");
    const carried = /^PUBLIC_KEY='([^']+)'$/m.exec(readFileSync(join(out, "install.sh"), "utf8"))?.[1];
    const pem = join(work, "public.pem");
    writeFileSync(pem, `-----BEGIN PUBLIC KEY-----\n${carried}\n-----END PUBLIC KEY-----\n`);
    const verify = (sums: string) =>
      run([
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        pem,
        "-rawin",
        "-in",
        sums,
        "-sigfile",
        join(out, "SHA256SUMS.sig"),
      ]);
    expect((await verify(join(out, "SHA256SUMS"))).code).toBe(0);
    writeFileSync(join(work, "other"), "0000  other\n");
    expect((await verify(join(work, "other"))).code).not.toBe(0);
    expect((await run(["env", "-C", out, "sha256sum", "--strict", "--status", "-c", "SHA256SUMS"])).code).toBe(0);
  });

  test("neither the private key nor a path of this machine ships", async () => {
    const secret = readFileSync(key, "utf8").split("\n")[1]!;
    const x64 = join(work, "one", archives("one").find((name) => name.includes("x64"))!);
    await run(["tar", "-xzf", x64, "-C", work]);
    for (const text of [secret, ROOT, work]) {
      const found = await run([
        "grep",
        "-rlaF",
        text,
        join(work, "one"),
        join(
          work,
          archives("one")
            .find((n) => n.includes("x64"))!
            .replace(".tar.gz", ""),
        ),
      ]);
      expect([text === secret ? "key" : text, found.stdout]).toEqual([text === secret ? "key" : text, ""]);
    }
  }, 60_000);

  test("the archive holds all that install.sh puts anywhere, root's and dated by the commit", async () => {
    const name = archives("one").find((name) => name.includes("x64"))!;
    const { stdout } = await run(["tar", "--numeric-owner", "-tvzf", join(work, "one", name)]);
    const entries = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/));
    expect(entries.every(([, owner]) => owner === "0/0")).toBe(true);
    expect(new Set(entries.map(([, , , date]) => date)).size).toBe(1);
    const paths = entries.map((fields) => fields.at(-1)!.slice(name.length - ".tar.gz".length + 1));
    const installer = readFileSync(join(ROOT, "install.sh"), "utf8");
    for (const path of [
      "anomaly-detector",
      "install.sh",
      "LICENSES.txt",
      "sbom.cdx.json",
      "docker-compose.yml",
      ".env.example",
      "nginx/log-format.conf",
      "systemd/logrotate.conf",
      "docs/operations.md",
    ]) {
      expect(paths).toContain(path);
      expect(installer).toContain(
        path
          .split("/")
          .at(-1)!
          .replace(/^anomaly-detector\.service$/, "$NAME.service"),
      );
    }
    expect(entries.find((fields) => fields.at(-1)!.endsWith("/anomaly-detector"))?.[0]).toBe("-rwxr-xr-x");
  });

  test("the SBOM is CycloneDX and names every package with its hash; the licences do too", async () => {
    const bom = JSON.parse(readFileSync(join(work, "one/sbom.cdx.json"), "utf8"));
    expect(bom).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.5", version: 1 });
    expect(bom.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const licences = readFileSync(join(work, "one/LICENSES.txt"), "utf8");
    const { dependencies } = await Bun.file(join(ROOT, "package.json")).json();
    for (const [name, version] of Object.entries(dependencies)) {
      const found = bom.components.find((c: { name: string }) => c.name === name);
      expect(found).toMatchObject({ version, purl: `pkg:npm/${name.replace("@", "%40")}@${version}` });
      expect(found.hashes[0].content).toMatch(/^[0-9a-f]{128}$/);
      expect(licences).toContain(`${name} ${version}: `);
    }
    const refs = bom.components.map((c: { "bom-ref": string }) => c["bom-ref"]);
    expect(new Set(refs).size).toBe(refs.length);
    expect(bom.dependencies[0].dependsOn.sort()).toEqual(refs.sort());
    expect(JSON.stringify(bom)).not.toContain("biome");
  });

  test.skipIf(QEMU === null || !existsSync(ARM64_ROOT))(
    "the arm64 program starts",
    async () => {
      if (!arm64) return;
      const name = archives("one").find((name) => name.includes("arm64"))!;
      await run(["tar", "-xzf", join(work, "one", name), "-C", work]);
      const program = join(work, name.replace(".tar.gz", ""), "anomaly-detector");
      const { code, stdout } = await run([QEMU!, "-L", ARM64_ROOT, program, "version"], { timeoutMs: 60_000 });
      expect({ code, stdout }).toEqual({
        code: 0,
        stdout: expect.stringMatching(/^anomaly-detector \S+ \(bun \S+, linux arm64\)\n$/),
      });
    },
    90_000,
  );

  test.skipIf(QEMU_X64 === null)(
    "the x64 program starts on a CPU without AVX, and asks for glibc 2.17",
    async () => {
      const name = archives("one").find((name) => name.includes("x64"))!;
      await run(["tar", "-xzf", join(work, "one", name), "-C", work]);
      const program = join(work, name.replace(".tar.gz", ""), "anomaly-detector");
      // Nehalem, of 2008: SSE4.2, and none of what came after.
      const { code, stdout } = await run([QEMU_X64!, "-cpu", "Nehalem", program, "version"], { timeoutMs: 60_000 });
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/ \(bun \S+, linux x64\)\n$/) });
      const { stdout: versions } = await run(["grep", "-aoE", "GLIBC_2\\.[0-9]+", program]);
      const newest = Math.max(...versions.match(/(?<=2\.)\d+/g)!.map(Number));
      // README: glibc 2.17.
      expect(newest).toBe(17);
    },
    90_000,
  );

  test("another kind of key, or another's public half, is refused", async () => {
    await run(["openssl", "genpkey", "-algorithm", "x25519", "-out", join(work, "x.pem")]);
    expect(() => readReleaseKey(join(work, "x.pem"))).toThrow("not an ed25519 key");
    await run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", join(work, "y.pem")]);
    await run(["openssl", "pkey", "-in", join(work, "y.pem"), "-pubout", "-out", join(work, "y.pub")]);
    expect(() => readReleaseKey(key, join(work, "y.pub"))).toThrow("is not the public half");
  });
});

describe("install.sh as released", () => {
  const text = readFileSync(join(ROOT, "install.sh"), "utf8");
  const stamp = { publicKey: "MCowBQYDK2VwAyEA=", version: "1.2.3+abc" };

  test("differs in the stamped lines only", () => {
    const stamped = stampInstaller(text, { ...stamp, baseUrl: "https://example.org/releases/" });
    const before = text.split("\n");
    const changed = stamped.split("\n").filter((line, i) => line !== before[i]);
    expect(changed).toEqual([
      `BASE_URL=\${ANOMALY_DETECTOR_BASE_URL:-https://example.org/releases}`,
      "PUBLIC_KEY='MCowBQYDK2VwAyEA='",
      "THIS_VERSION=1.2.3+abc",
    ]);
  });

  test.each([
    [{ publicKey: "'; rm -rf /" }, "one line of base64"],
    [{ version: "1 2" }, "cannot be a version"],
    [{ baseUrl: "https://x/$(id)" }, "cannot be a base URL"],
  ])("%j is refused", (part, why) => {
    expect(() => stampInstaller(text, { ...stamp, ...part })).toThrow(why);
  });

  test("a script without the lines is refused", () => {
    expect(() => stampInstaller("#!/bin/sh\n", stamp)).toThrow("0 lines");
  });
});
