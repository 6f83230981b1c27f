/** A ControlTarget over a plain list of bans, and a SystemStatus to go with it. For tests. */
import type { Clock } from "../clock.ts";
import type { BaselineSnapshot, Permit } from "../decision.ts";
import type { FullExplanation } from "../explanation.ts";
import { overlaps, parseRange, type Source } from "../net/cidr.ts";
import type { BanStatus, EngineStatus, SystemStatus } from "../status.ts";
import type {
  AllowlistReply,
  AllowReply,
  AllowRequest,
  BanReply,
  BanRequest,
  ControlTarget,
  DisallowReply,
  DisallowRequest,
  ModeReply,
  ModeRequest,
  ReconcileReply,
  UnbanReply,
  UnbanRequest,
} from "./protocol.ts";

/** A daemon that only remembers what it was asked. */
export class FakeControlTarget implements ControlTarget {
  readonly requests: (BanRequest | UnbanRequest | AllowRequest | DisallowRequest | ModeRequest)[] = [];
  #permits: Permit[] = [];
  #mode: ModeRequest["mode"] = "enforce";
  #bans: BanStatus[] = [];

  constructor(
    private readonly clock: Pick<Clock, "now">,
    /** Sources that may not be banned, with the reason. */
    private readonly allowed: Readonly<Record<string, string>> = {},
  ) {}

  status(): SystemStatus {
    return exampleStatus(this.clock.now(), this.#bans);
  }

  bans(): readonly BanStatus[] {
    return this.#bans;
  }

  async ban(request: BanRequest): Promise<BanReply> {
    this.requests.push(request);
    const { source, until, by, note } = request;
    const why = this.allowed[source];
    if (why !== undefined) return { result: "refused", why };
    const present = this.#bans.find(({ ban }) => ban.source === source);
    if (present) return { result: "already-banned", ban: present };
    const since = this.clock.now();
    const cause = { scope: "manual" as const, at: since, by, note };
    const end = until === "default" ? since + 600_000 : until;
    const ban: BanStatus = {
      ban: { source, banCount: 1, since, until: end, cause },
      enforcement: "in-force",
      leakedRequests: 0,
    };
    this.#bans.push(ban);
    return { result: "banned", ban };
  }

  allow(request: AllowRequest): AllowReply {
    this.requests.push(request);
    const permit: Permit = { ...request, since: this.clock.now() };
    this.#permits.push(permit);
    const range = parseRange(permit.source)!;
    const isLifted = ({ ban }: BanStatus) => overlaps(range, parseRange(ban.source)!);
    const unbanned = this.#bans.filter(isLifted).map(({ ban }) => ban.source);
    this.#bans = this.#bans.filter((status) => !isLifted(status));
    return { result: "allowed", permit, unbanned };
  }

  disallow(request: DisallowRequest): DisallowReply {
    this.requests.push(request);
    const permit = this.#permits.find(({ source }) => source === request.source);
    this.#permits = this.#permits.filter((one) => one !== permit);
    if (permit !== undefined) return { result: "disallowed", permit };
    return { result: "not-allowed", source: request.source, fixed: this.allowed[request.source] ?? null };
  }

  allowlist(): AllowlistReply {
    const fixed = Object.entries(this.allowed).map(([range, why]) => ({ range, why }));
    return { at: this.clock.now(), permits: this.#permits, fixed };
  }

  async unban(request: UnbanRequest): Promise<UnbanReply> {
    this.requests.push(request);
    const { source, forget } = request;
    const isBanned = this.#bans.some(({ ban }) => ban.source === source);
    this.#bans = this.#bans.filter(({ ban }) => ban.source !== source);
    return { result: isBanned ? "unbanned" : "not-banned", source, forgotten: forget };
  }

  explain(source: Source): FullExplanation {
    const { engine, firewall } = this.status();
    const ban = this.#bans.find((status) => status.ban.source === source) ?? null;
    return {
      at: this.clock.now(),
      source,
      state: engine.state,
      profile: engine.profile,
      allowed: this.allowed[source] ?? null,
      ban,
      offences: ban === null ? 0 : 1,
      now: null,
      firewall,
      droppedPackets: firewall.droppedBySource[source] ?? null,
      history: [],
    };
  }

  async setMode(request: ModeRequest): Promise<ModeReply> {
    this.requests.push(request);
    const result = request.mode === this.#mode ? "unchanged" : "changed";
    this.#mode = request.mode;
    return { result, mode: request.mode, bans: this.#bans.length };
  }

  async reconcile(): Promise<ReconcileReply> {
    return { result: "reconciled", added: 1, removed: 2, refreshed: 0, repaired: 0, bans: this.#bans.length };
  }
}

/** A quiet site, up for 12 days and 4 hours, with the packets of the first ban counted. */
function exampleStatus(at: number, bans: readonly BanStatus[] = []): SystemStatus {
  const dropped: Record<string, number> = {};
  const first: Source | undefined = bans[0]?.ban.source;
  if (first !== undefined) dropped[first] = 38_112;
  return {
    version: "0.1.0+test",
    hostname: "cloud",
    at,
    startedAt: at - (12 * 24 + 4) * 3_600_000,
    engine: exampleEngine(at, bans),
    log: {
      path: "/var/log/nginx/hng-access.log",
      open: true,
      lines: 1234,
      bytes: 250_000,
      rotations: 1,
      truncations: 0,
      oversized: 0,
      failures: {},
      unreadBytes: 0,
      newestAt: at - 200,
    },
    host: {
      cpu: 0.1,
      processCpu: 0.01,
      cpus: 2,
      load1: 0.2,
      memoryTotalBytes: 2e9,
      memoryUsedBytes: 1e9,
      processMemoryBytes: 5e7,
    },
    hostHistory: [],
    firewall: {
      backend: "ipset",
      hooks: ["raw/PREROUTING"],
      entries: bans.length,
      droppedPackets: 38_112,
      droppedBytes: 2e6,
      droppedBySource: dropped,
      mended: 0,
    },
    slack: { configured: false, queued: 0, sent: 0, failed: 0, lastSentAt: null },
    auditPath: "/var/log/anomaly-detector/audit.log",
    health: [
      { name: "log", level: "ok", short: "0.2 s behind" },
      { name: "slack", level: "warn", short: "not set", detail: "no webhook is configured" },
    ],
    allowlistRanges: 5,
    outcomes: [],
  };
}

function exampleEngine(at: number, bans: readonly BanStatus[]): EngineStatus {
  const baseline: BaselineSnapshot = { at, mean: 11.8, stddev: 2.6, errorRate: 0.2, samples: 1800, from: "rolling" };
  return {
    at,
    state: "armed",
    warmUp: { learnedMs: 300_000, neededMs: 300_000 },
    profile: "adaptive",
    windowMs: 60_000,
    site: {
      requests: 792,
      errors: 4,
      rate: 13.2,
      errorRate: 0.07,
      zScore: 0.54,
      multiple: 1.12,
      triggerRate: 19.6,
      baseline,
      thresholds: { zScore: 3, rateMultiple: 5 },
      anomaly: null,
    },
    sources: { active: 38, aboveHalfTrigger: 0, baseline, triggerRate: 5.21, tightenedTriggerRate: 3.16, top: [] },
    bans,
    breaker: { open: false, bansInMinute: 0, limit: 100 },
    nextRecalculationAt: at + 30_000,
    hours: [],
    history: [],
    counters: {
      records: 1234,
      late: 0,
      future: 0,
      banned: 0,
      allowlisted: 0,
      sourcesShed: 0,
      bans: bans.length,
      unbans: 0,
      bansWithheld: 0,
    },
  };
}
