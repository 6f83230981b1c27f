import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readHtml } from "../test/html.ts";
import { type Child, Fragment, h, Raw, raw } from "./jsx.ts";

function parse(html: string) {
  const { elements, text } = readHtml(html);
  return {
    tags: elements.map((element) => element.tag),
    attributes: elements.flatMap((element) => Object.entries(element.attributes)),
    text,
  };
}

describe("escaping", () => {
  const payloads = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</p></main><iframe src=//evil.example>",
    "&lt;b&gt; stays as typed",
    "<!-- --><![CDATA[x]]>",
    "line\r\nfeed",
  ];

  for (const payload of payloads) {
    test(`a child stays text: ${JSON.stringify(payload)}`, () => {
      expect(parse(String(<p>{payload}</p>))).toEqual({ tags: ["p"], attributes: [], text: payload });
    });
    test(`an attribute stays a value: ${JSON.stringify(payload)}`, () => {
      const parsed = parse(String(<p title={payload} data-x={payload} />));
      expect(parsed.tags).toEqual(["p"]);
      expect(parsed.attributes).toEqual([
        ["title", payload],
        ["data-x", payload],
      ]);
    });
  }

  test("children of components, fragments, arrays and nested elements are escaped exactly once", () => {
    const Box = (props: { children?: Child }) => <div>{props.children}</div>;
    const evil = "<b>&amp;";
    const html = String(
      <Box>
        {evil}
        {h(Fragment, null, evil)}
        {[evil, [evil]]}
        <span>{evil}</span>
      </Box>,
    );
    expect(parse(html)).toEqual({ tags: ["div", "span"], attributes: [], text: evil.repeat(5) });
  });

  test("any text comes back as that text, in a child and in an attribute, and makes no element", () => {
    const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31);
    const hostile = fc.string({ unit: fc.constantFrom(..."<>\"'&=/ \n\r\t;#x!-abscriptonload`\u2028é😀") });
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: "binary" })), (text) => {
        const shown = text.replaceAll("\0", "\ufffd");
        const { tags, attributes, text: got } = parse(String(<p title={text}>{text}</p>));
        expect(tags).toEqual(["p"]);
        expect(attributes).toEqual([["title", shown]]);
        expect(got).toBe(shown);
      }),
      { seed, numRuns: 500 },
    );
  });

  test("numbers print, nothing-values do not, and zero is not nothing", () => {
    expect(String(<p>{[0, 1.5, null, undefined, false, true, ""]}</p>)).toBe("<p>01.5</p>");
  });

  test("raw is the only hole, and void and empty elements are well formed", () => {
    expect(String(<p>{raw("<b>x</b>")}</p>)).toBe("<p><b>x</b></p>");
    expect(String(<meta charset="utf-8" />)).toBe('<meta charset="utf-8"/>');
    expect(String(<p />)).toBe("<p></p>");
    expect(String(<script src="/a.js" defer={true} />)).toBe('<script src="/a.js" defer></script>');
  });
});

describe("what throws", () => {
  const refused: readonly [string, string, Record<string, unknown> | null, Child][] = [
    ["an event handler", "p", { onclick: "alert(1)" }, ""],
    ["an event handler in capitals", "p", { ONCLICK: "alert(1)" }, ""],
    ["a style attribute", "p", { style: "background:url(//x)" }, ""],
    ["an attribute name with a space", "p", { "a onclick": "x" }, ""],
    ["an attribute name that closes the tag", "p", { "x><script": "x" }, ""],
    ["createElement's raw attribute string", "p", { attrs: "onclick=alert(1)" }, ""],
    ["createElement's tag switch", "tag", { of: "script" }, "alert(1)"],
    ["htmx's script attribute", "p", { "hx-on-click": "alert(1)" }, ""],
    ["htmx's values, which may run script", "p", { "hx-vals": "js:x" }, ""],
    ["a javascript: URL", "a", { href: "javascript:alert(1)" }, ""],
    ["a javascript: URL with a tab", "a", { href: "java\tscript:alert(1)" }, ""],
    ["a data: URL", "a", { href: "data:text/html,x" }, ""],
    ["a protocol-relative URL", "script", { src: "//evil.example/x.js" }, ""],
    ["a backslash URL", "a", { href: "/\\evil.example" }, ""],
    ["a foreign URL", "a", { href: "https://evil.example" }, ""],
    ["a foreign htmx URL", "div", { "hx-get": "//evil.example" }, ""],
    ["a form that posts elsewhere", "form", { action: "https://evil.example" }, ""],
    ["a button that posts elsewhere", "button", { formaction: "/x" }, ""],
    ["inline script", "script", null, "alert(1)"],
    ["inline style", "style", null, "*{}"],
    ["an unknown tag", "iframe", null, ""],
    ["a tag made of markup", "p><script", null, ""],
  ];
  for (const [name, tag, props, child] of refused) {
    test(name, () => expect(() => h(tag, props, child)).toThrow(TypeError));
  }

  test("a child that is no child", () => {
    for (const child of [{}, { toString: () => "<b>" }, Symbol("x"), () => "x", 10n]) {
      expect(() => h("p", null, child as never)).toThrow(TypeError);
    }
  });

  test("an object that only looks like Raw", () => {
    expect(() => h("p", null, { html: "<b>" } as never)).toThrow(TypeError);
    expect(new Raw("<b>").toString()).toBe("<b>");
  });
});

test("types refuse unknown children and misspelt attributes", () => {
  const value: unknown = "text";
  // @ts-expect-error an unknown child may be anything: say first what it is
  expect(String(<p>{value}</p>)).toBe("<p>text</p>");
  // @ts-expect-error not an attribute of ours
  expect(() => <p clas="x" />).toThrow(TypeError);
});
