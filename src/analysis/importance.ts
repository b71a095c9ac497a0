/**
 * Which hyperparameters matter: PED-ANOVA (Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying
 * Hyperparameter Importance in Arbitrary Subspaces", IJCAI 2023, arXiv 2304.10255), one dimension at a time.
 *
 * The intuition: a parameter matters when the best trials have other values of it than all trials have. Its weight is
 * the Pearson divergence between the two densities, each a kernel estimate (Scott's rule) on a grid over the scale
 * of the space; weights are shown as shares of their sum. It looks at ranks alone, so a loss that came apart
 * weighs no more than the next worst, and NaN is worst of all.
 *
 * How stable the answer is: the same over trials drawn again with replacement (the percentile bootstrap of Efron),
 * from a fixed seed, so that everybody sees the same interval.
 *
 * Refused: fANOVA on random forests, the older standard. It explains the variance of the objective over the whole space,
 * which a few diverged trials own; and a forest is five times this file.
 *
 * A parameter that exists only for some trials is judged among those, and its number of trials is told. Interactions
 * are not seen: two parameters that matter only together may both look unimportant.
 */
import { keyed } from "../base/random.ts";
import type { Axis } from "./axes.ts";

export const IMPORTANCE_METHOD = "PED-ANOVA";
/** Below this there is nothing to tell apart. */
export const IMPORTANCE_TRIALS_MIN = 10;
/** The best tenth against all: what the paper and Optuna use. */
const TOP_SHARE = 0.1;
const CELLS = 50;
const RESAMPLES = 100;
/** So many parameters' worth of work at most; more parameters get fewer resamples. */
const WORK_MAX = 4_000_000;
const SEED = 1;

export interface Observation {
  /** By axis, as `placeOf` gives them. */
  readonly places: readonly (number | undefined)[];
  /** NaN is worst. */
  readonly objective: number;
}

export interface ParameterImportance {
  readonly name: string;
  /** Share of the sum: 0 … 1. */
  readonly importance: number;
  /** 5 % and 95 % of the shares over the resamples. */
  readonly low: number;
  readonly high: number;
  /** The Pearson divergence itself. */
  readonly divergence: number;
  /** Trials that have it. */
  readonly trials: number;
  readonly is_conditional: boolean;
}

export interface Importance {
  readonly method: typeof IMPORTANCE_METHOD;
  /** Trials with an objective. */
  readonly trials: number;
  /** Those that count as best. */
  readonly top: number;
  readonly resamples: number;
  /** In which share of the resamples the first of the list is first. */
  readonly first_is_first: number;
  /** The most important first. Empty when there are too few trials or nothing varies. */
  readonly items: readonly ParameterImportance[];
}

export function importance(...input: Parameters<typeof importanceWork>): Importance {
  const work = importanceWork(...input);
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** The same in pieces of a few milliseconds, for a page that must stay fluid meanwhile. */
export function* importanceWork(
  axes: readonly Axis[],
  observations: readonly Observation[],
  { smallerIsBetter }: { readonly smallerIsBetter: boolean },
): Generator<undefined, Importance> {
  const ranked = bestFirst(observations, smallerIsBetter);
  const trials = ranked.length;
  const grids = axes.map((axis, i) => gridOf(axis, ranked, i));
  const top = topOf(trials);
  const none = { method: IMPORTANCE_METHOD, trials, top, resamples: 0, first_is_first: 0 } as const;
  if (trials < IMPORTANCE_TRIALS_MIN || axes.length === 0) return { ...none, items: [] };
  const inOrder = Array.from({ length: trials }, (_, i) => i);
  const divergences = grids.map((grid) => divergence(grid, inOrder));
  const shares = sharesOf(divergences);
  const resamples = Math.max(
    20,
    Math.min(RESAMPLES, Math.floor(WORK_MAX / (trials * axes.length))),
  );
  const drawn = axes.map((): number[] => []);
  let firsts = 0;
  const first = indexOfLargest(shares);
  for (let b = 0; b < resamples; b++) {
    const random = keyed(SEED, "importance", b);
    const sample = inOrder.map(() => random.below(trials)).sort((x, y) => x - y);
    const again = sharesOf(grids.map((grid) => divergence(grid, sample)));
    for (const [i, share] of again.entries()) drawn[i]?.push(share);
    if (indexOfLargest(again) === first) firsts++;
    yield;
  }
  const items = axes.map((axis, i): ParameterImportance => {
    const sorted = (drawn[i] as number[]).toSorted((x, y) => x - y);
    return {
      name: axis.name,
      importance: shares[i] as number,
      low: quantile(sorted, 0.05),
      high: quantile(sorted, 0.95),
      divergence: divergences[i] as number,
      trials: (grids[i] as Grid).cellOf.filter((cell) => cell >= 0).length,
      is_conditional: axis.isConditional,
    };
  });
  return {
    ...{ ...none, resamples, first_is_first: firsts / resamples },
    items: items.toSorted((a, b) => b.importance - a.importance || (a.name < b.name ? -1 : 1)),
  };
}

const topOf = (trials: number): number => Math.max(2, Math.ceil(trials * TOP_SHARE));

function bestFirst(
  observations: readonly Observation[],
  smallerIsBetter: boolean,
): readonly Observation[] {
  const key = ({ objective }: Observation): number =>
    Number.isFinite(objective) ? (smallerIsBetter ? objective : -objective) : Number.MAX_VALUE;
  return observations.toSorted((a, b) => key(a) - key(b));
}

interface Grid {
  readonly cells: number;
  readonly isSmooth: boolean;
  /** Of each trial, best first; -1 where it has no such parameter. */
  readonly cellOf: readonly number[];
}

function gridOf(axis: Axis, ranked: readonly Observation[], index: number): Grid {
  const isSmooth = axis.kind !== "category";
  const cells =
    axis.kind === "category"
      ? axis.choices.length
      : axis.isWhole && axis.kind === "linear"
        ? Math.min(CELLS, axis.high - axis.low + 1)
        : CELLS;
  const cellOf = ranked.map(({ places }) => {
    const place = places[index];
    return place === undefined ? -1 : Math.min(cells - 1, Math.floor(place * cells));
  });
  return { cells, isSmooth, cellOf };
}

/** @param sample indices into the ranking, in its order; the same one may come again */
function divergence({ cells, isSmooth, cellOf }: Grid, sample: readonly number[]): number {
  const have = sample.filter((i) => (cellOf[i] as number) >= 0);
  if (have.length < 2) return 0;
  const best = have.slice(0, topOf(have.length));
  const density = isSmooth ? kernelDensity : shareDensity;
  const p = density(countsOf(best, cellOf, cells));
  const q = density(countsOf(have, cellOf, cells));
  let sum = 0;
  for (let c = 0; c < cells; c++)
    sum += (q[c] as number) * ((p[c] as number) / (q[c] as number) - 1) ** 2;
  return sum;
}

function countsOf(sample: readonly number[], cellOf: readonly number[], cells: number): number[] {
  const counts: number[] = Array(cells).fill(0);
  for (const i of sample) counts[cellOf[i] as number] = (counts[cellOf[i] as number] as number) + 1;
  return counts;
}

/** With one even trial's worth of doubt, so that nothing is divided by zero. */
function shareDensity(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, n) => sum + n, 0);
  return counts.map((n) => (n + 1 / counts.length) / (total + 1));
}

/** The mass of normal kernels cut off at the ends, in each cell; and the same even doubt. */
function kernelDensity(counts: readonly number[]): number[] {
  const cells = counts.length;
  const total = counts.reduce((sum, n) => sum + n, 0);
  const width = bandwidth(counts, total);
  const edge = Array.from({ length: 2 * cells + 1 }, (_, i) =>
    normalCdf((i - cells - 0.5) / width),
  );
  const below = (cell: number, centre: number): number => edge[cell - centre + cells] as number;
  const density: number[] = Array(cells).fill(1 / cells / (total + 1));
  for (let m = 0; m < cells; m++) {
    const weight = counts[m] as number;
    if (weight === 0) continue;
    const scale = weight / (total + 1) / (below(cells, m) - below(0, m));
    for (let c = 0; c < cells; c++)
      density[c] = (density[c] as number) + scale * (below(c + 1, m) - below(c, m));
  }
  return density;
}

/** Scott's rule with the smaller of deviation and interquartile range, in cells; never less than a third of one. */
function bandwidth(counts: readonly number[], total: number): number {
  let [mean, square] = [0, 0];
  for (const [cell, n] of counts.entries()) mean += (cell * n) / total;
  for (const [cell, n] of counts.entries()) square += n * (cell - mean) ** 2;
  const deviation = Math.sqrt(square / Math.max(1, total - 1));
  const range = (cellAt(counts, total * 0.75) - cellAt(counts, total * 0.25)) / 1.34;
  return Math.max(0.305, 1.059 * Math.min(deviation, range) * total ** -0.2);
}

function cellAt(counts: readonly number[], rank: number): number {
  let sum = 0;
  for (const [cell, n] of counts.entries()) {
    sum += n;
    if (sum >= rank) return cell;
  }
  return counts.length - 1;
}

/** Abramowitz and Stegun 26.2.17, good to 7.5e-8. */
function normalCdf(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const poly =
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (poly * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
  return x >= 0 ? 1 - tail : tail;
}

function sharesOf(divergences: readonly number[]): number[] {
  const sum = divergences.reduce((all, one) => all + one, 0);
  return divergences.map((one) => (sum > 0 ? one / sum : 0));
}

const indexOfLargest = (values: readonly number[]): number =>
  values.reduce((at, value, i) => (value > (values[at] as number) ? i : at), 0);

const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.round(share * (sorted.length - 1))] ?? 0;
