import type { AccessRecord, EpochMs } from "../accesslog/record.ts";
import type { PathCount } from "../decision.ts";
import type { Source } from "../net/cidr.ts";
import type { RequestClass } from "./class-table.ts";
import { Company } from "./company.ts";
import { sketchedPath, sketchedText } from "./traffic-sketch.ts";
import type { Tuning } from "./tuning.ts";

/** Most sources watched during one anomaly; who comes later is not, and counted. */
const LIMIT = 100_000;
/** Paths of one source that are kept apart; who asks for more does something else as well. */
const MOST_PATHS = 8;

/** A source since the surge began. */
interface Participant {
  readonly seed: number;
  readonly firstAt: EpochMs;
  /** The second of its latest request. */
  second: number;
  /** Seconds in which it asked: a page that is fetched twice at once was looked at once. */
  looks: number;
  requests: number;
  errors: number;
  /** What it asked for; null once it was too much. */
  paths: Map<string, PathCount> | null;
  userAgent: string | undefined;
  /** Looks at which it is suspect: moved on when that was said of it. */
  suspectAt: number;
}

/** A source that does nothing but what surges, and the crowd of its like. */
export interface Suspect {
  readonly source: Source;
  readonly firstAt: EpochMs;
  readonly looks: number;
  readonly requests: number;
  readonly errors: number;
  /** Most frequent first. */
  readonly paths: readonly PathCount[];
  readonly userAgent: string | undefined;
  /** Sources that do nothing else either. */
  readonly crowd: number;
}

/**
 * Who takes part in a surge and does nothing else, for detection.global.ban_participants. In a flash crowd people look
 * once or twice and their browsers load what comes with the page; in a flood the same sources ask for the same thing
 * over and over, and nothing comes with it. Both must hold of the crowd before anybody in it is suspect.
 */
export class Participants {
  readonly #company = new Company();
  readonly #sources = new Map<Source, Participant>();
  /** Sources that were not watched because there were too many. */
  missed = 0;

  constructor(
    private readonly tuning: Pick<Tuning, "participantLooks" | "crowdLooks" | "company">,
    private readonly limit = LIMIT,
  ) {}

  /** Takes in a request. `surgeSince`: when the site began to be out of its normal; null when it is not. */
  observe(
    record: AccessRecord,
    source: Source,
    seed: number,
    kind: RequestClass,
    at: EpochMs,
    surgeSince: EpochMs | null,
  ): void {
    this.#company.add(seed, kind, record.status, at, surgeSince === null);
    if (surgeSince === null) {
      if (this.#sources.size > 0) this.#sources.clear();
    } else if (at >= surgeSince) this.#note(record, source, seed, kind, at);
  }

  /** The source starts from nothing, as after a ban: it stays part of the crowd, but has to look anew to be suspect. */
  forget(source: Source): void {
    const known = this.#sources.get(source);
    if (known !== undefined) known.suspectAt = known.looks + this.tuning.participantLooks;
  }

  /** Who does nothing but what surges, often enough, in a crowd that does so. */
  suspects(surging: ReadonlySet<string>, isTrusted: (source: Source) => boolean, minSources: number): Suspect[] {
    if (surging.size === 0 || this.#company.loaders < this.tuning.company) return [];
    const suspects: [Source, Participant][] = [];
    let crowd = 0;
    let looks = 0;
    for (const [source, known] of this.#sources) {
      if (known.paths === null || !isOnly(known.paths, surging) || this.#company.has(known.seed)) continue;
      crowd++;
      looks += known.looks;
      if (known.looks >= known.suspectAt && !isTrusted(source)) suspects.push([source, known]);
    }
    if (crowd < minSources || looks < this.tuning.crowdLooks * crowd) return [];
    return suspects.map(([source, known]) => toSuspect(source, known, crowd));
  }

  #note(record: AccessRecord, source: Source, seed: number, kind: RequestClass, at: EpochMs): void {
    let known = this.#sources.get(source);
    if (known === undefined) {
      if (this.#sources.size >= this.limit) {
        this.missed++;
        return;
      }
      known = newcomer(seed, at, this.tuning.participantLooks);
      this.#sources.set(source, known);
    }
    const second = Math.floor(at / 1000);
    if (second !== known.second) known.looks++;
    known.second = second;
    known.requests++;
    if (record.status >= 400) known.errors++;
    known.userAgent = record.userAgent === undefined ? undefined : sketchedText(record.userAgent);
    addPath(known, sketchedPath(record.path), kind);
  }
}

function newcomer(seed: number, at: EpochMs, suspectAt: number): Participant {
  const counts = { second: -1, looks: 0, requests: 0, errors: 0 };
  return { seed, firstAt: at, ...counts, paths: new Map(), userAgent: undefined, suspectAt };
}

function addPath(known: Participant, path: string, kind: RequestClass): void {
  const { paths } = known;
  if (paths === null) return;
  const count = paths.get(path)?.count ?? 0;
  if (count === 0 && paths.size >= MOST_PATHS) known.paths = null;
  else paths.set(path, { path, count: count + 1, kind });
}

function isOnly(paths: ReadonlyMap<string, PathCount>, surging: ReadonlySet<string>): boolean {
  for (const path of paths.keys()) if (!surging.has(path)) return false;
  return true;
}

function toSuspect(source: Source, known: Participant, crowd: number): Suspect {
  const { firstAt, looks, requests, errors, userAgent } = known;
  const paths = [...known.paths!.values()].sort((a, b) => b.count - a.count);
  return { source, firstAt, looks, requests, errors, paths, userAgent, crowd };
}
