/** Reads HTML back with a parser that is not ours (lol-html), so that tests see what a browser would. */

export interface ReadElement {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface ReadHtml {
  readonly elements: readonly ReadElement[];
  /** All text, entities decoded. */
  readonly text: string;
}

export function readHtml(html: string): ReadHtml {
  const elements: ReadElement[] = [];
  let text = "";
  new HTMLRewriter()
    .on("*", {
      element(element) {
        const pairs = [...element.attributes].map(([name, value]) => [name, decode(value!)]);
        elements.push({ tag: element.tagName, attributes: Object.fromEntries(pairs) });
      },
    })
    .onDocument({
      text(chunk) {
        text += chunk.text;
      },
    })
    .transform(html);
  return { elements, text: decode(text) };
}

/** The references our escaping makes: the five of HTML by name, and any by number. */
function decode(text: string): string {
  const names: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"' };
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(amp|lt|gt|quot));/gi, (_, decimal, hex, name) =>
    name ? names[name.toLowerCase()]! : String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16)),
  );
}
