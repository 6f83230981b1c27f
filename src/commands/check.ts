import { type CommandIo, type CommandRun, EXIT } from "../cli/command.ts";
import { configPath, DEFAULT_CONFIG_PATH, tellProblems } from "../cli/configuration.ts";
import { toldAsJson } from "../cli/control.ts";
import { counted, paint, printable } from "../cli/terminal.ts";
import { loadConfig } from "../config/load.ts";
import type { HostCheck } from "./host-checks.ts";

/** `check`: everything that is wrong with configuration and host, with its mend. An ill host is a problem with --host. */
export const run: CommandRun = async (args, io) => {
  const path = await configPath(args);
  const result = await loadConfig(path, io.env);
  if (!result.ok) {
    const { problems, warnings } = result;
    if (!toldAsJson(args, io, { valid: false, path, problems, warnings, host: [] })) {
      tellProblems(io, path, result, "the running configuration is unchanged");
    }
    return EXIT.usage;
  }
  const { checkHost } = await import("./host-checks.ts");
  const host = await checkHost(result.config, io.env);
  // Webhook and password have lines of their own among the checks.
  const told = ["slack.webhook_file", "dashboard.password_file"];
  const warnings = result.warnings.filter((warning) => !told.includes(warning.path));
  if (!toldAsJson(args, io, { valid: true, path, problems: [], warnings, host })) {
    tellProblems(io, path, { ...result, warnings }, "");
    tellChecks([configCheck(path, warnings.length), ...host], io);
  }
  const isIll = host.some(({ level }) => level === "FAIL");
  return args.flags.has("host") && isIll ? EXIT.problem : EXIT.ok;
};

function configCheck(path: string | null, warnings: number): HostCheck {
  const from = path ?? `no ${DEFAULT_CONFIG_PATH}: the defaults`;
  return { level: warnings > 0 ? "warn" : "ok", name: "config", text: `${from}, ${counted(warnings, "warning")}` };
}

const COLOR = { ok: "green", warn: "yellow", FAIL: "red" } as const;

function tellChecks(checks: readonly HostCheck[], io: CommandIo): void {
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { level, name, text, fix } of checks) {
    io.out(`${paint(io, COLOR[level], level.padEnd(4))}  ${name.padEnd(width)}  ${printable(text, 1000)}`);
    if (fix) io.out(`${" ".repeat(width + 8)}fix: ${printable(fix, 1000)}`);
  }
  const count = (level: HostCheck["level"]) => checks.filter((check) => check.level === level).length;
  io.out(`${count("FAIL")} failed, ${counted(count("warn"), "warning")}, ${count("ok")} ok`);
}
