/** The dashboard and who may see it. */
import { readPasswordFile } from "../config/password-file.ts";
import { parseListen } from "../config/schema.ts";
import { Login } from "../dashboard/login.ts";
import { createDashboard, type DashboardOptions } from "../dashboard/server.ts";
import type { Ground } from "./ground.ts";

/** Serves the dashboard where it is enabled. The login is null when none was asked for. */
export async function startPage(
  ground: Ground,
  figures: Pick<DashboardOptions, "status" | "history">,
): Promise<Login | null> {
  const { settings, clock, lifecycle, descriptors, log } = ground;
  const { enabled, listen, allowed_hosts, trusted_proxies, password_file } = settings.config.dashboard;
  if (!enabled) return null;
  const password = await readPasswordFile(password_file);
  // Without the login that was asked for, the page would be open to everybody.
  if (password.kind === "problem")
    throw new Error(`dashboard.password_file ${password.from} ${password.message} (${password.hint})`);
  const login = password.kind === "hash" ? new Login({ hash: password.hash, clock, log }) : null;
  const dashboard = createDashboard({
    ...figures,
    listen: parseListen(listen)!,
    allowedHosts: allowed_hosts,
    trustedProxies: trusted_proxies,
    login,
    log,
    clock,
  });
  descriptors.guard(dashboard);
  await lifecycle.start(
    "dashboard",
    () => dashboard.start(),
    () => dashboard.stop(),
  );
  return login;
}

/** Another password in the file signs everybody out; a file that cannot be read leaves the one in force. */
export async function reloadPassword({ settings, log }: Ground, login: Login | null): Promise<void> {
  if (login === null) return;
  const password = await readPasswordFile(settings.config.dashboard.password_file);
  if (password.kind === "hash") login.changePassword(password.hash);
  else if (password.kind === "problem")
    log.error(
      { cause: `${password.from} ${password.message}` },
      "the dashboard's new password cannot be used; the one in force stays",
    );
}
