/**
 * Images made on this machine, since a test machine may have no container registry: a fresh Debian with systemd as
 * PID 1, and stand-ins for the official nginx and Nextcloud images with their surface.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "./engine.ts";

export const VPS_IMAGE = "anomaly-detector-lab-vps:1";
const SUITE = "bookworm";
/** The smallest set on which systemd, a network and curl work: what an installer from a pipe may count on. */
const PACKAGES = "systemd,systemd-sysv,dbus,iproute2,curl,ca-certificates,procps,kmod,netbase,openssl";
/** They cannot work in a container. */
const MASKED =
  "getty.target systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service " +
  "sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount systemd-modules-load.service " +
  "systemd-networkd-wait-online.service systemd-resolved.service systemd-logind.service";

/** Some 40 s at the first time. */
export async function makeVpsImage(engine: Engine): Promise<void> {
  if (await engine.has(VPS_IMAGE)) return;
  const root = mkdtempSync("/var/tmp/anomaly-detector-debootstrap-");
  try {
    await engine.shell(`
      debootstrap --variant=minbase --include=${PACKAGES} ${SUITE} ${root}
      mirror=$(awk '$1 == "deb" { print $2; exit }' ${root}/etc/apt/sources.list)
      printf 'deb %s ${SUITE} main\\ndeb %s ${SUITE}-updates main\\ndeb %s-security ${SUITE}-security main\\n' \\
        "$mirror" "$mirror" "$mirror" >${root}/etc/apt/sources.list
      rm -rf ${root}/var/cache/apt/archives/*.deb ${root}/var/lib/apt/lists/* ${root}/var/log/*.log
      : >${root}/etc/machine-id
      for unit in ${MASKED}; do ln -sf /dev/null ${root}/etc/systemd/system/$unit; done
      tar -C ${root} -c . | docker import -c 'ENV container=docker' -c 'CMD ["/sbin/init"]' - ${VPS_IMAGE}`);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const NGINX = `
FROM ${VPS_IMAGE}
RUN groupadd -o --gid 101 nginx \\
 && useradd -o --gid nginx --no-create-home --home /nonexistent --shell /bin/false --uid 101 nginx \\
 && apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx-light curl \\
 && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled /etc/nginx/conf.d/* /var/log/nginx/* \\
 && chown root:adm /var/log/nginx && chmod 0755 /var/log/nginx \\
 && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log \\
 && printf '#!/bin/sh\\nexec "$@"\\n' >/docker-entrypoint.sh && chmod 755 /docker-entrypoint.sh
EXPOSE 80
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
`;

const NEXTCLOUD = `
FROM ${VPS_IMAGE}
COPY nextcloud /nextcloud
EXPOSE 80
ENTRYPOINT ["/nextcloud"]
`;

/** The stand-ins under the names that docker-compose.yml asks for, in one file for \`docker load\`; its path. */
export async function makeStackImages(engine: Engine, names: { nginx: string; nextcloud: string }): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "anomaly-detector-images-"));
  await Bun.write(join(directory, "nginx/Dockerfile"), NGINX);
  await Bun.write(join(directory, "nextcloud/Dockerfile"), NEXTCLOUD);
  const standin = join(import.meta.dir, "nextcloud.ts");
  await engine.shell(`
    cd ${directory}
    docker image inspect ${names.nginx} >/dev/null 2>&1 || docker build -q --network host -t ${names.nginx} nginx
    ${process.execPath} build --compile --minify-whitespace --outfile nextcloud/nextcloud ${standin}
    docker build -q -t ${names.nextcloud} nextcloud
    docker save -o images.tar ${names.nginx} ${names.nextcloud}`);
  return join(directory, "images.tar");
}
