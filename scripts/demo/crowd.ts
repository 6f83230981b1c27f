/** The demo's ordinary people as real clients, each with an address of its own: bun crowd.ts STARTED_AT */
import { dial, send } from "../../test/e2e/client.ts";
import { bot, TARGET } from "../../test/e2e/internet.ts";
import type { Request } from "./people.ts";
import { ordinaryPeople, Player } from "./player.ts";

const PERIOD_MS = 50;
const startedAt = Number(process.argv[2]);
const player = new Player(ordinaryPeople(1));
const addresses = new Map<string, string>();

setInterval(() => {
  for (const request of player.due(Date.now() - startedAt)) void play(request);
}, PERIOD_MS);

async function play(request: Request): Promise<void> {
  const headers = {
    "User-Agent": request.userAgent,
    ...(request.authorized ? { Authorization: "Basic ZGVtbzpkZW1v" } : {}),
    ...(request.cached ? { "If-None-Match": '"1"' } : {}),
  };
  const { method, path } = request;
  await send(dial(TARGET.v4, addressOf(request.source)), { host: TARGET.v4, method, path, headers });
}

/** One of the bots' addresses for each of the player's sources. */
function addressOf(source: string): string {
  if (!addresses.has(source)) addresses.set(source, bot(addresses.size + 1));
  return addresses.get(source)!;
}
