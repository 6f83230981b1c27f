import { describe, expect, test } from "bun:test";
import { parseRange } from "../net/cidr.ts";
import { clientOf } from "./client.ts";

describe("who asks", () => {
  const rows: readonly [string, string | null, Record<string, string>, Partial<ReturnType<typeof clientOf>>][] = [
    ["a stranger", "198.51.100.7", {}, { address: "198.51.100.7", isHttps: false, isLocal: false }],
    ["a stranger, mapped", "::ffff:198.51.100.7", {}, { address: "198.51.100.7" }],
    [
      "a stranger who says he is another, over https",
      "198.51.100.7",
      { "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https" },
      { address: "198.51.100.7", isHttps: false, isLocal: false },
    ],
    ["an SSH tunnel", "127.0.0.1", {}, { address: "127.0.0.1", isHttps: false, isLocal: true }],
    ["an SSH tunnel over IPv6", "::1", {}, { address: "::1", isLocal: true }],
    [
      "the TLS server of this host speaks for a client",
      "127.0.0.1",
      { "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https" },
      { address: "203.0.113.9", isHttps: true, isLocal: false },
    ],
    [
      "what the client itself wrote stands before",
      "::ffff:127.0.0.1",
      { "x-forwarded-for": "127.0.0.1, 10.0.0.1, 203.0.113.9", "x-forwarded-proto": "http, HTTPS" },
      { address: "203.0.113.9", isHttps: true, isLocal: false },
    ],
    [
      "a TLS server that names nobody",
      "127.0.0.1",
      { "x-forwarded-proto": "https" },
      { address: "127.0.0.1", isHttps: true, isLocal: false },
    ],
    [
      "garbage is nobody",
      "127.0.0.1",
      { "x-forwarded-for": "203.0.113.9, <script>" },
      { address: "127.0.0.1", isLocal: false },
    ],
    [
      "an IPv4 tunnel to a socket of both families",
      "::ffff:127.0.0.1",
      {},
      { address: "127.0.0.1", source: "127.0.0.1", isLocal: true },
    ],
    [
      "two proxies of this host, one behind the other",
      "127.0.0.1",
      { "x-forwarded-for": "6.6.6.6, 203.0.113.9, 127.0.0.1, ::1" },
      { address: "203.0.113.9", isLocal: false },
    ],
    [
      "an IPv6 client is its /64",
      "2001:db8:1:2:3::4",
      {},
      { address: "2001:db8:1:2:3::4", source: "2001:db8:1:2::/64" },
    ],
    [
      "no connection at all",
      null,
      { "x-forwarded-proto": "https" },
      { address: "unknown", isHttps: false, isLocal: false },
    ],
  ];
  test.each(rows)("%s", (_, peer, headers, expected) => {
    expect(clientOf(peer, new Headers(headers))).toMatchObject(expected);
  });
});

describe("behind a proxy that the configuration names", () => {
  const proxies = ["172.18.0.5", "10.0.0.0/8", "fd00:1::/64"].map((text) => parseRange(text)!);
  const https = { "x-forwarded-proto": "https" };
  const rows: readonly [string, string, Record<string, string>, Partial<ReturnType<typeof clientOf>>][] = [
    [
      "a container speaks for its client",
      "172.18.0.5",
      { ...https, "x-forwarded-for": "203.0.113.9" },
      { address: "203.0.113.9", isHttps: true, isLocal: false },
    ],
    ["mapped to IPv6", "::ffff:172.18.0.5", { "x-forwarded-for": "203.0.113.9" }, { address: "203.0.113.9" }],
    [
      "over IPv6",
      "fd00:1::7",
      { "x-forwarded-for": "2001:db8::9" },
      { address: "2001:db8::9", source: "2001:db8::/64" },
    ],
    [
      "the container beside it is a stranger: its words change nothing",
      "172.18.0.6",
      { ...https, "x-forwarded-for": "203.0.113.9" },
      { address: "172.18.0.6", isHttps: false, isLocal: false },
    ],
    [
      "what the client forged stands before what the proxy saw",
      "172.18.0.5",
      { "x-forwarded-for": "127.0.0.1, 172.18.0.5, 203.0.113.9" },
      { address: "203.0.113.9", isLocal: false },
    ],
    [
      "proxies behind proxies are passed over, from the right",
      "172.18.0.5",
      { "x-forwarded-for": "6.6.6.6,203.0.113.9 , 10.1.2.3,10.9.9.9" },
      { address: "203.0.113.9" },
    ],
    [
      "nobody but proxies: the farthest",
      "172.18.0.5",
      { "x-forwarded-for": "10.1.2.3, 10.9.9.9" },
      { address: "10.1.2.3" },
    ],
    [
      "garbage ends what is known",
      "172.18.0.5",
      { "x-forwarded-for": "6.6.6.6, x, 10.9.9.9" },
      { address: "10.9.9.9" },
    ],
    ["a proxy that names nobody is no tunnel", "172.18.0.5", {}, { address: "172.18.0.5", isLocal: false }],
  ];
  test.each(rows)("%s", (_, peer, headers, expected) => {
    expect(clientOf(peer, new Headers(headers), proxies)).toMatchObject(expected);
  });
});
