/**
 * How long a step takes with any number of slots, from step times that were measured with a few.
 *
 * Two laws of speed-up, each linear in its parameters once it is written for the time of a step:
 *
 * - Amdahl ("Validity of the single processor approach to achieving large scale computing capabilities", AFIPS 1967):
 *   a part of the work cannot be shared. T(p) = serial + parallel / p.
 * - Universal Scalability Law (Gunther, "Guerrilla Capacity Planning", Springer 2007, chapter 4): besides, every process talks to
 *   every other. T(p) = serial + parallel / p + crosstalk (p − 1). So more slots can be slower than fewer.
 *
 * Which: the Universal Scalability Law from four different counts on, Amdahl's with two or three. A law with as many parameters
 * as points goes through all of them and says nothing of how well it fits.
 *
 * The fit is least squares weighted by the inverse of the squared time, since what disturbs a step disturbs it by a share of
 * it, with parameters that are not negative (the best of all subsets of them that are free).
 *
 * The interval is Student's prediction interval of linear regression (Draper and Smith, "Applied Regression Analysis", 3rd edition,
 * chapter 1.4 and 5), for the typical step time of a run with that many slots. Its variance is that of the residuals or that of the
 * step times themselves, whichever is larger, with as many degrees of freedom as runs less parameters. With one degree it is
 * wide: that is what three runs are worth. The same counts once more, an hour later, tell what no number of steps in one run can:
 * how much runs differ. Refused: the percentile bootstrap of step times alone. It knows how much the steps of a run
 * vary, and nothing of how wrong the law is, which is most of the error of an extrapolation.
 *
 * The typical time of a step is the interquartile mean; its variance is bootstrapped (Efron, 1979) from a fixed seed, so that everybody
 * sees the same interval.
 */
import { keyed } from "../base/random.ts";
import { studentQuantile } from "./student.ts";

export type LawName = "amdahl" | "usl";

export const LAW_WORDS: { readonly [name in LawName]: string } = {
  amdahl: "Amdahl's law (1967)",
  usl: "Universal Scalability Law (Gunther 2007)",
};

/** What was measured in one run. */
export interface Measured {
  readonly slots: number;
  /** Seconds of each step, those that warm up left out. At least 2. */
  readonly steps: readonly number[];
}

/** How long a step takes, and how sure that is. */
export interface StepTime {
  readonly slots: number;
  readonly seconds: number;
  /** null where there is nothing to tell it by: as many parameters as runs. */
  readonly interval: { readonly low: number; readonly high: number } | null;
}

export interface Law {
  readonly name: LawName;
  /** Seconds of a step that no slot shortens, that all share, and that each further slot adds. */
  readonly serial: number;
  readonly parallel: number;
  readonly crosstalk: number;
  /** Of a step with one slot: the share that cannot be shared. */
  readonly serialShare: number;
  /** More slots than this make a step longer; null where none do. */
  readonly bestSlots: number | null;
  readonly degreesOfFreedom: number;
  /** Mean relative distance of the runs from the law, by degrees of freedom; null without any. */
  readonly misfit: number | null;
  /** How likely the interval is to contain what is measured, where the law holds. */
  readonly confidence: number;
}

export interface Point {
  readonly slots: number;
  /** Typical seconds of a step. */
  readonly seconds: number;
  /** Its standard error. */
  readonly error: number;
  readonly steps: number;
}

export interface Scaling {
  /** One a run, by number of slots, the least first. */
  readonly points: readonly Point[];
  readonly law: Law;
  predict(slots: number): StepTime;
}

export const COUNTS_MIN = 2;
export const STEPS_MIN = 2;
const USL_COUNTS_MIN = 4;
const RESAMPLES = 200;
const SEED = 1;
export const CONFIDENCE = 0.9;

/**
 * @param measured one a run; several may have the same number of slots
 * @throws RangeError for less than two counts, or a run with less than two steps or with a time that is not above 0
 */
export function fitScaling(measured: readonly Measured[], confidence = CONFIDENCE): Scaling {
  const points = measured.map(pointOf).toSorted((a, b) => a.slots - b.slots);
  const counts = new Set(points.map(({ slots }) => slots)).size;
  if (counts < COUNTS_MIN)
    throw new RangeError(
      `a law needs step times of at least ${COUNTS_MIN} different counts of slots`,
    );
  const name: LawName = counts >= USL_COUNTS_MIN ? "usl" : "amdahl";
  const rows = points.map(({ slots }) => rowOf(name, slots));
  const weights = points.map(({ seconds }) => 1 / seconds ** 2);
  const seconds = points.map((point) => point.seconds);
  const fitted = leastSquares(rows, seconds, weights);
  const degrees = points.length - (rows[0] as readonly number[]).length;
  const variance = relativeVariance(points, rows, fitted, degrees);
  const timeAt = (slots: number): number => dot(rowOf(name, slots), fitted);
  const inverse = inverted(normalMatrix(rows, weights));
  const [serial = 0, parallel = 0, crosstalk = 0] = fitted;
  return {
    points,
    law: {
      ...{ name, serial, parallel, crosstalk, degreesOfFreedom: degrees, confidence },
      serialShare: serial / (serial + parallel),
      bestSlots: crosstalk > 0 ? Math.max(1, Math.sqrt(parallel / crosstalk)) : null,
      misfit: degrees === 0 ? null : Math.sqrt(misfitOf(points, rows, fitted) / degrees),
    },
    predict(slots) {
      const at = timeAt(slots);
      if (variance === null || inverse === undefined) return { slots, seconds: at, interval: null };
      const row = rowOf(name, slots);
      // A run of its own, measured as the others were, and the uncertainty of the law at that place.
      const own = at ** 2;
      const ofLaw = dot(
        row,
        row.map((_, i) => dot(inverse[i] as readonly number[], row)),
      );
      const half =
        studentQuantile((1 + confidence) / 2, degrees) * Math.sqrt(variance * (own + ofLaw));
      return { slots, seconds: at, interval: { low: Math.max(0, at - half), high: at + half } };
    },
  };
}

const rowOf = (name: LawName, slots: number): readonly number[] =>
  name === "amdahl" ? [1, 1 / slots] : [1, 1 / slots, slots - 1];

function pointOf({ slots, steps }: Measured): Point {
  if (steps.length < STEPS_MIN || !steps.every((time) => time > 0 && Number.isFinite(time)))
    throw new RangeError(
      `with ${slots} slots there are ${steps.length} step times; at least ${STEPS_MIN} are needed, all above 0 and finite`,
    );
  const resampled = Array.from({ length: RESAMPLES }, (_, resample) => {
    const random = keyed(SEED, "scaling", slots, resample);
    return typicalTime(steps.map(() => steps[random.below(steps.length)] as number));
  });
  const mean = resampled.reduce((sum, time) => sum + time, 0) / RESAMPLES;
  const variance = resampled.reduce((sum, time) => sum + (time - mean) ** 2, 0) / (RESAMPLES - 1);
  return { slots, seconds: typicalTime(steps), error: Math.sqrt(variance), steps: steps.length };
}

/** The interquartile mean: one step in which the machine did something else does not move it, and it wastes less than the median. */
export function typicalTime(steps: readonly number[]): number {
  const sorted = steps.toSorted((a, b) => a - b);
  const cut = Math.floor(sorted.length / 4);
  const middle = sorted.slice(cut, sorted.length - cut);
  return middle.reduce((sum, time) => sum + time, 0) / middle.length;
}

/** Summed squares of the relative distances from the law. */
const misfitOf = (
  points: readonly Point[],
  rows: readonly (readonly number[])[],
  fitted: readonly number[],
): number =>
  points.reduce((sum, { seconds }, i) => {
    const apart = seconds - dot(rows[i] as readonly number[], fitted);
    return sum + (apart / seconds) ** 2;
  }, 0);

/** Of a point, as a share of it squared; null where no degree of freedom is left. */
function relativeVariance(
  points: readonly Point[],
  rows: readonly (readonly number[])[],
  fitted: readonly number[],
  degrees: number,
): number | null {
  if (degrees === 0) return null;
  const ofSteps =
    points.reduce((sum, { seconds, error }) => sum + (error / seconds) ** 2, 0) / points.length;
  return Math.max(ofSteps, misfitOf(points, rows, fitted) / degrees);
}

/** Parameters that are not negative and have the least weighted squares: of every choice of free ones the best that is feasible. */
export function leastSquares(
  rows: readonly (readonly number[])[],
  values: readonly number[],
  weights: readonly number[],
): number[] {
  const count = (rows[0] as readonly number[]).length;
  let best: { readonly parameters: number[]; readonly squares: number } | undefined;
  for (let choice = 1; choice < 2 ** count; choice++) {
    const free = Array.from({ length: count }, (_, i) => i).filter((i) => (choice >> i) % 2 === 1);
    const own = rows.map((row) => free.map((i) => row[i] as number));
    const right = free.map((_, i) =>
      own.reduce(
        (sum, row, k) => sum + (weights[k] as number) * (row[i] as number) * (values[k] as number),
        0,
      ),
    );
    const inverse = inverted(normalMatrix(own, weights));
    if (inverse === undefined) continue;
    const solved = inverse.map((row) => dot(row, right));
    if (!solved.every((value) => value >= 0)) continue;
    const parameters = new Array<number>(count).fill(0);
    for (const [place, i] of free.entries()) parameters[i] = solved[place] as number;
    const squares = rows.reduce(
      (sum, row, k) =>
        sum + (weights[k] as number) * ((values[k] as number) - dot(row, parameters)) ** 2,
      0,
    );
    if (best === undefined || squares < best.squares) best = { parameters, squares };
  }
  return best?.parameters ?? new Array<number>(count).fill(0);
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

function normalMatrix(
  rows: readonly (readonly number[])[],
  weights: readonly number[],
): number[][] {
  const size = (rows[0] as readonly number[]).length;
  return Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) =>
      rows.reduce(
        (sum, row, k) => sum + (weights[k] as number) * (row[i] as number) * (row[j] as number),
        0,
      ),
    ),
  );
}

/** By Gauss and Jordan with pivots; undefined where there is none. */
function inverted(matrix: readonly (readonly number[])[]): number[][] | undefined {
  const size = matrix.length;
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  const largest = Math.max(...matrix.flat().map(Math.abs));
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++)
      if (Math.abs(work[row]?.[column] as number) > Math.abs(work[pivot]?.[column] as number))
        pivot = row;
    const chosen = work[pivot] as number[];
    const scale = chosen[column] as number;
    if (!(Math.abs(scale) > largest * 1e-13)) return undefined;
    work[pivot] = work[column] as number[];
    work[column] = chosen.map((value) => value / scale);
    for (let row = 0; row < size; row++) {
      if (row === column) continue;
      const factor = work[row]?.[column] as number;
      work[row] = (work[row] as number[]).map(
        (value, j) => value - factor * (work[column]?.[j] as number),
      );
    }
  }
  return work.map((row) => row.slice(size));
}
