/**
 * The sources of one commit at a fixed place. Bun writes the paths of modules into the binary, so that a checkout
 * elsewhere would give other bytes; here every checkout builds in the same directory.
 */
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { embeddedPackages } from "./packages.ts";

const DIRECTORY = "/tmp/anomaly-detector-release";

export interface BuildTree {
  readonly directory: string;
  /** "0.1.0+9b2e01f". */
  readonly version: string;
  /** Seconds since the epoch: every file of the release is dated so. */
  readonly commitTime: number;
  /** Compiles for one of bun's targets; the path of the binary. */
  build(bunTarget: string, name: string): Promise<string>;
  remove(): void;
}

/** Throws when there are uncommitted changes (unless allowed: then they are built in), or another release is under way. */
export async function createBuildTree(root: string, options: { readonly allowDirty: boolean }): Promise<BuildTree> {
  const changes = await output(root, ["git", "status", "--porcelain"]);
  if (changes !== "" && !options.allowDirty)
    throw new Error(`uncommitted changes:\n${changes}\n(--allow-dirty builds them in)`);
  const listed = await output(root, ["git", "ls-files", "--cached", "--others", "--exclude-standard"]);
  const version = await output(root, ["sh", "scripts/version.sh"]);
  const commitTime = Number(await output(root, ["git", "log", "-1", "--format=%ct"]));
  claim();
  for (const path of listed.split("\n").filter((path) => existsSync(join(root, path)))) copy(root, path);
  for (const { path } of embeddedPackages(join(root, "package-lock.json"), join(root, "node_modules")))
    copy(root, path);
  return {
    directory: DIRECTORY,
    version,
    commitTime,
    build: (bunTarget, name) => build(root, bunTarget, name, version),
    remove: () => rmSync(DIRECTORY, { recursive: true, force: true }),
  };
}

/** Makes the directory ours alone. One whose release was killed is taken over. */
function claim(): void {
  const owner = join(DIRECTORY, ".owner");
  const found = lstatSync(DIRECTORY, { throwIfNoEntry: false });
  if (found) {
    const pid = existsSync(owner) ? readFileSync(owner, "utf8") : "";
    if (!found.isDirectory() || found.uid !== process.getuid?.() || (pid !== "" && existsSync(`/proc/${pid}`)))
      throw new Error(`${DIRECTORY} is somebody else's, or another release is under way (process ${pid})`);
    rmSync(DIRECTORY, { recursive: true });
  }
  // Fails when somebody was quicker.
  mkdirSync(DIRECTORY, { mode: 0o700 });
  writeFileSync(owner, String(process.pid));
}

function copy(root: string, path: string): void {
  const target = join(DIRECTORY, path);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(root, path), target, { recursive: true });
}

/** By the line of package.json, so that a release is built as `npm run build` builds. The file's name goes into the binary. */
async function build(root: string, bunTarget: string, name: string, version: string): Promise<string> {
  const { scripts } = (await Bun.file(join(DIRECTORY, "package.json")).json()) as { scripts: { build: string } };
  const line = scripts.build.replace("$(sh scripts/version.sh)", version);
  const outfile = `out/${name}/anomaly-detector`;
  mkdirSync(join(DIRECTORY, dirname(outfile)), { recursive: true });
  const env = { ...process.env, PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}` };
  await output(DIRECTORY, ["sh", "-c", `${line} --target=${bunTarget} --outfile ${outfile}`], env);
  return join(DIRECTORY, outfile);
}

async function output(
  cwd: string,
  argv: string[],
  env: Record<string, string | undefined> = process.env,
): Promise<string> {
  const child = Bun.spawn(argv, { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit ${code}\n${stderr || stdout}`);
  return stdout.trim();
}
