/** One thing wrong with a configuration, and how a list of them reads. [pure] */

/** Line and column, both from 1, as an editor counts them. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong with a configuration, and where. */
export interface Problem {
  /** file: it cannot be read. syntax: it is not YAML. unknown-key: no such key. value: a key's value is wrong. */
  readonly kind: "file" | "syntax" | "unknown-key" | "value";
  /** Dotted path of the key, "bans.durations[2]"; "" for the file as a whole. */
  readonly path: string;
  /** Only of an unknown key: the section it stands in, "" for the top. */
  readonly section?: string | undefined;
  /** Absent where the problem has no place in the text. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  /** What is wrong, without the path. May quote the file: escape it for a terminal. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
}

/** The keys that lead to a value. */
export type KeyPath = readonly (string | number)[];

/** ["bans", "durations", 2] as "bans.durations[2]". */
export function pathText(path: KeyPath): string {
  return path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? part : `${text}.${part}`),
    "",
  );
}

/** `config.yaml:4:3   detection: unknown key "rate_mutiplier", did you mean "rate_multiple"?`, one line each, aligned. */
export function problemLines(file: string, problems: readonly Problem[]): string[] {
  const places = problems.map((p) => (p.line === undefined ? file : `${file}:${p.line}:${p.column ?? 1}`));
  const width = Math.max(0, ...places.map((place) => place.length));
  return problems.map((problem, i) => `${places[i]!.padEnd(width)}   ${problemText(problem)}`);
}

/** The problem in one sentence, without its place. */
function problemText(problem: Problem): string {
  const subject = problem.section ?? problem.path;
  const hint = problem.hint?.startsWith("did you") ? `, ${problem.hint}` : problem.hint ? `; ${problem.hint}` : "";
  return `${subject === "" ? "" : `${subject}: `}${problem.message}${hint}`;
}
