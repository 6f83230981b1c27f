import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseArguments } from "./arguments.ts";
import { COMMANDS } from "./commands.ts";
import { commandHelp, programHelp } from "./help.ts";

/** Splits at spaces, as a shell would for words without quotes. */
function parse(line: string) {
  const parsed = parseArguments(line === "" ? [] : line.split(" "));
  if (parsed.kind !== "run") return parsed;
  const { operands, values, flags } = parsed.args;
  return { command: parsed.command.name, operands, values, flags: [...flags] };
}

function message(line: string): string {
  const parsed = parseArguments(line === "" ? [] : line.split(" "));
  return parsed.kind === "usage-error" ? parsed.message : parsed.kind;
}

describe("what is understood", () => {
  test.each([
    ["run", { command: "run", operands: [], values: {}, flags: [] }],
    ["run --config a.yaml", { command: "run", operands: [], values: { config: "a.yaml" }, flags: [] }],
    ["run --config=a=b.yaml", { command: "run", operands: [], values: { config: "a=b.yaml" }, flags: [] }],
    ["check -c a.yaml --json", { command: "check", operands: [], values: { config: "a.yaml" }, flags: ["json"] }],
    ["ban --for 10m 203.0.113.9", { command: "ban", operands: ["203.0.113.9"], values: { for: "10m" }, flags: [] }],
    ["ban ::1 --note -x", { command: "ban", operands: ["::1"], values: { note: "-x" }, flags: [] }],
    ["replay a - -- --b", { command: "replay", operands: ["a", "-", "--b"], values: {}, flags: [] }],
    ["help ban", { command: "help", operands: ["ban"], values: {}, flags: [] }],
  ])("%p", (line, expected) => expect(parse(line)).toEqual(expected as never));

  test.each([
    ["--help", null],
    ["-h", null],
    ["ban --help", "ban"],
    ["ban x y z --help --nonsense", "ban"],
    ["run -h", "run"],
  ])("%p asks for help", (line, name) => {
    const parsed = parseArguments(line.split(" "));
    // Operands are counted last, so that a half-typed command can still be helped.
    expect(parsed.kind === "help" ? (parsed.command?.name ?? null) : parsed.kind).toBe(name as never);
  });

  test.each(["--version", "-V"])("%p", (line) => expect(parseArguments([line])).toEqual({ kind: "version" }));
});

describe("what is not, and what is said about it", () => {
  test.each([
    ["", "no command given"],
    ["stauts", 'unknown command "stauts", did you mean "status"?'],
    ["unbann", 'unknown command "unbann", did you mean "unban"?'],
    ["jail", 'unknown command "jail"'],
    ["--config x run", '"--config" stands before the command; options come after it'],
    ["run --confg x", 'run has no option "--confg", did you mean "--config"?'],
    ["run --nonsense=5", 'run has no option "--nonsense"'],
    ["run -x", 'run has no option "-x"'],
    ["run --config", "--config needs a value: --config FILE"],
    ["run --config=", "--config needs a value: --config FILE"],
    ["ban 1.2.3.4 --for --json", "--for needs a value: --for DURATION"],
    ["check --json=yes", "--json takes no value"],
    ["check --json --json", "--json is given twice"],
    ["run -c a --config b", "--config is given twice"],
    ["run extra", 'run does not know what to do with "extra"'],
    ["ban", "ban needs an ADDRESS"],
    ["ban 1.2.3.4 5.6.7.8", 'ban does not know what to do with "5.6.7.8"'],
    ["replay", "replay needs a FILE"],
    ["\x1b[2J", 'unknown command "\\x1b[2J"'],
  ])("%j", (line, said) => expect(message(line)).toBe(said));

  test("any words at all give an answer, and never an option that is not in the table", () => {
    const word = fc.oneof(
      fc.constantFrom(
        ...COMMANDS.flatMap((command) => [command.name, ...command.options.map(({ name }) => `--${name}`)]),
      ),
      fc.string({ maxLength: 6 }),
      fc.constantFrom("--", "-", "__proto__", "--__proto__=1", "--constructor"),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        const parsed = parseArguments(words);
        if (parsed.kind !== "run") return;
        const known = parsed.command.options.map(({ name }) => name);
        expect([...Object.keys(parsed.args.values), ...parsed.args.flags].every((name) => known.includes(name))).toBe(
          true,
        );
      }),
    );
  });
});

describe("help", () => {
  test("lists every command, and each command every option, in 100 columns", () => {
    for (const command of COMMANDS) {
      expect(programHelp()).toContain(`\n  ${command.name} `);
      const text = commandHelp(command);
      for (const option of command.options) expect(text).toContain(`--${option.name}`);
      expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    }
    expect(
      Math.max(
        ...programHelp()
          .split("\n")
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(110);
  });

  test("every command in the table can be loaded", async () => {
    for (const command of COMMANDS) expect(typeof (await command.load()).run).toBe("function");
  });

  test("every example parses", () => {
    for (const example of COMMANDS.flatMap((command) => command.examples ?? [])) {
      const words = [...example.split(" > ")[0]!.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!);
      expect([example, parseArguments(words.slice(1)).kind]).toEqual([example, "run"]);
    }
  });
});
