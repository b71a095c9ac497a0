/**
 * The table of the whole page. Only the rows in sight exist, so a hundred thousand cost as much as fifty; sorting
 * is either the server's (the caller keeps the order) or by the columns' own `sort`. A table library was refused:
 * what is left of the work once the rows are virtual is this file.
 */
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type ReactNode, useCallback, useEffect, useMemo, useRef } from "react";

export interface Column<Row> {
  readonly id: string;
  readonly head: ReactNode;
  readonly cell: (row: Row) => ReactNode;
  /** As in grid-template-columns, "80px" or "minmax(160px, 2fr)": it begins with its least in pixels. */
  readonly width: string;
  readonly align?: "right";
  /** Stays in sight when the table is scrolled sideways; the first columns only, all but the last of a fixed width. */
  readonly pinned?: boolean;
  /** What the column is sorted by; null goes last in either direction. */
  readonly sort?: (row: Row) => number | string | null;
  /** The server sorts by it: the order of the rows is the caller's. */
  readonly sortedByServer?: boolean;
  /** Left out on narrow screens. */
  readonly wideOnly?: boolean;
}

export interface Sorting {
  readonly column: string;
  readonly descending: boolean;
}

export interface DataTableProps<Row> {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly rowKey: (row: Row) => string;
  readonly isMarked?: (row: Row) => boolean;
  readonly sorting?: Sorting | undefined;
  readonly onSort?: (sorting: Sorting) => void;
  /** The last row is near: more may be fetched. */
  readonly onEnd?: () => void;
  /** The row under the pointer; undefined when it has left. */
  readonly onRowHover?: (row: Row | undefined) => void;
  /** Rows at most before the table scrolls by itself. */
  readonly rowsShownMax?: number;
}

const ROW_PX = 32;
const VIRTUAL_FROM = 60;

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { columns, rowKey, isMarked, onEnd, rowsShownMax = 18 } = props;
  const rows = useSorted(props);
  const scroller = useRef<HTMLDivElement>(null);
  const isVirtual = rows.length > VIRTUAL_FROM;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
    enabled: isVirtual,
  });
  const items = isVirtual ? virtual.getVirtualItems() : [];
  const first = isVirtual ? (items[0]?.index ?? 0) : 0;
  const last = isVirtual ? (items.at(-1)?.index ?? -1) : rows.length - 1;
  useEffect(() => {
    if (last >= rows.length - 1) onEnd?.();
  }, [last, rows.length, onEnd]);
  const told = useRef(props.onRowHover);
  told.current = props.onRowHover;
  const hover = useCallback((row: Row | undefined) => told.current?.(row), []);
  const grid = columns.map(({ width }) => width).join(" ");
  const narrow = columns.filter((column) => !column.wideOnly).map(({ width }) => width);
  return (
    <div
      className="table"
      ref={scroller}
      role="table"
      aria-label={props.label}
      aria-rowcount={rows.length + 1}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      style={{
        ["--columns" as string]: grid,
        ["--columns-narrow" as string]: narrow.join(" "),
        ["--table-min" as string]: `${leastPx(columns.map(({ width }) => width))}px`,
        ["--table-min-narrow" as string]: `${leastPx(narrow)}px`,
        maxHeight: `${(rowsShownMax + 1) * ROW_PX + 2}px`,
      }}
    >
      <div role="rowgroup" className="table-head">
        <div role="row" className="table-row">
          {columns.map((column) => (
            <Head key={column.id} column={column} {...props} />
          ))}
        </div>
      </div>
      <div
        role="rowgroup"
        style={
          isVirtual
            ? {
                paddingTop: `${first * ROW_PX}px`,
                height: `${rows.length * ROW_PX}px`,
                boxSizing: "border-box",
              }
            : {}
        }
      >
        {rows.slice(first, last + 1).map((row, i) => (
          <TableRow
            key={rowKey(row)}
            row={row}
            columns={columns}
            index={first + i + 2}
            isMarked={isMarked?.(row) === true}
            hover={hover}
          />
        ))}
      </div>
    </div>
  );
}

interface RowProps<Row> {
  readonly row: Row;
  readonly columns: readonly Column<Row>[];
  readonly index: number;
  readonly isMarked: boolean;
  readonly hover: (row: Row | undefined) => void;
}

/** Drawn again when it is another row, has other columns or is marked: pointing at one of forty is not forty rows' work. */
const TableRow = memo(function TableRow<Row>({
  row,
  columns,
  index,
  isMarked,
  hover,
}: RowProps<Row>) {
  return (
    <div
      role="row"
      aria-rowindex={index}
      className={isMarked ? "table-row marked" : "table-row"}
      onPointerEnter={() => hover(row)}
      onPointerLeave={() => hover(undefined)}
    >
      {columns.map((column) => (
        <div
          role="cell"
          key={column.id}
          className={classOf(column)}
          style={leftOf(column, columns)}
        >
          {column.cell(row)}
        </div>
      ))}
    </div>
  );
}) as <Row>(props: RowProps<Row>) => ReactNode;

function Head<Row>({
  column,
  columns,
  sorting,
  onSort,
}: DataTableProps<Row> & { readonly column: Column<Row> }) {
  const isSorted = sorting?.column === column.id;
  const order = isSorted ? (sorting.descending ? "descending" : "ascending") : "none";
  const canSort =
    onSort !== undefined && (column.sort !== undefined || column.sortedByServer === true);
  return (
    <div
      role="columnheader"
      className={classOf(column)}
      style={leftOf(column, columns)}
      {...(canSort ? { "aria-sort": order } : {})}
    >
      {canSort ? (
        <button
          type="button"
          onClick={() =>
            onSort({ column: column.id, descending: isSorted ? !sorting.descending : false })
          }
        >
          {column.head}
          <span aria-hidden="true">{isSorted ? (sorting.descending ? " ▾" : " ▴") : ""}</span>
        </button>
      ) : (
        column.head
      )}
    </div>
  );
}

/** Narrower than this the table scrolls sideways. */
const leastPx = (widths: readonly string[]): number =>
  widths.reduce((sum, width) => sum + Number(/\d+/.exec(width)?.[0] ?? 0), 0);

/** Where a pinned column stops: beside those before it. */
function leftOf<Row>(column: Column<Row>, columns: readonly Column<Row>[]) {
  if (!column.pinned) return undefined;
  const before = columns.slice(0, columns.indexOf(column)).map(({ width }) => width);
  return { left: `${leastPx(before)}px` };
}

function classOf<Row>({ align, pinned, wideOnly }: Column<Row>): string {
  const words = ["table-cell"];
  if (align === "right") words.push("right");
  if (pinned) words.push("pinned");
  if (wideOnly) words.push("wide-only");
  return words.join(" ");
}

function useSorted<Row>({ rows, columns, sorting }: DataTableProps<Row>): readonly Row[] {
  return useMemo(() => {
    const key = columns.find(({ id }) => id === sorting?.column)?.sort;
    if (!key || !sorting) return rows;
    const sign = sorting.descending ? -1 : 1;
    return rows.toSorted((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
      return x === y ? 0 : x < y ? -sign : sign;
    });
  }, [rows, columns, sorting]);
}
