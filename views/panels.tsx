// biome-ignore-all lint/correctness/noUnusedImports: h is the JSX factory (tsconfig)
/** Key figures, the two chart panels, the detector and the health of the parts. */
import type { Check, DashboardModel, DetectorPanel, HealthPanel, Kpi } from "../src/dashboard/model.ts";
import { BaselineFigure, BaselineLegend, HourFigure, RateFigure, RateLegend } from "./charts.tsx";
import { Mark } from "./icons.tsx";
import { h, type Raw } from "./jsx.ts";
import { EmptyNote, Panel, Sparkline, Words } from "./parts.tsx";

export function Kpis({ kpis }: { kpis: readonly Kpi[] }): Raw {
  return (
    <dl class="kpis c12">
      {kpis.map((kpi) => (
        <div id={`kpi-${kpi.id}`}>
          <dt>{kpi.label}</dt>
          <dd>
            <div class="v">
              <span>{kpi.value}</span> <small>{kpi.unit}</small>
            </div>
            <div class="s">
              <Words parts={kpi.note} />
            </div>
            <Sparkline spark={kpi.spark} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** `isPoll`: what a poll need not carry is left empty; the page keeps what it has (hx-morph-skip). */
export function Rate({ rate, isPoll }: { rate: DashboardModel["rate"]; isPoll: boolean }): Raw {
  return (
    <Panel
      id="rate"
      title="Requests per second"
      class="c8"
      meta={rate.meta}
      legend={<RateLegend isPast={rate.pastQuery !== null} />}
      end={<Ranges ranges={isPoll ? [] : rate.ranges} />}
    >
      {rate.pastQuery === null ? (
        <RateChart rate={rate} />
      ) : (
        <div
          id="past"
          hx-morph-skip="true"
          hx-get={`/fragment/past${rate.pastQuery}`}
          hx-trigger="every 60s, refresh"
          hx-swap="innerHTML"
          hx-config="timeout:2000"
        >
          {isPoll ? null : <RateChart rate={rate} />}
        </div>
      )}
    </Panel>
  );
}

export function RateChart({ rate }: { rate: Pick<DashboardModel["rate"], "chart" | "empty"> }): Raw {
  return rate.chart ? <RateFigure chart={rate.chart} /> : <EmptyNote empty={rate.empty} />;
}

function Ranges({ ranges }: { ranges: DashboardModel["rate"]["ranges"] }): Raw {
  return (
    <nav class="seg" id="ranges" aria-label="How far back" hx-morph-skip="true">
      {ranges.map(({ text, href, isCurrent }) => (
        <a href={href} aria-current={isCurrent ? "true" : undefined}>
          {text}
        </a>
      ))}
    </nav>
  );
}

export function Baseline({ baseline, hours }: Pick<DashboardModel, "baseline" | "hours">): Raw {
  return (
    <Panel id="baseline" title="Baseline over time" class="c8 o-base" legend={<BaselineLegend />}>
      <div class="pair">
        {baseline.chart ? <BaselineFigure chart={baseline.chart} /> : <EmptyNote empty={baseline.empty} />}
        <div class="hours">
          <h3>By hour of the day, UTC</h3>
          <HourFigure chart={hours} />
        </div>
      </div>
    </Panel>
  );
}

export function Detector({ panel }: { panel: DetectorPanel }): Raw {
  const { sentence, facts, checks } = panel;
  return (
    <Panel id="detector" title="Detector" class="c4 o-det">
      <p class="say">
        <b class={sentence.tone}>{sentence.lead}</b> {sentence.rest}
      </p>
      <dl class="facts">
        {facts.map(({ name, value }) => [
          <dt>{name}</dt>,
          <dd>
            <Words parts={value} />
          </dd>,
        ])}
      </dl>
      <ul class="checks" aria-label="Health in short">
        {checks.map((check) => (
          <CheckItem check={check} />
        ))}
      </ul>
    </Panel>
  );
}

export function Health({ panel }: { panel: HealthPanel }): Raw {
  return (
    <Panel id="health" title="Health" class="c4 o-health" meta={panel.meta}>
      <ul class="parts">
        {panel.checks.map((check) => (
          <li class={check.level}>
            <Mark level={check.level} />
            <b>{check.name}</b>
            <span>{check.short}</span>
            {check.detail ? <p>{check.detail}</p> : null}
          </li>
        ))}
      </ul>
      <details class="more" id="counters">
        <summary>Counters</summary>
        <dl class="facts">{panel.facts.map(({ name, value }) => [<dt>{name}</dt>, <dd>{value}</dd>])}</dl>
        {panel.badLine ? (
          <p class="sample">
            Last bad line: <code>{panel.badLine}</code>
          </p>
        ) : null}
      </details>
    </Panel>
  );
}

function CheckItem({ check }: { check: Check }): Raw {
  return (
    <li class={check.level} title={check.detail || undefined}>
      <Mark level={check.level} />
      {check.name}
      <span>{check.short}</span>
    </li>
  );
}
