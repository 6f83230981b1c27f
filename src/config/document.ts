/** YAML text to a plain value, with the line and column of every key and value in it. [pure] */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";
import type { KeyPath, Position, Problem } from "./problem.ts";

/** A configuration nests four deep; this is far beyond it and far below any stack. */
const MAX_DEPTH = 32;

/** A YAML text as plain values, with the places of its keys. */
export interface ConfigDocument {
  /** undefined when the text holds nothing but comments. Not to be used when `isBroken`. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** True when the text is not YAML: reading on would only find follow-up errors. */
  readonly isBroken: boolean;
  /** Where the value at a path begins; of the nearest ancestor there is, when the path itself is absent. */
  valueAt(path: KeyPath): Position;
  /** Where the last key of a path begins. */
  keyAt(path: KeyPath): Position;
  /** Does the file itself say anything at this path? */
  has(path: KeyPath): boolean;
}

/** Reads YAML; what is wrong with it is in `problems`. */
export function parseConfigDocument(text: string): ConfigDocument {
  const lines = new LineCounter();
  const document = compose(text, lines);
  if (document === null) return tooDeep;
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problems = [...syntaxProblems(text, document, at), ...nodeProblems(document, at)];
  const value = problems.some(({ kind }) => kind === "syntax") ? undefined : plainValue(document, problems);
  const isBroken = problems.some(({ kind }) => kind === "syntax");
  return { value, problems, isBroken, ...positions(document, at) };
}

/** The parsed document; null when it is nested so deeply that the parser ran out of stack. */
function compose(text: string, lineCounter: LineCounter): Document.Parsed | null {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: true, stringKeys: true });
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

const START: Position = { line: 1, column: 1 };
const tooDeep: ConfigDocument = {
  value: undefined,
  problems: [{ kind: "syntax", path: "", ...START, message: `nested more than ${MAX_DEPTH} deep` }],
  isBroken: true,
  valueAt: () => START,
  keyAt: () => START,
  has: () => false,
};

function syntaxProblems(text: string, document: Document.Parsed, at: (offset: number) => Position): Problem[] {
  return [...document.errors, ...document.warnings].map((error) => {
    const place = at(error.pos[0]);
    if (error.code === "DUPLICATE_KEY") {
      const key = /^[^\s:]{1,64}/.exec(text.slice(error.pos[0]))?.[0] ?? "";
      const message = `key ${JSON.stringify(key)} is given twice in its section`;
      // It leaves a readable document; every other error does not.
      return { kind: "value", path: "", ...place, message, hint: "keep one of them" };
    }
    const message = error.message.split("\n")[0]!.replace(/ at line \d+, column \d+:?$/, "");
    return { kind: "syntax", path: "", ...place, ...(KNOWN_ERRORS[error.code] ?? { message }) };
  });
}

const KNOWN_ERRORS: Partial<Record<string, { readonly message: string; readonly hint: string }>> = {
  TAB_AS_INDENT: { message: "a tab cannot indent YAML", hint: "use spaces" },
  MULTIPLE_DOCS: { message: "a second document begins here", hint: "remove the line ---" },
  NON_STRING_KEY: { message: "a key must be one plain word", hint: "write key: value" },
  TAG_RESOLVE_FAILED: { message: "this YAML tag means nothing here", hint: "remove the word that begins with !" },
};

/** What YAML allows and a configuration has no use for. */
function nodeProblems(document: Document.Parsed, at: (offset: number) => Position): Problem[] {
  const problems: Problem[] = [];
  const report = (node: unknown, message: string) => {
    const offset = (node as Node | null)?.range?.[0] ?? 0;
    problems.push({ kind: "syntax", path: "", ...at(offset), message });
  };
  visit(document, {
    Node(_, node, ancestors) {
      if (ancestors.length <= MAX_DEPTH * 2) return undefined;
      report(node, `nested more than ${MAX_DEPTH} deep`);
      return visit.BREAK;
    },
    Alias(_, alias) {
      if (!alias.resolve(document)) report(alias, `*${alias.source} refers to nothing above it`);
    },
  });
  return problems;
}

function plainValue(document: Document.Parsed, problems: Problem[]): unknown {
  if (document.contents === null) return undefined;
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    // The one thing left to throw: aliases of aliases that multiply without end.
    problems.push({ kind: "syntax", path: "", line: 1, column: 1, message: "aliases (*name) multiply without bound" });
    return undefined;
  }
}

function positions(document: Document.Parsed, at: (offset: number) => Position) {
  const find = (path: KeyPath) => {
    let key: unknown = null;
    let value: unknown = document.contents;
    for (const part of path) {
      const node = isAlias(value) ? value.resolve(document) : value;
      if (isMap(node)) {
        const pair = node.items.find(
          (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
        );
        if (!pair) return { key, value, found: false };
        key = pair.key;
        // `window:` with nothing after it has a value without a place of its own.
        value = pair.value ?? pair.key;
      } else if (isSeq(node) && node.items[Number(part)] !== undefined) {
        value = node.items[Number(part)];
        key = value;
      } else {
        return { key, value, found: false };
      }
    }
    return { key, value, found: true };
  };
  const offsetOf = (node: unknown) => (node as Node | null)?.range?.[0] ?? 0;
  return {
    valueAt: (path: KeyPath) => at(offsetOf(find(path).value)),
    keyAt: (path: KeyPath) => {
      const { key, value } = find(path);
      return at(offsetOf(key ?? value));
    },
    has: (path: KeyPath) => find(path).found,
  };
}
