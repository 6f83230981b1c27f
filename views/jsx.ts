/**
 * Our JSX factory: escaping by default over @elysiajs/html's createElement, which escapes no children.
 * Every string child is escaped; the only hole is a value of the class Raw. Whatever could smuggle script past
 * the escaping (`on*`, `style`, odd names, foreign URLs, inline <script> or <style> text) throws, and a child of
 * type `unknown` does not compile. tsconfig names `h` and `Fragment` as the factories.
 */
import { Html } from "@elysiajs/html";

declare const rawBrand: unique symbol;

/** HTML that is already escaped: what a component returns. */
export class Raw {
  declare readonly [rawBrand]: true;
  constructor(private readonly html: string) {}
  toString(): string {
    return this.html;
  }
}

/** What may stand between tags. `false`, `null` and `undefined` print nothing: `condition && <p/>` reads well. */
export type Child = Raw | string | number | boolean | null | undefined | readonly Child[];

type Value = string | number | boolean | undefined;

const TAGS = [
  ...["a", "b", "bdi", "body", "button", "caption", "code", "dd", "details", "div", "dl", "dt", "figure", "footer"],
  ...["form", "h1", "h2", "h3", "head", "header", "html", "input", "label", "li", "link", "main", "meta", "nav", "ol"],
  ...["p", "script", "section", "small"],
  ...["span", "style", "summary", "table", "tbody", "td", "th", "thead", "time", "title", "tr", "ul"],
  ...["circle", "clipPath", "defs", "g", "line", "path", "rect", "svg", "text", "tspan"],
] as const;

const ATTRIBUTES = [
  ...["charset", "class", "colspan", "content", "datetime", "defer", "hidden", "href", "id", "lang", "media", "name"],
  ...["open", "rel", "role", "scope", "src", "tabindex", "title", "type"],
  ...["action", "autocomplete", "autofocus", "form", "maxlength", "method", "required", "value"],
  ...["clip-path", "cx", "cy", "d", "dx", "dy", "fill", "height", "opacity", "overflow", "preserveAspectRatio", "r"],
  ...["rx", "stroke", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-width", "text-anchor"],
  ...["transform", "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2"],
] as const;

/** What our views use; a misspelt tag or attribute neither compiles nor runs. */
type Attributes = { readonly [name in (typeof ATTRIBUTES)[number]]?: Value } & {
  readonly [name: `${"aria" | "data" | "hx"}-${string}`]: Value;
} & { readonly children?: Child };

export namespace h {
  export namespace JSX {
    export type Element = Raw;
    export type IntrinsicElements = { readonly [tag in (typeof TAGS)[number]]: Attributes };
    export interface ElementChildrenAttribute {
      // biome-ignore lint/complexity/noBannedTypes: the shape TypeScript asks for
      children: {};
    }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a component names its own props; JSX checks them where it is used
type Component = (props: any) => Raw;

/** Builds one element, or calls a component. Throws TypeError for what must never reach a page. */
export function h(tag: string | Component, props: Record<string, unknown> | null, ...children: Child[]): Raw {
  if (typeof tag === "function") return tag({ ...props, children: children.length < 2 ? children[0] : children });
  if (!KNOWN_TAGS.has(tag)) throw new TypeError(`unknown tag ${JSON.stringify(tag)}`);
  const content = childText(children);
  if (content !== "" && (tag === "script" || tag === "style")) throw new TypeError(`inline <${tag}> is forbidden`);
  const attributes = props && safeAttributes(props);
  const element = content === "" ? Html.createElement(tag, attributes) : Html.createElement(tag, attributes, content);
  return new Raw(element as string);
}

export function Fragment(props: { readonly children?: Child }): Raw {
  return new Raw(childText(props.children));
}

/** Takes HTML as it is. For constants of our own: never for a value that came from outside. */
export function raw(html: string): Raw {
  return new Raw(html);
}

const KNOWN_TAGS: ReadonlySet<string> = new Set(TAGS);
const KNOWN_ATTRIBUTES: ReadonlySet<string> = new Set(ATTRIBUTES);
const PREFIXED = /^(?:aria|data|hx)-[a-z0-9]+(?:-[a-z0-9]+)*$/;
/** hx-on runs script and hx-vals, hx-headers and the like may; plain requests and their options do not. */
const HTMX_ALLOWED = /^hx-(?:get|trigger|swap|target|config|sync|select|morph-skip)$/;
const URL_ATTRIBUTES: ReadonlySet<string> = new Set(["href", "src", "hx-get", "action"]);
/** A fragment, a query or an absolute path of this site: no scheme, no "//host", no "/\host". */
const OWN_URL = /^(?:#|\?|\/(?![/\\]))[^\s\\]*$/;

/**
 * A closed list rather than a list of the forbidden: `on*`, `style`, `srcdoc` and createElement's own loopholes
 * (`attrs`, `safe`, `of`) are all simply unknown. Values are escaped here because createElement escapes only the
 * quotation mark, which would turn an attacker's literal "&lt;" into "<".
 */
function safeAttributes(props: Record<string, unknown>): Record<string, string | number | boolean> {
  const out: Record<string, string | number | boolean> = {};
  for (const name in props) {
    const value = props[name];
    if (name === "children" || value === undefined || value === null) continue;
    if (!isAllowed(name)) throw new TypeError(`forbidden attribute ${JSON.stringify(name)}`);
    if (URL_ATTRIBUTES.has(name) && !OWN_URL.test(String(value))) throw new TypeError(`foreign URL in ${name}`);
    out[name] = typeof value === "number" || typeof value === "boolean" ? value : escapeText(String(value));
  }
  return out;
}

function isAllowed(name: string): boolean {
  return KNOWN_ATTRIBUTES.has(name) || (PREFIXED.test(name) && (!name.startsWith("hx-") || HTMX_ALLOWED.test(name)));
}

function childText(child: Child): string {
  if (typeof child === "string") return escapeText(child);
  if (typeof child === "number") return String(child);
  if (child === null || child === undefined || typeof child === "boolean") return "";
  if (child instanceof Raw) return child.toString();
  if (!Array.isArray(child)) throw new TypeError("not a JSX child");
  let text = "";
  for (const one of child as readonly Child[]) text += childText(one);
  return text;
}

/** A parser would drop NUL and turn CR into LF: the one is shown as U+FFFD, the other kept as a reference. */
function escapeText(text: string): string {
  const escaped = Bun.escapeHTML(text);
  if (!escaped.includes("\0") && !escaped.includes("\r")) return escaped;
  return escaped.replaceAll("\0", "\ufffd").replaceAll("\r", "&#13;");
}
