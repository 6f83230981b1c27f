/** A disk that can lose power: an ext4 file system on a loop device, whose image holds only what was written through. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { findProgram } from "../../src/firewall/exec.ts";
import { must, run, until } from "../e2e/process.ts";

const SIZE = "48M";

/** Why there are none here; "" when there are. Prints it once, so that a skip is seen. */
export function whyNoDisks(): string {
  const missing = ["losetup", "mkfs.ext4", "mount", "umount"].filter((program) => findProgram(program) === null);
  const why = missing.length > 0 ? `missing: ${missing.join(", ")}` : cannotAttachOne();
  if (why) console.warn(`SKIPPED, no loop devices: ${why}`);
  return why;
}

function cannotAttachOne(): string {
  const dir = mkdtempSync(join(tmpdir(), "anomaly-detector-disk-"));
  try {
    writeFileSync(join(dir, "image"), Buffer.alloc(1 << 20));
    const tried = Bun.spawnSync(["losetup", "--find", "--show", join(dir, "image")]);
    if (tried.exitCode !== 0) return tried.stderr.toString().trim();
    Bun.spawnSync(["losetup", "--detach", tried.stdout.toString().trim()]);
    return "";
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export class Disk {
  readonly #dir = mkdtempSync(join(tmpdir(), "anomaly-detector-disk-"));
  #device = "";
  #lives = 0;

  /** `options`: of mount. The kernel writes by itself only what and when they say. */
  private constructor(
    readonly at: string,
    private readonly options: string,
  ) {}

  /** A new one, mounted at `at` over what is there. */
  static async create(at: string, options: string): Promise<Disk> {
    const disk = new Disk(at, options);
    await must(["truncate", "-s", SIZE, disk.#image]);
    await must(["mkfs.ext4", "-q", "-F", disk.#image]);
    await disk.#mount();
    return disk;
  }

  /**
   * What a loss of power at this moment would leave. Who writes must stand still: a copy during which the kernel wrote
   * something is no moment, and is taken again.
   */
  async freeze(): Promise<void> {
    const next = `${this.#dir}/image-${this.#lives + 1}`;
    for (let writes = -1; writes !== this.#writes(); ) {
      writes = this.#writes();
      copyFileSync(this.#image, next);
    }
  }

  /** Goes on with what `freeze` kept, as another device. Everybody who used the disk must be gone. */
  async replug(): Promise<void> {
    await this.#unmount();
    const old = this.#device;
    this.#lives++;
    await this.#mount();
    await must(["losetup", "--detach", old]);
  }

  async destroy(): Promise<void> {
    await this.#unmount();
    await must(["losetup", "--detach", this.#device]);
    rmSync(this.#dir, { recursive: true });
  }

  /** Whoever was killed lets go of the disk a moment later, on a busy machine; and others walk through the directory it is in. */
  async #unmount(): Promise<void> {
    await until(`${this.at} to be let go of`, async () => (await run(["umount", this.at])).code === 0, {
      everyMs: 100,
    });
  }

  get #image(): string {
    return `${this.#dir}/image-${this.#lives}`;
  }

  /** Writes that reached the device; -2 while some are under way. */
  #writes(): number {
    const fields = readFileSync(`/sys/block/${basename(this.#device)}/stat`, "utf8")
      .trim()
      .split(/\s+/);
    return fields[8] === "0" ? Number(fields[4]) : -2;
  }

  async #mount(): Promise<void> {
    this.#device = (await must(["losetup", "--find", "--show", this.#image])).trim();
    await must(["mount", "-o", this.options, this.#device, this.at]);
  }
}
