// biome-ignore-all lint/correctness/noUnusedImports: h is the JSX factory (tsconfig)
/** The whole page, and its live part alone: the same function draws both. */
import type { Banner, DashboardModel } from "../src/dashboard/model.ts";
import { Logo, Shape, Warning } from "./icons.tsx";
import { h, type Raw } from "./jsx.ts";
import { Baseline, Detector, Health, Kpis, Rate, RateChart } from "./panels.tsx";
import { Audit, Bans, Sources } from "./tables.tsx";

/** Where the page finds its own files; the names carry a hash of the content. */
export interface AssetUrls {
  readonly css: string;
  readonly js: string;
  readonly htmx: string;
  readonly icon: string;
}

/**
 * htmx: an answer of 4xx or 5xx must not replace the figures, an opened <details> stays open over a poll, and no
 * inline style is made (the content security policy would refuse it).
 */
const HTMX_CONFIG = JSON.stringify({
  noSwap: [204, 304, "4xx", "5xx"],
  morphIgnore: ["data-htmx-powered", "open"],
  includeIndicatorCSS: false,
  history: false,
});

/**
 * `query` is what the address asked for, so that the polls ask for the same ("" or "?range=24h"); `signOut` the token
 * of the sign-out form, null where there is no login.
 */
export function renderPage(
  model: DashboardModel,
  assets: AssetUrls,
  query = "",
  signOut: string | null = null,
): string {
  const page = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="htmx-config" content={HTMX_CONFIG} />
        <title>{`anomaly-detector · ${model.hostname}`}</title>
        <link rel="icon" href={assets.icon} type="image/svg+xml" />
        <link rel="stylesheet" href={assets.css} />
        <script src={assets.htmx} defer={true} />
        <script src={assets.js} defer={true} />
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to content
        </a>
        {signOut === null ? null : (
          <form id="sign-out" method="post" action="/logout">
            <input type="hidden" name="token" value={signOut} />
          </form>
        )}
        <div class="banner warn stale" id="stale" role="status" hidden={true} />
        <div
          id="live"
          hx-get={`/fragment${query}`}
          hx-trigger="every 3s, refresh"
          hx-swap="innerMorph"
          hx-config="timeout:2000"
          hx-sync="this:drop"
        >
          <Live model={model} canSignOut={signOut !== null} isPoll={false} />
        </div>
      </body>
    </html>
  );
  return `<!doctype html>${page}`;
}

export function renderLive(model: DashboardModel, canSignOut = false): string {
  return String(<Live model={model} canSignOut={canSignOut} isPoll={true} />);
}

/** The chart of the past alone: it changes once a minute, and is asked for so. */
export function renderPast(rate: Pick<DashboardModel["rate"], "chart" | "empty">): string {
  return String(<RateChart rate={rate} />);
}

interface LiveProps {
  readonly model: DashboardModel;
  readonly canSignOut: boolean;
}

function Live({ model, canSignOut, isPoll }: LiveProps & { readonly isPoll: boolean }): Raw {
  return (
    <div id="page">
      <Top model={model} canSignOut={canSignOut} />
      {model.banners.length > 0 ? (
        <section id="banners" aria-label="Notices">
          {model.banners.map((banner) => (
            <BannerLine banner={banner} />
          ))}
        </section>
      ) : null}
      <main id="main">
        <h1 class="vh">Overview</h1>
        <Kpis kpis={model.kpis} />
        <Rate rate={model.rate} isPoll={isPoll} />
        <Detector panel={model.detector} />
        <Sources panel={model.sources} />
        <Bans panel={model.bans} />
        <Baseline baseline={model.baseline} hours={model.hours} />
        <Health panel={model.health} />
        <Audit panel={model.audit} />
      </main>
      <footer class="foot">
        {model.footer.map((text) => (
          <span>{text}</span>
        ))}
      </footer>
      <p class="vh" role="status">
        {model.announcement}
      </p>
    </div>
  );
}

function Top({ model, canSignOut }: LiveProps): Raw {
  return (
    <header class="top">
      <a class="brand" href="/">
        <Logo />
        <span>anomaly-detector</span>
        <span class="host">{model.hostname}</span>
      </a>
      <nav class="nav" aria-label="Main">
        <a href="/" aria-current="page">
          Overview
        </a>
        <a href="#bans">
          Bans
          {model.banCount > 0 ? <span class="count">{model.banCount}</span> : null}
        </a>
        <a href="#sources">Sources</a>
        <a href="#audit">Audit</a>
        <a href="#health">Health</a>
      </nav>
      <span class="spacer" />
      <div class="live">
        <span>
          up <b>{model.uptime}</b>
        </span>
        <span>
          updated{" "}
          <time id="updated" datetime={model.updated.iso} title={model.updated.iso}>
            {model.updated.text}
          </time>
        </span>
      </div>
      <span class={`pill ${model.pill.tone}`}>
        <Shape shape={model.pill.shape} />
        {model.pill.text}
      </span>
      <span class="pill warn lost">
        <Shape shape="triangle" />
        No answer
      </span>
      {canSignOut ? (
        <button class="btn sm" type="submit" form="sign-out">
          Sign out
        </button>
      ) : null}
    </header>
  );
}

function BannerLine({ banner }: { banner: Banner }): Raw {
  return (
    <div class={`banner ${banner.tone}`} id={`banner-${banner.id}`}>
      {banner.tone === "info" ? <Shape shape="ring" /> : <Warning />}
      <span>
        {banner.lead} <span class="more">{banner.more}</span>
      </span>
    </div>
  );
}
