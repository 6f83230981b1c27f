/**
 * kill -9 at random moments under load: no acknowledged ban is lost, none is doubled, every line is counted exactly
 * once, and nothing is left in the kernel at the end. KILLS=200 for the long form.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { until } from "../e2e/process.ts";
import { Namespace, whyNoNamespaces } from "../netns/namespace.ts";
import { Daemon } from "./daemon.ts";
import { Nginx } from "./nginx.ts";

const KILLS = Number(process.env.KILLS ?? 6);
const why = whyNoNamespaces("iptables", "iptables-save", "ip6tables-save", "ipset", "nginx", "curl");

/** Who writes the log while the detector dies and returns. */
interface Load {
  start(): void;
  pause(): Promise<void>;
  rotate(): void;
  /** Lines written so far. */
  written(): number;
}

/** The test itself: 20 calm visitors and, each half second, somebody new who floods. */
function ownLoad(daemon: Daemon): Load {
  let timer: Timer | undefined;
  let flooder = 0;
  let turn = 0;
  return {
    start() {
      timer = setInterval(() => {
        if (turn++ % 10 === 0) flooder++;
        const source = `203.0.${113 + (flooder >> 8)}.${flooder & 255}`;
        daemon.write([`198.51.100.${turn % 20}`, ...new Array<string>(30).fill(source)]);
      }, 50);
    },
    async pause() {
      clearInterval(timer);
    },
    rotate: () => daemon.rotate(),
    written: () => daemon.written,
  };
}

function nginxLoad(nginx: Nginx): Load {
  return {
    start: () => nginx.load(),
    pause: () => nginx.pause(),
    rotate: () => nginx.rotate(),
    written() {
      const logged = nginx.logged();
      const numbered = logged.filter((path) => path.includes("n="));
      expect(new Set(numbered).size).toBe(numbered.length);
      return logged.length;
    },
  };
}

describe.skipIf(why !== "")(`kill -9, ${KILLS} times`, () => {
  let space: Namespace;
  let daemon: Daemon;
  let before: string[];

  beforeEach(async () => {
    space = await Namespace.create();
    daemon = new Daemon(space);
    before = await daemon.rules();
  });
  afterEach(async () => {
    await daemon.destroy();
    await space.destroy();
  });

  test("a log that the test writes", () => suffer(ownLoad(daemon)), 60_000 + KILLS * 6000);

  test(
    "nginx, its log rotated meanwhile",
    async () => {
      const nginx = new Nginx(space, join(daemon.dir, "nginx"), daemon.logPath);
      try {
        await nginx.start();
        await suffer(nginxLoad(nginx));
      } finally {
        await nginx.stop();
      }
    },
    60_000 + KILLS * 6000,
  );

  async function suffer(load: Load): Promise<void> {
    let acknowledged = new Set<string>();
    // A log that was rotated before the first start is nobody's business.
    await daemon.start();
    await daemon.caughtUp(load.written());
    await daemon.kill();
    for (let kill = 1; kill <= KILLS; kill++) {
      load.start();
      if (kill % 3 === 1) await Bun.sleep(300 + Math.random() * 700);
      // Some kills come while it starts, restores its bans or reads its backlog.
      if (kill % 3 === 2) await daemon.startAndKill(50 + Math.random() * 500);
      if (Math.random() < 0.3) load.rotate();
      await daemon.start();
      acknowledged = await check(daemon, acknowledged);
      await Bun.sleep(Math.random() * 2500);
      if (Math.random() < 0.3) load.rotate();
      if (kill % 3 === 0) {
        await load.pause();
        await daemon.caughtUp(load.written());
      }
      await daemon.kill();
      await load.pause();
    }
    await daemon.start();
    await daemon.caughtUp(load.written());
    acknowledged = await check(daemon, acknowledged);
    expect(acknowledged.size).toBeGreaterThan(KILLS / 2);
    const times = daemon.audited("BAN").map(({ ip }) => ip);
    expect(times.length).toBe(new Set(times).size);
    expect(await daemon.stop()).toBe(0);
    expect(await daemon.rules()).toEqual(before);
    console.log(`${KILLS} kills: ${load.written()} lines, ${acknowledged.size} bans; 0 lost, 0 doubled`);
  }
});

/** Every ban that was ever acknowledged is in the ledger and in the kernel; returns them with those that came since. */
async function check(daemon: Daemon, earlier: ReadonlySet<string>): Promise<Set<string>> {
  const acknowledged = new Set([...earlier, ...daemon.audited("BAN").map(({ ip }) => ip!)]);
  const ledger = new Set((await daemon.bans()).map(({ ban }) => ban.source as string));
  expect([...acknowledged].filter((source) => !ledger.has(source))).toEqual([]);
  await until("the kernel to hold what the ledger says", async () => {
    const wanted = (await daemon.bans()).map(({ ban }) => ban.source as string).sort();
    return Bun.deepEquals(await daemon.kernel(), wanted);
  });
  return acknowledged;
}
