import { describe, expect, test } from "bun:test";
import { type Block, facts, header, message, paragraph } from "./blocks.ts";
import { escapeSlack } from "./escape.ts";

const textOf = (block: Block) => ("fields" in block ? block.fields[0]! : block.text).text;

describe("blocks", () => {
  const rows: [name: string, block: (text: string) => Block, most: number][] = [
    ["a header", header, 150],
    ["a paragraph", paragraph, 3000],
    ["a fact", (value) => facts([{ label: "Rate", value }]), 2000],
    ["an untrusted fact", (value) => facts([{ label: "Note", value, untrusted: true }]), 2000],
  ];
  test.each(rows)("%s is cut to its limit, never inside an entity or a character", (_, block, most) => {
    for (let lead = 0; lead < 8; lead++) {
      for (const unit of ["&", "<", "🦊", "a"]) {
        const text = textOf(block("-".repeat(lead) + escapeSlack(unit.repeat(most + 1))));
        expect(text.length).toBeLessThanOrEqual(most);
        expect(text.length).toBeGreaterThan(most - 8);
        expect(text).toEndWith("…");
        expect(text).not.toMatch(/&(?!amp;|lt;|gt;)|\p{Cs}/u);
      }
    }
    expect(textOf(block("short"))).toEndWith("short");
  });

  test("an empty paragraph is not empty: Slack would refuse the message", () => {
    expect(textOf(paragraph(""))).toBe("-");
  });

  test("at most ten facts and fifty blocks", () => {
    const block = facts(Array.from({ length: 12 }, (_, n) => ({ label: "N", value: String(n) })));
    expect("fields" in block && block.fields).toHaveLength(10);
    expect(
      message(
        "text",
        Array.from({ length: 60 }, () => header("x")),
      ).blocks,
    ).toHaveLength(50);
  });

  test("blocks that would burst the message are left out from the end", () => {
    const blocks = Array.from({ length: 6 }, (_, n) => paragraph(`${n}${"\u0001".repeat(2000)}`));
    const { text, blocks: kept } = message("x".repeat(9000), [header("first"), ...blocks]);
    expect(text).toHaveLength(2000);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept[0]).toEqual(header("first"));
    expect(JSON.stringify({ text, blocks: kept }).length).toBeLessThanOrEqual(12_500);
    expect(message("x", blocks.slice(0, 1)).blocks).toHaveLength(1);
  });
});
