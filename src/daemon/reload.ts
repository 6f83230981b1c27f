/** SIGHUP: files are opened and the configuration is read anew. Windows, baseline and bans stay. */
import type { AuditWriter } from "../audit/writer.ts";
import { printable } from "../cli/terminal.ts";
import { loadConfig } from "../config/load.ts";
import { problemLines } from "../config/problem.ts";
import type { Login } from "../dashboard/login.ts";
import type { ServiceNotifier } from "../host/notify-socket.ts";
import type { NotifyQueue } from "../notify/queue.ts";
import type { Enforcement } from "./enforcement.ts";
import type { Ground } from "./ground.ts";
import { reloadPassword } from "./page.ts";
import { connectSlack } from "./records.ts";

/** What a reload reaches. */
export interface ReloadParts {
  readonly configPath: string | null;
  readonly service: ServiceNotifier;
  readonly audit: AuditWriter;
  readonly queue: NotifyQueue;
  readonly login: Login | null;
  readonly enforcement: Pick<Enforcement, "effects" | "modes">;
}

/** systemd counts the reload as done when we are ready again, well or ill. */
export async function reload(ground: Ground, parts: ReloadParts): Promise<void> {
  parts.service.reloading();
  try {
    await parts.audit.reopen();
    await reloadPassword(ground, parts.login);
    await reloadConfig(ground, parts);
  } finally {
    parts.service.ready();
  }
}

/** A bad configuration changes nothing. */
async function reloadConfig(ground: Ground, { configPath, queue, enforcement }: ReloadParts): Promise<void> {
  const { engine, settings, log, env } = ground;
  const result = await loadConfig(configPath, env);
  if (!result.ok) {
    const problems = problemLines(configPath ?? "defaults", result.problems.slice(0, 20)).map((line) =>
      printable(line, 500),
    );
    log.error({ problems }, "the new configuration is bad; the one in force stays");
    return;
  }
  const needsRestart = settings.take(result.config);
  engine.configure(settings.config, enforcement.effects.submit);
  await enforcement.modes.follow("configuration");
  log.level = result.config.logging.level;
  await connectSlack(ground, queue);
  log.info("configuration reloaded");
  if (needsRestart)
    log.warn(
      "changes to log, firewall, audit, state, dashboard, control, detection.max_sources or detection.tuning take a restart",
    );
}
