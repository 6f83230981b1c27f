/**
 * Every number of the adaptive profile that is judgement and not contract, with the traffic it stands for. The
 * contract's own numbers (z-score, multiple, window, floors …) are keys of the configuration. `bench/detection`
 * moves each of these by ± 30 %.
 */
export interface Tuning {
  /** What a request counts towards its source's rate; 1 is a page asked for again. */
  readonly cost: Costs;
  /** How often something may be asked for before it counts as repeated. */
  readonly visits: Visits;
  /** A rate held over the ten minutes of the sustained window needs only this share of the trigger. */
  readonly sustainedShare: number;
  /** Failing on new paths counts only from this share of what a source does. */
  readonly probeShare: number;
  /** Errors surge only when they are also this share of what a source does; 0: however few they are. */
  readonly surgeShare: number;
  /** During the warm-up the failure bars are this many times higher. */
  readonly warmUpFailures: number;
  /** How long a 401 waits for the success that makes it part of a login. */
  readonly answerMs: number;
  /** One success excuses this many unanswered 401s. */
  readonly excusedBySuccess: number;
  /** Logins in ten minutes that the pages behind them may excuse. */
  readonly excusedLogins: number;
  /** Of the people who logged in behind an address, this many share its requests. */
  readonly peopleCounted: number;
  /** An attempt on a known weakness counts as this many failures, one that no mistake explains as more. */
  readonly exploitWeight: number;
  readonly blatantWeight: number;
  /** A failing new path counts as this share of one. */
  readonly probeWeight: number;
  /** A failing path beside another that failed counts as this share of a probe. */
  readonly siblingWeight: number;
  /** Showing the login form counts as this share of a slow failure. */
  readonly loginFormWeight: number;
  /** Slow failures that a source has left after its ban. */
  readonly secondChance: number;
  /** So many sources failing again and again within an hour are a surge; then the slow bar is this share of itself. */
  readonly failureSurgeSources: number;
  readonly failureSurgeShare: number;
  /** The busiest share of visits that the busy-source baseline is made of. */
  readonly busyShare: number;
  /** How long an anomaly holds the site's baseline still, its build-up forgotten; 0: it learns on, build-up and all. */
  readonly freezeMs: number;
  /** How long the site must be normal before its anomaly is over. */
  readonly calmMs: number;
  /** A ramp has so many requests in the last of three spans of five minutes … */
  readonly rampRequests: number;
  /** … so many times as many from span to span, over the two of them, … */
  readonly rampGrowth: number;
  /** … the last adding so many times what the one before it added, … */
  readonly rampSteadiness: number;
  /** … and still going on: the end of the last has so many times the requests of its beginning; … */
  readonly rampGoesOn: number;
  /** … and this share of all it does is to fetch one page again, … */
  readonly rampShare: number;
  /** … of so many bytes. */
  readonly rampBytes: number;
  /** Or it fetches several things, this share of the time what only a page asks for, … */
  readonly rampParts: number;
  /** … none of them more than this share of the time, … */
  readonly rampTopShare: number;
  /** … each so many times, … */
  readonly rampRepeats: number;
  /** … in this share of the seconds in which chance would make as many requests come. */
  readonly rampEvenness: number;
  /** With global.ban_participants: a path surges from this share of the excess, when all that do make up the other. */
  readonly surgingShare: number;
  readonly surgingTotal: number;
  /** And when it is asked for so many times as often as before. */
  readonly surgingGrowth: number;
  /** Looks at nothing but what surges that make a source suspect, and their mean over its crowd. */
  readonly participantLooks: number;
  readonly crowdLooks: number;
  /** Readers seen to load files from this site, at least: else a source without any tells nothing. */
  readonly company: number;
}

export interface Costs {
  readonly asset: number;
  readonly assetRepeated: number;
  readonly preview: number;
  readonly proof: number;
  readonly probe: number;
  readonly firstVisit: number;
  readonly firstVisitSustained: number;
  readonly login: number;
  readonly page: number;
}

export interface Visits {
  readonly asset: number;
  readonly notModified: number;
  readonly probe: number;
  readonly assetFlood: number;
}

export const TUNING: Tuning = {
  cost: {
    // One page view pulls in 20–200 files once each: a whole page load should weigh about as much as a dozen pages.
    asset: 0.1,
    // A file asked for again and again: a page reloaded, or a flood of a cheap file. Half a page either way.
    assetRepeated: 0.5,
    // A thumbnail: made by the dozen while scrolling; each has its own query.
    preview: 0.12,
    // Sync clients make 20–50 of these a second for minutes; nobody can make them without an account.
    proof: 0.03,
    // Monitors, and browsers in a call, ask once a second for an answer that costs the server little.
    probe: 0.2,
    // The first look at a page in an hour: reading, crawling, backing up.
    firstVisit: 0.45,
    // The same held for ten minutes: a crawler reads page after page, each once, at a steady pace.
    firstVisitSustained: 0.2,
    // The login form asked for again and again: people see it once, guessers before every guess.
    login: 2,
    page: 1,
  },
  visits: {
    // Reloads, tabs and a few people behind one address fetch the same file this often in ten minutes.
    asset: 10,
    // A conditional fetch answered 304 costs next to nothing, but only so many are natural.
    notModified: 40,
    // Monitors, and five browsers of one office in a call, ask for the same thing this often in a minute.
    probe: 300,
    // More requests a minute than the busiest innocent page loads, map tiles and offices make (559 seen).
    assetFlood: 600,
  },
  // People and pages come in bursts; what goes on for ten minutes at more than half the trigger is a machine.
  sustainedShare: 0.6,
  // Crawlers meet dead links too: in real logs they are up to a third of what a crawler asks for.
  probeShare: 0.4,
  // A busy crawler's dead links reach a surge's count at a tenth of its requests; a guesser fails most of the time.
  surgeShare: 0.25,
  // The bars are absolute, but the site's habits are not known yet.
  warmUpFailures: 2,
  // WebDAV clients follow a 401 with the password at once; ten seconds allow for a slow line and a busy server.
  answerMs: 10_000,
  // Discovery asks two or three times without a password before it sends one.
  excusedBySuccess: 3,
  // A class or an office that logs in at nine o'clock from one address.
  excusedLogins: 30,
  // A class or an office; more head-room than that and whoever can log in could flood.
  peopleCounted: 4,
  // Nobody asks for a database dump or an old plugin's script by mistake, but two broken links must not ban.
  exploitWeight: 3,
  // /.git/config, a router's hole, a shell: a curious owner asks for one of them, scanners for one after the other.
  blatantWeight: 5,
  // Dead links and renamed pages make an honest visitor fail too, nearly a dozen times in a bad minute.
  probeWeight: 0.7,
  // A crawler that comes back to a directory which has moved fails on page after page of it; scanners look around.
  siblingWeight: 0.25,
  // People open the form once a day; guessers before every guess, and some guess in its query.
  loginFormWeight: 0.1,
  // After its ban a source has to fail again, and again: a person has found the password by then.
  secondChance: 2,
  // A few people forget their password in the same hour; when more addresses fail again and again, a botnet guesses.
  failureSurgeSources: 6,
  // Each of a botnet's addresses tries only a few times; a person among them still has a handful of tries.
  failureSurgeShare: 0.5,
  // Offices, crawlers and sync clients: a site with a thousand visits a day has a couple of dozen of them.
  busyShare: 0.02,
  // Longer than floods last, shorter than the hour in which honest growth must be learned.
  freezeMs: 15 * 60_000,
  // One window: everything that was hot has left it.
  calmMs: 60_000,
  // Sixteen a minute of one page, without a file of it: more than somebody who waits for news reloads by hand.
  rampRequests: 80,
  // The tabs and screens of a house are switched on one by one; what is turned up doubles again and again.
  rampGrowth: 1.6,
  // What comes one by one adds as much in every span as in the one before, also while it seems to multiply.
  rampSteadiness: 1.3,
  // When two more have opened a page that asks for itself, it is asked for three times as often, and no more than that.
  rampGoesOn: 1.15,
  // Whoever has a browser, or a second task, asks for other things besides: files, other pages, an account.
  rampShare: 0.95,
  // A page costs the server something; what screens, meters and monitors ask for all day is a few hundred bytes.
  rampBytes: 3000,
  // Cameras, slides and interfaces are asked for again and again, style sheets and scripts only with their page, and once.
  rampParts: 0.25,
  // Tickers and dashboards ask for one or two things all day, and their files are of no weight beside those.
  rampTopShare: 0.33,
  // Crawlers ask for each page once, and so does a browser for each file that it may keep.
  rampRepeats: 2,
  // With a page come its files, all in a second or two; only a machine has a pause after each thing it asks for.
  rampEvenness: 0.85,
  // A flood has a handful of targets; the files and pages of a crowd are many, and so is growth of the whole site.
  surgingShare: 0.1,
  // What is asked for besides during a surge is not what it is made of.
  surgingTotal: 0.5,
  // What all clients of an application ask for anyway grows with them; the target of a flood was one page of many.
  surgingGrowth: 10,
  // People look once, come back to the page, reload it when it is slow; the fifth time they have something else to do.
  participantLooks: 5,
  // Of a crowd nearly everybody looks once; a flood is few sources for what it does, and each comes again and again.
  crowdLooks: 2,
  // Of the readers of a day most are robots, which load no files; of a site whose files lie elsewhere nobody does.
  company: 10,
};

/** How long a fetched file counts as fetched, a seen page as seen, a failed path as failed, a health page as asked for. */
export const PERIOD_MS = { asset: 600_000, page: 3_600_000, failure: 600_000, probe: 60_000 } as const;

/** Repeats are only looked for once a source has this many requests in the window: fewer cannot reach any trigger. */
export const BUSY_REQUESTS = 8;

/** Every number by its name in docs/detection.md: "sustainedShare", "cost.asset". */
export const TUNING_NAMES: readonly string[] = Object.entries(TUNING).flatMap(([name, value]) =>
  typeof value === "number" ? [name] : Object.keys(value as object).map((key) => `${name}.${key}`),
);

/** Of these numbers, 0 turns off what they are for. */
export const CAN_BE_OFF: ReadonlySet<string> = new Set(["surgeShare", "freezeMs"]);

/** A built-in number by its name; undefined for a name that is none of ours. */
export function tunedNumber(name: string): number | undefined {
  if (!TUNING_NAMES.includes(name)) return undefined;
  const [group, key] = name.split(".") as [keyof Tuning, string | undefined];
  const value = TUNING[group];
  return typeof value === "number" ? value : (value as unknown as Readonly<Record<string, number>>)[key!];
}

/** Counted in whole failures and tries, so that sums come to nothing when everything has left. */
const WHOLE: ReadonlySet<string> = new Set(["exploitWeight", "blatantWeight", "excusedBySuccess"]);

/** The numbers with those in place that are named; names that are none of ours change nothing. */
export function tuned(named: Readonly<Record<string, number>>): Tuning {
  const whole = (name: string, value: number) => (WHOLE.has(name) ? Math.max(1, Math.round(value)) : value);
  const values = Object.fromEntries(Object.entries(named).map(([name, value]) => [name, whole(name, value)]));
  const group = <T extends object>(name: string, numbers: T): T =>
    Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, values[`${name}${key}`] ?? value])) as T;
  const { cost, visits } = TUNING;
  return { ...group("", TUNING), cost: group("cost.", cost), visits: group("visits.", visits) };
}
