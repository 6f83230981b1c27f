/** A webhook receiver on loopback for tests: real HTTP, answers as told, remembers what came. */
export interface Collector {
  readonly url: string;
  /** Bodies received, oldest first. */
  readonly received: { text: string; [key: string]: unknown }[];
  readonly requests: { readonly at: number; readonly headers: Headers; readonly method: string }[];
  /** Answers the next requests in this order, then 200 "ok". */
  answer(...answers: ((request: Request) => Response | Promise<Response>)[]): void;
  stop(): Promise<void>;
}

export function startCollector(): Collector {
  const received: Collector["received"] = [];
  const requests: Collector["requests"] = [];
  const answers: ((request: Request) => Response | Promise<Response>)[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      requests.push({ at: Date.now(), headers: request.headers, method: request.method });
      received.push((await request.json()) as Collector["received"][number]);
      const next = answers.shift();
      return next ? next(request) : new Response("ok");
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/services/T0000SECRET/B0000SECRET/XXXXsecretXXXXsecretx9Qa`,
    received,
    requests,
    answer: (...more) => void answers.push(...more),
    stop: () => server.stop(true),
  };
}
