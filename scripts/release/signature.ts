/** The release's ed25519 key: what `openssl pkeyutl -sign -rawin` does, and the key as install.sh carries it. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface ReleaseKey {
  /** The public half: base64 of its DER form, the one line between BEGIN and END of the PEM file. */
  readonly publicKey: string;
  sign(text: string): Uint8Array;
}

/** Throws when the file is no ed25519 key, or when `publicKeyPath` names another key's public half. */
export function readReleaseKey(path: string, publicKeyPath?: string): ReleaseKey {
  const key = createPrivateKey(readFileSync(path, "utf8"));
  if (key.asymmetricKeyType !== "ed25519") throw new Error(`${path} is ${key.asymmetricKeyType}, not an ed25519 key`);
  const publicKey = derOf(createPublicKey(key));
  if (publicKeyPath !== undefined && derOf(createPublicKey(readFileSync(publicKeyPath, "utf8"))) !== publicKey)
    throw new Error(`${publicKeyPath} is not the public half of ${path}`);
  return { publicKey, sign: (text) => sign(null, Buffer.from(text), key) };
}

/** What `openssl genpkey -algorithm ed25519 -out PATH` does. */
export function createKey(path: string): void {
  const { privateKey } = generateKeyPairSync("ed25519");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
}

function derOf(key: ReturnType<typeof createPublicKey>): string {
  return key.export({ type: "spki", format: "der" }).toString("base64");
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}
