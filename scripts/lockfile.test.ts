import { expect, test } from "bun:test";
import { missingEntries, readLockfile, withAddress } from "./lockfile.ts";

test("the lockfile names no registry", async () => {
  expect(withAddress(await readLockfile())).toEqual([]);
});

test("the lockfile has every platform's packages, so that npm ci takes it", async () => {
  expect(missingEntries(await readLockfile())).toEqual({});
});

test("a package that is missing is described for its own platform only", () => {
  const optionalDependencies = { "@x/cli-linux-x64-musl": "1.2.3", "@x/cli-win32-arm64": "1.2.3" };
  const lock = { packages: { "node_modules/@x/y": { dev: true, optionalDependencies } } };
  expect(missingEntries(lock)).toEqual({
    "node_modules/@x/cli-linux-x64-musl": {
      version: "1.2.3",
      dev: true,
      cpu: ["x64"],
      libc: ["musl"],
      optional: true,
      os: ["linux"],
    },
    "node_modules/@x/cli-win32-arm64": { version: "1.2.3", dev: true, cpu: ["arm64"], optional: true, os: ["win32"] },
  });
});
