// biome-ignore-all lint/correctness/noUnusedImports: h is the JSX factory (tsconfig)
/** Server-drawn SVG: curves in a stretched viewBox, words and markers in percent so that they never stretch. */
import type { BaselineChart, HourChart, Marker, RateChart, Tick } from "../src/dashboard/model.ts";
import { type Child, h, type Raw } from "./jsx.ts";

export function RateFigure({ chart }: { chart: RateChart }): Raw {
  return (
    <Figure label="Requests per second with the learned baseline" x={chart.x} y={chart.y}>
      <svg class="plot" role="img" aria-label={chart.summary}>
        <Stretched>
          <defs>
            <clipPath id="above">
              <path d={chart.above} />
            </clipPath>
            <clipPath id="below">
              <path d={chart.below} />
            </clipPath>
          </defs>
          <Grid ticks={chart.y} />
          {chart.surges.map(({ x, width }) => (
            <rect class="span" x={x} width={width} y="0" height="100" />
          ))}
          <path class="band" d={chart.band} />
          <path class="area" clip-path="url(#below)" d={chart.area} />
          <path class="mean" d={chart.mean} />
          <path class="thr" d={chart.trigger} />
          {chart.peak ? <path class="peak" d={chart.peak} /> : null}
          <path class="obs" d={chart.observed} />
          <g clip-path="url(#above)">
            <path class="over" d={chart.area} />
            <path class="overline" d={chart.peak || chart.observed} />
          </g>
        </Stretched>
        {chart.markers.map((marker) => (
          <Event marker={marker} />
        ))}
        {chart.triggerLabel && (
          <text class="lbl t" x="99.6%" y={chart.triggerLabel.y} dy="-5" text-anchor="end">
            {chart.triggerLabel.text}
          </text>
        )}
      </svg>
    </Figure>
  );
}

export function BaselineFigure({ chart }: { chart: BaselineChart }): Raw {
  return (
    <Figure label="Learned mean and standard deviation over time" x={chart.x} y={chart.y}>
      <svg class="plot" role="img" aria-label={chart.summary}>
        <Stretched>
          <Grid ticks={chart.y} />
          <path class="sd" d={chart.stddev} />
          <path class="obs" d={chart.mean} />
        </Stretched>
      </svg>
    </Figure>
  );
}

export function HourFigure({ chart }: { chart: HourChart }): Raw {
  return (
    <Figure label="Learned mean by hour of the day, in UTC" x={chart.x} y={chart.y}>
      <svg class="plot" role="img" aria-label={chart.summary}>
        <Stretched>
          <Grid ticks={chart.y} />
          {chart.bars.map((bar) => (
            <HourBar bar={bar} />
          ))}
        </Stretched>
      </svg>
    </Figure>
  );
}

function HourBar({ bar }: { bar: HourChart["bars"][number] }): Raw {
  return (
    <g class={`hour ${bar.state}`}>
      <title>{bar.title}</title>
      <path d={bar.bar} />
      {bar.deviation ? <path class="w" d={bar.deviation} /> : null}
    </g>
  );
}

function Figure(props: { label: string; x: readonly Tick[]; y: readonly Tick[]; children?: Child }): Raw {
  return (
    <figure class="chart" aria-label={props.label}>
      <svg class="y" aria-hidden="true">
        {props.y.map(({ at, text }) => (
          <text x="28" y={at} dy="4" text-anchor="end">
            {text}
          </text>
        ))}
      </svg>
      {props.children}
      <svg class="x" aria-hidden="true">
        {props.x.map(({ at, text, anchor, minor }) => (
          <text x={at} y="15" text-anchor={anchor} class={minor ? "alt" : undefined}>
            {text}
          </text>
        ))}
      </svg>
    </figure>
  );
}

function Stretched({ children }: { children?: Child }): Raw {
  return (
    <svg viewBox="0 0 1000 100" preserveAspectRatio="none" width="100%" height="100%" aria-hidden="true">
      {children}
    </svg>
  );
}

function Grid({ ticks }: { ticks: readonly Tick[] }): Raw {
  return (
    <g class="grid">
      {ticks.map(({ at }) => (
        <line x1="0" x2="1000" y1={at} y2={at} />
      ))}
    </g>
  );
}

/** With words: a line over the whole height. Without: a short arrow at the foot, up for an unban. */
function Event({ marker }: { marker: Marker }): Raw {
  const { x, label, kind } = marker;
  if (label === null) {
    const arrow = kind === "unban" ? "M-3.5 -4h7l-3.5 -6z" : "M-3.5 -10h7l-3.5 6z";
    return (
      <g class={`ev ${kind}`}>
        <line x1={x} x2={x} y1="90%" y2="100%" />
        <svg x={x} y="100%" width="1" height="1" overflow="visible" aria-hidden="true">
          <path d={arrow} />
        </svg>
      </g>
    );
  }
  return (
    <g class={`ev ${kind}`}>
      <line x1={x} x2={x} y1="0" y2="100%" />
      <svg x={x} y="0" width="1" height="1" overflow="visible" aria-hidden="true">
        <path d="M-4 -3h8l-4 6z" />
      </svg>
      <text
        x={x}
        y="2"
        dx={label.side === "left" ? -8 : 8}
        dy="9"
        text-anchor={label.side === "left" ? "end" : "start"}
      >
        {label.text}
        <tspan class="w"> {label.more}</tspan>
      </text>
    </g>
  );
}

export function RateLegend({ isPast }: { isPast: boolean }): Raw {
  return (
    <ul class="legend">
      <li>
        <Key>
          <path class="lo" d="M0 7l4-4 4 3 4-4 4 3" />
        </Key>
        {isPast ? "mean" : "observed"}
      </li>
      {isPast ? (
        <li>
          <Key>
            <path class="lp" d="M0 7l4-6 4 5 4-6 4 5" />
          </Key>
          busiest minute
        </li>
      ) : null}
      <li>
        <Key>
          <rect class="lb" width="16" height="10" rx="2" />
          <path class="lm" d="M0 5h16" />
        </Key>
        baseline ± 3σ
      </li>
      <li>
        <Key>
          <path class="lt" d="M0 5h16" />
        </Key>
        trigger
      </li>
    </ul>
  );
}

export function BaselineLegend(): Raw {
  return (
    <ul class="legend">
      <li>
        <Key>
          <path class="lo" d="M0 7h6v-4h10" />
        </Key>
        mean
      </li>
      <li>
        <Key>
          <path class="ls" d="M0 7h6v-4h10" />
        </Key>
        standard deviation
      </li>
    </ul>
  );
}

function Key({ children }: { children?: Child }): Raw {
  return (
    <svg viewBox="0 0 16 10" aria-hidden="true">
      {children}
    </svg>
  );
}
