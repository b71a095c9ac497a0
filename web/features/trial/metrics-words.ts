/** What the chart of one metric says, and which of its points belong to which line. Pure. */
import { fromWire } from "../../../src/base/json.ts";
import { measured, plural, steps } from "../../../src/cli/figures.ts";
import type { Checkpoint, MetricsReply } from "../../../src/protocol/api.ts";

export type Series = MetricsReply["series"][number];

export interface Line {
  readonly id: string;
  readonly label: string;
  readonly colour: number | undefined;
  readonly points: readonly (readonly [number, number])[];
}

/** What counts is one line over all allocations; what was repeated later is a quiet one for each allocation. */
export function metricLines({ name, points }: Series): Line[] {
  const counting: [number, number][] = [];
  const repeated = new Map<number, [number, number][]>();
  for (const { step, value, run, superseded } of points) {
    const point: [number, number] = [step, fromWire(value)];
    if (superseded !== true) counting.push(point);
    else repeated.set(run, [...(repeated.get(run) ?? []), point]);
  }
  const quiet = [...repeated].map(([run, own]) => ({
    ...{ id: `run ${run}`, label: `${name}, superseded points of allocation ${run}` },
    ...{ colour: undefined, points: own },
  }));
  return [...quiet, { id: name, label: name, colour: 0, points: counting }];
}

export function metricSentence(series: Series, unit: string): string {
  const counting = series.points
    .filter(({ superseded }) => superseded !== true)
    .map((point) => {
      const value = fromWire(point.value);
      const isDrawn = Number.isFinite(value);
      // A bucket whose last value is not finite may hold others that are.
      const [low, high] = isDrawn
        ? [point.min ?? value, point.max ?? value]
        : [point.min, point.max];
      const strange = point.not_finite ?? (isDrawn ? 0 : 1);
      return { step: point.step, value, isDrawn, low, high, strange };
    });
  const strange = counting.reduce((sum, one) => sum + one.strange, 0);
  const odd =
    strange === 0 ? "" : ` ${plural(strange, "value")} (NaN or infinite) cannot be drawn.`;
  const low = extreme(counting, ({ low: own }) => own, -1);
  const high = extreme(counting, ({ high: own }) => own, 1);
  if (!low || !high) return "No finite value was reported.";
  const finite = counting.filter((point) => point.isDrawn);
  const [first, last] = [finite[0], finite.at(-1)];
  const way =
    !first || !last
      ? ""
      : first === last
        ? `It was ${measured(first.value, 5)} after ${steps(first.step, unit)}`
        : `From ${measured(first.value, 5)} to ${measured(last.value, 5)} over ${steps(last.step, unit)}`;
  const ends =
    first && first === last && low.value === high.value
      ? ""
      : `lowest ${measured(low.value, 5)} ${where(low.step, unit, series.thinned)}, ` +
        `highest ${measured(high.value, 5)} ${where(high.step, unit, series.thinned)}`;
  const text = [way, ends].filter((part) => part !== "").join("; ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.${odd}`;
}

/** The first of the least (sign -1) or greatest (1) values; undefined = there is none. */
function extreme<P extends { readonly step: number }>(
  points: readonly P[],
  valueIn: (point: P) => number | undefined,
  sign: 1 | -1,
): { readonly step: number; readonly value: number } | undefined {
  let found: { step: number; value: number } | undefined;
  for (const point of points) {
    const value = valueIn(point);
    if (value !== undefined && (!found || (value - found.value) * sign > 0))
      found = { step: point.step, value };
  }
  return found;
}

const where = (step: number, unit: string, thinned: boolean): string =>
  `${thinned ? "around" : "after"} ${steps(step, unit)}`;

/** The last checkpoint at or before a step, else the first after it. */
export function nearestCheckpoint<T extends Pick<Checkpoint, "step">>(
  checkpoints: readonly T[],
  step: number,
): T | undefined {
  const before = checkpoints
    .filter((one) => one.step <= step)
    .reduce<T | undefined>((best, one) => (best && best.step >= one.step ? best : one), undefined);
  return (
    before ??
    checkpoints.reduce<T | undefined>(
      (best, one) => (best && best.step <= one.step ? best : one),
      undefined,
    )
  );
}
