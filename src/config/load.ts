/** A configuration file in; a Config, or everything that is wrong with it, out. */
import { type ConfigDocument, parseConfigDocument } from "./document.ts";
import { issueProblems } from "./issues.ts";
import { configKeys } from "./keys.ts";
import { readPasswordFile } from "./password-file.ts";
import { type KeyPath, type Problem, pathText } from "./problem.ts";
import { readConfigFile } from "./read.ts";
import { type Violation, violations } from "./rules.ts";
import { type Config, configSchema } from "./schema.ts";
import { readWebhook } from "./webhook.ts";

/** Problems are errors; warnings are about a configuration that can be used. Both in the order of the file. */
export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] };

type Env = Readonly<Record<string, string | undefined>>;

/** Loads the file at `path`; null loads the defaults. Never throws for what a file can hold. */
export async function loadConfig(path: string | null, env: Env): Promise<LoadResult> {
  const file = path === null ? { ok: true as const, text: "", writableByOthers: false } : await readConfigFile(path);
  if (!file.ok) return { ok: false, problems: [file.problem], warnings: [] };
  const document = parseConfigDocument(file.text);
  const result = checkDocument(document);
  const warnings = [...result.warnings];
  if (file.writableByOthers) {
    warnings.push({
      kind: "file",
      path: "",
      message: "can be changed by every user of this machine",
      hint: "chmod o-w",
    });
  }
  if (result.ok) {
    warnings.push(...(await webhookWarnings(result.config, document, env)));
    warnings.push(...(await passwordWarnings(result.config, document)));
  }
  return { ...result, warnings: inOrder(warnings) };
}

/** The same for a text in memory, without looking at any file it names. */
export function parseConfig(text: string): LoadResult {
  return checkDocument(parseConfigDocument(text));
}

function checkDocument(document: ConfigDocument): LoadResult {
  if (document.isBroken) return { ok: false, problems: inOrder(document.problems), warnings: [] };
  const input = withoutEmptySections(document.value ?? {});
  const parsed = configSchema.safeParse(input, { reportInput: true });
  const rules = parsed.success ? violations(parsed.data) : violationsOfTheRest(input, parsed.error.issues);
  const placed = (severity: Violation["severity"]) =>
    inOrder(rules.filter((rule) => rule.severity === severity).map((rule) => ruleProblem(rule, document)));
  const problems = [...document.problems, ...placed("error")];
  if (!parsed.success) problems.push(...issueProblems(parsed.error.issues, document));
  if (!parsed.success || problems.length > 0)
    return { ok: false, problems: inOrder(problems), warnings: placed("warning") };
  return { ok: true, config: parsed.data, warnings: placed("warning") };
}

/** A section whose keys are all commented out is null in YAML; it means its defaults. */
function withoutEmptySections(input: unknown): unknown {
  const copy = structuredClone(input);
  for (const { path, isSection } of configKeys()) {
    const parent = isSection ? parentOf(copy, path) : null;
    if (parent && parent[path.at(-1)!] === null) delete parent[path.at(-1)!];
  }
  return copy;
}

/**
 * The rules between keys, although some keys are wrong: those are taken away, and a rule that needs one of
 * them is not asked, so that nobody is sent after an error that mending the first one removes.
 */
function violationsOfTheRest(
  input: unknown,
  issues: readonly { code: string; path: PropertyKey[]; keys?: string[] }[],
): Violation[] {
  const rest = structuredClone(input);
  const removed: string[] = [];
  for (const issue of issues) {
    const path = issue.path as (string | number)[];
    const listStart = path.findIndex((part) => typeof part === "number");
    const key = listStart < 0 ? path : path.slice(0, listStart);
    for (const wrong of issue.keys && listStart < 0 ? issue.keys.map((name) => [...key, name]) : [key]) {
      const parent = parentOf(rest, wrong);
      if (!parent) return [];
      delete parent[wrong.at(-1)!];
      removed.push(pathText(wrong));
    }
  }
  const parsed = configSchema.safeParse(rest);
  if (!parsed.success) return [];
  const isTouched = (path: KeyPath) => removed.some((gone) => gone === pathText(path) || isBelow(pathText(path), gone));
  return violations(parsed.data).filter((violation) => !violation.paths.some(isTouched));
}

function isBelow(path: string, section: string): boolean {
  return path.startsWith(`${section}.`) || path.startsWith(`${section}[`);
}

/** The object that holds the last key of `path`; null when the input has no such object, or the path is empty. */
function parentOf(input: unknown, path: KeyPath): Record<string, unknown> | null {
  let node: unknown = path.length === 0 ? null : input;
  for (const part of path.slice(0, -1)) {
    node = isRecord(node) && Object.hasOwn(node, part) ? node[part] : null;
  }
  return isRecord(node) ? node : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function ruleProblem(rule: Violation, document: ConfigDocument): Problem {
  const path = rule.paths.find((candidate) => document.has(candidate)) ?? rule.paths[0]!;
  // The sentence is about the first key; when only another one stands in the file, both are named.
  const message = path === rule.paths[0] ? rule.message : `${pathText(rule.paths[0]!)} ${rule.message}`;
  return { kind: "value", path: pathText(path), ...document.valueAt(path), message, hint: rule.hint };
}

async function webhookWarnings(config: Config, document: ConfigDocument, env: Env): Promise<Problem[]> {
  const result = await readWebhook(config, env);
  const path = ["slack", "webhook_file"];
  const place = document.has(path) ? document.valueAt(path) : {};
  const warn = (message: string, hint: string): Problem[] => [
    { kind: "value", path: pathText(path), ...place, message, hint },
  ];
  switch (result.kind) {
    case "none":
      return [];
    case "problem":
      return warn(`${result.from} ${result.message}`, `${result.hint}; until then nothing is sent to Slack`);
    case "webhook":
      if (!result.webhook.readableByAll) return [];
      return warn(`${result.webhook.from} can be read by every user of this machine`, "chmod 0600");
    default:
      return result satisfies never;
  }
}

/** Warnings only, because every command reads the configuration, and most have no use for the login. */
async function passwordWarnings({ dashboard }: Config, document: ConfigDocument): Promise<Problem[]> {
  if (!dashboard.enabled) return [];
  const result = await readPasswordFile(dashboard.password_file);
  const path = ["dashboard", "password_file"];
  const warn = (message: string, hint: string): Problem[] => [
    { kind: "value", path: pathText(path), ...document.valueAt(path), message, hint },
  ];
  switch (result.kind) {
    case "none":
      return [];
    case "problem":
      return warn(`${result.from} ${result.message}`, result.hint);
    case "hash":
      return result.readableByAll ? warn(`${result.from} can be read by every user of this machine`, "chmod o-r") : [];
    default:
      return result satisfies never;
  }
}

function inOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}
