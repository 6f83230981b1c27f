/** The demo's traffic: some 30 sources of an ordinary Nextcloud, then two attacks; and its access log lines. [pure] */
import { answer } from "./nextcloud.ts";
import { flooder, monitor, type Person, phone, type Request, scanner, seeded, syncClient, webUser } from "./people.ts";

export const FLOODER = "203.0.113.66";
export const SCANNER = "198.51.100.200";
/** When the attacks begin, in milliseconds after the start: after a warm-up of 30 s. */
export const FLOOD_AT = 40_000;
export const SCAN_AT = 60_000;

/** Everybody's requests in order of time. */
export class Player {
  readonly #people: { readonly person: Person; next: Request }[];

  constructor(people: readonly Person[]) {
    this.#people = people.map((person) => ({ person, next: person.next().value }));
  }

  /** The requests due by `at`, oldest first; each is handed out once. */
  due(at: number): Request[] {
    const requests: Request[] = [];
    for (const entry of this.#people) {
      for (; entry.next.at <= at; entry.next = entry.person.next().value) requests.push(entry.next);
    }
    return requests.sort((a, b) => a.at - b.at);
  }
}

/** The site's ordinary people: desktop clients, browsers, phones, a monitor, and an office behind one address. */
export function ordinaryPeople(seed: number): Person[] {
  const random = seeded(seed);
  const own = () => seeded(Math.floor(random() * 2 ** 32));
  const office = "192.0.2.10";
  return [
    ...range(12, (i) => syncClient(own(), `198.51.100.${11 + i}`)),
    ...range(2, (i) => syncClient(own(), `2001:db8:51:${i + 1}::7`)),
    ...range(8, (i) => webUser(own(), `203.0.113.${21 + i}`)),
    ...range(6, (i) => phone(own(), `198.51.100.${101 + i}`)),
    ...range(4, () => syncClient(own(), office)),
    ...range(2, () => webUser(own(), office)),
    monitor("192.0.2.200"),
  ];
}

/** A flood of the login page, and later a scanner, each from one source. */
export function attackers(): Person[] {
  return [flooder(FLOODER, FLOOD_AT), scanner(SCANNER, SCAN_AT)];
}

/** The line nginx would write with the shipped log format. `startedAt` is the demo's begin in epoch milliseconds. */
export function accessLogLine(request: Request, startedAt: number): string {
  const { status, bytes } = answer(request);
  const at = startedAt + request.at;
  return JSON.stringify({
    source_ip: request.source,
    timestamp: new Date(at).toISOString().replace(/\.\d+Z$/, "+00:00"),
    msec: (at / 1000).toFixed(3),
    method: request.method,
    path: request.path,
    status,
    response_size: bytes,
    request_time: 0.02,
    host: "cloud.example.org",
    user_agent: request.userAgent,
    peer: request.source,
  });
}

function range<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
