import { describe, expect, test } from "bun:test";
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
      { address: "127.0.0.1", isLocal: true },
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
