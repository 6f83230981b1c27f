/**
 * A download that is cut short is a prefix of install.sh. Each is fed to dash and bash, as root, in a world of its
 * own where every change can be seen: an overlay over the whole file system, a process, a network and a mount
 * namespace. Nothing of it reaches the machine.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../e2e/process.ts";
import { ROOT } from "./releases.ts";

const needed = ["unshare", "dash", "bash", "iptables-save", "mount"].filter((program) => Bun.which(program) === null);
const missing = process.getuid?.() !== 0 ? "needs root" : needed.length > 0 ? `needs ${needed.join(", ")}` : null;

/** Runs $2… once for each file of $1/prefixes, then prints processes and rules; the upper layer holds changed files. */
const WORLD = `
set -eu
dir=$1 shell=$2
mount -t tmpfs none "$dir/mnt"
mkdir "$dir/mnt/upper" "$dir/mnt/work" "$dir/mnt/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/mnt/upper,workdir=$dir/mnt/work" "$dir/mnt/root"
mount -t proc proc "$dir/mnt/root/proc"
mount --rbind /dev "$dir/mnt/root/dev"
for prefix in "$dir"/prefixes/*; do
  chroot "$dir/mnt/root" "$shell" -s -- --no-stack --detector-only <"$prefix" >/dev/null 2>&1 || :
done
umount -l "$dir/mnt/root/dev"
echo "files: $(cd "$dir/mnt/upper" && find . -mindepth 1 | tr '\\n' ' ')"
echo "processes: $(ps -e -o comm= | grep -vE '^(sh|ps|grep|unshare|tr)$' | tr '\\n' ' ')"
echo "rules: $(iptables-save | tr '\\n' ' ')"
`;

describe.skipIf(missing !== null)(`prefixes of install.sh${missing ? ` (${missing})` : ""}`, () => {
  // Not in /tmp: an overlay cannot have its upper layer inside its lower one, a tmpfs of its own can be anywhere.
  const directory = mkdtempSync("/var/tmp/anomaly-detector-prefixes-");
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** What a shell changed when fed these texts. */
  async function changes(
    name: string,
    shell: string,
    texts: readonly Uint8Array[],
  ): Promise<Record<string, string | undefined>> {
    const dir = join(directory, name);
    mkdirSync(join(dir, "prefixes"), { recursive: true });
    mkdirSync(join(dir, "mnt"));
    for (const [i, text] of texts.entries()) writeFileSync(join(dir, "prefixes", String(i).padStart(6, "0")), text);
    const namespaces = [
      "--mount",
      "--pid",
      "--net",
      "--ipc",
      "--uts",
      "--fork",
      "--mount-proc",
      "--propagation",
      "private",
    ];
    const { code, stdout, stderr } = await run(["unshare", ...namespaces, "sh", "-c", WORLD, "sh", dir, shell], {
      timeoutMs: 120_000,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const seen = /^files:(.*)\nprocesses:(.*)\nrules:(.*)\n$/.exec(stdout);
    return { files: seen?.[1]?.trim(), processes: seen?.[2]?.trim(), rules: seen?.[3]?.trim() };
  }

  const script = readFileSync(join(ROOT, "install.sh"));
  const ends = new Set<number>();
  for (let at = 0; at < script.length; at++) if (script[at] === 10) ends.add(at).add(at + 1);
  for (let at = 0; at < script.length; at += 41) ends.add(at);
  // The whole script but for its last newline is the whole script.
  for (let at = script.length - 40; at < script.length - 1; at++) ends.add(at);
  const prefixes = [...ends].filter((end) => end < script.length - 1).sort((a, b) => a - b);

  test.each(["dash", "bash"])(
    "fed to %s change no file, process or rule",
    async (shell) => {
      expect(prefixes.length).toBeGreaterThan(1_000);
      const texts = prefixes.map((end) => script.subarray(0, end));
      expect(await changes(shell, shell, texts)).toEqual({ files: "", processes: "", rules: "" });
    },
    120_000,
  );

  test("a change would be seen", async () => {
    const harm = Buffer.from("echo x >/etc/harm; sleep 1000 & iptables -t raw -N HARM\n");
    const seen = await changes("control", "dash", [harm]);
    expect(seen.files).toContain("./etc/harm");
    expect(seen.processes).toContain("sleep");
    expect(seen.rules).toContain("HARM");
  }, 30_000);
});
