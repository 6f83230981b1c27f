/** An archive whose bytes depend on its content only: sorted names, one date, root's, no name or time in the gzip header. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface Archive {
  /** Without ".tar.gz"; also the one directory inside. */
  readonly name: string;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly program: string;
  /** Those that exist are packed. */
  readonly files: readonly { readonly path: string; readonly from: string }[];
  readonly texts: Readonly<Record<string, string>>;
}

const EXECUTABLE = new Set(["anomaly-detector", "install.sh"]);

/** Writes NAME.tar.gz into `out`; its file name. */
export async function packArchive({ name, mtime, program, files, texts }: Archive, out: string): Promise<string> {
  const stage = mkdtempSync(join(tmpdir(), "anomaly-detector-archive-"));
  try {
    const place = (path: string) => {
      const target = join(stage, name, path);
      mkdirSync(dirname(target), { recursive: true });
      return target;
    };
    copyFileSync(program, place("anomaly-detector"));
    for (const { path, from } of files) if (existsSync(from)) copyFileSync(from, place(path));
    for (const [path, text] of Object.entries(texts)) await Bun.write(place(path), text);
    for (const path of EXECUTABLE) chmodSync(place(path), 0o755);
    await pack(stage, name, mtime, join(out, `${name}.tar.gz`));
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
  return `${name}.tar.gz`;
}

/** go=rX: the modes are ours whatever the umask was. Level 6: the last two percent would take three times as long. */
async function pack(stage: string, name: string, mtime: number, target: string): Promise<void> {
  const fixed = ["--sort=name", "--format=ustar", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"];
  const tar = Bun.spawn(["tar", "-C", stage, ...fixed, `--mtime=@${mtime}`, "-cf", "-", name], { stdout: "pipe" });
  const gzip = Bun.spawn(["gzip", "-n", "-6"], { stdin: tar.stdout, stdout: Bun.file(target) });
  const codes = await Promise.all([tar.exited, gzip.exited]);
  if (codes.some((code) => code !== 0)) throw new Error(`${target}: tar and gzip ended with ${codes.join(" and ")}`);
}
