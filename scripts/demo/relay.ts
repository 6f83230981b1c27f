/** Passes connections on. As a program, from a socket file to a port of this namespace: bun relay.ts SOCKET PORT */
import { connect, createServer, type NetConnectOpts } from "node:net";

type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string };

/** Listens on one end and connects each comer to the other; returns what closes it. */
export function listenRelay(from: Endpoint, to: Endpoint): Promise<() => void> {
  const server = createServer((incoming) => {
    const outgoing = connect(to as NetConnectOpts);
    incoming.pipe(outgoing).pipe(incoming);
    for (const [one, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(from, () => resolve(() => server.close()));
  });
}

if (import.meta.main) {
  const [path, port] = process.argv.slice(2);
  await listenRelay({ path: path! }, { host: "127.0.0.1", port: Number(port) });
  console.log("ready");
}
