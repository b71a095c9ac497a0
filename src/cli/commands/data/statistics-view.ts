/** What is in a dataset, for people. */
import type { ColumnStatistics, DatasetStatistics } from "../../../protocol/api.ts";
import { bytes, count, measured, plural } from "../../figures.ts";
import { inert } from "../../inert.ts";
import type { Paint } from "../../paint.ts";
import { table } from "../../table.ts";

const TABLES_SHOWN = 5;
const GROUPS_SHOWN = 12;

interface Look {
  readonly paint: Paint;
  readonly width: number;
}

export function statisticsLines(statistics: DatasetStatistics | null, look: Look): string[] {
  if (statistics === null) return [];
  const { extensions, classes, tables, tables_left_out: left } = statistics;
  const lines: string[] = [];
  const mixed = extensions.length > 1 || (extensions[0]?.name ?? "") !== "";
  if (mixed) lines.push(...groupLines("by extension", extensions, look));
  if (classes.length > 0) lines.push(...groupLines("classes", classes, look));
  for (const item of tables.slice(0, TABLES_SHOWN)) {
    lines.push(
      "",
      `${look.paint.bold(inert(item.path))}  ${plural(item.rows, "row")}, ${plural(item.columns.length, "column")}`,
      ...columnRows(item.columns, look),
    );
    if (item.note !== null) lines.push(look.paint.dim(`note: ${inert(item.note)}`));
  }
  const more = tables.length - Math.min(tables.length, TABLES_SHOWN);
  if (more > 0) lines.push(look.paint.dim(`… and ${plural(more, "table")} more: --json`));
  if (left > 0)
    lines.push(look.paint.dim(`${plural(left, "table")} beyond these were not looked into`));
  return lines;
}

function groupLines(
  title: string,
  groups: DatasetStatistics["extensions"],
  { paint, width }: Look,
): string[] {
  const rows = groups
    .slice(0, GROUPS_SHOWN)
    .map((group) => [
      group.name === "" ? "none" : group.name,
      count(group.files),
      bytes(group.bytes),
    ]);
  const more = groups.length - rows.length;
  return [
    "",
    ...table(
      [
        { head: title, flexible: true },
        { head: "files", align: "right" },
        { head: "size", align: "right" },
      ],
      rows,
      { width, headPaint: paint.dim },
    ),
    ...(more > 0 ? [paint.dim(`… and ${count(more)} more: --json`)] : []),
  ];
}

function columnRows(columns: readonly ColumnStatistics[], { paint, width }: Look): string[] {
  return table(
    [
      { head: "column", flexible: true },
      { head: "type" },
      { head: "missing", align: "right", drop: 2 },
      { head: "distinct", align: "right", drop: 3 },
      { head: "min", flexible: true, align: "right" },
      { head: "median", align: "right", drop: 4 },
      { head: "max", flexible: true, align: "right" },
      { head: "mean", align: "right", drop: 1 },
      { head: "std", align: "right", drop: 5 },
    ],
    columns.map((column) => [
      column.name,
      column.type,
      count(column.missing),
      column.distinct === null
        ? "-"
        : `${column.distinct.exact ? "" : "≈ "}${count(column.distinct.value)}`,
      shown(column.min),
      measured(column.quantiles.find(({ q }) => q === 0.5)?.value),
      shown(column.max),
      measured(column.mean),
      measured(column.std),
    ]),
    { width, headPaint: paint.dim },
  );
}

const shown = (value: ColumnStatistics["min"]): string =>
  typeof value === "number" ? measured(value) : (value ?? "-");
