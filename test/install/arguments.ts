/** What install.sh and the programs it starts put into command lines, where every user of a machine can read it. */
import type { Vps } from "../lab/vps.ts";

const LOG = "/root/arguments";
/** They stand before /usr/bin in install.sh's PATH. */
const DIRECTORY = "/usr/local/sbin";
const PROGRAMS =
  "awk basename cat chmod cmp cp curl cut df find getconf grep head hostname install ip mkdir mktemp mv od openssl rm sed sha256sum sort ss stat systemctl tail tar tee timeout tr useradd wget xargs";

/** Runs the work while each program that install.sh may start writes down its arguments; what they wrote. */
export async function argumentsDuring(vps: Vps, work: () => Promise<unknown>): Promise<string> {
  await vps.sh(`
    for p in ${PROGRAMS}; do
      real=$(command -v "$p") || continue
      printf '#!/bin/sh\\necho %s "$@" >>${LOG}\\nexec %s "$@"\\n' "$p" "$real" >${DIRECTORY}/$p
      chmod 755 ${DIRECTORY}/$p
    done`);
  try {
    await work();
  } finally {
    await vps.sh(`cd ${DIRECTORY} && rm -f ${PROGRAMS}`);
  }
  return vps.sh(`cat ${LOG}; rm ${LOG}`);
}
