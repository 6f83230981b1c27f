/** The shipped configuration file, its reference page and its JSON Schema, all rendered from the schema. [pure] */
import { stringify } from "yaml";
import { configJsonSchema, configKeys, type JsonSchema, type Key, rowKeys } from "./keys.ts";

const YAML_HEAD = `# anomaly-detector: every key, with its default. An empty file means exactly the same.
# Durations have a unit: 500ms, 10s, 10m, 2h30m, 30d. Before a change is in force:
#   anomaly-detector check --config FILE                  finds its mistakes
#   anomaly-detector replay access.log --compare FILE     shows what it would do differently
`;

/** config/anomaly-detector.yaml: every key with its default; keys without one are commented out, with an example. */
export function renderYaml(): string {
  const lines = configKeys().flatMap((key) => (key.path.length === 1 ? ["", ...yamlLines(key)] : yamlLines(key)));
  return `${YAML_HEAD}${lines.join("\n")}\n`;
}

function yamlLines(key: Key): string[] {
  const indent = "  ".repeat(key.path.length - 1);
  const off = hasValue(key) ? "" : "# ";
  const name = key.path.at(-1)!;
  const value = key.isSection ? "" : ` ${flow(key.schema.default ?? key.schema.examples?.[0])}`;
  return [`${indent}# ${oneLine(key)}`, `${indent}${off}${name}:${value}`];
}

/** Does the key stand in the file uncommented? A section of commented keys must not, it would be null. */
function hasValue(key: Key): boolean {
  if (!key.isSection) return key.schema.default !== undefined;
  return Object.values(key.schema.properties!).some(
    (child) => child.default !== undefined || child.properties !== undefined,
  );
}

function oneLine(key: Key): string {
  const choices = key.schema.enum ?? key.schema.items?.enum;
  const word = key.schema.enum ? "One of" : "Any of";
  return `${key.schema.description}${choices ? ` ${word}: ${choices.join(", ")}.` : ""}`;
}

function flow(value: unknown): string {
  return stringify(value, { collectionStyle: "flow", lineWidth: 0, flowCollectionPadding: false }).trim();
}

const PAGE_HEAD = `# Configuration

<!-- Generated from src/config/schema.ts by \`bun scripts/generate-config.ts\`. Change it there. -->

One YAML file, by default \`/etc/anomaly-detector/anomaly-detector.yaml\`, or the one named with \`--config FILE\`. Every key
is optional and an empty file works. [The shipped file](../config/anomaly-detector.yaml) holds every key with its default.

- Durations are text with a unit: \`500ms\`, \`10s\`, \`10m\`, \`2h30m\`, \`30d\`. A bare number is refused.
- An unknown key is an error, told with its line, its column and the key that was probably meant.
- \`anomaly-detector check --config FILE\` tells everything that is wrong at once (exit code 2), and changes nothing.
- Editors complete and check the file with [its JSON Schema](../config/anomaly-detector.schema.json): put
  \`# yaml-language-server: $schema=PATH/anomaly-detector.schema.json\` on the first line.
- The Slack webhook is a secret and stands in a file of its own (mode 0600), never in this one.
`;

/** docs/configuration.md: one table for each section. */
export function renderPage(): string {
  const keys = configKeys();
  const own = (section: Key) => keys.filter((key) => isDirectChild(key, section) && !key.isSection);
  const top = keys.filter((key) => key.path.length === 1 && !key.isSection);
  const parts = keys.flatMap((key) => {
    const rows = key.isSection ? own(key) : rowKeys(key);
    if (!key.isSection && rows.length === 0) return [];
    const table = rows.length === 0 ? "" : `\n${renderTable(rows)}`;
    return `\n## ${code(`${key.path.join(".")}${key.isSection ? "" : "[]"}`)}\n\n${key.schema.description}\n${table}`;
  });
  return `${PAGE_HEAD}\n## Top level\n\n${renderTable(top)}${parts.join("")}`;
}

function isDirectChild(key: Key, section: Key): boolean {
  return key.path.length === section.path.length + 1 && section.path.every((part, i) => key.path[i] === part);
}

function renderTable(keys: readonly Key[]): string {
  const rows = keys.map((key) => {
    const value = key.schema.default === undefined ? "" : code(flow(key.schema.default));
    return [code(key.path.at(-1)!), typeText(key.schema), value, key.schema.description ?? ""];
  });
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return line(["Key", "Type", "Default", "Meaning"]) + line(["---", "---", "---", "---"]) + rows.map(line).join("");
}

function typeText(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map(code).join(" or ");
  if (schema.title) return schema.title;
  if (schema.type === "array") return `list of: ${typeText(schema.items ?? {})}`;
  if (schema.type === "string") return "text";
  if (schema.type === "boolean") return "true or false";
  return `${schema.type === "integer" ? "whole number" : "number"}${boundsText(schema)}`;
}

function boundsText({ minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  const most = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const parts: string[] = [];
  if (minimum !== undefined) parts.push(`at least ${minimum}`);
  if (exclusiveMinimum !== undefined) parts.push(`above ${exclusiveMinimum}`);
  if (most !== undefined) parts.push(`at most ${most}`);
  return parts.length === 0 ? "" : `, ${parts.join(", ")}`;
}

function code(text: string): string {
  return `\`${text}\``;
}

/** config/anomaly-detector.schema.json, for editors. */
export function renderJsonSchema(): string {
  const { $schema, ...rest } = configJsonSchema() as JsonSchema & { readonly $schema: string };
  return `${JSON.stringify({ $schema, title: "anomaly-detector configuration", ...rest }, null, 2)}\n`;
}
