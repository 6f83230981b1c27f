import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { join } from "node:path";
import { Namespace, whyNoNamespaces } from "../../test/netns/namespace.ts";
import { formatRange, parseRange } from "../net/cidr.ts";
import { parseLocalV4, parsePeers, parseRoutes, parseRoutes6 } from "./netfiles.ts";
import { type Protected, protectingRange, readProtected } from "./protected.ts";
import { directives, readSshClients, readSshPorts } from "./ssh.ts";

const fixtures = join(import.meta.dir, "fixtures");
const texts = (list: readonly Protected[], why: Protected["why"]) =>
  list
    .filter((held) => held.why === why)
    .map((held) => formatRange(held.range) as string)
    .sort();

describe("readProtected", () => {
  const list = readProtected(join(fixtures, "proc"), [22], "/no/such/directory");

  test.each<[Protected["why"], string[]]>([
    ["loopback", ["127.0.0.0/8", "::1"]],
    // Of its own networks, the broadcast addresses.
    [
      "not a client",
      [
        "0.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/3",
        "::",
        "fe80::/10",
        "ff00::/8",
        "127.255.255.255",
        "172.17.255.255",
        "172.18.255.255",
        "198.18.255.255",
      ],
    ],
    ["default gateway", ["198.18.0.1", "fe80::1"]],
    // .1 is the gateway Docker hands out, .2 the address the bridge really has.
    ["docker bridge", ["172.17.0.1", "172.18.0.1", "172.18.0.2", "fd00:d::1", "fd00:d::2"]],
    ["ssh peer", ["198.18.0.5", "198.18.0.66", "198.18.0.77", "2001:db8:18::99"]],
  ])("%s", (why, expected) => {
    expect(texts(list, why)).toEqual(expected.sort());
  });

  test("own addresses, v4 and v6, without those of bridges", () => {
    const own = texts(list, "own address");
    expect(own).toContain("198.18.0.10");
    expect(own).toContain("2001:db8:18::10");
    expect(own).not.toContain("172.17.0.1");
  });

  test("where logind tells who logged in, a mere connection to sshd protects nobody", () => {
    const known = readProtected(join(fixtures, "proc"), [22], join(fixtures, "sessions"));
    expect(texts(known, "ssh peer")).toEqual(["198.18.0.77"]);
  });

  test("without any file the fixed ranges remain", () => {
    const bare = readProtected("/no/such/directory", [22], "/nonexistent");
    expect(new Set(bare.map((held) => held.why))).toEqual(new Set(["loopback", "not a client"]));
  });

  test.each<[string, Protected["why"] | null]>([
    ["203.0.113.9", null],
    ["127.0.0.1", "loopback"],
    ["198.18.0.1", "default gateway"],
    ["198.18.0.0/24", "own address"],
    ["2001:db8:18::/64", "own address"],
    ["2001:db8:19::/64", null],
    ["fe80::/64", "not a client"],
    ["255.255.255.255", "not a client"],
  ])("a ban of %s is refused for: %s", (text, why) => {
    expect(protectingRange(list, parseRange(text)!)?.why ?? null).toBe(why);
  });
});

describe("files of /proc/net", () => {
  test("a route's addresses are little-endian, its mask a prefix; routes that are down or reject are skipped", () => {
    const text = [
      "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask",
      "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000",
      "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF",
      "eth1\t0000000A\t00000000\t0000\t0\t0\t0\t000000FF",
      "*\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF",
      "torn",
    ].join("\n");
    expect(
      parseRoutes(text).map((r) => [r.device, formatRange(r.destination) as string, r.gateway as string | null]),
    ).toEqual([
      ["eth0", "0.0.0.0/0", "192.0.2.1"],
      ["eth0", "192.0.2.0/24", null],
    ]);
  });

  test("the unreachable IPv6 default route on lo is not a gateway", () => {
    const line =
      "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo";
    expect(parseRoutes6(line)).toEqual([]);
  });

  test("broadcast addresses are not ours", () => {
    const trie = "  |-- 192.0.2.2\n     /32 host LOCAL\n  |-- 192.0.2.255\n     /32 link BROADCAST\n";
    expect(parseLocalV4(trie) as string[]).toEqual(["192.0.2.2"]);
  });

  test("only established connections to the given ports count", () => {
    const row = (port: string, state: string) => `0: 0A0012C6:${port} 4D0012C6:C350 ${state} 0 0`;
    const table = ["heading", row("0016", "01"), row("0017", "01"), row("0016", "0A")].join("\n");
    expect(parsePeers(table, new Set([22])) as string[]).toEqual(["198.18.0.77"]);
    expect(parsePeers("heading\n\nrubbish\n", new Set([22]))).toEqual([]);
  });
});

describe("sshd", () => {
  test("ports of Port and ListenAddress lines, includes too; not of comments, Match blocks or other files", () => {
    expect(readSshPorts(join(fixtures, "ssh"))).toEqual([22, 2022, 2222]);
  });

  test("22 when nothing is said", () => {
    expect(readSshPorts("/no/such/directory")).toEqual([22]);
  });

  test("keywords in any case, with blanks or =, quoted values", () => {
    expect(directives('PORT 1\nport=2\n port "3"\n#port 4\n\nMatch all\nPort 5')).toEqual([
      ["port", "1"],
      ["port", "2"],
      ["port", "3"],
    ]);
  });

  test("sessions without a remote host are not clients; no directory is not an empty one", () => {
    expect([...(readSshClients(join(fixtures, "sessions")) ?? [])] as string[]).toEqual(["198.18.0.77"]);
    expect(readSshClients("/no/such/directory")).toBeNull();
  });
});

test.skipIf(process.platform !== "linux")("sees a live connection on this host as a peer", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const socket = connect(server.port, "127.0.0.1");
  await new Promise((done) => socket.on("connect", done));
  const table = await Bun.file("/proc/net/tcp").text();
  expect(parsePeers(table, new Set([server.port])) as string[]).toEqual(["127.0.0.1"]);
  socket.destroy();
  server.stop(true);
});

test.skipIf(whyNoNamespaces() !== "")(
  "reads a real kernel: addresses, gateways, a bridge, in a namespace",
  async () => {
    const [host, router] = [await Namespace.create(), await Namespace.create()];
    try {
      await Namespace.connect(host, router, 40);
      await host.run("ip", "route", "add", "default", "via", "198.18.40.2");
      await host.run("ip", "-6", "route", "add", "default", "via", "2001:db8:18:40::2");
      await host.run("ip", "link", "add", "docker0", "type", "bridge");
      await host.run("ip", "addr", "add", "172.17.0.1/16", "dev", "docker0");
      await host.run("ip", "link", "set", "docker0", "up");
      const program = `import { readProtected } from ${JSON.stringify(join(import.meta.dir, "protected.ts"))};
      console.log(JSON.stringify(readProtected("/proc", [22], "/no/such/directory")));`;
      const child = Bun.spawn([...host.enter, process.execPath, "-e", program], { stdout: "pipe" });
      const list = JSON.parse(await child.stdout.text()) as Protected[];
      expect(texts(list, "default gateway")).toEqual(["198.18.40.2", "2001:db8:18:40::2"]);
      expect(texts(list, "docker bridge")).toEqual(["172.17.0.1"]);
      expect(texts(list, "own address")).toContain("198.18.40.1");
      expect(texts(list, "own address")).toContain("2001:db8:18:40::1");
    } finally {
      await host.destroy();
      await router.destroy();
    }
  },
);
