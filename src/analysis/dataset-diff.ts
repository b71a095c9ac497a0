/** What lies between two versions of a dataset: files by path and content, and the statistics of columns that moved. */
import type {
  ColumnStatistics,
  DatasetStatistics,
  TableStatistics,
} from "../protocol/api/dataset-statistics.ts";

/** Of a file, what tells it from another: its content by whatever name it has. */
export interface ComparedFile {
  readonly path: string;
  readonly size: number;
  readonly content: string | null;
}

export interface ChangedFile {
  readonly path: string;
  readonly from: { readonly size: number; readonly content: string | null };
  readonly to: { readonly size: number; readonly content: string | null };
}

/** One figure of one column (null = of the table) that is another now. */
export interface ChangedFigure {
  readonly path: string;
  readonly column: string | null;
  readonly figure: string;
  readonly from: unknown;
  readonly to: unknown;
}

export interface DatasetDiff {
  readonly added: readonly ComparedFile[];
  readonly removed: readonly ComparedFile[];
  readonly changed: readonly ChangedFile[];
  /** Paths under which the same content is no longer, and now is. */
  readonly moved: readonly { readonly from: string; readonly to: string }[];
  readonly same_files: number;
  readonly statistics: readonly ChangedFigure[];
}

export interface ComparedDataset {
  readonly files: readonly ComparedFile[];
  readonly statistics: DatasetStatistics | null;
}

export function datasetDiff(from: ComparedDataset, to: ComparedDataset): DatasetDiff {
  const before = new Map(from.files.map((file) => [file.path, file]));
  const after = new Map(to.files.map((file) => [file.path, file]));
  const changed: ChangedFile[] = [];
  let same = 0;
  for (const [path, now] of after) {
    const then = before.get(path);
    if (then === undefined) continue;
    if (then.size === now.size && then.content === now.content) same += 1;
    else changed.push({ path, from: sides(then), to: sides(now) });
  }
  const gone = from.files.filter(({ path }) => !after.has(path));
  const came = to.files.filter(({ path }) => !before.has(path));
  const moved = movesOf(gone, came);
  const movedFrom = new Set(moved.map((move) => move.from));
  const movedTo = new Set(moved.map((move) => move.to));
  return {
    added: came.filter(({ path }) => !movedTo.has(path)),
    removed: gone.filter(({ path }) => !movedFrom.has(path)),
    changed,
    moved,
    same_files: same,
    statistics: changedFigures(from.statistics, to.statistics),
  };
}

const sides = ({ size, content }: ComparedFile) => ({ size, content });

/** Each content once: of several equal files that went and came, the first with the first. */
function movesOf(
  gone: readonly ComparedFile[],
  came: readonly ComparedFile[],
): { from: string; to: string }[] {
  const waiting = new Map<string, string[]>();
  for (const { path, content, size } of gone) {
    if (content === null || size === 0) continue;
    const paths = waiting.get(content);
    if (paths) paths.push(path);
    else waiting.set(content, [path]);
  }
  return came.flatMap(({ path, content }) => {
    const from = content === null ? undefined : waiting.get(content)?.shift();
    return from === undefined ? [] : [{ from, to: path }];
  });
}

const FIGURES = ["type", "count", "missing", "min", "max", "mean", "std"] as const;

function changedFigures(
  from: DatasetStatistics | null,
  to: DatasetStatistics | null,
): ChangedFigure[] {
  const before = new Map(from?.tables.map((table) => [table.path, table]));
  return (to?.tables ?? []).flatMap((table) => {
    const then = before.get(table.path);
    return then === undefined ? [] : changedTable(then, table);
  });
}

function changedTable(from: TableStatistics, to: TableStatistics): ChangedFigure[] {
  const { path } = to;
  const changes: ChangedFigure[] = [];
  const note = (column: string | null, figure: string, was: unknown, is: unknown): void => {
    if (was !== is) changes.push({ path, column, figure, from: was, to: is });
  };
  note(null, "rows", from.rows, to.rows);
  const before = new Map(from.columns.map((column) => [column.name, column]));
  const after = new Set(to.columns.map(({ name }) => name));
  for (const { name, type } of from.columns) if (!after.has(name)) note(name, "column", type, null);
  for (const column of to.columns) {
    const then = before.get(column.name);
    if (then === undefined) note(column.name, "column", null, column.type);
    else compareColumns(then, column, (figure, was, is) => note(column.name, figure, was, is));
  }
  return changes;
}

function compareColumns(
  from: ColumnStatistics,
  to: ColumnStatistics,
  note: (figure: string, was: unknown, is: unknown) => void,
): void {
  for (const figure of FIGURES) note(figure, from[figure], to[figure]);
  // An estimate differs from an equal count by its method alone.
  if (from.distinct?.exact && to.distinct?.exact)
    note("distinct", from.distinct.value, to.distinct.value);
  const medianOf = ({ quantiles }: ColumnStatistics) =>
    quantiles.find(({ q }) => q === 0.5)?.value ?? null;
  note("median", medianOf(from), medianOf(to));
}
