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
  /** May be cut to make a row fit. */
  readonly flexible?: boolean;
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
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  options: { readonly width: number; readonly headPaint?: (text: string) => string },
): string[] {
  const heads = columns.map((column) => inert(column.head));
  const texts = rows.map((row) => columns.map((_, i) => textOf(row[i])));
  const widths = columns.map((_, i) =>
    texts.reduce((most, row) => Math.max(most, columnsOf(row[i] ?? "")), columnsOf(heads[i] ?? "")),
  );
  fit(columns, widths, options.width);
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

/** Takes columns from the widest flexible one until the row fits or nothing more can give way. */
function fit(columns: readonly Column[], widths: number[], width: number): void {
  const total = (): number =>
    widths.reduce((sum, w) => sum + w, 0) + GAP.length * (widths.length - 1);
  for (let over = total() - width; over > 0; over = total() - width) {
    let widest = -1;
    for (const [i, column] of columns.entries())
      if (column.flexible && (widest === -1 || (widths[i] ?? 0) > (widths[widest] ?? 0)))
        widest = i;
    const has = widths[widest] ?? 0;
    if (widest === -1 || has <= FLEXIBLE_COLUMNS_MIN) return;
    const runnerUp = Math.max(
      FLEXIBLE_COLUMNS_MIN,
      ...widths.filter((_, i) => i !== widest && columns[i]?.flexible),
    );
    widths[widest] = Math.max(has - over, Math.min(runnerUp, has - 1), FLEXIBLE_COLUMNS_MIN);
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
