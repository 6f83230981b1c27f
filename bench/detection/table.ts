/** Scores of single traces put together, and the rows of the table. */

export interface Labels {
  readonly trace: string;
}

/** What of the scorer's result is used. */
export interface Score {
  readonly trace: string;
  readonly days: number;
  readonly kinds: Readonly<
    Record<string, { episodes: number; detected: number; requests: number; through: number; ttb: number[] }>
  >;
  readonly legit: Readonly<Record<string, { episodes: number; hit: number }>>;
  /** `examples`: at most a dozen real sources, each with why it was banned. */
  readonly falseBans: {
    realIps: number;
    requestsDropped: number;
    innocentRequests: number;
    examples: readonly string[];
  };
  readonly realBad: { requests: number; dropped: number };
  readonly alerts: { must: number; mustHit: number; outside: number };
}

export interface Scorer {
  score(records: unknown[], labels: Labels, events: readonly unknown[]): Score;
}

export interface Summary {
  /** Mean over the attack kinds of the share of episodes found. */
  readonly recall: number;
  readonly timeToBan: number;
  /** Share of attack requests let through, distributed floods apart. */
  readonly through: number;
  readonly burstsHit: number;
  readonly bursts: number;
  readonly innocentDropped: number;
  readonly realDropped: number;
  readonly must: string;
  readonly falseAlertsPerDay: number;
  /** Most real innocent sources banned in one trace. */
  readonly worstTrace: number;
}

export const TABLE_HEAD = `| detector | recall (macro) | time to ban p50 (s) | attack requests let through | legit bursts hit | innocent requests dropped | real attackers' requests dropped | must-alerts | false alerts/day |
|---|---|---|---|---|---|---|---|---|`;

export function summarise(scores: readonly Score[]): Summary {
  const kinds = new Map<string, { episodes: number; detected: number }>();
  const total = {
    requests: 0,
    through: 0,
    hit: 0,
    bursts: 0,
    dropped: 0,
    innocent: 0,
    bad: 0,
    badDropped: 0,
    must: 0,
    mustHit: 0,
    outside: 0,
    days: 0,
  };
  const times: number[] = [];
  for (const score of scores) {
    for (const [kind, k] of Object.entries(score.kinds)) {
      const sum = kinds.get(kind) ?? { episodes: 0, detected: 0 };
      kinds.set(kind, { episodes: sum.episodes + k.episodes, detected: sum.detected + k.detected });
      if (!kind.startsWith("dist_")) {
        total.requests += k.requests;
        total.through += k.through;
      }
      times.push(...k.ttb);
    }
    for (const k of Object.values(score.legit)) {
      total.hit += k.hit;
      total.bursts += k.episodes;
    }
    total.dropped += score.falseBans.requestsDropped;
    total.innocent += score.falseBans.innocentRequests;
    total.bad += score.realBad.requests;
    total.badDropped += score.realBad.dropped;
    total.must += score.alerts.must;
    total.mustHit += score.alerts.mustHit;
    total.outside += score.alerts.outside;
    total.days += score.days;
  }
  const shares = [...kinds.values()].map((k) => k.detected / k.episodes);
  return {
    recall: shares.reduce((sum, share) => sum + share, 0) / shares.length,
    timeToBan: times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN,
    through: total.through / total.requests,
    burstsHit: total.hit,
    bursts: total.bursts,
    innocentDropped: total.dropped / total.innocent,
    realDropped: total.bad === 0 ? Number.NaN : total.badDropped / total.bad,
    must: `${total.mustHit}/${total.must}`,
    falseAlertsPerDay: total.outside / total.days,
    worstTrace: Math.max(...scores.map((score) => score.falseBans.realIps)),
  };
}

export function summaryRow(name: string, s: Summary): string {
  const cells = [
    name,
    percent(s.recall, 1),
    s.timeToBan.toFixed(0),
    percent(s.through, 1),
    `${s.burstsHit} of ${s.bursts}`,
    percent(s.innocentDropped, 3),
    percent(s.realDropped, 0),
    s.must,
    s.falseAlertsPerDay.toFixed(3),
  ];
  return `| ${cells.join(" | ")} |`;
}

export function traceRow(score: Score): string {
  return summaryRow(`${score.trace} (${score.falseBans.realIps} real innocents banned)`, summarise([score]));
}

function percent(share: number, digits: number): string {
  return Number.isNaN(share) ? "–" : `${(share * 100).toFixed(digits)} %`;
}
