/** One or two hyperparameters against a figure of the trials: points, or cells of a heat map. Pure. */
import { type Axis, valueAt } from "../../../src/analysis/axes.ts";
import { measured, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Tried } from "./tried.ts";

export interface Point {
  readonly tried: Tried;
  readonly x: number;
  readonly value: number;
}

export interface Cell {
  readonly column: number;
  readonly row: number;
  readonly trials: readonly Tried[];
  /** The middle of their values. */
  readonly median: number;
}

/** @param values by id of the trial; those without one are left out */
export function pointsOf(
  tried: readonly Tried[],
  x: number,
  values: ReadonlyMap<string, number>,
): Point[] {
  return tried.flatMap((one) => {
    const place = one.places[x];
    const value = values.get(one.trial.id);
    return place === undefined || value === undefined || !Number.isFinite(value)
      ? []
      : [{ tried: one, x: place, value }];
  });
}

/** Cells of an axis: a choice each, or even shares of its scale. */
export const cellsOf = (axis: Axis, most: number): number =>
  axis.kind === "category"
    ? axis.choices.length
    : axis.isWhole && axis.kind === "linear"
      ? Math.min(most, axis.high - axis.low + 1)
      : most;

/** Whether each cell is one integer. */
export const isCellWhole = (axis: Axis, cells: number): boolean =>
  axis.kind === "linear" && axis.isWhole && cells === axis.high - axis.low + 1;

/** What lies in a cell: a choice, an integer, or a stretch. */
export function cellName(axis: Axis, cell: number, cells: number): string {
  const name = inert(axis.name);
  if (axis.kind === "category") return `${name} ${inert(axis.choices[cell] ?? "")}`;
  if (isCellWhole(axis, cells)) return `${name} ${axis.low + cell}`;
  const [from, to] = [cell, cell + 1].map((edge) => valueAt(axis, edge / cells) as number);
  return `${name} ${measured(from, 3)} to ${measured(to, 3)}`;
}

export function heatCells(
  tried: readonly Tried[],
  values: ReadonlyMap<string, number>,
  x: { readonly index: number; readonly cells: number },
  y: { readonly index: number; readonly cells: number },
): Cell[] {
  const groups = new Map<number, { own: Tried[]; values: number[] }>();
  for (const one of tried) {
    const [px, py] = [one.places[x.index], one.places[y.index]];
    const value = values.get(one.trial.id);
    if (px === undefined || py === undefined || value === undefined || !Number.isFinite(value))
      continue;
    const column = Math.min(x.cells - 1, Math.floor(px * x.cells));
    const row = Math.min(y.cells - 1, Math.floor(py * y.cells));
    const key = row * x.cells + column;
    const group = groups.get(key) ?? { own: [], values: [] };
    group.own.push(one);
    group.values.push(value);
    groups.set(key, group);
  }
  return [...groups].map(([key, group]) => ({
    column: key % x.cells,
    row: Math.floor(key / x.cells),
    trials: group.own,
    median: median(group.values),
  }));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[half] as number)
    : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
}

/** Spearman's rank correlation, ties by their mean rank; undefined where one side does not vary. */
export function rankCorrelation(pairs: readonly (readonly [number, number])[]): number | undefined {
  if (pairs.length < 3) return undefined;
  const a = ranks(pairs.map(([x]) => x));
  const b = ranks(pairs.map(([, y]) => y));
  const mean = (pairs.length - 1) / 2;
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < pairs.length; i++) {
    const [p, q] = [(a[i] as number) - mean, (b[i] as number) - mean];
    ab += p * q;
    aa += p * p;
    bb += q * q;
  }
  return aa === 0 || bb === 0 ? undefined : ab / Math.sqrt(aa * bb);
}

function ranks(values: readonly number[]): number[] {
  const order = values
    .map((_, i) => i)
    .toSorted((i, j) => (values[i] as number) - (values[j] as number));
  const found: number[] = Array(values.length).fill(0);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (
      to + 1 < order.length &&
      values[order[to + 1] as number] === values[order[from] as number]
    )
      to++;
    for (let k = from; k <= to; k++) found[order[k] as number] = (from + to) / 2;
    from = to + 1;
  }
  return found;
}

export function scatterSentence(axis: Axis, points: readonly Point[], figure: string): string {
  const name = inert(axis.name);
  const shown = `${plural(points.length, "trial")}.`;
  if (axis.kind === "category") {
    const groups = axis.choices.map((choice, i) => {
      const own = points.filter(({ x }) => Math.floor(x * axis.choices.length) === i);
      return { choice, number: own.length, median: median(own.map(({ value }) => value)) };
    });
    const told = groups
      .filter(({ number }) => number > 0)
      .map(({ choice, median: middle }) => `${measured(middle, 3)} with ${inert(choice)}`);
    return `The middle ${figure} by ${name}: ${told.slice(0, 6).join(", ")}; ${shown}`;
  }
  const rho = rankCorrelation(points.map(({ x, value }) => [x, value]));
  if (rho === undefined) return `The ${figure} against ${name}; ${shown}`;
  const strength =
    Math.abs(rho) < 0.2
      ? "hardly"
      : Math.abs(rho) < 0.5
        ? "weakly"
        : Math.abs(rho) < 0.8
          ? "clearly"
          : "strongly";
  const way = rho < 0 ? "falls" : "rises";
  return `The ${figure} ${strength} ${way} with ${name} (rank correlation ${rho.toFixed(2)}); ${shown}`;
}

export function heatSentence(
  [x, y]: readonly [Axis, Axis],
  cells: readonly Cell[],
  {
    figure,
    smallerIsBetter,
    counts,
  }: {
    readonly figure: string;
    readonly smallerIsBetter: boolean;
    readonly counts: readonly [number, number];
  },
): string {
  const best = cells.reduce<Cell | undefined>(
    (found, cell) =>
      !found || (smallerIsBetter ? cell.median < found.median : cell.median > found.median)
        ? cell
        : found,
    undefined,
  );
  if (!best) return "";
  const trials = cells.reduce((sum, cell) => sum + cell.trials.length, 0);
  return (
    `The best cell has a middle ${figure} of ${measured(best.median)} (${plural(best.trials.length, "trial")}): ` +
    `${cellName(x, best.column, counts[0])}, ${cellName(y, best.row, counts[1])}. ` +
    `${plural(trials, "trial")} in ${plural(cells.length, "cell")} of ${counts[0] * counts[1]}.`
  );
}
