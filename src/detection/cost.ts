/**
 * What a request counts towards its source's rate. 1 is a page asked for again; the rest is a share of it.
 * Each number says what traffic it stands for; the bench moves each by ± 30 %.
 */
export const COST = {
  /** One page view pulls in 20–200 files once each: a whole page load should weigh about as much as a dozen pages. */
  asset: 0.1,
  /** A file asked for again and again: a page reloaded, or a flood of a cheap file. Half a page either way. */
  assetRepeated: 0.5,
  /** How often a file may be fetched in ten minutes before it counts as repeated: reloads, tabs, a few people behind one address. */
  assetVisits: 10,
  /** A conditional fetch answered 304 costs the server next to nothing, but only so many are natural. */
  notModifiedVisits: 40,
  /** A thumbnail: made by the dozen while scrolling; each has its own query. */
  preview: 0.12,
  /** Sync clients make 20–50 of these a second for minutes; they cannot be made without an account. */
  proof: 0.03,
  /** Monitors ask once a second all day for an answer that costs the server little … */
  probe: 0.3,
  /** … but not more often than this in a minute, a few monitors and clients behind one address included. */
  probeVisits: 120,
  /** The first look at a page in an hour: reading, crawling, backing up. */
  firstVisit: 0.6,
  page: 1,
  /** The login form asked for again and again: people see it once, guessers before every guess. */
  login: 2,
  /** A first look held for ten minutes: a crawler or a backup reads page after page, each once, at a steady pace. */
  firstVisitSustained: 0.3,
} as const;

/** More requests a minute than the busiest innocent page loads, map tiles and offices make (559 seen): assets are no longer a page's. */
export const ASSET_FLOOD_REQUESTS = 600;

/** How long a fetched file counts as fetched, and a seen page as seen. */
export const ASSET_PERIOD_MS = 600_000;
export const PAGE_PERIOD_MS = 3_600_000;
export const PROBE_PERIOD_MS = 60_000;
export const FAILURE_PERIOD_MS = 600_000;

/** Repeats are only looked for once a source has this many requests in the window: fewer cannot reach any trigger. */
export const BUSY_REQUESTS = 8;
