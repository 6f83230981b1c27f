// biome-ignore-all lint/correctness/noUnusedImports: h is the JSX factory (tsconfig)
/** The report of a replay: one page without script or foreign file, from a ReportModel. */
import {
  type AxisTick,
  type BanRow,
  CELL_HEADS,
  type ContenderModel,
  type DifferenceModel,
  type Lane,
  type Plot,
  type ReportModel,
} from "../src/replay/report-model.ts";
import { type Child, Fragment, h, type Raw, raw } from "./jsx.ts";
import css from "./report.css" with { type: "text" };

/** The only thing a browser may do with the page is to apply this style, even if all escaping failed. */
const HEAD = (() => {
  const hash = new Bun.CryptoHasher("sha256").update(css).digest("base64");
  return raw(
    `<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'">` +
      `<meta name="referrer" content="no-referrer"><style>${css}</style>`,
  );
})();

/** The whole page as text, ready to be written to a file. */
export function reportPage(model: ReportModel): string {
  return `<!doctype html>\n${String(<Report model={model} />)}\n`;
}

function Report({ model }: { model: ReportModel }): Raw {
  return (
    <html lang="en">
      <head>
        {HEAD}
        <title>{`Replay of ${model.title}`}</title>
      </head>
      <body>
        <header>
          <p class="kind">anomaly-detector replay</p>
          <h1>{model.title}</h1>
          <p class="sub">{model.subtitle}</p>
        </header>
        <main>
          <p class="verdict">{model.verdict}</p>
          <dl class="facts">
            {model.facts.map(({ name, value }) => (
              <div>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          {model.difference && <Comparison contenders={model.contenders} difference={model.difference} />}
          {model.plots.map((plot) => (
            <PlotFigure plot={plot} />
          ))}
          {model.contenders.map((contender) => (
            <Contender contender={contender} isAlone={model.contenders.length === 1} />
          ))}
        </main>
        <footer>
          <p>{`anomaly-detector ${model.version}. Times in UTC. Nobody was banned for this report.`}</p>
        </footer>
      </body>
    </html>
  );
}

function Comparison(props: { contenders: readonly ContenderModel[]; difference: DifferenceModel }): Raw {
  const { difference } = props;
  return (
    <section>
      <h2>Side by side</h2>
      <section class="scroll" tabindex="0" aria-label="Figures of both configurations">
        <table class="figures">
          <thead>
            <tr>
              <th scope="col">configuration</th>
              {CELL_HEADS.map((head) => (
                <th scope="col">{head}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {props.contenders.map(({ name, cells }) => (
              <tr>
                <th scope="row">{name}</th>
                {cells.map((cell) => (
                  <td>{cell}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p class="note">{`Both banned ${difference.both}.`}</p>
      {difference.only.map(({ name, sources, more }) => (
        <details open={sources.length > 0 && sources.length <= 20}>
          <summary>{`only ${name}: ${sources.length + more}`}</summary>
          <p class="names">{sources.length === 0 ? "nobody" : sources.join(", ")}</p>
          {more > 0 && <p class="note">{`and ${more} more`}</p>}
        </details>
      ))}
    </section>
  );
}

function PlotFigure({ plot }: { plot: Plot }): Raw {
  return (
    <section>
      <h2>{plot.title}</h2>
      <Legend plot={plot} />
      <figure class="chart" aria-label={plot.title}>
        <Values ticks={plot.y} />
        <svg class="plot" role="img" aria-label={plot.summary}>
          <svg viewBox="0 0 1000 100" preserveAspectRatio="none" width="100%" height="100%" aria-hidden="true">
            <g class="grid">
              {plot.y.map(({ at }) => (
                <line x1="0" x2="1000" y1={at} y2={at} />
              ))}
            </g>
            {plot.surges.map(({ x, width }) => (
              <rect class="surge" x={x} width={width} y="0" height="100" />
            ))}
            <path class="band" d={plot.band} />
            <path class="area" d={plot.area} />
            {plot.peak && <path class="peak" d={plot.peak} />}
            <path class="average" d={plot.average} />
            <path class="mean" d={plot.mean} />
            <path class="trigger" d={plot.trigger} />
          </svg>
        </svg>
        {plot.lanes.map((lane) => (
          <LaneRow lane={lane} />
        ))}
        <Times ticks={plot.x} />
      </figure>
    </section>
  );
}

function LaneRow({ lane }: { lane: Lane }): Raw {
  return (
    <Fragment>
      <p class="lane-name">bans</p>
      <svg class="lane" role="img" aria-label={`${lane.ticks.length} marks of bans by ${lane.name}`}>
        {lane.ticks.map(({ x, title, tone }) => (
          <rect class={tone} x={x} y="2" width="2" height="12">
            <title>{title}</title>
          </rect>
        ))}
      </svg>
      <p class="lane-of">{lane.name}</p>
    </Fragment>
  );
}

function Values({ ticks }: { ticks: readonly AxisTick[] }): Raw {
  return (
    <svg class="y" aria-hidden="true">
      {ticks.map(({ at, text }) => (
        <text x="100%" dx="-6" y={at} dy="4" text-anchor="end">
          {text}
        </text>
      ))}
    </svg>
  );
}

function Times({ ticks }: { ticks: readonly AxisTick[] }): Raw {
  return (
    <svg class="x" aria-hidden="true">
      {ticks.map(({ at, text, anchor, minor }) => (
        <text x={at} y="15" text-anchor={anchor} class={minor ? "minor" : undefined}>
          {text}
        </text>
      ))}
    </svg>
  );
}

function Legend({ plot }: { plot: Plot }): Raw {
  return (
    <ul class="legend">
      <Key name="average" shape="average" />
      {plot.peak && <Key name="busiest minute" shape="peak" />}
      <Key name="baseline ± 3σ" shape="band" />
      <Key name="trigger" shape="trigger" />
      {plot.surges.length > 0 && <Key name="alert" shape="surge" />}
    </ul>
  );
}

function Key({ name, shape }: { name: string; shape: string }): Raw {
  const isFilled = shape === "band" || shape === "surge";
  return (
    <li>
      <svg viewBox="0 0 16 10" width="16" height="10" aria-hidden="true">
        {isFilled ? <rect class={shape} width="16" height="10" /> : <path class={shape} d="M0 5h16" />}
      </svg>
      {name}
    </li>
  );
}

function Contender({ contender, isAlone }: { contender: ContenderModel; isAlone: boolean }): Raw {
  return (
    <section>
      <h2>{isAlone ? "Bans" : `Bans with ${contender.name}`}</h2>
      {contender.bans.length === 0 ? <p class="note">None.</p> : <Bans bans={contender.bans} />}
      {contender.unlisted > 0 && (
        <p class="note">{`${contender.unlisted} more are not listed here; replay --events FILE writes them all.`}</p>
      )}
      {contender.alerts.length > 0 && (
        <Fragment>
          <h2>{isAlone ? "Alerts" : `Alerts with ${contender.name}`}</h2>
          <ul class="alerts">
            {contender.alerts.map(({ time, text }) => (
              <li>
                <time>{time}</time> {text}
              </li>
            ))}
          </ul>
        </Fragment>
      )}
    </section>
  );
}

function Bans({ bans }: { bans: readonly BanRow[] }): Raw {
  return (
    <ol class="bans">
      {bans.map((ban) => (
        <li>
          <details>
            <summary>
              <time datetime={ban.iso}>{ban.time}</time>
              <b>{ban.source}</b>
              <span class="length">{`${ban.duration}, ${ban.offence}`}</span>
              <span class="took">{ban.took === "–" ? "" : `after ${ban.took}`}</span>
              <span class="why">{ban.why}</span>
            </summary>
            <Evidence rows={ban.evidence} />
          </details>
        </li>
      ))}
    </ol>
  );
}

function Evidence({ rows }: { rows: BanRow["evidence"] }): Raw {
  const cells: Child[] = rows.map(([name, text]) => (
    <div>
      <dt>{name}</dt>
      <dd>{text}</dd>
    </div>
  ));
  return <dl class="evidence">{cells}</dl>;
}
