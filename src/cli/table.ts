/**
 * Tables for people: columns as wide as their content, two spaces apart, no lines. On a terminal the
 * flexible columns give way until a row fits; in a pipe nothing is cut, so that grep finds it.
 * A table printer as a dependency was refused: this is all of it, and every cell is made inert here,
 * where none can be forgotten.
 */
import { columnsOf, cut, inert, pad } from "./inert.ts";

export interface Column {
  readonly head: string;
  readonly align?: "left" | "right";
  /** May be cut to make a row fit; of a column of numbers (align right) only the head, never a number. */
  readonly flexible?: boolean;
  /** May be left out when a row does not fit otherwise: the highest first. */
  readonly drop?: number;
}
export type Cell =
  | string
  | number
  | null
  | undefined
  | { readonly text: string; readonly paint: (text: string) => string };

const GAP = "  ";
const FLEXIBLE_COLUMNS_MIN = 8;

/** @param width columns of the terminal; Infinity = cut nothing */
export function table(
  allColumns: readonly Column[],
  allRows: readonly (readonly Cell[])[],
  options: { readonly width: number; readonly headPaint?: (text: string) => string },
): string[] {
  const { columns, rows } = chosen(allColumns, allRows, options.width);
  const heads = columns.map((column) => inert(column.head));
  const texts = rows.map((row) => columns.map((_, i) => textOf(row[i])));
  const content = columns.map((_, i) => contentColumns(rows, i));
  const widths = content.map((most, i) => Math.max(most, columnsOf(heads[i] ?? "")));
  fit(
    columns.map((column, i) => least(column, content[i] ?? 0)),
    widths,
    options.width,
  );
  const line = (cells: readonly string[], paints: readonly ((text: string) => string)[]): string =>
    cells
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        const shown = cut(cell, width);
        const padded = pad(shown, width, columns[i]?.align === "right" ? "right" : "left");
        // Only the text is painted, never the filling.
        return padded.replace(shown, () => (paints[i] ?? same)(shown));
      })
      .join(GAP)
      .trimEnd();
  const head = options.headPaint ?? same;
  return [
    line(
      heads,
      columns.map(() => head),
    ),
    ...texts.map((row, r) =>
      line(
        row,
        columns.map((_, i) => paintOf(rows[r]?.[i])),
      ),
    ),
  ];
}

const contentColumns = (rows: readonly (readonly Cell[])[], i: number): number =>
  rows.reduce((most, row) => Math.max(most, columnsOf(textOf(row[i]))), 0);

/** How narrow a column may become; undefined where it keeps its width. A number cut is another number. */
function least(column: Column, content: number): number | undefined {
  if (!column.flexible) return undefined;
  return column.align === "right" ? Math.max(FLEXIBLE_COLUMNS_MIN, content) : FLEXIBLE_COLUMNS_MIN;
}

const rowColumns = (widths: readonly number[]): number =>
  widths.reduce((sum, w) => sum + w, 0) + GAP.length * (widths.length - 1);

/** Leaves out droppable columns until the others fit, however narrow those that give way become. */
function chosen(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
): { columns: readonly Column[]; rows: readonly (readonly Cell[])[] } {
  const narrowest = columns.map((column, i) => {
    const content = contentColumns(rows, i);
    const natural = Math.max(content, columnsOf(inert(column.head)));
    return Math.min(natural, least(column, content) ?? natural);
  });
  const kept = new Set(columns.keys());
  while (rowColumns([...kept].map((i) => narrowest[i] ?? 0)) > width) {
    const next = [...kept]
      .filter((i) => columns[i]?.drop !== undefined)
      .toSorted((a, b) => (columns[b]?.drop ?? 0) - (columns[a]?.drop ?? 0))[0];
    if (next === undefined) break;
    kept.delete(next);
  }
  if (kept.size === columns.length) return { columns, rows };
  return {
    columns: columns.filter((_, i) => kept.has(i)),
    rows: rows.map((row) => columns.flatMap((_, i) => (kept.has(i) ? [row[i]] : []))),
  };
}

/** Takes columns from the widest that may give way until the row fits or nothing more can. */
function fit(leasts: readonly (number | undefined)[], widths: number[], width: number): void {
  for (let over = rowColumns(widths) - width; over > 0; over = rowColumns(widths) - width) {
    let widest = -1;
    for (const [i, min] of leasts.entries()) {
      const has = widths[i] ?? 0;
      if (min !== undefined && has > min && (widest === -1 || has > (widths[widest] ?? 0)))
        widest = i;
    }
    if (widest === -1) return;
    const has = widths[widest] ?? 0;
    const runnerUp = Math.max(
      0,
      ...widths.filter((w, i) => i !== widest && leasts[i] !== undefined && w > (leasts[i] ?? 0)),
    );
    widths[widest] = Math.max(has - over, Math.min(runnerUp, has - 1), leasts[widest] ?? 0);
  }
}

const same = (text: string): string => text;

function textOf(cell: Cell): string {
  if (cell === null || cell === undefined || cell === "") return "-";
  return inert(typeof cell === "object" ? cell.text : String(cell));
}

const paintOf = (cell: Cell): ((text: string) => string) =>
  typeof cell === "object" && cell !== null ? cell.paint : same;

/** `name  value` lines with the names aligned; rows whose value is undefined are left out. */
export function facts(
  rows: readonly (readonly [string, Cell])[],
  paintName: (text: string) => string = same,
): string[] {
  const shown = rows.filter(([, value]) => value !== undefined);
  const width = shown.reduce((most, [name]) => Math.max(most, columnsOf(name)), 0);
  return shown.map(
    ([name, value]) =>
      `${paintName(pad(name, width, "left"))}${GAP}${paintOf(value)(textOf(value))}`,
  );
}
