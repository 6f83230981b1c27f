/** install.sh as released: it knows whose signature to ask for, its version, and where the releases are. */
export interface Stamp {
  /** One line of base64. */
  readonly publicKey: string;
  readonly version: string;
  readonly baseUrl?: string | undefined;
}

/** Throws when a line to be stamped is not there exactly once: a release without its key must not happen. */
export function stampInstaller(text: string, { publicKey, version, baseUrl }: Stamp): string {
  if (!/^[A-Za-z0-9+/=]+$/.test(publicKey)) throw new Error("the public key is not one line of base64");
  if (!/^[A-Za-z0-9.+~-]+$/.test(version)) throw new Error(`"${version}" cannot be a version`);
  if (baseUrl !== undefined && !/^https?:\/\/[A-Za-z0-9.:/_~[\]-]+$/.test(baseUrl))
    throw new Error(`"${baseUrl}" cannot be a base URL`);
  let stamped = replaceOnce(text, /^PUBLIC_KEY='.*$/gm, `PUBLIC_KEY='${publicKey}'`);
  stamped = replaceOnce(stamped, /^THIS_VERSION=.*$/gm, `THIS_VERSION=${version}`);
  if (baseUrl === undefined) return stamped;
  const line = `BASE_URL=\${ANOMALY_DETECTOR_BASE_URL:-${baseUrl.replace(/\/+$/, "")}}`;
  return replaceOnce(stamped, /^BASE_URL=.*$/gm, line);
}

function replaceOnce(text: string, pattern: RegExp, line: string): string {
  const found = text.match(pattern)?.length ?? 0;
  if (found !== 1) throw new Error(`install.sh has ${found} lines like ${pattern.source}, not one`);
  return text.replace(pattern, () => line);
}
