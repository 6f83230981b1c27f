import { describe, expect, test } from "bun:test";
import * as fixtures from "../src/dashboard/fixture.ts";
import { PAYLOADS } from "../src/dashboard/fixture.ts";
import { dashboardModel } from "../src/dashboard/model.ts";
import { createZone } from "../src/dashboard/zone.ts";
import { readHtml } from "../test/html.ts";
import { renderLive, renderPage } from "./page.tsx";

const assets = { css: "/assets/a.css", js: "/assets/a.js", htmx: "/assets/h.js", icon: "/assets/i.svg" };
const { normal, learning, surge, notBlocking, empty, hostile, storm } = fixtures;
const all = Object.entries({ normal, learning, surge, notBlocking, empty, hostile, storm });
const modelOf = (status: typeof normal) => dashboardModel(status, createZone("UTC"));

for (const [name, status] of all) {
  describe(name, () => {
    const page = readHtml(renderPage(modelOf(status), assets));
    const by = (attribute: string) => page.elements.flatMap((element) => element.attributes[attribute] ?? []);

    test("ids stand once", () => {
      const ids = by("id");
      expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
    });

    test("every link to a place on the page has that place", () => {
      const ids = new Set(by("id"));
      const anchors = by("href").filter((href) => href.startsWith("#"));
      expect(anchors).toEqual(["#main", "#bans", "#sources", "#audit", "#health"]);
      for (const anchor of anchors) expect(ids).toContain(anchor.slice(1));
      for (const id of by("aria-labelledby")) expect(ids).toContain(id);
      for (const path of by("clip-path")) expect(ids).toContain(path.slice(5, -1));
    });

    test("nothing inline and nothing foreign", () => {
      for (const { tag, attributes } of page.elements) {
        expect(Object.keys(attributes).filter((key) => /^on|^style$/i.test(key))).toEqual([]);
        if (tag === "script") expect(attributes.src).toMatch(/^\/assets\//);
        for (const key of ["href", "src", "hx-get"]) expect(attributes[key] ?? "/").toMatch(/^[/#](?!\/)/);
      }
      expect(
        page.elements.filter(({ tag }) => ["iframe", "img", "form", "style", "object", "base"].includes(tag)),
      ).toEqual([]);
    });

    test("every id of a polled element is one of the fragment, so that morphing finds it", () => {
      const live = readHtml(renderLive(modelOf(status)));
      const liveIds = live.elements.flatMap((element) => element.attributes.id ?? []);
      expect(by("id").filter((id) => !liveIds.includes(id))).toEqual(["stale", "live"]);
      expect(live.elements[0]).toEqual({ tag: "div", attributes: { id: "page" } });
    });

    test("nothing prints as undefined, NaN or [object", () => {
      expect(page.text).not.toMatch(/undefined|NaN|Infinity|\[object/);
      for (const d of by("d")) expect(d).toMatch(/^[MLlHhVvZz\d .-]+$/);
    });
  });
}

describe("what the page says", () => {
  test("the normal evening, panel by panel", () => {
    const { text } = readHtml(renderLive(modelOf(normal)));
    for (const words of [
      "cloud.example.org",
      "up 12 d 4 h",
      "Armed",
      "13.2 req/s",
      "Normal. Inside the learned band; one source near its trigger.",
      "18:00 UTC",
      "198.51.100.23",
      "2001:db8:66:1::/64",
      "permanent",
      "13:36",
      "/var/log/anomaly-detector/audit.log",
      "ipset, 6 of 6",
      "times in UTC, hour slots in UTC",
    ]) {
      expect(text).toContain(words);
    }
  });

  test("ten sources, six bans, twenty-four hours", () => {
    const { elements } = readHtml(renderLive(modelOf(normal)));
    const ids = elements.flatMap((element) => element.attributes.id ?? []);
    expect(ids.filter((id) => id.startsWith("s-"))).toHaveLength(10);
    expect(ids.filter((id) => /^b-.*(?<!-why)$/.test(id))).toHaveLength(6);
    expect(elements.filter((element) => element.attributes.class?.startsWith("hour "))).toHaveLength(24);
  });

  test("payloads stand on the page as text, their control and bidi characters spelt out", () => {
    const { text } = readHtml(renderPage(modelOf(hostile), assets));
    for (const payload of PAYLOADS) {
      expect(text).toContain(payload.replace("\u202e", "\\u202e").replace("\0", "\\u0000"));
    }
    expect(text).not.toMatch(/[\u0000\u202a-\u202e\u2066-\u2069]/);
  });

  test("the one status line for screen readers, and no polled region that talks", () => {
    const { elements } = readHtml(renderPage(modelOf(normal), assets));
    const live = elements.filter(({ attributes }) => attributes.role === "status" || attributes["aria-live"]);
    expect(live.map(({ attributes }) => attributes.id ?? attributes.class)).toEqual(["stale", "vh"]);
  });
});
