/** The drawn pages: one set for each range, shared by all who look, and drawn no oftener than anything in them changes. */
import { renderLive, renderPage, renderPast } from "../../views/page.tsx";
import type { EpochMs } from "../accesslog/record.ts";
import type { Clock } from "../clock.ts";
import type { HistorySpan, SystemStatus } from "../status.ts";
import { assetUrls } from "./assets.ts";
import { newCookie } from "./form-token.ts";
import { dashboardModel, localZone } from "./model.ts";
import { liveStretch, pastOf, type Stretch } from "./past.ts";
import { LIVE, queryOf, type Range } from "./range.ts";

export const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
/** Stands in the drawn page, which all viewers share, for what is each one's own. */
const TOKEN_PLACE = newCookie();

/** The page of one range, drawn at most once a second, however many look at it. */
export interface Pages {
  /** Without a login; of whoever is signed in (the token of the sign-out form); the part that is polled. */
  open(): Encoded;
  own(token: string): Encoded;
  fragment(): Encoded;
  /** Its chart alone, drawn at most once a minute unless it is of the last half hour. */
  chart(): Encoded;
  /** What its chart shows, as figures. */
  stretch(): Stretch;
}

export interface PageParts {
  readonly status: () => SystemStatus;
  readonly history: ((from: EpochMs, to: EpochMs, stepMs: number) => readonly HistorySpan[]) | undefined;
  readonly hasLogin: boolean;
  readonly clock: Clock;
}

export function createPages(range: Range, { status, history, hasLogin, clock }: PageParts): Pages {
  const stretch = oncePer(MINUTE_MS, clock, (): Stretch => {
    // The minute that has begun is no whole one yet.
    const to = Math.floor(clock.now() / MINUTE_MS) * MINUTE_MS;
    return { range, to, spans: history?.(to - range.spanMs, to, range.stepMs) ?? [] };
  });
  const past = oncePer(MINUTE_MS, clock, () => pastOf(stretch(), status(), localZone));
  const model = () => dashboardModel(status(), localZone, range === LIVE ? null : past());
  const page = oncePer(SECOND_MS, clock, () =>
    renderPage(model(), assetUrls, queryOf(range), hasLogin ? TOKEN_PLACE : null),
  );
  return {
    open: oncePer(SECOND_MS, clock, () => encode(page())),
    own: (token) => encode(page().replace(TOKEN_PLACE, token)),
    fragment: oncePer(SECOND_MS, clock, () => encode(renderLive(model(), hasLogin))),
    chart: oncePer(range === LIVE ? SECOND_MS : MINUTE_MS, clock, () => encode(renderPast(model().rate))),
    stretch: () => (range === LIVE ? liveStretch(status()) : stretch()),
  };
}

export interface Encoded {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
}

function encode(text: string): Encoded {
  const body = new TextEncoder().encode(text);
  return { body, gzip: Bun.gzipSync(body, { level: 9 }) };
}

/** Draws at most once in each period of the clock, so that viewers share the cost. A failure is not kept. */
export function oncePer<T>(periodMs: number, clock: Clock, draw: () => T): () => T {
  let period = Number.NaN;
  let kept: T;
  return () => {
    const now = Math.floor(clock.now() / periodMs);
    if (now !== period) {
      kept = draw();
      period = now;
    }
    return kept;
  };
}
