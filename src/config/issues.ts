/** What zod found, in sentences a person can act on. [pure] */
import type { z } from "zod";
import type { ConfigDocument } from "./document.ts";
import { meantKey } from "./keys.ts";
import { nearest } from "./nearest.ts";
import { type KeyPath, type Problem, pathText } from "./problem.ts";

type Issue = z.core.$ZodIssue;

/** The problems behind zod's issues, each with its place in the text. */
export function issueProblems(issues: readonly Issue[], document: ConfigDocument): Problem[] {
  return issues.flatMap((issue) => {
    const path = issue.path as KeyPath;
    if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(path, key, document));
    return [{ kind: "value", path: pathText(path), ...document.valueAt(path), ...issueText(issue) } as const];
  });
}

function unknownKey(section: KeyPath, key: string, document: ConfigDocument): Problem {
  const path = [...section, key];
  const names = section.filter((part): part is string => typeof part === "string");
  return {
    kind: "unknown-key",
    path: pathText(path),
    section: pathText(section),
    ...document.keyAt(path),
    message: `unknown key ${JSON.stringify(key.slice(0, 64))}`,
    hint: meantKey(names, key),
  };
}

function issueText(issue: Issue): { message: string; hint?: string | undefined } {
  // Only a row of a list has keys that must be given.
  const isMissing = (issue.code === "invalid_type" || issue.code === "invalid_value") && issue.input === undefined;
  if (isMissing) return { message: "is missing" };
  switch (issue.code) {
    case "invalid_type":
      return { message: wrongType(issue.expected, issue.input, issue.message) };
    case "invalid_value": {
      const values = issue.values.map(String);
      const meant = typeof issue.input === "string" ? nearest(issue.input, values) : null;
      return {
        message: `${shown(issue.input)} is not one of ${values.join(", ")}`,
        hint: meant ? `did you mean "${meant}"?` : undefined,
      };
    }
    case "too_small":
      return { message: outside(issue.origin, issue.input, issue.inclusive ? "at least" : "above", issue.minimum) };
    case "too_big":
      return { message: outside(issue.origin, issue.input, issue.inclusive ? "at most" : "below", issue.maximum) };
    default:
      return { message: issue.message };
  }
}

function wrongType(expected: string, input: unknown, message: string): string {
  // Our own sentences (durations, addresses) come through unchanged; zod's begin with "Invalid".
  if (!message.startsWith("Invalid")) return message;
  if (input === null) return "has no value (write one, or remove the line to take the default)";
  switch (expected) {
    case "object":
      return `must be a section of "key: value" lines, not ${kindOf(input)}`;
    case "array":
      return `must be a list ([a, b] or one "- a" per line), not ${kindOf(input)}`;
    case "boolean":
      return `${shown(input)} is not true or false`;
    case "int":
      return `${shown(input)} is not a whole number`;
    case "number":
      return typeof input === "number" ? "must be a finite number" : `${shown(input)} is not a number`;
    case "string":
      return `must be text${typeof input === "number" || typeof input === "boolean" ? ` (write "${input}" in quotes)` : `, not ${kindOf(input)}`}`;
    default:
      return `must be of type ${expected}, not ${kindOf(input)}`;
  }
}

function outside(origin: string, input: unknown, relation: string, bound: number | bigint): string {
  if (origin === "string")
    return bound === 1n || bound === 1 ? "must not be empty" : `must be ${relation} ${bound} characters long`;
  if (origin === "array")
    return bound === 1 ? "must have at least one entry" : `must have ${relation} ${bound} entries`;
  return `${shown(input)} must be ${relation} ${bound}`;
}

function kindOf(input: unknown): string {
  if (input === null) return "nothing";
  if (Array.isArray(input)) return "a list";
  return typeof input === "object" ? "a section" : typeof input === "string" ? "text" : `a ${typeof input}`;
}

function shown(input: unknown): string {
  if (typeof input === "number" || typeof input === "boolean") return String(input);
  return typeof input === "string" ? JSON.stringify(input.slice(0, 80)) : kindOf(input);
}
