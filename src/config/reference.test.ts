import { describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { configKeys } from "./keys.ts";
import { parseConfig } from "./load.ts";
import { renderJsonSchema, renderPage, renderYaml } from "./reference.ts";
import { configSchema } from "./schema.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const shipped = await Bun.file(`${ROOT}config/anomaly-detector.yaml`).text();

describe("the committed files are what the schema says (else: bun scripts/generate-config.ts)", () => {
  test.each([
    ["config/anomaly-detector.yaml", renderYaml],
    ["config/anomaly-detector.schema.json", renderJsonSchema],
    ["docs/configuration.md", renderPage],
  ])("%s", async (path, render) => expect(await Bun.file(ROOT + path).text()).toBe(render()));
});

describe("the shipped file", () => {
  test("holds exactly the defaults", () => {
    expect(configSchema.parse(parse(shipped))).toEqual(configSchema.parse({}));
    expect(parseConfig(shipped)).toEqual({ ok: true, config: configSchema.parse({}), warnings: [] });
  });

  test("names every key, commented out only where there is no default", () => {
    const names = configKeys().map((key) => key.path.at(-1)!);
    const lines = shipped.split("\n").filter((line) => /^ *(# )?[a-z_0-9]+:( |$)/.test(line));
    expect(lines.map((line) => line.replace(/^ *(# )?/, "").split(":")[0]!)).toEqual(names);
    const commented = lines.filter((line) => line.includes("# "));
    expect(commented.length).toBe(configKeys().filter((key) => key.path[1] === "fields").length + 3);
  });

  test("is valid with every comment sign before a key removed, too", () => {
    const all = shipped.replace(/^( *)# ([a-z_0-9]+:( |$))/gm, "$1$2");
    const result = parseConfig(all);
    expect(result.ok ? [] : result.problems).toEqual([]);
    expect(result.ok && result.config.log.fields.source_ip).toEqual(["client_ip"]);
    expect(result.ok && result.config.firewall.spare_ports).toEqual([22]);
  });

  test("says in one line what each key means", () => {
    for (const { path, schema } of configKeys()) {
      expect([path.join("."), schema.description ?? ""]).toEqual([
        path.join("."),
        expect.stringMatching(/^.{10,170}\.$/),
      ]);
    }
  });
});

test("the JSON Schema refuses unknown keys and bare numbers, and knows the spelling of a duration", () => {
  const schema = JSON.parse(renderJsonSchema());
  expect(schema.additionalProperties).toBe(false);
  const { window } = schema.properties.detection.properties;
  expect(window).toMatchObject({ type: "string", default: "60s" });
  const pattern = new RegExp(window.pattern);
  expect(["60s", "2h30m", "500ms", "1d"].every((text) => pattern.test(text))).toBe(true);
  expect(["", "60", "1.5h", "60 s", "m", "1m2h"].some((text) => pattern.test(text))).toBe(false);
});
