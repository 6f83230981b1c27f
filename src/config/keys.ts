/** The list of every key, read out of the schema: for did-you-mean and for the generated reference. [pure] */
import { z } from "zod";
import { nearest } from "./nearest.ts";
import { configSchema } from "./schema.ts";

/** What we read of a JSON Schema. */
export interface JsonSchema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
}

/** One key or section of the configuration. */
export interface Key {
  /** ["detection", "z_score"] */
  readonly path: readonly string[];
  readonly isSection: boolean;
  readonly schema: JsonSchema;
}

/** The JSON Schema of the file as people write it: durations and addresses are strings. */
export function configJsonSchema(): JsonSchema {
  return z.toJSONSchema(configSchema, { io: "input", target: "draft-7" }) as JsonSchema;
}

/** Every section and key, in the order of the schema. */
export function configKeys(): readonly Key[] {
  known ??= below([], configJsonSchema());
  return known;
}

let known: readonly Key[] | undefined;

function below(path: readonly string[], schema: JsonSchema): Key[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const key = { path: [...path, name], isSection: child.properties !== undefined, schema: child };
    return [key, ...below(key.path, child)];
  });
}

/** The keys of the rows of a list; none where its entries are plain values. */
export function rowKeys(list: Key): readonly Key[] {
  return list.schema.items === undefined ? [] : below(list.path, list.schema.items);
}

/**
 * What somebody may have meant by an unknown key: the same name in another section, a similar one in its own
 * section, a similar one anywhere; undefined when nothing is near.
 */
export function meantKey(section: readonly string[], name: string): string | undefined {
  const keys = configKeys();
  const dotted = section.join(".");
  const list = keys.find((key) => key.path.join(".") === dotted);
  const inSection = [...keys, ...(list ? rowKeys(list) : [])]
    .filter((key) => key.path.slice(0, -1).join(".") === dotted)
    .map((key) => key.path.at(-1)!);
  const here = nearest(name, inSection);
  if (here && list) return `did you mean "${here}"?`;
  const elsewhere = keys.filter((key) => key.path.at(-1) === name).map((key) => `"${key.path.join(".")}"`);
  if (elsewhere.length > 0) return `did you mean ${elsewhere.slice(0, 3).join(" or ")}?`;
  if (here) return `did you mean "${here}"?`;
  const there = nearest(
    name,
    keys.map((key) => key.path.at(-1)!),
  );
  const key = keys.find((candidate) => candidate.path.at(-1) === there);
  return key && `did you mean "${key.path.join(".")}"?`;
}
