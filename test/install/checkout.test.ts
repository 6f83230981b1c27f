/** sudo ./install.sh from a checkout: installs what the build needs, builds, and is as idempotent as a release. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { embeddedPackages } from "../../scripts/release/packages.ts";
import { must } from "../e2e/process.ts";
import { CACHE, Engine, missingForEngine } from "../lab/engine.ts";
import { makeVpsImage } from "../lab/images.ts";
import { Upstream } from "../lab/upstream.ts";
import { Vps } from "../lab/vps.ts";
import { ROOT } from "./releases.ts";

const missing = (await missingForEngine()) ?? (existsSync(join(ROOT, ".git")) ? null : "needs a git checkout");

describe.skipIf(missing !== null)(`install.sh from a checkout${missing ? ` (${missing})` : ""}`, () => {
  const engine = new Engine();
  const upstream = new Upstream(engine.run, join(CACHE, "packages"), "");
  const vps = new Vps(engine, upstream, "checkout");

  beforeAll(async () => {
    await engine.start();
    await makeVpsImage(engine);
    await upstream.start();
    await vps.start();
    // Somebody's checkout, with the packages that the build needs: the npm registry is out of reach in there.
    const archive = join(upstream.directory, "checkout.tar");
    const embedded = embeddedPackages(join(ROOT, "package-lock.json"), join(ROOT, "node_modules")).map(
      ({ path }) => path,
    );
    const packages = [
      ...embedded,
      ...["bun/bin/bun.exe", "bun/package.json", ".bin/bun", ".package-lock.json"].map(
        (path) => `node_modules/${path}`,
      ),
    ];
    const files = `git ls-files -co --exclude-standard | while read -r f; do [ ! -e "$f" ] || echo "$f"; done`;
    const pack = `(${files}; printf '%s\\n' "$@") | tar --owner=1000 --group=1000 -cf '${archive}' -T -`;
    await must(["env", "-C", ROOT, "sh", "-c", pack, "sh", ...packages]);
    await vps.copyIn(archive, "/var/lib/docker/checkout.tar");
    await vps.sh(
      "useradd -m -u 1000 dev; mkdir /home/dev/checkout; tar -xf /var/lib/docker/checkout.tar -C /home/dev/checkout; chown dev:dev /home/dev/checkout",
    );
  }, 300_000);
  afterAll(async () => {
    await vps.stop();
    await upstream.stop();
    await engine.stop();
  }, 60_000);

  const install = (flags = "") => vps.try(`cd /home/dev/checkout && ./install.sh --no-stack ${flags}`);

  test("installs npm, builds as the checkout's owner, and starts", async () => {
    const { code, stdout, stderr } = await install();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("apt-get install nodejs npm");
    expect(
      await vps.sh("systemctl is-active anomaly-detector; stat -c %U /home/dev/checkout/dist/anomaly-detector"),
    ).toBe("active\ndev");
  }, 180_000);

  test("a second time nothing is changed or restarted", async () => {
    const life = () => vps.sh("systemctl show -p MainPID,ActiveEnterTimestampMonotonic anomaly-detector");
    const before = await life();
    const { code, stdout } = await install();
    expect({ code, nothing: stdout.includes("nothing to do") }).toEqual({ code: 0, nothing: true });
    expect(await life()).toBe(before);
  }, 60_000);
});
