/** Ready, alive, and how it is: for systemd, where it is the one who started us. */
import type { ServiceNotifier } from "../host/notify-socket.ts";
import type { SystemStatus } from "../status.ts";
import { every, type Ground } from "./ground.ts";
import { serviceStatusLine } from "./service-status.ts";

/** How often `systemctl status` gets a new line. */
const STATUS_MS = 5000;

/** Says that the start is over, and goes on telling until the end. */
export function startService(ground: Ground, service: ServiceNotifier, status: () => SystemStatus): void {
  const tell = () => service.status(serviceStatusLine(status()));
  tell();
  service.ready();
  every(ground, "service status", STATUS_MS, tell);
  const { watchdogEveryMs } = service;
  if (watchdogEveryMs !== null) every(ground, "watchdog", watchdogEveryMs, () => service.watchdog());
}
