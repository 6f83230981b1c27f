import type { Config } from "../config/schema.ts";
import type { RequestClass } from "./class-table.ts";
import { Glob } from "./glob.ts";

/** A row of detection.classes. */
export type OwnRow = Config["detection"]["classes"][number];
/** Rows that match a path, in order; null for none. */
export type OwnRows = readonly OwnRow[] | null;

/** The classes that the configuration gives to paths of applications which the built-in table does not know. */
export class OwnClasses {
  readonly #rows: readonly { readonly row: OwnRow; readonly glob: Glob }[];

  constructor(rows: readonly OwnRow[]) {
    this.#rows = rows.map((row) => ({ row, glob: new Glob(row.path) }));
  }

  /** The rows for a path without its query. */
  matching(path: string): OwnRows {
    if (this.#rows.length === 0) return null;
    const found = this.#rows.filter(({ glob }) => glob.matches(path)).map(({ row }) => row);
    return found.length === 0 ? null : found;
  }
}

/** The class that the first row for this method gives; undefined where none is for it. */
export function ownClassOf(method: string, rows: readonly OwnRow[]): RequestClass | undefined {
  return rows.find(({ methods }) => methods === undefined || (methods as readonly string[]).includes(method))?.class;
}
