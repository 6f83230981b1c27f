/** The page's own files, embedded in the binary. Their URLs carry a hash of the content, so they may be kept for ever. */
import htmx from "htmx.org/dist/htmx.min.js" with { type: "text" };
import css from "../../views/app.css" with { type: "text" };
import js from "../../views/app.js" with { type: "text" };
import icon from "../../views/icon.svg" with { type: "text" };
import type { AssetUrls } from "../../views/page.tsx";

export interface Asset {
  readonly url: string;
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
}

function asset(name: string, extension: string, type: string, text: string): Asset {
  const hash = Bun.hash(text).toString(36).slice(0, 10);
  const body = new TextEncoder().encode(text);
  return { url: `/assets/${name}.${hash}.${extension}`, type, body, gzip: Bun.gzipSync(body, { level: 9 }) };
}

const SCRIPT = "text/javascript; charset=utf-8";
const files = {
  css: asset("app", "css", "text/css; charset=utf-8", css),
  js: asset("app", "js", SCRIPT, js),
  htmx: asset("htmx", "js", SCRIPT, htmx),
  icon: asset("icon", "svg", "image/svg+xml", icon),
};

export const assetUrls: AssetUrls = {
  css: files.css.url,
  js: files.js.url,
  htmx: files.htmx.url,
  icon: files.icon.url,
};

/** By hashed URL, and by plain name for those who type it ("/assets/app.css"), which is then not kept. */
export function findAsset(path: string): { readonly asset: Asset; readonly immutable: boolean } | null {
  for (const asset of Object.values(files)) {
    if (path === asset.url) return { asset, immutable: true };
    if (path === asset.url.replace(/\.[^.]+(\.[^.]+)$/, "$1")) return { asset, immutable: false };
  }
  return null;
}
