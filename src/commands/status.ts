import { type CommandIo, type CommandRun, EXIT } from "../cli/command.ts";
import { connect, tellNoAnswer, toldAsJson } from "../cli/control.ts";
import { columns, counted, paint, printable, spanText } from "../cli/terminal.ts";
import type { HealthCheck, SystemStatus } from "../status.ts";
import { bannedForText, baselineSourceText } from "../wording.ts";

/** `status`: the SystemStatus in a screenful, or whole as JSON. */
export const run: CommandRun = async (args, io) => {
  const connection = await connect(args, io);
  if (!connection.ok) return connection.exitCode;
  const result = await connection.client.status();
  if (result.kind !== "answer") return tellNoAnswer(io, result);
  if (!toldAsJson(args, io, result.value)) io.out(statusLines(result.value, io).join("\n"));
  return EXIT.ok;
};

/** The line everybody wants, then what it rests on, then what is ill. */
export function statusLines(status: SystemStatus, io: Pick<CommandIo, "color">): string[] {
  const { engine } = status;
  const { site, sources } = engine;
  const facts = [
    [
      "  site",
      `alert above ${site.triggerRate.toFixed(2)} req/s, z-score ${site.zScore.toFixed(2)} of ${site.thresholds.zScore.toFixed(2)} (${baselineSourceText(site.baseline)})`,
    ],
    ["  sources", `${sources.active} active, a ban falls above ${sources.triggerRate.toFixed(2)} req/s`],
    ["  firewall", firewallText(status)],
    ["  log", `${printable(status.log.path)}, ${status.log.lines} lines read`],
  ];
  return [headline(status, io), ...anomalyLines(status, io), ...columns(facts), ...illnesses(status.health, io)];
}

function headline(status: SystemStatus, io: Pick<CommandIo, "color">): string {
  const { state, site, bans, warmUp } = status.engine;
  const permanent = bans.filter(({ ban }) => ban.until === "permanent").length;
  const learned = state === "learning" ? ` ${spanText(warmUp.learnedMs)} of ${spanText(warmUp.neededMs)}` : "";
  const arms = status.armsAt ? `, arms in ${spanText(status.armsAt - status.at)}` : "";
  return [
    paint(io, state === "armed" ? "green" : "yellow", state + learned + arms),
    `up ${spanText(status.at - status.startedAt)}`,
    `${site.rate.toFixed(1)} req/s, norm ${site.baseline.mean.toFixed(1)} ± ${site.baseline.stddev.toFixed(1)}`,
    `${counted(bans.length, "ban")}${permanent > 0 ? ` (${permanent} permanent)` : ""}`,
    `log ${logText(status)}`,
  ].join("   ");
}

function logText(status: SystemStatus): string {
  const check = status.health.find(({ name }) => name === "log");
  if (check) return printable(check.short, 80);
  return status.log.open ? `${status.log.unreadBytes} bytes behind` : "not open";
}

function anomalyLines({ at, engine }: SystemStatus, io: Pick<CommandIo, "color">): string[] {
  const lines: string[] = [];
  const { anomaly } = engine.site;
  if (anomaly) {
    lines.push(
      paint(
        io,
        "red",
        `  global anomaly firing for ${spanText(at - anomaly.since)}, from ${counted(anomaly.verdict.sources, "source")}; ${bannedForText(anomaly.verdict)}`,
      ),
    );
  }
  if (engine.breaker.open) {
    lines.push(
      paint(
        io,
        "red",
        `  circuit breaker open: ${engine.breaker.bansInMinute} bans in a minute, limit ${engine.breaker.limit}`,
      ),
    );
  }
  return lines;
}

function firewallText({ firewall }: SystemStatus): string {
  const hooks = firewall.hooks.length > 0 ? ` from ${firewall.hooks.join(", ")}` : "";
  return printable(
    `${firewall.backend}${hooks}, ${firewall.entries} ${firewall.entries === 1 ? "entry" : "entries"}, ${counted(firewall.droppedPackets, "packet")} dropped`,
  );
}

function illnesses(health: readonly HealthCheck[], io: Pick<CommandIo, "color">): string[] {
  const ill = health.filter(({ level }) => level !== "ok");
  return columns(
    ill.map(({ name, level, short, detail }) => [
      level === "bad" ? paint(io, "red", "FAIL") : paint(io, "yellow", "warn"),
      name,
      printable(detail ?? short),
    ]),
  );
}
