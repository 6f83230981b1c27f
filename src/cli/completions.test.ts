/** The scripts, run by the shells they are for. */
import { describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { COMMANDS } from "./commands.ts";
import { completions, SHELLS } from "./completions.ts";

const names = COMMANDS.map(({ name }) => name);

function shell(name: string, ...args: string[]) {
  const done = Bun.spawnSync([name, ...args], {
    stdin: null,
    timeout: 10_000,
    env: { PATH: process.env.PATH, HOME: tmpdir() },
  });
  return { code: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

describe.skipIf(!Bun.which("bash"))("bash", () => {
  /** What TAB offers at the end of `words`. */
  function offered(...words: string[]): string[] {
    const script = `${completions("bash")}
compopt() { echo "compopt $*"; }
COMP_WORDS=(anomaly-detector ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}
_anomaly_detector; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { code, out, err } = shell("bash", "--norc", "-c", script);
    expect([code, err]).toEqual([0, ""]);
    return out.split("\n").filter((line) => line !== "");
  }

  test.each([
    [[""], [...names, "--help", "--version"]],
    [["st"], ["status"]],
    [
      ["check", "--"],
      ["--config", "--host", "--json", "--help"],
    ],
    [
      ["check", "--h"],
      ["--host", "--help"],
    ],
    [["run", "--config", ""], ["compopt -o default"]],
    [["run", "-c", ""], ["compopt -o default"]],
    [["ban", "203.0.113.9", "--for", "p"], ["permanent"]],
    [["ban", "--note", "x"], []],
    [
      ["completions", ""],
      ["bash", "zsh", "fish"],
    ],
    [["help", "un"], ["unban"]],
    [["replay", ""], ["compopt -o default"]],
    [["nonsense", ""], []],
  ])("%j", (words, expected) => expect(offered(...words)).toEqual(expected));
});

describe.skipIf(!Bun.which("zsh"))("zsh", () => {
  test("reads it and knows the command", () => {
    const script = `autoload -Uz compinit && compinit -D -u; ${completions("zsh")}\necho $_comps[anomaly-detector]`;
    expect(shell("zsh", "-f", "-c", script)).toEqual({ code: 0, out: "_anomaly_detector\n", err: "" });
  });

  test("offers commands, options and choices at a real prompt", () => {
    // zpty gives the completion system the terminal it insists on.
    const offered = (line: string) => {
      const inner = `PS1=; zle -C t complete-word g; g() { compadd() { builtin compadd -O r "$@"; print -r -- "got:$r end"; builtin compadd "$@"; }; _main_complete; }`;
      const script = `zmodload zsh/zpty; zpty z zsh -f -i
zpty -w z 'autoload -Uz compinit && compinit -D -u; ${completions("zsh").replaceAll("'", "'\\''")}'
zpty -w z '${inner.replaceAll("'", "'\\''")}; bindkey "^I" t; echo REA""DY'
zpty -r -m z x '*READY*'; zpty -w -n z '${line}'$'\\t'; zpty -r -m z y '*got:[a-z]* end*'; print -r -- "$y"; zpty -d z`;
      return shell("zsh", "-f", "-c", script).out;
    };
    expect(offered("anomaly-detector completions ")).toMatch(/got:bash zsh fish end/);
  });
});

describe.skipIf(!Bun.which("fish"))("fish", () => {
  function offered(line: string): string[] {
    const { code, out, err } = shell("fish", "--no-config", "-c", `${completions("fish")}\ncomplete -C '${line}'`);
    expect([code, err]).toEqual([0, ""]);
    return out
      .split("\n")
      .filter(Boolean)
      .map((row) => row.split("\t")[0]!);
  }

  test("offers commands, options and choices", () => {
    expect(offered("anomaly-detector ").toSorted()).toEqual(names.toSorted());
    expect(offered("anomaly-detector check --").toSorted()).toEqual(["--config", "--help", "--host", "--json"]);
    expect(offered("anomaly-detector ban x --for p")).toEqual(["permanent"]);
    expect(offered("anomaly-detector completions ").toSorted()).toEqual([...SHELLS].toSorted());
    expect(offered("anomaly-detector help un")).toEqual(["unban"]);
  });
});

test("every command and every option is in each script", () => {
  for (const shellName of SHELLS) {
    const script = completions(shellName);
    for (const { name, options } of COMMANDS) {
      expect(script).toContain(name);
      for (const option of options) expect(script).toContain(option.name);
    }
  }
});
