// biome-ignore-all lint/correctness/noUnusedImports: h is the JSX factory (tsconfig)
/** Top sources, active bans and the tail of the audit log. */
import type { AuditPanel, AuditRow, BanRow, BansPanel, SourceRow, SourcesPanel } from "../src/dashboard/model.ts";
import { h, type Raw } from "./jsx.ts";
import { EmptyNote, Panel } from "./parts.tsx";

export function Sources({ panel }: { panel: SourcesPanel }): Raw {
  return (
    <Panel id="sources" title="Top sources" class="c6 o-src" meta={panel.meta}>
      {panel.rows.length === 0 ? <EmptyNote empty={panel.empty} /> : <SourceTable rows={panel.rows} />}
    </Panel>
  );
}

function SourceTable({ rows }: { rows: readonly SourceRow[] }): Raw {
  return (
    <table class="cards src">
      <caption class="vh">Sources by request rate</caption>
      <thead>
        <tr>
          <th scope="col">Source</th>
          <th scope="col" class="num">
            req/s
          </th>
          <th scope="col">vs trigger</th>
          <th scope="col" class="num">
            errors
          </th>
          <th scope="col" class="num">
            z
          </th>
          <th scope="col">Most asked path</th>
          <th scope="col">State</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr id={row.id}>
            <td class="i">
              <span class="ip">{row.source}</span>
            </td>
            <td class="r num">{row.rate}</td>
            <td class="b">
              <Bullet bar={row.bar} />
            </td>
            <td class={`e num ${row.errors.high ? "worry" : "muted"}`}>{row.errors.text}</td>
            <td class={`z num ${row.zScore.high ? "worry" : "muted"}`}>{row.zScore.text}</td>
            <td class="w clip" title={row.path}>
              <bdi>{row.path}</bdi>
            </td>
            <td class="s">
              <span class={`tag ${row.state.tone}`} title={row.state.title}>
                {row.state.text}
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Bullet({ bar }: { bar: SourceRow["bar"] }): Raw {
  return (
    <svg class="bullet" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={bar.label}>
      <rect class="t" y="2" width="100" height="6" rx="1.5" />
      <rect class={`f ${bar.tone}`} y="2" width={bar.width} height="6" rx="1.5" />
      <rect class="k" x="66.2" y="0" width="1.2" height="10" />
    </svg>
  );
}

export function Bans({ panel }: { panel: BansPanel }): Raw {
  return (
    <Panel id="bans" title="Active bans" class="c6 o-bans" meta={panel.meta} end={panel.rest}>
      {panel.rows.length === 0 ? <EmptyNote empty={panel.empty} /> : <BanTable rows={panel.rows} />}
    </Panel>
  );
}

function BanTable({ rows }: { rows: readonly BanRow[] }): Raw {
  return (
    <table class="cards bans">
      <caption class="vh">Active bans</caption>
      <thead>
        <tr>
          <th scope="col">Source</th>
          <th scope="col">Why</th>
          <th scope="col">Offence</th>
          <th scope="col" class="num">
            Dropped
          </th>
          <th scope="col" class="num">
            Left
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr id={row.id}>
            <td class="i">
              <span class="ip">{row.source}</span>
            </td>
            <td class="w clip">
              <Why row={row} />
            </td>
            <td class="o">
              <Pips offence={row.offence} />
            </td>
            <td class="d num muted">{row.dropped}</td>
            <td class="l num">
              <Left left={row.left} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The reason in one line; the evidence behind it opens below and stays open over polls. */
function Why({ row }: { row: BanRow }): Raw {
  return (
    <details id={`${row.id}-why`}>
      <summary title={row.why}>
        {row.trouble ? <span class={`tag ${row.trouble.tone}`}>{row.trouble.text}</span> : null}
        <bdi>{row.why}</bdi>
      </summary>
      <ul>
        {row.details.map((line) => (
          <li>
            <bdi>{line}</bdi>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Pips({ offence }: { offence: BanRow["offence"] }): Raw {
  return (
    <svg class="pips" viewBox="0 0 34 8" role="img" aria-label={offence.label}>
      <title>{offence.label}</title>
      {Array.from({ length: offence.of }, (_, i) => (
        <rect class={i < offence.filled ? "on" : undefined} x={i * 9} y="1" width="7" height="6" rx="1.5" />
      ))}
    </svg>
  );
}

function Left({ left }: { left: BanRow["left"] }): Raw {
  if (left.permanent) {
    return (
      <span class="badt" title={left.title}>
        {left.text}
      </span>
    );
  }
  return (
    <span class="left" title={left.title}>
      <span>{left.text}</span>
      <svg viewBox="0 0 58 3" preserveAspectRatio="none" aria-hidden="true">
        <rect class="t" width="58" height="3" rx="1.5" />
        <rect class="f" width={left.bar} height="3" rx="1.5" />
      </svg>
    </span>
  );
}

export function Audit({ panel }: { panel: AuditPanel }): Raw {
  return (
    <Panel id="audit" title="Audit log" class="c12 o-aud" meta={<span class="mono">{panel.path}</span>}>
      {panel.rows.length === 0 ? (
        <EmptyNote empty={panel.empty} />
      ) : (
        <ol class="audit">
          {panel.rows.map((row) => (
            <AuditLine row={row} />
          ))}
        </ol>
      )}
    </Panel>
  );
}

function AuditLine({ row }: { row: AuditRow }): Raw {
  return (
    <li id={row.id}>
      <time datetime={row.time.iso} title={row.time.iso}>
        {row.time.text}
      </time>
      <span class={`tag ${row.tone}`}>{row.action}</span>
      <span class="sub">{row.subject}</span>
      <span class="cond" title={row.condition}>
        {row.result ? <span class={`tag ${row.result === "failed" ? "bad" : "info"}`}>{row.result}</span> : null}
        <bdi>{row.condition}</bdi>
      </span>
      <span class="r">{row.rate}</span>
      <span class="q b">{row.baseline}</span>
      <span class="q">{row.duration}</span>
    </li>
  );
}
